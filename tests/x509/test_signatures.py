"""Signatures by certified keys, of every kind."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tlskit.testing import CA
from tlskit.x509.der import Element, element, elements
from tlskit.x509.signatures import WeakSignatureError, check_signature

DATA = b"what is signed"
RSA, PSS_ONLY = CA(key_type="rsa"), CA(key_type="rsa-pss")
PKCS1_SHA256 = "06092a864886f70d01010b0500"
PSS_OID = "06092a864886f70d01010a"
SHA1, SHA256, SHA384 = (
    element(0x30, bytes.fromhex(oid))
    for oid in (
        "06052b0e03021a",
        "0609608648016503040201",
        "0609608648016503040202",
    )
)
MGF1 = bytes.fromhex("06092a864886f70d010108")


def parsed(der: bytes) -> Element:
    """Read one element."""
    (found,) = elements(der)
    return found


def algorithm(content: str) -> Element:
    """Make an AlgorithmIdentifier."""
    return parsed(element(0x30, bytes.fromhex(content)))


def pss(digest: bytes, mask: bytes, salt: int | None) -> Element:
    """Make the one of RSASSA-PSS (RFC 4055)."""
    fields = element(0xA0, digest)
    fields += element(0xA1, element(0x30, MGF1 + mask))
    if salt is not None:
        fields += element(0xA2, element(0x02, bytes([salt])))
    return parsed(
        element(0x30, bytes.fromhex(PSS_OID) + element(0x30, fields))
    )


def bits(signature: bytes, unused: int = 0) -> Element:
    """Make a BIT STRING."""
    return parsed(element(0x03, bytes([unused]) + signature))


def sign(
    ca: CA, padded: padding.AsymmetricPadding, digest: hashes.HashAlgorithm
) -> Element:
    """Sign the data."""
    assert isinstance(ca.key, rsa.RSAPrivateKey)
    return bits(ca.key.sign(DATA, padded, digest))


def masked(digest: hashes.HashAlgorithm, salt: int) -> padding.PSS:
    """Make the padding of RSASSA-PSS."""
    return padding.PSS(padding.MGF1(digest), salt)


@pytest.mark.parametrize("ca", [RSA, PSS_ONLY], ids=["any", "pss-only"])
@pytest.mark.parametrize("salt", [20, 32, 48])
def test_pss(ca: CA, salt: int) -> None:
    """The parameters decide, also a salt of unusual size, or the default."""
    signature = sign(ca, masked(hashes.SHA384(), salt), hashes.SHA384())
    told = pss(SHA384, SHA384, None if salt == 20 else salt)
    check_signature(ca.certificate, DATA, told, signature)

    with pytest.raises(InvalidSignature):
        check_signature(ca.certificate, DATA + b"!", told, signature)
    with pytest.raises(InvalidSignature):
        check_signature(
            ca.certificate, DATA, pss(SHA384, SHA256, salt), signature
        )


@pytest.mark.parametrize(("digest", "mask"), [(SHA1, SHA256), (SHA256, SHA1)])
def test_weak_pss(digest: bytes, mask: bytes) -> None:
    """SHA-1 proves nothing, in neither place."""
    signature = sign(RSA, masked(hashes.SHA256(), 32), hashes.SHA256())
    with pytest.raises(WeakSignatureError, match="sha1"):
        check_signature(
            RSA.certificate, DATA, pss(digest, mask, 32), signature
        )


def test_what_else_stands_in_the_parameters() -> None:
    """The trailer's number says nothing."""
    signature = sign(RSA, masked(hashes.SHA256(), 32), hashes.SHA256())
    told = pss(SHA256, SHA256, 32)
    kind, fields = elements(told.content)
    more = element(0xA3, element(0x02, b"\1"))
    content = kind.whole + element(0x30, fields.content + more)
    check_signature(
        RSA.certificate, DATA, parsed(element(0x30, content)), signature
    )


def test_pss_without_parameters() -> None:
    """Their default is SHA-1."""
    with pytest.raises(WeakSignatureError):
        check_signature(RSA.certificate, DATA, algorithm(PSS_OID), bits(b"x"))


def test_a_key_for_pss_signs_nothing_else() -> None:
    """RFC 4055, section 1.2: such a key is for one purpose."""
    signature = sign(PSS_ONLY, padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        check_signature(
            PSS_ONLY.certificate, DATA, algorithm(PKCS1_SHA256), signature
        )


def test_unused_bits() -> None:
    """DER has one way to write a signature down."""
    good = sign(RSA, padding.PKCS1v15(), hashes.SHA256())
    told = algorithm(PKCS1_SHA256)
    check_signature(RSA.certificate, DATA, told, good)

    with pytest.raises(InvalidSignature):
        check_signature(
            RSA.certificate, DATA, told, bits(good.content[1:], unused=1)
        )


@pytest.mark.parametrize(
    "told",
    [
        algorithm("06032b6570"),  # Ed25519, with an RSA key
        algorithm("06032a0304"),
        pss(element(0x30, bytes.fromhex("06032a0304")), SHA256, 32),
    ],
)
def test_unknown_kinds(told: Element) -> None:
    """Nobody guesses what another algorithm would be."""
    with pytest.raises(UnsupportedAlgorithm):
        check_signature(RSA.certificate, DATA, told, bits(b"x"))
