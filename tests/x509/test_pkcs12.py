"""PKCS#12: what is presented of it, which entry, and what else it may be."""

from __future__ import annotations

import base64
import logging
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    pkcs12,
)

import tlskit
from tlskit.errors import CredentialError
from tlskit.testing import CA, Leaf
from tlskit.x509.credentials import PrivateKey, check_pair
from tlskit.x509.der import Element, element, elements
from tlskit.x509.pem import encoded
from tlskit.x509.pkcs12 import load_pkcs12

ROOT = CA("root")
ONE = ROOT.intermediate("one")
TWO = ONE.intermediate("two")
LEAF = TWO.issue("a.example")
OTHER = CA("other").issue("b.example")
LOCK = BestAvailableEncryption(b"secret")


def bundle(
    leaf: Leaf = LEAF,
    others: tuple[x509.Certificate, ...] = (),
    name: bytes = b"entry",
    lock: BestAvailableEncryption | NoEncryption = LOCK,
) -> bytes:
    """Write one entry."""
    return pkcs12.serialize_key_and_certificates(
        name, leaf.key, leaf.certificate, others or None, lock
    )


GOOD = bundle()
#: A file with no bag in it (RFC 7292, section 4).
NOTHING = element(
    0x30,
    b"\x02\x01\x03"
    + element(
        0x30,
        bytes.fromhex("06092a864886f70d010701")
        + element(0xA0, element(0x04, element(0x30, b""))),
    ),
)
STORE = pkcs12.serialize_key_and_certificates(
    b"x", None, None, [ROOT.certificate], LOCK
)


@pytest.mark.parametrize(
    "others",
    [
        (ROOT, ONE, TWO),
        (TWO, ONE, ROOT),
        (ONE, ROOT, TWO),
    ],
)
def test_what_chains_is_presented_in_order(others: tuple[CA, ...]) -> None:
    """However they stand in the file."""
    data = bundle(others=tuple(each.certificate for each in others))
    key, chain = load_pkcs12(data, "secret")
    check_pair(chain, key)

    assert (*LEAF.chain, ROOT.certificate) == chain.certificates


def test_strangers_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Certificates of other entries are not sent; that is noted."""
    beside = (OTHER.certificate, LEAF.certificate, TWO.certificate)
    with caplog.at_level(logging.INFO, "tlskit.credentials"):
        _, chain = load_pkcs12(bundle(others=beside), "secret")

    assert (LEAF.certificate, TWO.certificate) == chain.certificates
    assert "'b.example'" in caplog.text


def test_a_namesake_is_no_issuer() -> None:
    """The signature counts, not the name."""
    fake = CA("root").intermediate("one").intermediate("two")
    _, chain = load_pkcs12(bundle(others=(fake.certificate,)), "secret")

    assert (LEAF.certificate,) == chain.certificates


# -- one entry of several ---------------------------------------------------


def bags(data: bytes) -> tuple[list[Element], list[bytes]]:
    """Take an unencrypted file apart: its frame, and its bags."""
    (whole,) = elements(data)
    version, safe, *_ = elements(whole.content)
    (contents,) = elements(_inner(safe))
    found = []
    for info in elements(contents.content):
        (sequence,) = elements(_inner(info))
        found += [each.whole for each in elements(sequence.content)]
    return [version, safe], found


def _inner(info: Element) -> bytes:
    _, tagged = elements(info.content)
    (octets,) = elements(tagged.content)
    return octets.content


def plain(*content: bytes) -> bytes:
    """Write a ContentInfo of plain data."""
    kind = bytes.fromhex("06092a864886f70d010701")
    octets = element(0x04, b"".join(content))
    return element(0x30, kind + element(0xA0, octets))


def joined(*files: bytes) -> bytes:
    """Put the entries of unencrypted files into one, without a digest."""
    every = []
    for data in files:
        (version, _), found = bags(data)
        every += found
    safe = plain(element(0x30, plain(element(0x30, b"".join(every)))))
    return element(0x30, version.whole + safe)


SEVERAL = joined(
    bundle(name=b"first", lock=NoEncryption()),
    bundle(OTHER, name=b"Zweiter", lock=NoEncryption()),
)


@pytest.mark.parametrize(
    ("alias", "leaf"),
    [("first", LEAF), ("Zweiter", OTHER), ("zweiter", OTHER)],
)
def test_an_entry_is_chosen_by_its_name(alias: str, leaf: Leaf) -> None:
    """keytool writes names in lower case, so case does not matter."""
    key, chain = load_pkcs12(SEVERAL, alias=alias)
    check_pair(chain, key)

    assert PrivateKey(leaf.key) == key
    assert (leaf.certificate,) == chain.certificates


def bag_of_bags(*content: bytes) -> bytes:
    """Put bags into one (RFC 7292, section 4.2.6)."""
    kind = bytes.fromhex("060b2a864886f70d010c0a0106")
    return element(
        0x30, kind + element(0xA0, element(0x30, b"".join(content)))
    )


def nested(depth: int) -> bytes:
    """Write ``SEVERAL`` with all its bags in bags."""
    (version, _), every = bags(SEVERAL)
    for _ in range(depth):
        every = [bag_of_bags(*every)]
    safe = plain(element(0x30, plain(element(0x30, b"".join(every)))))
    return element(0x30, version.whole + safe)


@pytest.mark.parametrize("depth", [1, 2, 8])
@pytest.mark.parametrize(
    ("alias", "leaf"), [("first", LEAF), ("Zweiter", OTHER)]
)
def test_an_entry_is_chosen_in_bags_of_bags(
    alias: str, leaf: Leaf, depth: int
) -> None:
    """However deep the keys lie, the name decides; the others are left out."""
    key, chain = load_pkcs12(nested(depth), alias=alias)

    assert PrivateKey(leaf.key) == key
    assert (leaf.certificate,) == chain.certificates


def test_names_in_bags_of_bags_are_told() -> None:
    """An unknown name is refused with those that there are."""
    with pytest.raises(CredentialError, match="'first', 'Zweiter'"):
        load_pkcs12(nested(1), alias="third")


def test_bags_that_are_nested_too_deeply() -> None:
    """Nobody writes such files; they are refused instead of followed."""
    with pytest.raises(CredentialError, match="told apart"):
        load_pkcs12(nested(9), alias="first")


def test_a_context_takes_the_name() -> None:
    """The door that users have."""
    context = tlskit.ServerContext()
    context.load_pkcs12(SEVERAL, alias="Zweiter")

    assert context.settings.chain is not None
    assert OTHER.certificate == context.settings.chain.leaf


def test_an_unknown_name_is_told() -> None:
    """With those that there are."""
    with pytest.raises(CredentialError, match="'first', 'Zweiter'") as info:
        load_pkcs12(SEVERAL, alias="third")

    assert "no-private-key" == info.value.code


def test_an_encrypted_entry_is_chosen() -> None:
    """The name stands outside of the encryption; a wrong one is refused."""
    key, _ = load_pkcs12(GOOD, "secret", alias="entry")
    assert PrivateKey(LEAF.key) == key

    with pytest.raises(CredentialError, match="'entry'"):
        load_pkcs12(GOOD, "secret", alias="other")
    with pytest.raises(CredentialError, match="password is wrong"):
        load_pkcs12(GOOD, "wrong", alias="entry")


def test_a_key_without_a_name() -> None:
    """It can't be chosen by one."""
    data = pkcs12.serialize_key_and_certificates(
        None, LEAF.key, LEAF.certificate, None, LOCK
    )
    with pytest.raises(CredentialError, match="no key by the name 'x'"):
        load_pkcs12(data, "secret", alias="x")


