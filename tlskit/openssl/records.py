"""Where one record of ciphertext ends and the next begins."""

from __future__ import annotations

__all__ = ["Backlog", "Records"]

_HEADER = 5  # RFC 8446, section 5.1: type, version, length.


class Records:
    """Counts bytes of ciphertext, so that nobody reads past a record.

    What follows the peer's close_notify is not ours: after ``unwrap`` the
    application reads it as plain text.  And who selects on a descriptor is
    not told of bytes that have left it.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0

    @property
    def wanted(self) -> int:
        """How many bytes may be read now; never 0."""
        return self._left or _HEADER - len(self._header)

    @property
    def complete(self) -> bool:
        """Whether a record has just ended."""
        return not self._left and not self._header

    def took(self, data: bytes | memoryview) -> None:
        """Count what was read, no more than was ``wanted``."""
        if self._left:
            self._left -= len(data)
            return
        self._header += bytes(data)
        if len(self._header) == _HEADER:
            self._left = int.from_bytes(self._header[3:], "big")
            self._header = b""


class Backlog:
    """Ciphertext that is given to OpenSSL record by record.

    For want of a way to ask OpenSSL what it has left.
    """

    def __init__(self) -> None:
        self._records = Records()
        self._data = bytearray()

    def __len__(self) -> int:
        """Count what was not taken."""
        return len(self._data)

    def put(self, data: bytes | bytearray | memoryview) -> None:
        """Add ciphertext."""
        self._data += data

    def take(self) -> bytes:
        """Take as much as there is of one record."""
        end = 0
        while end < len(self._data):
            size = min(self._records.wanted, len(self._data) - end)
            self._records.took(bytes(self._data[end : end + size]))
            end += size
            if self._records.complete:
                break
        piece = bytes(self._data[:end])
        del self._data[:end]
        return piece

    def rest(self) -> bytes:
        """Take all of it."""
        rest = bytes(self._data)
        self._data.clear()
        return rest
