"""Revocation lists and OCSP responses for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..x509.der import element, elements
from .leaf import Leaf
from .making import DAY, Key, authority, digest, pss_padding

__all__ = ["OCSP_USAGES", "make_crl", "make_ocsp_response"]

#: The extended key usages of whom a CA lets answer for it.
OCSP_USAGES = (ExtendedKeyUsageOID.OCSP_SIGNING,)


def make_crl(
    issuer: x509.Certificate,
    key: Key,
    revoked: Iterable[x509.Certificate | x509.RevokedCertificate],
    *,
    number: int | None = None,
    until: datetime | None = None,
) -> bytes:
    """Sign a revocation list."""
    now = datetime.now(timezone.utc)
    if number is None:
        number = int(now.timestamp())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - DAY)
        .next_update(until or now + 7 * DAY)
        .add_extension(x509.CRLNumber(number), False)
        .add_extension(authority(key), False)
    )
    for each in revoked:
        if isinstance(each, x509.Certificate):
            each = (  # noqa: PLW2901 - the same, as it is listed
                x509.RevokedCertificateBuilder()
                .serial_number(each.serial_number)
                .revocation_date(now - DAY)
                .build()
            )
        builder = builder.add_revoked_certificate(each)
    signed = builder.sign(key, digest(key), rsa_padding=pss_padding(issuer))
    return signed.public_bytes(Encoding.PEM)


def make_ocsp_response(
    pair: tuple[x509.Certificate, x509.Certificate],
    status: str,
    valid: tuple[datetime, datetime],
    responder: Leaf,
) -> bytes:
    """Sign an OCSP response about the first of *pair*, its issuer last."""
    if status not in _STATUSES:
        raise ValueError(
            f"{status!r} is no status; there are: {', '.join(_STATUSES)}"
        )
    revoked = status == "revoked"
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            *pair,
            hashes.SHA256(),
            _STATUSES[status],
            *valid,
            valid[0] if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    )
    if responder.certificate != pair[1]:
        builder = builder.certificates([responder.certificate])
    signed = builder.sign(responder.key, digest(responder.key))
    padded = pss_padding(responder.certificate)
    if padded is not None:
        return _signed_by_pss(signed, responder.key, padded)
    return signed.public_bytes(Encoding.DER)


#: RSASSA-PSS with SHA-256, MGF1 of it, and 32 bytes of salt (RFC 4055).
_PSS = bytes.fromhex(
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a"
    "06092a864886f70d010108300d06096086480165030402010500a203020120"
)


def _signed_by_pss(
    response: ocsp.OCSPResponse, key: Key, padded: padding.PSS
) -> bytes:
    """Sign again, by a key that is for RSASSA-PSS only."""
    assert isinstance(key, rsa.RSAPrivateKey)
    signed = response.tbs_response_bytes
    signature = key.sign(signed, padded, hashes.SHA256())
    (whole,) = elements(response.public_bytes(Encoding.DER))
    status, tagged = elements(whole.content)
    (outer,) = elements(tagged.content)
    kind, packed = elements(outer.content)
    (basic,) = elements(packed.content)
    _, _, _, *more = elements(basic.content)
    parts = [signed, _PSS, element(0x03, b"\0" + signature)]
    content = element(
        basic.tag, b"".join([*parts, *(each.whole for each in more)])
    )
    content = element(outer.tag, kind.whole + element(packed.tag, content))
    return element(whole.tag, status.whole + element(tagged.tag, content))


_STATUSES = {
    "good": ocsp.OCSPCertStatus.GOOD,
    "revoked": ocsp.OCSPCertStatus.REVOKED,
    "unknown": ocsp.OCSPCertStatus.UNKNOWN,
}
