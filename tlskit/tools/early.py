"""Plaintext that was met before anybody read it."""

from __future__ import annotations

from collections import deque

__all__ = ["MOST_EARLY", "Early"]

#: No more than about so many bytes are kept, or the session fails.
MOST_EARLY = 1048576


class Early:
    """Pieces of plaintext, in order, for a read to come."""

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        #: How many bytes there are.
        self.size: int = 0

    @property
    def full(self) -> bool:
        """Whether there are as many as are to be kept."""
        return self.size >= MOST_EARLY

    def put(self, plaintext: memoryview) -> None:
        """Keep a copy of *plaintext*."""
        self._pieces.append(memoryview(bytes(plaintext)))
        self.size += len(plaintext)

    def take(self, buffer: memoryview) -> int:
        """Move the beginning into *buffer*; say how many bytes."""
        piece = self._pieces.popleft()
        size = min(len(buffer), len(piece))
        buffer[:size] = piece[:size]
        if size < len(piece):
            self._pieces.appendleft(piece[size:])
        self.size -= size
        return size
