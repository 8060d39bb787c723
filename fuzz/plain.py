"""A blind mutator, for where ``atheris`` is not to be had."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

__all__ = ["BrokenPromiseError", "mutated", "run"]

_MOST = 65536
#: Numbers that lengths and types go wrong at.
_EDGES = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)


class BrokenPromiseError(Exception):
    """A target's promise was broken by ``data``."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


def mutated(chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Change an input from *corpus* in a few places."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        _mutate(chance, data, corpus)
    return bytes(data[:_MOST])


def _mutate(
    chance: random.Random, data: bytearray, corpus: Sequence[bytes]
) -> None:
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 2, 4, 32, 256)))
    move = chance.randrange(6)
    if move == 0:
        data[at:end] = b""
    elif move == 1:
        data[at:at] = data[at:end]
    elif move == 2:
        other = chance.choice(corpus)
        start = chance.randrange(len(other) + 1)
        data[at:end] = other[start : start + end - at]
    elif move == 3:
        data[at:at] = chance.randbytes(end - at or 1)
    elif at < len(data):
        data[at] = (
            chance.choice(_EDGES) if move == 4 else chance.randrange(256)
        )


def run(
    target: Callable[[bytes], None],
    corpus: Sequence[bytes],
    *,
    seconds: float,
    seed: int,
    most: int | None = None,
) -> int:
    """Call *target* with mutations of *corpus*.

    Args:
        target: Raises if its promise is broken.
        corpus: What to begin with; each is tried as it is, too.
        seconds: For how long.
        seed: The same one gives the same inputs.
        most: No more inputs than this.

    Returns:
        How many inputs were tried.

    Raises:
        BrokenPromiseError: One broke the promise.
    """
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < end and (most is None or tried < most):
        data = (
            corpus[tried] if tried < len(corpus) else mutated(chance, corpus)
        )
        try:
            target(data)
        except Exception as error:
            raise BrokenPromiseError(data) from error
        tried += 1
    return tried
