"""The libraries themselves: handles, versions, why loading failed.

The libraries are linked into the wheel of ``cryptography``; nothing is
searched on disk.  So both handles are the same object (cffi's), and the list
of versions that are tried has the linked one only.

Nothing is loaded before one of these names is used.

Source: ``openssl/libcrypto`` and ``openssl/libssl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gate import SSL, is_available, why_unavailable
from .native import library_handle

__all__ = [
    "available",
    "libcrypto",
    "libcrypto_load_fail_reason",
    "libssl",
    "libssl_load_fail_reason",
    "load_fail_reason",
    "openssl_lib_versions",
    "version",
]


def version() -> str | None:
    """Give OpenSSL's own version text, or None without it."""
    if not is_available():
        return None
    return SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode("ascii")


def _linked() -> tuple[str, ...]:
    words = (version() or "").split()
    return ("", words[1]) if len(words) > 1 else ("",)


if TYPE_CHECKING:
    #: Whether there is a library to speak TLS with.
    available: bool
    #: None, or a sentence that says why there is none.
    load_fail_reason: str | None
    #: cffi's handle, or None.
    libcrypto: object | None
    #: The same handle.
    libssl: object | None
    #: None, or a sentence that says why there is no handle.
    libcrypto_load_fail_reason: str | None
    #: The same reason.
    libssl_load_fail_reason: str | None
    #: The versions that are tried; ``""`` stands for whatever is linked.
    openssl_lib_versions: tuple[str, ...]
else:
    _VALUES = {
        "available": is_available,
        "load_fail_reason": why_unavailable,
        "libcrypto": library_handle,
        "libssl": library_handle,
        "libcrypto_load_fail_reason": why_unavailable,
        "libssl_load_fail_reason": why_unavailable,
        "openssl_lib_versions": _linked,
    }

    def __getattr__(name: str) -> object:
        try:
            return _VALUES[name]()
        except KeyError:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}"
            ) from None
