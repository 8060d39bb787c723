"""Our errors as the exceptions of the standard library's ``ssl``.

One table.  Libraries catch ``ssl.SSLError`` and some of its subclasses, and
read ``reason`` and ``verify_code``.  Whoever wants more finds our error as
the cause, and its explanation in the text.
"""

from __future__ import annotations

import os
import ssl
from typing import NamedTuple

from ..errors import (
    ClosedError,
    ConfigurationError,
    SealedError,
    TLSError,
    TruncatedError,
    UnsupportedError,
    VerificationError,
    WantReadError,
    WantWriteError,
)
from ..errors.codes import VerifyReason
from ..tools.instead import Instead

__all__ = ["as_ssl_error", "loading"]

_SSL_ROUTINES = "SSL routines: "


class _Kind(NamedTuple):
    """What the standard library would have raised."""

    made: type[ssl.SSLError]
    number: int
    #: OpenSSL's name of it; empty if our error knows better.
    reason: str = ""


_ERROR = _Kind(ssl.SSLError, ssl.SSL_ERROR_SSL)
_END_OF_FILE = _Kind(
    ssl.SSLEOFError, ssl.SSL_ERROR_EOF, "UNEXPECTED_EOF_WHILE_READING"
)
#: The first that fits counts.
_CLASSES: tuple[tuple[type[TLSError], _Kind], ...] = (
    (
        VerificationError,
        _Kind(
            ssl.SSLCertVerificationError,
            ssl.SSL_ERROR_SSL,
            "CERTIFICATE_VERIFY_FAILED",
        ),
    ),
    (TruncatedError, _END_OF_FILE),
    (
        WantReadError,
        _Kind(ssl.SSLWantReadError, ssl.SSL_ERROR_WANT_READ, "WANT_READ"),
    ),
    (
        WantWriteError,
        _Kind(ssl.SSLWantWriteError, ssl.SSL_ERROR_WANT_WRITE, "WANT_WRITE"),
    ),
    (
        ClosedError,
        _Kind(
            ssl.SSLZeroReturnError, ssl.SSL_ERROR_ZERO_RETURN, "ZERO_RETURN"
        ),
    ),
)
#: OpenSSL's reasons that programs look for, by our codes.
_REASONS = {"key-mismatch": "KEY_VALUES_MISMATCH"}
#: Errors whose class says too little.
_CODES = {"closed-in-handshake": _END_OF_FILE}


def as_ssl_error(error: Exception) -> ssl.SSLError:
    """Make the exception that libraries catch; raise it ``from`` *error*.

    Args:
        error: One of our tree, or whatever a hook raised.
    """
    kind = _kind(error)
    reason = kind.reason or _reason(error)
    made = kind.made(kind.number, f"[SSL: {reason}] {_words(error)}")
    made.library = "SSL"
    made.reason = reason
    if isinstance(made, ssl.SSLCertVerificationError):
        assert isinstance(error, VerificationError)
        made.verify_code = _verify_code(error.reason)
        made.verify_message = str(error)
    return made


def loading() -> Instead[ConfigurationError]:
    """Raise what ``ssl`` does for what can't be loaded or set.

    Raises:
        OSError: There is no such file, or it can't be read; of the class that
            belongs to its number.
        ssl.SSLError: It holds something else.
        SealedError: The context is sealed.
        UnsupportedError: That can't be had here.
    """
    return Instead(ConfigurationError, _loading_failed)


def _loading_failed(error: ConfigurationError) -> None:
    if isinstance(error, (SealedError, UnsupportedError)):
        return
    number = error.errno
    if number is None:
        raise as_ssl_error(error) from error
    raise OSError(number, os.strerror(number), error.filename) from error


def _kind(error: Exception) -> _Kind:
    code = getattr(error, "code", None)
    if isinstance(error, TLSError) and code in _CODES:
        return _CODES[code]
    for ours, kind in _CLASSES:
        if isinstance(error, ours):
            return kind
    return _ERROR


def _reason(error: Exception) -> str:
    """Give OpenSSL's reason as ``ssl`` writes it, or our own code."""
    if not isinstance(error, TLSError):
        return "CALLBACK_FAILED"
    reasons = (
        entry[len(_SSL_ROUTINES) :]
        for entry in error.library_errors
        if entry.startswith(_SSL_ROUTINES)
    )
    words = next(reasons, _REASONS.get(error.code, error.code))
    return words.upper().replace(" ", "_").replace("-", "_")


def _words(error: Exception) -> str:
    """Give the whole explanation on one line, as logs want it."""
    if not isinstance(error, TLSError):
        return f"a hook refused: {type(error).__name__}: {error}"
    words = "; ".join(error.explain().splitlines())
    if isinstance(error, VerificationError):
        # Programs look for these words.
        return f"certificate verify failed: {words}"
    return words


def _verify_code(reason: VerifyReason) -> int:
    """Give OpenSSL's code; our own numbers mean nothing to others."""
    if reason < VerifyReason.NO_CERTIFICATE:
        return int(reason)
    return int(VerifyReason.APPLICATION_VERIFICATION)
