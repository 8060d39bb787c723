"""A peer that hangs up on us, and may mean our certificate.

A server asked for one and got none.  Many say so by an alert; others only end
the connection, and then the end itself is no clue: what they asked for before
is.  And many a client judges our certificate, or its names, only after the
handshake, and then goes away without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import (
    AlertError,
    HandshakeError,
    StreamError,
    TLSError,
    VerificationError,
)
from ...errors.codes import Alert

if TYPE_CHECKING:
    from ..callbacks import Record

__all__ = ["name_first"]

_WORDS = "the server asked for a client certificate and got none"
_HINT = (
    "load a client certificate: load_certificate_chain() and "
    "load_private_key()"
)
#: Alerts that servers send for want of a certificate, and for other reasons.
_ALERTS = frozenset(
    {
        Alert.ACCESS_DENIED,
        Alert.BAD_CERTIFICATE,
        Alert.CERTIFICATE_UNKNOWN,
        Alert.DECODE_ERROR,  # GnuTLS, before TLS 1.3.
        Alert.HANDSHAKE_FAILURE,
        Alert.UNKNOWN_CA,
    }
)
_SILENT = (
    "the client went away before its first byte: see its log, since many "
    "judge our certificate, or its names, only after the handshake"
)
_ENDS = frozenset({"closed-in-handshake", "truncated"})


def name_first(error: BaseException, record: Record) -> None:
    """Have *error* begin with the missing certificate, if that may be why.

    Args:
        error: What ended a session; of tlskit's, or of the transport.
        record: Of that session.
    """
    if not record.unanswered:
        return
    if record.server_side:
        if isinstance(error, StreamError) and error.code == "truncated":
            error.hint = _SILENT
        return
    if isinstance(error, TLSError):
        if _may_be_why(error) and not error.message.startswith(_WORDS):
            error.message = f"{_WORDS}; {error.message}"
            error.hint = _HINT
    elif isinstance(error, ConnectionError):
        words = error.strerror or ""
        if error.errno is not None and not words.startswith(_WORDS):
            error.strerror = f"{_WORDS}; {words}"


def _may_be_why(error: TLSError) -> bool:
    if isinstance(error, AlertError):
        return error.alert in _ALERTS
    return (
        isinstance(error, (HandshakeError, StreamError))
        and not isinstance(error, VerificationError)
        and error.code in _ENDS
    )
