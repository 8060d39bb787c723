"""Of several revocation lists of one CA the newest counts, in any order."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.verify.revocation import load_crls, renewed

HOST = "localhost"
NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


def crl(ca: CA, age: timedelta, number: int | None, *revoked: Leaf) -> bytes:
    """Make a list of *ca* that is so old, and has this number."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(NOW - age)
        .next_update(NOW + 7 * DAY)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for leaf in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(leaf.certificate.serial_number)
            .revocation_date(NOW - age)
            .build()
        )
    made = builder.sign(ca.key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


def verdict(ca: CA, leaf: Leaf, *lists: bytes) -> str:
    """Meet a server with *leaf*; give the code of the refusal, or "good"."""
    client, server = tlskit.ClientContext("auto"), tlskit.ServerContext()
    ca.trust(client)
    client.set_verify()
    for each in lists:
        client.load_crls(each)
    leaf.apply(server)
    try:
        for port in memory_pair(client, server, hostname=HOST):
            port.close()
    except tlskit.VerificationError as error:
        return error.code
    return "good"


@pytest.mark.parametrize(
    ("new", "old"), [(10, 9), (None, None), (10, None), (None, 10)]
)
def test_an_older_list_never_replaces_a_newer_one(
    new: int | None, old: int | None
) -> None:
    """A revoked certificate stays revoked, in one file and in two."""
    ca = CA()
    leaf = ca.issue(HOST)
    newer, older = crl(ca, DAY / 24, new, leaf), crl(ca, 2 * DAY, old)
    for first, second in itertools.permutations((newer, older)):
        assert "revoked" == verdict(ca, leaf, first, second)
        assert "revoked" == verdict(ca, leaf, first + second)
        # The same without a line end between the two.
        assert "revoked" == verdict(ca, leaf, first.rstrip() + second)


def test_the_number_counts_before_the_date() -> None:
    """RFC 5280, 5.2.3: numbers increase; a clock may have been wrong."""
    ca = CA()
    leaf = ca.issue(HOST)
    newer, older = crl(ca, 2 * DAY, 10, leaf), crl(ca, DAY / 24, 9)

    for order in itertools.permutations((newer, older)):
        assert "revoked" == verdict(ca, leaf, *order)


def test_a_certificate_that_is_released_again() -> None:
    """A newer list without the certificate counts, too."""
    ca = CA()
    leaf = ca.issue(HOST)
    newer, older = crl(ca, DAY / 24, 10), crl(ca, 2 * DAY, 9, leaf)

    for order in itertools.permutations((newer, older)):
        assert "good" == verdict(ca, leaf, *order)


def test_lists_of_two_keys_stand_side_by_side() -> None:
    """A CA with a new key under its old name has a list for each key."""
    root = CA("a root")
    cas = [CA("one name", parent=root) for _ in range(2)]
    good = [ca.issue(HOST) for ca in cas]
    bad = [ca.issue(HOST) for ca in cas]
    lists = [ca.crl([leaf]) for ca, leaf in zip(cas, bad, strict=True)]
    for data in (lists, lists[::-1]):
        for at in (0, 1):
            assert "good" == verdict(root, good[at], *data)
            assert "revoked" == verdict(root, bad[at], b"".join(data))


def test_the_same_list_twice_is_kept_once() -> None:
    """Loading a file again changes nothing."""
    ca = CA()
    lists = load_crls(crl(ca, DAY, 1))

    assert lists == renewed(lists, lists)
