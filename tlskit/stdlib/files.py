"""Files over an ``SSLSocket`` that read straight from its session.

``socket.makefile`` gives any socket's files; each of their reads asks the
file and the socket some ten questions first.  Here the session is asked at
once, as long as there is one; and the buffer has room for a record, so that
nothing of one is left behind.
"""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .socket import SSLSocket

__all__ = ["buffered_reader"]

#: A record's plaintext (RFC 8446, section 5.1).
_RECORD = 16384


def buffered_reader(sock: SSLSocket) -> Any:
    """Give a buffered file that reads from *sock*."""
    made = io.BufferedReader(_Reader(sock), _RECORD)
    counted: Any = sock
    counted._io_refs += 1  # It stays open for us, too.
    return made


class _Reader(socket.SocketIO):
    """What such a file reads from; see ``socket.SocketIO``."""

    _sock: Any  # None once it is closed.
    _timeout_occurred: bool

    def __init__(self, sock: SSLSocket) -> None:
        super().__init__(sock, "r")

    def readinto(self, b: Buffer) -> int | None:
        """Read at least a byte; 0 is the end."""
        sock = self._sock
        session = None if sock is None else sock._sslobj
        if session is None or self._timeout_occurred:
            return super().readinto(b)
        try:
            size: int = session.read(0, b)
        except TimeoutError:
            self._timeout_occurred = True
            raise
        return size
