"""Stapled OCSP responses (RFC 6960, RFC 6066): is this one good enough?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from ..errors import VerificationError
from ..errors.codes import VerifyReason as R
from ..errors.verify_reasons import verification_story
from ..x509.der import Element, elements
from ..x509.gate import Encoding, exceptions, ocsp, oid, x509
from ..x509.glimpse import Glimpse, shown, stamp
from ..x509.reading import complaint_of, extension, readable, unreadable
from ..x509.signatures import WeakSignatureError, check_signature
from .revocation import Revocation
from .scene import VerificationScene, refusal

__all__ = [
    "check_staple",
    "malformed_staple",
    "must_staple",
    "parse_response",
]

# Clocks differ a little.
_SKEW = timedelta(minutes=5)
# How long a response without an end is news (RFC 6960, section 2.4).
_NEWS = timedelta(days=1)


class _UnfitError(Exception):
    """A response proves nothing, or the contrary."""

    def __init__(
        self, reason: R, text: str = "", revocation: Revocation | None = None
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.revocation = revocation


class _Pair(NamedTuple):
    """Whom a response has to be about, and who answers for it."""

    certificate: x509.Certificate
    issuer: x509.Certificate


def check_staple(
    data: bytes, scene: VerificationScene, *, required: bool
) -> None:
    """Demand that a stapled response says "good".

    Args:
        data: What the server stapled, DER; empty if it did not.
        scene: The chain as it was built, and the moment that counts.
        required: Whether there has to be a response, also for certificates
            that do not demand one.

    Raises:
        VerificationError: It does not; ``reason`` says why not.

    Source: RFC 6066, section 8; RFC 6960, section 3.2; RFC 7633.
    """
    try:
        _judge(data, scene, required=required)
    except _UnfitError as error:
        raise _refused(error, scene) from None
    except Exception as error:  # A parser of strangers' bytes.
        words = shown(complaint_of(error), 200)
        raise malformed_staple(words, scene) from error


def malformed_staple(
    words: str, scene: VerificationScene
) -> VerificationError:
    """Make the error for a response that can't be read.

    Args:
        words: What the parser says.
        scene: As for ``check_staple``.
    """
    text = f"came with an OCSP response that can't be read: {words}"
    return _refused(_UnfitError(R.OCSP_RESP_INVALID, text), scene)


def _refused(
    unfit: _UnfitError, scene: VerificationScene
) -> VerificationError:
    story = verification_story(unfit.reason, 0)
    leaf = next(iter(scene.built), None)
    return refusal(
        unfit.reason,
        story,
        f"the {scene.peer}'s certificate {Glimpse(leaf).name!r} (depth 0) "
        f"{unfit.text or story.text}",
        scene,
        der=leaf,
        revocation=unfit.revocation,
    )


def _judge(data: bytes, scene: VerificationScene, *, required: bool) -> None:
    chain = tuple(map(readable, scene.built[:2]))
    if not chain:
        raise _UnfitError(R.OCSP_VERIFY_FAILED)
    if not data:
        _check_absence(chain[0], required=required)
        return
    pair = _Pair(chain[0], chain[-1])
    if len(chain) == 1:
        # Only whom nobody else has issued answers for itself.
        own = Glimpse(scene.built[0])
        if not own.issued(own):
            raise _UnfitError(
                R.OCSP_VERIFY_FAILED,
                "came with an OCSP response that can't be checked, since the "
                "certificate of its CA is not known",
            )
    _check(parse_response(data), pair, scene.now)


def parse_response(data: bytes) -> ocsp.OCSPResponse:
    """Read a response.

    Raises:
        ValueError: It is none, or says that there is none.
    """
    response = ocsp.load_der_ocsp_response(data)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(
            "the OCSP service answered "
            f"{response.response_status.name.lower()!r}"
        )
    return response


def must_staple(certificate: x509.Certificate) -> bool:
    """Say whether *certificate* demands a stapled response (RFC 7633)."""
    features = extension(certificate, x509.TLSFeature)
    return (
        features is not None and x509.TLSFeatureType.status_request in features
    )


def _check_absence(certificate: x509.Certificate, *, required: bool) -> None:
    if must_staple(certificate):
        raise _UnfitError(
            R.OCSP_VERIFY_NEEDED,
            "demands a stapled OCSP response (RFC 7633), but none came",
        )
    if required:
        raise _UnfitError(
            R.OCSP_VERIFY_NEEDED,
            "came without an OCSP response, though one is required",
        )


def _check(response: ocsp.OCSPResponse, pair: _Pair, now: datetime) -> None:
    """See who signed, about whom, when, and what."""
    _check_signature(response, _signer(response, pair.issuer, now))
    single = _single(response.responses, pair)
    _check_dates(single, now)
    status = single.certificate_status
    if status is ocsp.OCSPCertStatus.REVOKED:
        found = _revocation(single)
        raise _UnfitError(
            R.CERT_REVOKED,
            f"was revoked by its CA {found}, as the stapled OCSP response "
            "tells",
            found,
        )
    if status is not ocsp.OCSPCertStatus.GOOD:
        raise _UnfitError(R.OCSP_CERT_UNKNOWN)


def _revocation(single: ocsp.OCSPSingleResponse) -> Revocation:
    date, reason = single.revocation_time_utc, single.revocation_reason
    assert date is not None
    return Revocation(date, "" if reason is None else str(reason.value))


# -- about whom, and when ---------------------------------------------------


def _single(
    singles: Iterable[ocsp.OCSPSingleResponse], pair: _Pair
) -> ocsp.OCSPSingleResponse:
    """Find the part that is about this certificate of this CA."""
    for single in singles:
        wanted = (
            ocsp.OCSPRequestBuilder()
            .add_certificate(*pair, single.hash_algorithm)
            .build()
        )
        if (
            single.serial_number == wanted.serial_number
            and single.issuer_name_hash == wanted.issuer_name_hash
            and single.issuer_key_hash == wanted.issuer_key_hash
        ):
            return single
    raise _UnfitError(
        R.OCSP_NO_RESPONSE,
        "came with an OCSP response that is about another certificate",
    )


def _check_dates(single: ocsp.OCSPSingleResponse, now: datetime) -> None:
    start, end = single.this_update_utc, single.next_update_utc
    if start - _SKEW > now:
        raise _UnfitError(
            R.OCSP_NOT_YET_VALID,
            "came with an OCSP response that is valid from "
            f"{stamp(start)} on, but it is {stamp(now)} here",
        )
    if end is None:
        end = start + _NEWS
    if end + _SKEW < now:
        raise _UnfitError(
            R.OCSP_HAS_EXPIRED,
            f"came with an OCSP response that ended on {stamp(end)}; it is "
            f"{stamp(now)} here",
        )


# -- by whom ----------------------------------------------------------------


def _signer(
    response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime
) -> x509.Certificate:
    """Find who has to have signed: the CA, or somebody it has authorised.

    RFC 6960, section 4.2.2.2: the CA itself issued the delegate's
    certificate, with the extended key usage OCSPSigning.
    """
    if _is_responder(response, issuer):
        return issuer
    for delegate in response.certificates:
        if _is_responder(response, delegate) and _may_answer(
            delegate, issuer, now
        ):
            return delegate
    raise _UnfitError(
        R.OCSP_SIGNATURE_FAILURE,
        "came with an OCSP response by somebody whom its CA did not authorise",
    )


def _is_responder(
    response: ocsp.OCSPResponse, certificate: x509.Certificate
) -> bool:
    name = response.responder_name
    if name is not None:
        return certificate.subject == name
    identifier = x509.SubjectKeyIdentifier.from_public_key(
        certificate.public_key()
    )
    return response.responder_key_hash == identifier.digest


def _may_answer(
    delegate: x509.Certificate, issuer: x509.Certificate, now: datetime
) -> bool:
    try:
        delegate.verify_directly_issued_by(issuer)
        usages = extension(delegate, x509.ExtendedKeyUsage)
    except exceptions.InvalidSignature:
        return False
    except unreadable():
        return False
    begins, ends = delegate.not_valid_before_utc, delegate.not_valid_after_utc
    return (
        usages is not None
        and oid.ExtendedKeyUsageOID.OCSP_SIGNING in usages
        and begins <= now <= ends
    )


def _check_signature(
    response: ocsp.OCSPResponse, signer: x509.Certificate
) -> None:
    """Verify; ``cryptography`` has no call for it."""
    try:
        check_signature(
            signer,
            response.tbs_response_bytes,
            *_signature_of(response.public_bytes(Encoding.DER)),
        )
    except WeakSignatureError as error:
        raise _UnfitError(
            R.OCSP_SIGNATURE_FAILURE,
            f"came with an OCSP response that is signed with {error}, "
            "which is too weak",
        ) from None
    except exceptions.UnsupportedAlgorithm:
        raise _UnfitError(
            R.OCSP_SIGNATURE_FAILURE,
            "came with an OCSP response whose kind of signature is unknown "
            "here",
        ) from None
    except exceptions.InvalidSignature:
        raise _UnfitError(R.OCSP_SIGNATURE_FAILURE) from None


def _signature_of(der: bytes) -> tuple[Element, Element]:
    """Give algorithm and signature of a response (RFC 6960, 4.2.1)."""
    (whole,) = elements(der)
    _, tagged = elements(whole.content)
    (response_bytes,) = elements(tagged.content)
    _, packed = elements(response_bytes.content)
    (basic,) = elements(packed.content)
    _, algorithm, signature, *_ = elements(basic.content)
    return algorithm, signature
