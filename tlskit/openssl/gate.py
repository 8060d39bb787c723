"""The gate: the only ``import OpenSSL``, and its failures translated once."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import TLSError, UnsupportedError
from ..errors.stack import describe_failure
from ..tools.instead import Instead
from ..tools.lazy import Lazy

__all__ = [
    "SSL",
    "check_available",
    "crypto",
    "is_available",
    "translated",
    "why_unavailable",
]


@cache
def why_unavailable() -> str | None:
    """Say why pyOpenSSL can't be loaded; None if it can."""
    try:
        import_module("OpenSSL.SSL")
    except Exception as error:  # noqa: BLE001 - a broken binding raises anything
        return f"pyOpenSSL can't be loaded ({type(error).__name__}: {error})"
    return None


def is_available() -> bool:
    """Say whether there is a library to speak TLS with."""
    return why_unavailable() is None


def check_available() -> None:
    """Complain at once, and not at the first use deep inside.

    Raises:
        UnsupportedError: pyOpenSSL can't be loaded; it says why.
    """
    if not is_available():
        raise UnsupportedError(
            f"TLS is not available: {why_unavailable()}",
            hint="reinstall pyOpenSSL and cryptography: "
            "python -m pip install --force-reinstall pyOpenSSL",
        )


if TYPE_CHECKING:
    from OpenSSL import SSL, crypto
else:
    SSL = Lazy("OpenSSL.SSL", check=check_available)
    crypto = Lazy("OpenSSL.crypto", check=check_available)


def translated(default: type[TLSError], doing: str = "") -> Instead[Exception]:
    """Turn pyOpenSSL's errors into the tree's.

    Args:
        default: The class for a failure that no table knows.
        doing: What was attempted, for the message.

    Raises:
        TLSError: Instead of any error of pyOpenSSL.
    """

    def look(error: Exception) -> None:
        if isinstance(error, (SSL.Error, crypto.Error)):
            raise describe_failure(_stack(error), default, doing) from error

    return Instead(Exception, look)


def _stack(error: Exception) -> list[tuple[str, str, str]]:
    """Read OpenSSL's error stack out of *error*'s arguments."""
    entries: Any = error.args[0] if error.args else ()
    return list(entries) if isinstance(entries, list) else []
