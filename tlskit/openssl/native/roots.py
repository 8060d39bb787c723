"""A store of trusted roots that many contexts share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .probing import binding, require

if TYPE_CHECKING:
    from OpenSSL.SSL import Context

__all__ = ["RootStore"]


class RootStore:
    """Trusted roots in OpenSSL's own form, shared by many contexts."""

    def __init__(
        self, certificates: tuple[bytes, ...], directories: tuple[str, ...]
    ) -> None:
        lib, ffi = require("shared-roots", "share trusted roots")
        self._store = ffi.gc(lib.X509_STORE_new(), lib.X509_STORE_free)
        for der in certificates:
            bio = ffi.gc(lib.BIO_new_mem_buf(der, len(der)), lib.BIO_free)
            root = ffi.gc(lib.d2i_X509_bio(bio, ffi.NULL), lib.X509_free)
            if lib.X509_STORE_add_cert(self._store, root) != 1:
                lib.ERR_clear_error()
        for directory in directories:
            path = os.fsencode(directory)
            lib.X509_STORE_load_locations(self._store, ffi.NULL, path)

    def give_to(self, context: Context) -> None:
        """Have *context* trust these roots, and no others."""
        lib, _ = binding()
        lib.X509_STORE_up_ref(self._store)
        lib.SSL_CTX_set_cert_store(context._context, self._store)
