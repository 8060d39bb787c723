"""Reads fields as TLS writes them (RFC 8446, section 3)."""

from __future__ import annotations

__all__ = ["Reader"]


class Reader:
    """Takes fields from the front of some bytes.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether something is left."""
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """Give so many bytes.

        Raises:
            ValueError: There are fewer.
        """
        end = self._at + size
        if end > len(self._data):
            raise ValueError("the message is cut off")
        taken, self._at = self._data[self._at : end], end
        return taken

    def number(self, size: int) -> int:
        """Give a number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int) -> Reader:
        """Give what has its length before it."""
        return Reader(self.take(self.number(length_size)))

    def rest(self) -> bytes:
        """Give all that is left."""
        return self.take(len(self._data) - self._at)

    def numbers(self, size: int = 2) -> tuple[int, ...]:
        """Give all that is left, as numbers of so many bytes."""
        found = []
        while self:
            found.append(self.number(size))
        return tuple(found)

    def end(self) -> None:
        """See that nothing is left.

        Raises:
            ValueError: Something is.
        """
        if self:
            raise ValueError("bytes follow where the message should end")
