"""The libraries themselves: handles, versions, why loading failed.

The libraries are linked into the wheel of ``cryptography``; nothing is
searched on disk.  So both handles are the same object (cffi's), and the list
of versions that are tried has the linked one only.

Source: ``openssl/libcrypto`` and ``openssl/libssl``.
"""

from __future__ import annotations

from ._native import library_handle
from ._openssl import SSL, available, load_fail_reason

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

#: cffi's handle, or None.
libcrypto: object | None = library_handle()
#: The same handle.
libssl: object | None = libcrypto
#: None, or a sentence that says why there is no handle.
libcrypto_load_fail_reason: str | None = load_fail_reason
#: The same reason.
libssl_load_fail_reason: str | None = load_fail_reason


def version() -> str | None:
    """Give OpenSSL's own version text, or None without it."""
    if not available:
        return None
    return SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode("ascii")


def _linked() -> tuple[str, ...]:
    words = (version() or "").split()
    return ("", words[1]) if len(words) > 1 else ("",)


#: The versions that are tried; ``""`` stands for whatever is linked.
openssl_lib_versions: tuple[str, ...] = _linked()
