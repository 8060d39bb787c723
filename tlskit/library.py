"""The libraries themselves: handles, versions, why loading failed.

The libraries are linked into the wheel of ``cryptography``; nothing is
searched on disk.  So both handles are the same object (cffi's), and the list
of versions that are tried has the linked one only.

Nothing is loaded before one of these names is used.

Source: ``openssl/libcrypto`` and ``openssl/libssl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .openssl import library as _library
from .openssl.library import version

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

    def __getattr__(name: str) -> object:
        # They may change their mind, so they are asked each time.
        return getattr(_library, name)
