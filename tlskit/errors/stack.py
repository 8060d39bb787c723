"""Turn OpenSSL's error stack into one error with a code, words and advice.

OpenSSL reports a stack of reasons, short texts such as ``no shared cipher``.
The first that a table knows decides: there may be others before it, such as
a provider's remark that some operation failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import (
    AlertError,
    HandshakeError,
    NotTLSError,
    StreamError,
    TLSError,
    TruncatedError,
    VerificationError,
)
from .alerts import ALERTS, IN_SESSION, alert_of, alert_words
from .codes import VerifyReason
from .openssl_reasons import BAD_RECORD, CASES, Case

__all__ = ["alert_of", "describe_failure"]

# Older than any session: an end of file while OpenSSL expected a handshake.
_ENDED = Case(
    None,
    "closed-in-handshake",
    "the peer closed the connection during the handshake",
    "see the peer's log: it may not trust our certificate, or want one, "
    "or another TLS version, or no TLS at all",
)
_HINT = "see library_errors, and report it with the versions in use"


def describe_failure(
    stack: Sequence[tuple[str, str, str]],
    default: type[TLSError],
    doing: str = "",
    number: int | None = None,
) -> TLSError:
    """Make the error that tells what OpenSSL's *stack* means.

    An alert of the peer's is an ``AlertError`` whenever it comes; anything
    else that breaks an established session stays a ``StreamError``, and the
    caller's mistakes stay ``ConfigurationError``.

    Args:
        stack: Entries (library, function, reason), the first cause first.
        default: The class for a failure that no table knows.
        doing: What was attempted, for the message.
        number: That of an alert for which OpenSSL has no words, if known.

    Returns:
        The error, to be raised by the caller.
    """
    error = next(
        filter(
            None, (_known(entry, default, doing, number) for entry in stack)
        ),
        None,
    )
    if error is None:
        error = _unknown(stack, default, doing)
    error.library_errors = tuple(
        f"{library or 'unknown library'}: {reason or 'no reason given'}"
        for library, _, reason in stack
    )
    return error


def _known(
    entry: tuple[str, str, str],
    default: type[TLSError],
    doing: str,
    number: int | None,
) -> TLSError | None:
    """Describe the reason of *entry*, if a table knows it."""
    library, _, reason = entry
    if issubclass(default, (HandshakeError, StreamError)):
        # An alert with a number that nobody assigned is the one error for
        # which OpenSSL's SSL part has no words.
        if library == "SSL routines" and not reason:
            return _refused(_named(number), reason, default, doing)
        words = alert_words(reason)
        if words is not None:
            return _refused(words, reason, default, doing)
    case = CASES.get(reason)
    if case is None:
        return None
    case = _placed(case, default)
    return _made(case, default, _message(doing, case.text, reason))


def _named(number: int | None) -> str:
    """Give OpenSSL's words for the alert of this number; maybe none."""
    alert = None if number is None else alert_of(number)
    if alert is not None:
        return alert.name.lower().replace("_", " ")
    return "" if number is None else str(number)


def _refused(
    words: str, reason: str, default: type[TLSError], doing: str
) -> AlertError:
    """Describe an alert that the peer sent."""
    alert = alert_of(words)
    text = f"the peer refused us with the alert {words.replace(' ', '_')}"
    if not words or words.isdigit():
        text = "the peer refused us with an alert that nobody has defined"
        text += f": {words}" if words else ""
    if alert is None:
        return AlertError(
            _message(doing, text, reason),
            hint="see the peer's log for the reason",
        )
    meaning, hint = ALERTS[alert]
    if issubclass(default, StreamError):
        meaning, hint = IN_SESSION.get(alert, (meaning, hint))
    return AlertError(
        _message(doing, f"{text}: {meaning}", reason),
        alert=alert,
        code=f"alert-{alert.name.lower().replace('_', '-')}",
        hint=hint,
    )


def _placed(case: Case, default: type[TLSError]) -> Case:
    """Give the case that *case* is at this time of a session's life."""
    if issubclass(default, StreamError) and case.kind is NotTLSError:
        return BAD_RECORD  # It did speak TLS before.
    if issubclass(default, HandshakeError) and case.kind is TruncatedError:
        return _ENDED
    return case


def _made(case: Case, default: type[TLSError], message: str) -> TLSError:
    """Make the error of *case*, in *default*'s part of the tree."""
    kind = default
    if case.kind is not None and issubclass(case.kind, default):
        kind = case.kind
    data: dict[str, Any] = {"hint": case.hint}
    if case.code is not None:
        data["code"] = case.code
    if issubclass(kind, VerificationError) and case.code == "no-certificate":
        data["reason"] = VerifyReason.NO_CERTIFICATE
    if case is _ENDED:
        data["status"] = "syscall"
    return kind(message, **data)


def _unknown(
    stack: Sequence[tuple[str, str, str]], default: type[TLSError], doing: str
) -> TLSError:
    """Describe what no table knows, in OpenSSL's words or our own."""
    for library, _, reason in stack:
        if reason:
            return default(
                f"{doing or 'OpenSSL failed'}: {reason} "
                f"({library or 'unknown library'})",
                hint=default.hint or _HINT,
            )
    library = stack[0][0] if stack else ""
    words = f"{library or 'OpenSSL'} failed and gives no reason"
    return default(
        f"{doing}: {words}" if doing else words, hint=default.hint or _HINT
    )


def _message(doing: str, text: str, reason: str) -> str:
    """Put a message together; no part of it is ever empty."""
    words = f"{doing}: {text}" if doing else text
    return f"{words} (OpenSSL: {reason})" if reason else words
