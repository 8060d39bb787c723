"""Where one record of ciphertext ends and the next begins."""

from __future__ import annotations

__all__ = ["Backlog", "Records"]

_HEADER = 5  # RFC 8446, section 5.1: type, version, length.
_DATA = 23  # The type ``application_data``; in TLS 1.3 also of what is hidden.
#: No alert is as long; nobody pads one to such a length.
_NO_ALERT = 1024


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

    def whole(self, data: memoryview, size: int, most: int, adds: int) -> int:
        """Count what is taken of ciphertext that has come, and say how much.

        That is one record, or what there is of it.  More follow only if they
        are there as a whole, hold data, none before them is a close_notify,
        and what is in all of them fits; so nothing is left over of more than
        one.

        Args:
            data: The ciphertext, from the beginning.
            size: How many bytes of it there are; at least one.
            most: How many bytes of plaintext there is room for.
            adds: What a record adds to its plaintext at least, besides its
                header.
        """
        if self._left or self._header or size < _HEADER:
            size = min(size, self.wanted)
            self.took(data[:size])
            return size
        length = data[3] << 8 | data[4]
        end = _HEADER + length
        if end >= size:
            self._left = end - size
            return size
        most += adds - length
        # Behind a short one, which may be the peer's end, nothing may be ours.
        while (
            length >= _NO_ALERT
            and end + _HEADER <= size
            and data[end] == _DATA
        ):
            length = data[end + 3] << 8 | data[end + 4]
            most += adds - length
            if length < _NO_ALERT or most < 0 or end + _HEADER + length > size:
                break
            end += _HEADER + length
        return end


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