# -- what else it may be ----------------------------------------------------


def ber(der: bytes) -> bytes:
    """Leave out the outermost length, as some programs do."""
    (whole,) = elements(der)
    return bytes([whole.tag, 0x80]) + whole.content + b"\0\0"


def test_ber_is_read_without_a_warning() -> None:
    """Also where warnings are errors; but entries can't be chosen there."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        key, _ = load_pkcs12(ber(GOOD), "secret")

    assert PrivateKey(LEAF.key) == key
    with pytest.raises(CredentialError, match="told apart"):
        load_pkcs12(ber(GOOD), "secret", alias="entry")
    with pytest.raises(CredentialError, match="password is wrong"):
        load_pkcs12(ber(GOOD), "wrong")


def test_armour_is_taken_off() -> None:
    """BEGIN PKCS12 is how some programs write it."""
    key, _ = load_pkcs12(encoded("PKCS12", GOOD), "secret")

    assert PrivateKey(LEAF.key) == key


WRONG = {
    "no password": (GOOD, None, "needs a password"),
    "wrong": (GOOD, "nope", "the password is wrong"),
    "PEM": (LEAF.chain_pem, "secret", "a PEM certificate"),
    "a key": (LEAF.key_pem, "secret", "a private key"),
    "base64": (base64.encodebytes(GOOD), "secret", "base64 without BEGIN"),
    "JKS": (bytes.fromhex("feedfeed0000000200000001"), "secret", "(JKS)"),
    "JCEKS": (bytes.fromhex("cececece0000000200000001"), "x", "(JCEKS)"),
    "empty": (b"", "secret", "it is empty"),
    "cut": (GOOD[:-40], "secret", "cut off"),
    "cut early": (GOOD[:3], "secret", "does not begin as one"),
    "cut armour": (
        encoded("PKCS12", GOOD)[:-20],
        "secret",
        "without its line -----END PKCS12-----",
    ),
    "nonsense": (b"nonsense", "secret", "does not begin as one"),
    "nothing": (NOTHING, "secret", "neither a private key nor a"),
    "a store": (STORE, "secret", "no private key, and 1 certificate"),
    "UTF-16": ("text".encode("utf-16"), "x", "UTF-16"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_the_matter_is_said(kind: str) -> None:
    """The password is blamed where it may be to blame, and only there."""
    data, password, words = WRONG[kind]
    with pytest.raises(CredentialError) as info:
        load_pkcs12(data, password)

    assert words in str(info.value) or words in info.value.hint
    assert kind == "wrong" or "password is wrong" not in str(info.value)
    assert info.value.hint


def test_a_key_without_its_certificate() -> None:
    """That is said, with what to do."""
    data = pkcs12.serialize_key_and_certificates(
        b"x", LEAF.key, None, None, LOCK
    )
    with pytest.raises(CredentialError, match="no certificate for its key"):
        load_pkcs12(data, "secret")
