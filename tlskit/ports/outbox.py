"""Plaintext on its way to the engine: small writes become large ones."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Outbox"]

#: What is taken at once, or one huge write would double its memory.
_SLICE = 262144
#: So many pieces are made into one, or tiny ones would take much memory.
_MANY = 256
#: So much is copied once more for that.
_LITTLE = 65536


class Outbox:
    """A queue of bytes, in order.

    The piece that ``head`` gives stays the same until ``drop``: OpenSSL wants
    to see the same bytes again, at the same place, if it could not go on.
    """

    def __init__(self) -> None:
        #: How many bytes are inside.
        self.size: int = 0
        self._ready: deque[bytes | memoryview] = deque()  # To be given.
        self._fresh: list[bytes] = []  # Behind them.

    def put(self, data: Buffer) -> None:
        """Append *data*; the caller may change it afterwards."""
        if type(data) is not bytes:
            data = bytes(memoryview(data).cast("B"))
        if data:
            self.size += len(data)
            fresh = self._fresh
            fresh.append(data)
            if len(fresh) >= _MANY:
                self._gather()

    def head(self) -> bytes | memoryview:
        """Give the next bytes, if there are any; a slice of what waits."""
        ready = self._ready
        if not ready:
            if len(self._fresh) == 1 and self.size <= _SLICE:
                ready.append(self._fresh.pop())
            else:
                self._collect()
        return ready[0]

    def drop(self) -> None:
        """Forget what ``head`` has given."""
        self.size -= len(self._ready.popleft())

    def clear(self) -> None:
        """Forget everything."""
        self.size = 0
        self._ready.clear()
        self._fresh.clear()

    def _gather(self) -> None:
        """Make one piece of many tiny ones."""
        if sum(map(len, self._fresh)) < _LITTLE:
            self._fresh = [b"".join(self._fresh)]
        else:
            self._collect()

    def _collect(self) -> None:
        """Make pieces of a good size of those that are too small or large."""
        fresh, self._fresh = self._fresh, []
        ready = self._ready
        small: list[bytes] = []
        size = 0
        for piece in fresh:
            if small and size + len(piece) > _SLICE:
                ready.append(b"".join(small))
                small, size = [], 0
            if len(piece) <= _SLICE:
                small.append(piece)
                size += len(piece)
                continue
            view = memoryview(piece)
            for start in range(0, len(view), _SLICE):
                ready.append(view[start : start + _SLICE])
        if small:
            ready.append(b"".join(small))
