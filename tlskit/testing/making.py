"""Keys, names and signatures: what certificates for tests are made of."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    ed448,
    ed25519,
    padding,
    rsa,
)
from cryptography.x509.oid import NameOID

from ..errors import UnsupportedError
from ..verify.identity import Identity
from ..x509.der import element, elements, fields
from ..x509.pairs import is_pss

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import mldsa

    from .authority import CA

__all__ = [
    "DAY",
    "DER",
    "KEY_TYPES",
    "PEM",
    "Key",
    "authority",
    "digest",
    "key_usage",
    "name",
    "new_key",
    "pss_padding",
    "san",
    "sign",
    "signed_with_sha1",
]

if TYPE_CHECKING:
    Key = (
        ec.EllipticCurvePrivateKey
        | rsa.RSAPrivateKey
        | ed25519.Ed25519PrivateKey
        | ed448.Ed448PrivateKey
        | mldsa.MLDSA44PrivateKey
        | mldsa.MLDSA65PrivateKey
        | mldsa.MLDSA87PrivateKey
    )
else:
    Key = object

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def new_key(kind: str) -> Key:
    """Make a key of a kind that ``CA`` knows."""
    if kind not in KEY_TYPES:
        raise ValueError(
            f"key_type is one of {', '.join(KEY_TYPES)}, not {kind!r}"
        )
    return KEY_TYPES[kind]()


def _ml_dsa(level: int) -> Key:
    try:
        found = import_module(
            "cryptography.hazmat.primitives.asymmetric.mldsa"
        )
    except ImportError as error:
        raise UnsupportedError(
            "this version of cryptography makes no ML-DSA keys",
            hint="python -m pip install --upgrade cryptography",
        ) from error
    key: Key = getattr(found, f"MLDSA{level}PrivateKey").generate()
    return key


#: What makes a key of each kind.
KEY_TYPES: dict[str, Callable[[], Key]] = {
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-pss": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "mldsa44": partial(_ml_dsa, 44),
    "mldsa65": partial(_ml_dsa, 65),
    "mldsa87": partial(_ml_dsa, 87),
}


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
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
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
    """Give the hash to sign with; EdDSA and ML-DSA have their own."""
    hashed = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)
    return hashes.SHA256() if isinstance(key, hashed) else None


def pss_padding(issuer: x509.Certificate) -> padding.PSS | None:
    """Give the padding to sign with, if the issuer's key is for RSASSA-PSS."""
    return _PADDING if is_pss(issuer) else None


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
    pss: bool = False,
) -> x509.Certificate:
    """Sign a certificate; without an issuer, it signs itself.

    With *pss* the RSA key is certified for RSASSA-PSS only (RFC 4055).
    """
    padded = _PADDING if pss else None
    if issuer is not None:
        signer = issuer.key
        padded = pss_padding(issuer.certificate)
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
    made = builder.sign(signer, digest(signer), rsa_padding=padded)
    return _certified_for_pss(made, signer, padded) if pss else made


#: AlgorithmIdentifier of a key for RSASSA-PSS with any parameters.
_PSS_KEY = bytes.fromhex("300b06092a864886f70d01010a")
_PADDING = padding.PSS(
    padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH
)


def _certified_for_pss(
    certificate: x509.Certificate, signer: Key, padded: padding.PSS | None
) -> x509.Certificate:
    """Change the kind of the key in a certificate, and sign it again."""
    tbs = certificate.tbs_certificate_bytes
    key = fields(tbs).key
    _, bits = elements(key.content)
    changed = element(key.tag, _PSS_KEY + bits.whole)
    (body,) = elements(tbs)
    signed = element(body.tag, body.content.replace(key.whole, changed))
    (whole,) = elements(certificate.public_bytes(DER))
    _, algorithm, _ = elements(whole.content)
    signature = _signature(signed, signer, padded)
    return x509.load_der_x509_certificate(
        element(
            whole.tag,
            signed + algorithm.whole + element(3, b"\0" + signature),
        )
    )


def _signature(data: bytes, signer: Key, padded: padding.PSS | None) -> bytes:
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(data, padded or padding.PKCS1v15(), hashes.SHA256())
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        return signer.sign(data, ec.ECDSA(hashes.SHA256()))
    return signer.sign(data)


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
