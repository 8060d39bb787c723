"""What is sent: one stream of bytes, the same in every process.

It has no period that a message could have, so whatever is lost, doubled or
shifted shows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle, islice

__all__ = [
    "CHECKED",
    "DONE",
    "END",
    "GO",
    "MIB",
    "check",
    "check_end",
    "messages",
    "ring",
    "stretch",
]

MIB = 1 << 20
#: How much is sent first, and compared byte for byte.
CHECKED = 4 * MIB
#: What a receiver says when it has compared, and when it has counted, and
#: what a sender says last.
GO, DONE, END = b"g", b"d", b"that was all"
_RING = random.Random(4).randbytes(MIB // 4)
_TWICE = _RING * 2


def ring(size: int) -> bytes:
    """Give the stream's first bytes, as many as messages of *size* come from.

    Raises:
        ValueError: The stream can't be cut so.
    """
    found = _RING * max(1, size // len(_RING))
    if len(found) % size:
        raise ValueError(f"the stream is not made of messages of {size} bytes")
    return found


def messages(size: int, total: int) -> Iterator[bytes]:
    """Cut the first *total* bytes of the stream into messages.

    Raises:
        ValueError: They can't be cut so.
    """
    source = ring(size)
    if total % size:
        raise ValueError(f"{total} bytes are not messages of {size}")
    pieces = [source[at : at + size] for at in range(0, len(source), size)]
    return islice(cycle(pieces), total // size)


def stretch(start: int, size: int) -> bytes:
    """Give *size* bytes of the stream from *start* on."""
    start %= len(_RING)
    source = _TWICE
    if size > len(_RING):
        source = _RING * (2 + size // len(_RING))
    return source[start : start + size]


def check_end(data: bytes) -> None:
    """Compare what came after the stream with what a sender says last.

    Raises:
        ValueError: The stream was longer than it should be.
    """
    if data != END:
        raise ValueError(f"bytes too many: {data!r}")


def check(data: bytes | bytearray | memoryview, start: int) -> None:
    """Compare *data* with the stream from *start* on.

    Raises:
        ValueError: A byte differs.
    """
    if bytes(data) != stretch(start, len(data)):
        raise ValueError(f"a byte differs, {start} or more into the stream")
