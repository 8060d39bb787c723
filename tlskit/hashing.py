"""SHA-1 and MD5 of streams by OpenSSL, and hexadecimal both ways.

Both digests are broken where somebody may choose the input; they are here
for formats that demand them.  Source: ``openssl/sha1``, ``openssl/md5``.
"""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Any, Protocol

from ._openssl import available

__all__ = [
    "bytes_to_hex_string",
    "hex_string_to_bytes",
    "md5",
    "md5_bytes",
    "sha1",
    "sha1_bytes",
]

_log = logging.getLogger("tlskit.hashing")

_CHUNK = 65536
_HEX = re.compile(r"([0-9A-Fa-f]{2})*\Z")


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes:
        """Give at most *size* bytes; none at the end."""


def sha1(stream: _Stream) -> str:
    """Hash a binary stream to its end; give 40 hexadecimal digits."""
    return bytes_to_hex_string(sha1_bytes(stream))


def sha1_bytes(stream: _Stream) -> bytes:
    """Hash a binary stream to its end; give 20 bytes."""
    return _digest("sha1", stream)


def md5(stream: _Stream) -> str:
    """Hash a binary stream to its end; give 32 hexadecimal digits."""
    return bytes_to_hex_string(md5_bytes(stream))


def md5_bytes(stream: _Stream) -> bytes:
    """Hash a binary stream to its end; give 16 bytes."""
    return _digest("md5", stream)


def _digest(name: str, stream: _Stream) -> bytes:
    if not hasattr(stream, "read"):
        raise TypeError(f"a binary stream is wanted, found {stream!r}")
    state = _openssl_state(name) if available else _own_state(name)
    while True:
        piece = stream.read(_CHUNK)
        if not isinstance(piece, (bytes, bytearray)):
            raise TypeError(
                "a binary stream is wanted; this one gives "
                f"{type(piece).__name__}"
            )
        if not piece:
            break
        state.update(piece)
    digest: bytes = state.digest() if not available else state.finalize()
    return digest


def _openssl_state(name: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    algorithm = {"sha1": hashes.SHA1, "md5": hashes.MD5}[name]
    return hashes.Hash(algorithm())


def _own_state(name: str) -> Any:
    _log.warning("OpenSSL is not available; hashlib makes the %s", name)
    return hashlib.new(name, usedforsecurity=False)


def bytes_to_hex_string(data: bytes) -> str:
    """Give lower-case hexadecimal digits, two a byte.

    Raises:
        TypeError: *data* is not bytes.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"bytes are wanted, found {data!r}")
    return bytes(data).hex()


def hex_string_to_bytes(text: str) -> bytes:
    """Give the bytes that hexadecimal digits stand for.

    Raises:
        TypeError: *text* is not text.
        ValueError: It is not an even number of hexadecimal digits.
    """
    if not isinstance(text, str):
        raise TypeError(f"text is wanted, found {text!r}")
    if not _HEX.match(text):
        raise ValueError(
            f"expected ([0-9A-Fa-f]{{2}})*, an even number of hexadecimal "
            f"digits and nothing else; found {text!r}"
        )
    return bytes.fromhex(text)
