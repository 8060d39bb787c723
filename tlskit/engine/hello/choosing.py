"""A client's first message, collected before anything is decided by it.

With the hook ``choose_for`` OpenSSL gets no byte of the client's before the
hook has answered: so the chosen context makes the whole session, and there
is nothing to carry over from another.  Without it the message is only kept.
"""

from __future__ import annotations

from functools import cached_property
from struct import Struct

from .client_hello import MOST, Asked, ClientHello, asked_by

__all__ = ["Greeting"]

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_HEADER = 5
#: RFC 8446, section 5.1.
_RECORD = 16384
#: The header of a record, and that of the message in it.
_START = Struct(">BBBHBBH")


class Greeting:
    """Collects a ClientHello out of the ciphertext that comes in.

    Args:
        waits: Whether OpenSSL must not see it yet.
    """

    #: Whether there is nothing more to be collected.
    done: bool = False
    #: The message, if it was one.
    raw: bytes | None = None
    # Nearly all come in one piece.
    _held = _tail = _message = b""

    def __init__(self, *, waits: bool) -> None:
        #: Whether what comes in is held back.
        self.waits: bool = waits

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take ciphertext; what is no handshake ends the collection."""
        if self.waits:
            self._held += data
        if self.done:
            return
        if not (self._tail or self._message) and _is_whole(data):
            self.done, self.raw = True, bytes(data[_HEADER:])
            return
        self._tail += data
        while not self.done and len(self._tail) >= _HEADER:
            kind, major, _, high, low = self._tail[:_HEADER]
            size = high << 8 | low
            if kind != _HANDSHAKE or major != 3 or not 0 < size <= _RECORD:
                self._end(None)
                return
            if len(self._tail) < _HEADER + size:
                return
            self._message += self._tail[_HEADER : _HEADER + size]
            self._tail = self._tail[_HEADER + size :]
            self._look()

    def _look(self) -> None:
        message = self._message
        if message[0] != _CLIENT_HELLO:
            self._end(None)
        elif len(message) >= 4:
            size = 4 + int.from_bytes(message[1:4], "big")
            if size > MOST:
                self._end(None)
            elif len(message) >= size:
                self._end(bytes(message[:size]))

    def _end(self, raw: bytes | None) -> None:
        self.done, self.raw = True, raw
        self._tail = self._message = b""

    def release(self) -> bytes:
        """Give what was held back; from now on nothing is."""
        self.waits = False
        held, self._held = self._held, b""
        return held

    @cached_property
    def asked(self) -> Asked | None:
        """What decides who answers; None if the message is malformed."""
        assert self.raw is not None
        try:
            return asked_by(self.raw)
        except ValueError:
            return None

    @cached_property
    def hello(self) -> ClientHello | None:
        """The message as a value; None if it is not there, or malformed."""
        if self.raw is None:
            return None
        try:
            return ClientHello.parse(self.raw)
        except ValueError:
            return None


def _is_whole(data: bytes | bytearray | memoryview) -> bool:
    """Say whether that is a ClientHello in one record, and no more."""
    size = len(data) - _HEADER
    if not 4 <= size <= _RECORD:
        return False
    kind, major, _, length, message, high, low = _START.unpack_from(data)
    whole: bool = (
        kind == _HANDSHAKE
        and major == 3
        and length == size
        and message == _CLIENT_HELLO
        and high << 16 | low == size - 4
    )
    return whole
