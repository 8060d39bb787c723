"""Plaintext that was met before anybody read it."""

from __future__ import annotations

from collections import deque

__all__ = ["MOST_EARLY", "Early"]

#: No more than about so many bytes are kept, or the session fails.
MOST_EARLY = 1048576


class Early:
    """Pieces of plaintext, in order, for a read to come."""

    #: How many bytes there are.
    size: int = 0

    def __init__(self) -> None:
        # There are hardly ever any, and an empty deque is large.
        self._pieces: deque[memoryview] | None = None

    @property
    def full(self) -> bool:
        """Whether there are as many as are to be kept."""
        return self.size >= MOST_EARLY

    def put(self, plaintext: memoryview) -> None:
        """Keep a copy of *plaintext*."""
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(memoryview(bytes(plaintext)))
        self.size += len(plaintext)

    def take(self, buffer: memoryview) -> int:
        """Move the beginning into *buffer*; say how many bytes."""
        assert self._pieces is not None
        piece = self._pieces.popleft()
        size = min(len(buffer), len(piece))
        buffer[:size] = piece[:size]
        if size < len(piece):
            self._pieces.appendleft(piece[size:])
        self.size -= size
        return size
