"""Signed certificate timestamps: the logs' promise to show a certificate.

They come inside a certificate (RFC 6962, section 3.3), where they are about
what it was before they were put in, or in the handshake or a stapled OCSP
response, about the certificate as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from ...errors.codes import VerifyReason
from ...errors.verify_reasons import verification_story
from ...tools.wire import Reader
from ...x509.der import fields
from ...x509.gate import (
    ec,
    exceptions,
    hashes,
    ocsp,
    padding,
    rsa,
    serialization,
    x509,
)
from ...x509.reading import certificate, extension, unreadable
from ..scene import VerificationScene, refusal
from .logs import Log, Transparency

if TYPE_CHECKING:
    from cryptography.x509.certificate_transparency import (
        SignedCertificateTimestamp,
    )

__all__ = ["Stamp", "check_transparency", "stamps_of"]

#: The kinds of a log's entries (RFC 6962, section 3.1).
_CERTIFICATE, _PRECERTIFICATE = b"\0\0", b"\0\1"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


class Stamp(NamedTuple):
    """A timestamp, and what it is worth."""

    #: The log's name, or its id in hex if it is not known.
    log: str
    #: What is wrong with it; empty if nothing is.
    fault: str
    #: The log's id.
    id: bytes
    #: When it was made; None if no calendar has that.
    at: datetime | None = None
    #: Where it comes from: ``"certificate"``, ``"staple"`` or
    #: ``"handshake"``.
    source: str = "certificate"


class _Signed(NamedTuple):
    """A timestamp as it came."""

    id: bytes
    at: datetime | None
    more: bytes
    signature: bytes
    source: str
    #: What it should be about; None if its issuer is not known.
    entry: bytes | None


def check_transparency(
    path: tuple[bytes, ...],
    rules: Transparency,
    scene: VerificationScene,
    *,
    staple: bytes = b"",
    handshake: bytes = b"",
) -> None:
    """Demand that enough logs vouch for a peer's certificate.

    Args:
        path: To a trusted certificate, DER, the peer's own first.
        rules: Which logs count, and how many are wanted.
        scene: What the error should tell.
        staple: The OCSP response that came along, DER.
        handshake: The list of timestamps that came in the handshake.

    Raises:
        VerificationError: They don't; its code is ``no-transparency``.
    """
    found = stamps_of(path, rules.logs, scene.now, staple, handshake)
    good = {each.id for each in found if not each.fault}
    if len(good) >= rules.require:
        return
    story = verification_story(VerifyReason.NO_VALID_SCTS, 0)
    told = "; ".join(f"{each.log}: {each.fault or 'good'}" for each in found)
    raise refusal(
        VerifyReason.NO_VALID_SCTS,
        story,
        f"the {scene.peer}'s certificate has {len(good)} good timestamps of "
        f"Certificate Transparency logs, where {rules.require} are wanted: "
        + (told or "it came without any"),
        scene,
        der=next(iter(path), None),
    )


def stamps_of(
    path: tuple[bytes, ...],
    known: tuple[Log, ...],
    now: datetime,
    staple: bytes = b"",
    handshake: bytes = b"",
) -> list[Stamp]:
    """Judge all timestamps that came with a certificate.

    Args:
        path: The certificate and its issuer, DER; what follows is no matter.
        known: The logs that count.
        now: Later timestamps don't.
        staple: The OCSP response that came along, DER.
        handshake: The list of timestamps that came in the handshake.
    """
    logs = {log.id: log for log in known}
    try:
        leaf = certificate(path[0])
        return [
            _judged(each, logs.get(each.id), leaf, now)
            for each in (
                *_found(path, leaf, staple),
                *_handed(handshake, path[0]),
            )
        ]
    except unreadable() as error:
        return [Stamp("the certificate", f"can't be read: {error}", b"")]


def _found(
    path: tuple[bytes, ...], leaf: x509.Certificate, staple: bytes
) -> Iterator[_Signed]:
    """Give each timestamp, and the entry that it should be about."""
    inside = extension(leaf, x509.PrecertificateSignedCertificateTimestamps)
    if inside:
        entry = None
        for issuer in path[1:2]:
            key = fields(certificate(issuer).tbs_certificate_bytes).key.whole
            entry = (
                _PRECERTIFICATE
                + hashlib.sha256(key).digest()
                + _sized(leaf.tbs_precertificate_bytes)
            )
        for each in inside:
            yield _signed_of(each, "certificate", entry)
    for each in _stapled(staple):
        yield _signed_of(each, "staple", _CERTIFICATE + _sized(path[0]))


def _handed(data: bytes, leaf: bytes) -> Iterator[_Signed]:
    """Read a list as it comes in a handshake (RFC 6962, section 3.3).

    From what is malformed on, it counts as not there.
    """
    with suppress(ValueError):
        listed = Reader(data).vector(2) if data else Reader(b"")
        while listed:
            each = listed.vector(2)
            if each.number(1):  # Of a version that is to come.
                continue
            number, at = each.take(32), each.number(8)
            more = each.vector(2).rest()
            each.take(2)  # Which algorithm: the key says it.
            moment = None
            with suppress(OverflowError):
                moment = _EPOCH + at * _MILLISECOND
            yield _Signed(
                number,
                moment,
                more,
                each.vector(2).rest(),
                "handshake",
                _CERTIFICATE + _sized(leaf),
            )


def _stapled(staple: bytes) -> Iterator[SignedCertificateTimestamp]:
    if not staple:
        return
    kind = x509.SignedCertificateTimestamps
    with suppress(*unreadable(), x509.ExtensionNotFound):
        response = ocsp.load_der_ocsp_response(staple)
        found = response.single_extensions
        yield from found.get_extension_for_class(kind).value


def _signed_of(
    sct: SignedCertificateTimestamp, source: str, entry: bytes | None
) -> _Signed:
    moment = None
    with suppress(ValueError, OverflowError):
        moment = sct.timestamp.replace(tzinfo=timezone.utc)
    return _Signed(
        sct.log_id, moment, sct.extension_bytes, sct.signature, source, entry
    )


def _judged(
    sct: _Signed, log: Log | None, leaf: x509.Certificate, now: datetime
) -> Stamp:
    if log is None:
        name, fault = sct.id.hex(), "a log that is not in the list"
    else:
        name, fault = log.name, _fault(sct, log, leaf, now)
    return Stamp(name, fault, sct.id, sct.at, sct.source)


def _fault(
    sct: _Signed, log: Log, leaf: x509.Certificate, now: datetime
) -> str:
    """Say what is wrong; nothing if nothing is."""
    moment = sct.at
    if moment is None:
        return "a moment that no calendar has"
    if moment > now:
        return "a timestamp in the future"
    if log.retired is not None and moment >= log.retired:
        return "made after the log had retired"
    end = leaf.not_valid_after_utc
    if (log.start is not None and end < log.start) or (
        log.end is not None and end >= log.end
    ):
        return "the log is for certificates of other years"
    if sct.entry is None:
        return "not verified, for the certificate's issuer is not known"
    if not _signed(log, sct.signature, _message(moment, sct.more, sct.entry)):
        return "a wrong signature, or of another certificate"
    return ""


def _message(moment: datetime, more: bytes, entry: bytes) -> bytes:
    """Give what the log has signed (RFC 6962, section 3.2)."""
    since = moment - _EPOCH
    return (
        b"\0\0"  # Version 1, and that it is a timestamp.
        + (since // _MILLISECOND).to_bytes(8, "big")
        + entry
        + len(more).to_bytes(2, "big")
        + more
    )


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(3, "big") + data


def _signed(log: Log, signature: bytes, message: bytes) -> bool:
    key = serialization.load_der_public_key(log.key)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            return False
    except exceptions.InvalidSignature:
        return False
    return True
