"""Private keys of every kind that OpenSSL knows, and signature schemes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConfigurationError, CredentialError
from .probing import fail, require

if TYPE_CHECKING:
    from OpenSSL.SSL import Context

__all__ = ["set_signature_algorithms", "use_private_key"]


def use_private_key(context: Context, der: bytes) -> None:
    """Use this private key, PKCS#8 in DER, with the certificate before it."""
    lib, ffi = require("any-private-key", "take a key of this kind")
    bio = ffi.gc(lib.BIO_new_mem_buf(der, len(der)), lib.BIO_free)
    key = lib.d2i_PrivateKey_bio(bio, ffi.NULL)
    if key == ffi.NULL:
        fail(CredentialError, "reading the private key")
    key = ffi.gc(key, lib.EVP_PKEY_free)
    if lib.SSL_CTX_use_PrivateKey(context._context, key) != 1:
        fail(CredentialError, "using the private key")


def set_signature_algorithms(context: Context, names: str) -> None:
    """Offer and take these schemes, in this order, joined by colons."""
    lib, _ = require("signature-algorithms", "choose signature algorithms")
    if lib.SSL_CTX_set1_sigalgs_list(context._context, names.encode()) != 1:
        fail(ConfigurationError, f"setting the signature algorithms {names!r}")
