"""What ``inspect --json`` says of an OCSP response (RFC 6960)."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Literal, TypedDict, final

from cryptography.x509 import ocsp

from ...x509.glimpse import stamp
from .objects import algorithm_name

__all__ = ["AnswerData", "ResponseObject", "response_object"]

#: So many answers of one response are shown.
_MOST_ANSWERS = 100


class AnswerData(TypedDict):
    """What a response says about one certificate."""

    serial: str
    #: ``"good"``, ``"revoked"`` or ``"unknown"``.
    status: str
    this_update: str
    next_update: str | None
    #: Whether ``next_update`` is over.
    stale: bool
    #: When it was revoked and why, if it was and if it says so.
    revoked_at: str | None
    reason: str | None


@final
class ResponseObject(TypedDict):
    """``kind`` is ``"ocsp-response"``."""

    kind: Literal["ocsp-response"]
    source: str
    #: ``"successful"``, or why the responder gives no answer.
    response_status: str
    #: The responder's name, or the hash of its key; null without an answer.
    responder: str | None
    produced_at: str | None
    signature: str | None
    answers: list[AnswerData]


def response_object(
    found: ocsp.OCSPResponse, source: str, now: datetime
) -> ResponseObject:
    """Describe an OCSP response; its signature is not verified.

    Raises:
        Exception: It is broken.
    """
    status = found.response_status
    described = ResponseObject(
        kind="ocsp-response",
        source=source,
        response_status=status.name.lower().replace("_", "-"),
        responder=None,
        produced_at=None,
        signature=None,
        answers=[],
    )
    if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return described
    described["responder"] = _responder(found)
    described["produced_at"] = stamp(found.produced_at_utc)
    described["signature"] = algorithm_name(found.signature_algorithm_oid)
    described["answers"] = [
        _answer(each, now) for each in islice(found.responses, _MOST_ANSWERS)
    ]
    return described


def _responder(found: ocsp.OCSPResponse) -> str:
    if found.responder_name is not None:
        return found.responder_name.rfc4514_string()
    assert found.responder_key_hash is not None  # It is one or the other.
    return f"key {found.responder_key_hash.hex()}"


def _answer(each: ocsp.OCSPSingleResponse, now: datetime) -> AnswerData:
    end, revoked = each.next_update_utc, each.revocation_time_utc
    reason = each.revocation_reason
    return AnswerData(
        serial=f"{each.serial_number:x}",
        status=each.certificate_status.name.lower(),
        this_update=stamp(each.this_update_utc),
        next_update=None if end is None else stamp(end),
        stale=end is not None and end < now,
        revoked_at=None if revoked is None else stamp(revoked),
        reason=None if reason is None else reason.value,
    )
