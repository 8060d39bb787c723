"""Keys, names and signatures: what certificates for tests are made of."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    ed25519,
    padding,
    rsa,
)
from cryptography.x509.oid import NameOID

from ..verify.identity import Identity

if TYPE_CHECKING:
    from .authority import CA

__all__ = [
    "DAY",
    "DER",
    "PEM",
    "Key",
    "authority",
    "digest",
    "key_usage",
    "name",
    "new_key",
    "san",
    "sign",
    "signed_with_sha1",
]

Key = (
    ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
)

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def new_key(kind: str) -> Key:
    """Make a key of a kind that ``CA`` knows."""
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"key_type is 'ecdsa', 'rsa' or 'ed25519', not {kind!r}")


def name(common_name: str) -> x509.Name:
    """Make a name with nothing but a common name, cut to its 64 characters."""
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]
    )


def ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def san(
    names: Iterable[str], *, address: Callable[[str], x509.GeneralName] = ip
) -> x509.SubjectAlternativeName:
    """Make the extension from names and addresses as text."""
    return x509.SubjectAlternativeName(
        general_name(each, address) for each in names
    )


def general_name(
    text: str, address: Callable[[str], x509.GeneralName]
) -> x509.GeneralName:
    if "@" in text:
        return x509.RFC822Name(text)
    with suppress(ValueError):
        ipaddress.ip_address(text)
        return address(text)
    star = "*." if text.startswith("*.") else ""
    dns = Identity.parse(text[len(star) :]).dns
    assert dns is not None
    return x509.DNSName(star + dns.decode("ascii"))


def key_usage(*, ca: bool) -> x509.KeyUsage:
    """Make the key usage of a CA, or of somebody that it certifies."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def digest(key: Key) -> hashes.SHA256 | None:
    """Give the hash to sign with; Ed25519 has its own."""
    return (
        None
        if isinstance(key, ed25519.Ed25519PrivateKey)
        else (hashes.SHA256())
    )


def authority(signer: Key) -> x509.AuthorityKeyIdentifier:
    """Make the extension that points to the signer's key."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(
        signer.public_key()
    )


def sign(
    subject: x509.Name,
    public_key: Any,
    issuer: CA | None,
    signer: Key,
    *,
    extensions: Iterable[tuple[x509.ExtensionType, bool]],
    valid: tuple[datetime, datetime],
) -> x509.Certificate:
    """Sign a certificate; without an issuer, it signs itself."""
    if issuer is not None:
        signer = issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(public_key), False
        )
        .add_extension(authority(signer), False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, digest(signer))


# sha256WithRSAEncryption and sha1WithRSAEncryption (RFC 8017, appendix C).
_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_RSA = bytes.fromhex("06092a864886f70d010105")


def signed_with_sha1(
    certificate: x509.Certificate, signer: Key
) -> x509.Certificate:
    """Sign again with SHA-1, which ``cryptography`` refuses to issue.

    The names of both algorithms are as long, so in the DER one replaces the
    other: in what is signed, and beside the signature.
    """
    assert isinstance(signer, rsa.RSAPrivateKey)
    signed = certificate.tbs_certificate_bytes
    head, _, tail = certificate.public_bytes(DER).partition(signed)
    signed = signed.replace(_SHA256_RSA, _SHA1_RSA)
    signature = signer.sign(
        signed,
        padding.PKCS1v15(),
        hashes.SHA1(),  # noqa: S303 - on purpose
    )
    tail = tail.replace(_SHA256_RSA, _SHA1_RSA)[: -len(signature)]
    return x509.load_der_x509_certificate(head + signed + tail + signature)
