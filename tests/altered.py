"""Certificates that no library would make: changed in DER, signed again."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tlskit.testing import CA
from tlskit.x509.der import element, elements
from tlskit.x509.pem import encoded

__all__ = ["altered", "der_of", "pem_of", "replaced"]


def replaced(der: bytes, old: bytes, new: bytes) -> bytes:
    """Put *new* in the place of each element *old*, at whatever depth."""
    parts = []
    for each in elements(der):
        if each.whole == old:
            parts.append(new)
        elif each.tag & 0x20:
            content = replaced(each.content, old, new)
            parts.append(element(each.tag, content))
        else:
            parts.append(each.whole)
    return b"".join(parts)


def altered(
    certificate: x509.Certificate,
    issuer: CA,
    *changes: tuple[bytes, bytes],
) -> bytes:
    """Change elements of a certificate, and have its issuer sign it anew.

    Gives DER; *issuer* has a key for ECDSA.
    """
    tbs = certificate.tbs_certificate_bytes
    for old, new in changes:
        before, tbs = tbs, replaced(tbs, old, new)
        assert before != tbs, "nothing to change"
    (whole,) = elements(der_of(certificate))
    _, algorithm, _ = elements(whole.content)
    assert isinstance(issuer.key, ec.EllipticCurvePrivateKey)
    signature = issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    bits = element(0x03, b"\0" + signature)
    return element(whole.tag, tbs + algorithm.whole + bits)


def der_of(certificate: x509.Certificate) -> bytes:
    """Encode a certificate."""
    return certificate.public_bytes(Encoding.DER)


def pem_of(*ders: bytes) -> bytes:
    """Write certificates as PEM."""
    return b"".join(encoded("CERTIFICATE", der) for der in ders)
