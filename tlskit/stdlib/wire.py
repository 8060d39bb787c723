"""The socket beneath an ``SSLSocket``: ciphertext, and no more than is due.

Applications select on the descriptor of an ``SSLSocket``, and are not told of
what has left it.  So a read takes one record, as the standard library's
does; or several, if the caller has room for all that is in them.

It looks first at what is there (``MSG_PEEK``), and then takes it: two system
calls, which OpenSSL needs as well for a record's header and its rest.
"""

from __future__ import annotations

import socket
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..engine.engine import Engine
from ..openssl.records import Records
from ..ports.blocking.driver import Driver
from ..ports.blocking.lane import lane_is_open, raised_by_handler
from ..ports.transport import poll
from ..tools.deadline import Deadline
from .originals import SocketBeneath

if TYPE_CHECKING:
    from .socket import SSLSocket

__all__ = ["Wire", "WireDriver"]

#: A record's ciphertext has no more bytes than this besides its plaintext
#: (RFC 5246, section 6.2.3), its header included.
_MORE = 2048 + 5
#: A record's plaintext.
_RECORD = 16384
#: Linux does not copy again what was looked at before; others do.
_TAKE = socket.MSG_TRUNC if sys.platform == "linux" else 0
_PEEK = socket.MSG_PEEK

#: What a record of TLS 1.3 adds: its type and the tag; and the least that
#: one adds with any version and cipher suite.
_ADDED, _LEAST = 17, 8
_TLS_1_3 = 0x0304
#: Ends the names of suites whose tag has only 8 bytes.
_SHORT_TAG = "CCM_8_SHA256"

_receive = SocketBeneath.recv_into
_send = SocketBeneath.send


class Wire:
    """The socket as a transport; see there.

    Args:
        sock: Its owner's owner: a cycle would keep sockets open.
    """

    close_streams = False

    def __init__(self, sock: SSLSocket) -> None:
        self._sock = weakref.ref(sock)
        #: Knows where a record ends.
        self.records: Records = Records()

    @property
    def sock(self) -> SSLSocket:
        """The socket."""
        sock = self._sock()
        assert sock is not None, "the owner of the session calls us"
        return sock

    def read_into(self, buffer: memoryview) -> int | None:
        """Take what there is of one record."""
        sock = self.sock
        try:
            size = _receive(sock, buffer, _RECORD + _MORE, _PEEK)
            if size:
                size = self.records.whole(buffer, size, 0, 0)
                size = _receive(sock, buffer, size, _TAKE)
        except BlockingIOError:
            return None
        return size

    def write(self, data: memoryview) -> int | None:
        """See ``Transport``."""
        try:
            return _send(self.sock, data)
        except BlockingIOError:
            return None

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """See ``Transport``."""
        if write and deadline.is_now:
            # The caller selects; what a writer takes in would not wake it.
            read = False
        number = self.fileno()
        return poll(
            [number] if read else [], [number] if write else [], deadline
        )

    def close_write(self) -> None:
        """See ``Transport``."""
        with suppress(OSError):
            SocketBeneath.shutdown(self.sock, socket.SHUT_WR)

    def wake(self) -> None:
        """See ``Transport``."""
        with suppress(OSError):
            SocketBeneath.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Leave it to the ``SSLSocket``, whose close this is part of."""

    def fileno(self) -> int:
        """See ``Transport``."""
        return self.sock.fileno()


class WireDriver(Driver):
    """Runs an engine over a ``Wire``, with a lane of its own.

    Args:
        engine: The session.
        wire: What its ciphertext travels on.
    """

    # No more than a caller has room for comes at once, and that is worth a
    # copy: what OpenSSL reads where it is has its price, too.
    _stream = 4 * _RECORD

    def __init__(self, engine: Engine, wire: Wire) -> None:
        super().__init__(engine, wire)
        self._wire = wire
        self._adds = 0  # Each record to its plaintext; as yet unknown.
        self.has_lane = lane_is_open() and engine.direct is not None

    @property
    def _give(  # type: ignore[override]
        self,
    ) -> Callable[[memoryview], int]:
        # Kept, it would hold the socket.
        return partial(_send, self._wire.sock)

    def _least(self) -> int:
        """Say what a record adds to its plaintext at least, but a header."""
        facts = self.engine.write_down()
        short = facts.version < _TLS_1_3 or (facts.cipher or "").endswith(
            _SHORT_TAG
        )
        self._adds = _LEAST if short else _ADDED
        return self._adds

    def _received(self, chunk: memoryview, most: int) -> int:
        """Receive whole records, or what there is of one; see ``Lane``."""
        wire = self._wire
        sock = wire.sock
        room = _RECORD + _MORE
        if most > _RECORD:
            room = min(len(chunk), most + _MORE)
        try:
            size = _receive(sock, chunk, room, _PEEK)
            if size:
                size = wire.records.whole(
                    chunk, size, most, self._adds or self._least()
                )
                size = _receive(sock, chunk, size, _TAKE)
        except BaseException as error:
            if raised_by_handler(error):
                self.engine.lose()
            elif isinstance(error, BlockingIOError):
                self._waits = 0
                return 0
            raise
        self._heard = True
        self._waits = 0
        return size
