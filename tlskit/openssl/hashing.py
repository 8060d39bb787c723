"""SHA-256, SHA-1 and MD5 of streams by OpenSSL, and hexadecimal both ways.

SHA-1 and MD5 are broken where somebody may choose the input; they are here
for formats that demand them.  Source: ``openssl/sha256``, ``openssl/sha1``,
``openssl/md5``.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .gate import is_available

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes

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

_log = logging.getLogger("tlskit.hashing")

_CHUNK = 65536
_HEX = re.compile(r"([0-9A-Fa-f]{2})*\Z")


_Update = Callable[[bytes], None]
_Finish = Callable[[], bytes]


class _Stream(Protocol):
    """What is hashed."""

    def read(self, size: int, /) -> bytes:
        """Give at most *size* bytes; none at the end."""
        ...


def sha256(stream: _Stream) -> str:
    """Hash a binary stream to its end; give 64 hexadecimal digits.

    Args:
        stream: As for ``sha1``; so are the errors.

    Source: ``sha256`` (``openssl/sha256``).
    """
    return bytes_to_hex_string(sha256_bytes(stream))


def sha256_bytes(stream: _Stream) -> bytes:
    """Hash a binary stream to its end; give 32 bytes.

    Args:
        stream: As for ``sha1``; so are the errors.

    Source: ``sha256-bytes`` (``openssl/sha256``).
    """
    return _digest("sha256", stream)


def sha1(stream: _Stream) -> str:
    """Hash a binary stream to its end; give 40 hexadecimal digits.

    Args:
        stream: It is read in pieces of at most 65,536 bytes, and stays open.

    Raises:
        TypeError: It is no binary stream; bytes themselves are none either.

    Source: ``sha1`` (``openssl/sha1``).
    """
    return bytes_to_hex_string(sha1_bytes(stream))


def sha1_bytes(stream: _Stream) -> bytes:
    """Hash a binary stream to its end; give 20 bytes.

    Args:
        stream: As for ``sha1``; so are the errors.

    Source: ``sha1-bytes`` (``openssl/sha1``).
    """
    return _digest("sha1", stream)


def md5(stream: _Stream) -> str:
    """Hash a binary stream to its end; give 32 hexadecimal digits.

    Args:
        stream: As for ``sha1``; so are the errors.

    Source: ``md5`` (``openssl/md5``).
    """
    return bytes_to_hex_string(md5_bytes(stream))


def md5_bytes(stream: _Stream) -> bytes:
    """Hash a binary stream to its end; give 16 bytes.

    Args:
        stream: As for ``sha1``; so are the errors.

    Source: ``md5-bytes`` (``openssl/md5``).
    """
    return _digest("md5", stream)


def _digest(name: str, stream: _Stream) -> bytes:
    # What is hashed may be secret; so no message repeats it.
    if not hasattr(stream, "read"):
        raise TypeError(
            f"a binary stream is wanted, found {type(stream).__name__}"
        )
    update, finish = _state(name)
    while True:
        piece = stream.read(_CHUNK)
        if not isinstance(piece, (bytes, bytearray)):
            raise TypeError(
                "a binary stream is wanted; this one gives "
                f"{type(piece).__name__}"
            )
        if not piece:
            return finish()
        update(piece)


def _state(name: str) -> tuple[_Update, _Finish]:
    """Begin to hash: by OpenSSL, or else by what Python has itself."""
    state = _openssl_state(name) if is_available() else None
    if state is not None:
        return state.update, state.finalize
    _log.warning("OpenSSL can't be used for %s; hashlib makes it", name)
    own = hashlib.new(name, usedforsecurity=False)
    return own.update, own.digest


def _openssl_state(name: str) -> hashes.Hash | None:
    """Begin to hash by OpenSSL; None if it refuses, as in FIPS mode."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes

    known: dict[str, type[hashes.HashAlgorithm]] = {
        "sha256": hashes.SHA256,
        "sha1": hashes.SHA1,
        "md5": hashes.MD5,
    }
    try:
        return hashes.Hash(known[name]())
    except UnsupportedAlgorithm:
        return None


def bytes_to_hex_string(data: bytes) -> str:
    """Give lower-case hexadecimal digits, two a byte.

    Args:
        data: Any number of bytes.

    Raises:
        TypeError: *data* is not bytes.

    Source: ``bytes->hex-string``.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"bytes are wanted, found {type(data).__name__}")
    return bytes(data).hex()


def hex_string_to_bytes(text: str) -> bytes:
    """Give the bytes that hexadecimal digits stand for.

    Args:
        text: The digits, in either case.

    Raises:
        TypeError: *text* is not text.
        ValueError: It is not an even number of hexadecimal digits.

    Source: ``hex-string->bytes``.
    """
    if not isinstance(text, str):
        raise TypeError(f"text is wanted, found {type(text).__name__}")
    if not _HEX.match(text):
        raise ValueError(
            f"expected ([0-9A-Fa-f]{{2}})*, an even number of hexadecimal "
            f"digits and nothing else; found {text!r}"
        )
    return bytes.fromhex(text)
