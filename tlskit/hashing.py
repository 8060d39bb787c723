"""SHA-256, SHA-1 and MD5 of streams by OpenSSL, and hexadecimal both ways.

SHA-1 and MD5 are broken where somebody may choose the input; they are here
for formats that demand them.  Source: ``openssl/sha256``, ``openssl/sha1``,
``openssl/md5``.
"""

from __future__ import annotations

from .openssl.hashing import (
    bytes_to_hex_string,
    hex_string_to_bytes,
    md5,
    md5_bytes,
    sha1,
    sha1_bytes,
    sha256,
    sha256_bytes,
)

__all__ = [
    "bytes_to_hex_string",
    "hex_string_to_bytes",
    "md5",
    "md5_bytes",
    "sha1",
    "sha1_bytes",
    "sha256",
    "sha256_bytes",
]
