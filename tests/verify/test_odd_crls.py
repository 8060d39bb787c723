"""Revocation lists with parts that parsers stumble over."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

import tlskit
from tlskit import TrustSourceError, VerificationError
from tlskit.testing import CA, Leaf
from tlskit.testing.making import DAY
from tlskit.verify.revocation import load_crls
from tlskit.x509.der import element, elements

from ..altered import replaced

HOST = "listed.example"
ROOT = CA("listing CA")
LEAF = ROOT.issue(HOST)
START = LEAF.certificate.not_valid_before_utc
#: Something that is an extension, twice the same or not.
ONE, OTHER = bytes.fromhex("06032a0304"), bytes.fromhex("06032a0305")


def unknown(oid: str, value: str = "0500") -> x509.UnrecognizedExtension:
    """Make an extension of any content."""
    return x509.UnrecognizedExtension(
        x509.ObjectIdentifier(oid), bytes.fromhex(value)
    )


def listed(
    extensions: Iterable[x509.ExtensionType] = (),
    revoked: Iterable[Leaf] = (),
    of_entry: Iterable[x509.ExtensionType] = (),
    issuer: CA = ROOT,
) -> x509.CertificateRevocationList:
    """Sign a list."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ROOT.certificate.subject)
        .last_update(START)
        .next_update(START + 60 * DAY)
    )
    for each in extensions:
        builder = builder.add_extension(each, False)
    for leaf in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(leaf.certificate.serial_number)
            .revocation_date(START)
        )
        for each in of_entry:
            entry = entry.add_extension(each, False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256())


def signed(
    crl: x509.CertificateRevocationList, old: bytes, new: bytes
) -> bytes:
    """Change an element of a list, and sign it again; DER."""
    tbs = replaced(crl.tbs_certlist_bytes, old, new)
    assert tbs != crl.tbs_certlist_bytes
    (whole,) = elements(crl.public_bytes(Encoding.DER))
    _, algorithm, _ = elements(whole.content)
    assert isinstance(ROOT.key, ec.EllipticCurvePrivateKey)
    signature = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return element(
        whole.tag, tbs + algorithm.whole + element(3, b"\0" + signature)
    )


def verdict(data: bytes, leaf: Leaf = LEAF) -> str | None:
    """Judge by a list; give the code of the refusal."""
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.set_verify()
    context.load_crls(data)
    try:
        context.verify_chain(leaf.chain, hostname=HOST)
    except VerificationError as error:
        return error.code
    return None


def der(crl: x509.CertificateRevocationList) -> bytes:
    """Encode a list."""
    return crl.public_bytes(Encoding.DER)


BESIDE = {
    "twice": signed(
        listed([unknown("1.2.3.4"), unknown("1.2.3.5")]), OTHER, ONE
    ),
    "ediPartyName": der(listed([unknown("2.5.29.18", "3007a505a1030c0165")])),
}


@pytest.mark.parametrize("kind", BESIDE)
def test_an_extension_that_decides_nothing(kind: str) -> None:
    """The list works, as OpenSSL reads it."""
    assert verdict(BESIDE[kind]) is None


def test_such_a_list_still_revokes() -> None:
    """What is listed is refused."""
    names = unknown("2.5.29.18", "3007a505a1030c0165")

    assert "revoked" == verdict(der(listed([names], [LEAF])))


def test_an_odd_entry_still_revokes() -> None:
    """An entry whose own extensions are malformed counts."""
    pair = [unknown("1.2.3.4"), unknown("1.2.3.5")]
    data = signed(listed([], [LEAF], pair), OTHER, ONE)

    assert "revoked" == verdict(data)


UNUSABLE = {
    "a scope": der(listed([unknown("2.5.29.28", "3008a006a004a3023000")])),
    "a number": der(listed([unknown("2.5.29.20", "0c0161")])),
    "a key": der(listed([unknown("2.5.29.35", "0c0161")])),
    "a delta": der(listed([unknown("2.5.29.27", "0c0161")])),
    "an issuer": signed(
        listed(),
        b"\x0c\x0alisting CA",
        b"\x0c\x0alisting \xff\xff",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_decides_has_to_be_readable(kind: str) -> None:
    """A list is refused when it is loaded, by an error of the tree."""
    with pytest.raises(TrustSourceError) as info:
        load_crls(UNUSABLE[kind])

    assert "ParseError" not in str(info.value)


def test_a_list_of_another_key_is_told() -> None:
    """Its name fits, and its key does not: that is said."""
    stranger = x509.AuthorityKeyIdentifier(b"another key's", None, None)
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.load_crls(der(listed([stranger])))
    with pytest.raises(VerificationError) as info:
        context.verify_chain(LEAF.chain)

    assert "crl-missing" == info.value.code
    assert "another key of that name has signed it" in str(info.value)


def test_no_list_at_all_is_told_as_before() -> None:
    """Of a stranger's list nothing is said."""
    other = CA("other CA")
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.load_crls(other.crl())
    with pytest.raises(VerificationError) as info:
        context.verify_chain(LEAF.chain)

    assert "crl-missing" == info.value.code
    assert "another key" not in str(info.value)


WHOLE = der(listed([x509.CRLNumber(7)], [LEAF], [unknown("1.2.3.4")]))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.booleans())
def test_damage_is_an_error_of_the_tree(
    at: int, change: int, cut: bool
) -> None:
    """Whatever is damaged, nothing foreign comes out, and nobody gets in."""
    damaged = bytearray(WHOLE)
    damaged[at] ^= change
    try:
        code = verdict(bytes(damaged[:at] if cut else damaged))
    except tlskit.TLSError:
        return

    assert code is not None
