"""Plaintext on its way to the engine: small writes become large ones."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Outbox"]

#: From this size on, bytes that can't change are kept, not copied.
_LARGE = 16384
#: What is taken at once, or one huge write would double its memory.
_SLICE = 262144


class Outbox:
    """A queue of bytes, in order.

    The piece that ``head`` gives stays the same until ``drop``: OpenSSL wants
    to see the same bytes again, at the same place, if it could not go on.
    """

    def __init__(self) -> None:
        #: How many bytes are inside.
        self.size: int = 0
        # What waits alone, as most pieces do; else all is behind it.
        self._alone: bytes | None = None
        self._pieces: deque[memoryview] = deque()
        self._tail = bytearray()

    def put(self, data: Buffer) -> None:
        """Append *data*; the caller may change it afterwards."""
        size = self.size
        if type(data) is bytes:
            if not size:
                self._alone = data
                self.size = len(data)
                return
            self._join_queue()
            self.size = size + len(data)
            if len(data) < _LARGE:
                self._tail += data
                return
            self._close_tail()
            self._pieces.append(memoryview(data))
            return
        self._join_queue()
        view = memoryview(data).cast("B")
        self.size = size + len(view)
        self._tail += view

    def head(self) -> bytes | memoryview:
        """Give the next bytes, if there are any; a slice of what waits."""
        if self._alone is not None:
            if self.size <= _SLICE:
                return self._alone
            self._join_queue()
        if not self._pieces:
            self._close_tail()
        return self._pieces[0][:_SLICE]

    def drop(self, size: int) -> None:
        """Forget the *size* bytes that ``head`` has given."""
        self.size -= size
        if self._alone is not None:
            self._alone = None
            return
        rest = self._pieces.popleft()[size:]
        if len(rest):
            self._pieces.appendleft(rest)

    def clear(self) -> None:
        """Forget everything."""
        self.size = 0
        self._alone = None
        self._pieces.clear()
        self._tail = bytearray()

    def _join_queue(self) -> None:
        """Queue what was alone: it is no longer."""
        alone, self._alone = self._alone, None
        if alone and len(alone) < _LARGE:
            self._tail += alone
        elif alone:
            self._pieces.append(memoryview(alone))

    def _close_tail(self) -> None:
        if self._tail:
            self._pieces.append(memoryview(self._tail))
            self._tail = bytearray()
