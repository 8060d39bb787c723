"""The gate: the only ``import OpenSSL``, and its failures translated once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from ._reasons import describe_failure
from .errors import TLSError, UnsupportedError

if TYPE_CHECKING:
    from OpenSSL import SSL, crypto

__all__ = [
    "SSL",
    "available",
    "check_available",
    "crypto",
    "load_fail_reason",
    "translated",
]

load_fail_reason: str | None = None


class _Missing:
    """Stands in for a module that can't be imported; every use says why."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Introspection is not use.
            raise AttributeError(name)
        raise _unavailable()


if not TYPE_CHECKING:
    try:
        from OpenSSL import SSL, crypto
    except Exception as error:  # noqa: BLE001 - a broken binding raises anything
        load_fail_reason = (
            f"pyOpenSSL can't be loaded ({type(error).__name__}: {error})"
        )
        SSL = crypto = _Missing()

available: bool = load_fail_reason is None


def check_available() -> None:
    """Complain at once, and not at the first use deep inside.

    Raises:
        UnsupportedError: pyOpenSSL can't be loaded; it says why.
    """
    if not available:
        raise _unavailable()


def _unavailable() -> UnsupportedError:
    return UnsupportedError(
        f"TLS is not available: {load_fail_reason}",
        hint="reinstall pyOpenSSL and cryptography: "
        "python -m pip install --force-reinstall pyOpenSSL",
    )


@contextmanager
def translated(default: type[TLSError], doing: str = "") -> Iterator[None]:
    """Turn pyOpenSSL's errors into the tree's.

    Args:
        default: The class for a failure that no table knows.
        doing: What was attempted, for the message.

    Raises:
        TLSError: Instead of any error of pyOpenSSL.
    """
    try:
        yield
    except (SSL.Error, crypto.Error) as error:
        raise describe_failure(_stack(error), default, doing) from error


def _stack(error: Exception) -> list[tuple[str, str, str]]:
    """Read OpenSSL's error stack out of *error*'s arguments."""
    entries: Any = error.args[0] if error.args else ()
    return list(entries) if isinstance(entries, list) else []
