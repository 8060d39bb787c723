"""A transport for sockets with nothing between the loop and the driver.

asyncio's own are made for any protocol: four calls of Python from a socket
that is readable to whoever wants the bytes, and on other loops copies.  This
one serves our driver alone.  It watches the socket itself, by the loop's
``add_reader`` and ``add_writer``; receives where the driver reads; and sends
from memory that can be used again when ``send`` returns.

To everybody else it is as asyncio's: the same methods, the same order of
calls, the same ends.
"""

from __future__ import annotations

import asyncio
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..ports.blocking.lane import lane_is_open
from ..ports.transport import tune
from .lane import Lane, Room, new_room, rooms

if TYPE_CHECKING:
    import socket

__all__ = ["SocketTransport", "attached"]

#: ``socket.SHUT_WR``, the same everywhere.
_WRITING = 1


async def attached(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, driver: Lane
) -> asyncio.Transport:
    """Bring *driver* to a connected socket.

    Args:
        loop: The running loop.
        sock: The socket; the transport's from now on, if this succeeds.
        driver: Whom it serves.
    """
    if lane_is_open() and driver.engine.direct is not None:
        try:
            return SocketTransport(loop, sock, driver)
        except NotImplementedError:
            pass  # A loop that can't watch sockets, as on Windows.
    transport, _ = await loop.create_connection(lambda: driver, sock=sock)
    return transport


class SocketTransport(asyncio.Transport):
    """A connected stream socket, for one driver.

    Args:
        loop: Who watches it.
        sock: The socket.
        driver: Who gets what comes in.

    Raises:
        NotImplementedError: The loop can't watch sockets.
    """

    _closing = True  # As long as there is nothing to close.

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        driver: Lane,
    ) -> None:
        super().__init__()
        sock.setblocking(False)
        self._loop = loop
        self._number = sock.fileno()
        tune(sock)
        loop.add_reader(self._number, self._readable)  # Nothing fails now.
        self._sock = sock
        self._receive, self._give = sock.recv_into, sock.send
        self._driver = driver
        self._closing = False
        self._watching = True
        self._paused = False
        self._unsent = bytearray()
        self._high, self._low = 65536, 16384
        self._full = False  # The driver was told to wait.
        self._ended = False  # The peer's direction.
        self._ending = False  # Ours, behind what is unsent.
        self._lost = False
        driver.has_lane = driver.sailing = True
        driver.connection_made(self)

    def __repr__(self) -> str:
        """Tell the descriptor and the state."""
        state = "closing" if self._closing else "open"
        return f"<{type(self).__name__} fd={self._number} {state}>"

    def __del__(self) -> None:
        """Close the socket of a transport that was forgotten."""
        if not self._closing:
            warnings.warn(
                f"unclosed transport {self!r}",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
            self._sock.close()

    # -- what comes in ------------------------------------------------------

    def _readable(self) -> None:
        """Receive what is there, for the driver."""
        place = rooms.mine or self._make_room()
        try:
            size = self._receive(self._driver.room_for(place.cipher))
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if size:
            self._driver.arrived(place, size)
            return
        self._ended = True
        self._watch()
        self._driver.eof_received()

    def _make_room(self) -> Room:
        direct = self._driver.engine.direct
        assert direct is not None
        return new_room(direct)

    def _watch(self) -> None:
        """Watch the socket for reading, or not, as things are now."""
        wanted = not (self._paused or self._ended or self._closing)
        if wanted is self._watching:
            return
        self._watching = wanted
        if wanted:
            self._loop.add_reader(self._number, self._readable)
        else:
            self._loop.remove_reader(self._number)

    def pause_reading(self) -> None:
        """Leave what comes in to the system, until ``resume_reading``."""
        self._paused = True
        self._watch()

    def resume_reading(self) -> None:
        """Receive again."""
        self._paused = False
        self._watch()

    # -- what goes out ------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, at once or later; they may be changed afterwards."""
        if self._unsent:
            self._unsent += data
        elif not self._closing:
            try:
                sent = self._give(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            self._unsent += memoryview(data)[sent:]
            self._loop.add_writer(self._number, self._writable)
        self._look_for_room()

    def _look_for_room(self) -> None:
        if not self._full and len(self._unsent) > self._high:
            self._full = True
            self._driver.pause_writing()

    def _writable(self) -> None:
        """Send what was left."""
        try:
            sent = self._give(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if self._full and len(self._unsent) <= self._low:
            self._full = False
            self._driver.resume_writing()
        # The driver may have written more, or lost the connection.
        if self._unsent or self._lost:
            return
        self._loop.remove_writer(self._number)
        if self._closing:
            self._end(None)
        elif self._ending:
            try:
                self._sock.shutdown(_WRITING)
            except OSError as error:
                self._lose(error)

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Set how many unsent bytes make the driver wait, and go on."""
        assert high is not None
        self._high, self._low = high, high // 4 if low is None else low
        self._look_for_room()

    def get_write_buffer_size(self) -> int:
        """Say how many bytes are unsent."""
        return len(self._unsent)

    def can_write_eof(self) -> bool:
        """Say yes: a socket can close one direction."""
        return True

    def write_eof(self) -> None:
        """Close our direction when everything is sent.

        Raises:
            OSError: It is cut off already.
        """
        self._ending = True
        if not self._unsent:
            self._sock.shutdown(_WRITING)

    # -- the end ------------------------------------------------------------

    def is_closing(self) -> bool:
        """Say whether it is closed, or about to be."""
        return self._closing

    def close(self) -> None:
        """Close when everything is sent; the driver is told."""
        if self._closing:
            return
        self._closing = True
        self._watch()
        if not self._unsent:
            self._end(None)

    def abort(self) -> None:
        """Close at once; what is unsent is lost."""
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        self._unsent.clear()
        self._closing = True
        self._watch()
        self._end(error)

    def _end(self, error: OSError | None) -> None:
        if not self._lost:
            self._lost = True
            # Also when all is sent: it may be _writable() that calls us.
            self._loop.remove_writer(self._number)
            self._loop.call_soon(self._tell, error)

    def _tell(self, error: OSError | None) -> None:
        try:
            if isinstance(error, ConnectionError) and not self._ended:
                self._hear_out()
            self._driver.connection_lost(error)
        finally:
            self._sock.close()
            del self._driver  # Who holds us.

    def _hear_out(self) -> None:
        """Take in what has come before the connection was cut off."""
        place = rooms.mine or self._make_room()
        with suppress(OSError):
            while not self._paused:  # So much can't be about a refusal.
                size = self._receive(place.cipher)
                if not size:
                    break
                self._driver.feed(place.cipher[:size])

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give the ``"socket"``, its ``"sockname"`` or ``"peername"``."""
        if name == "socket":
            return self._sock
        ask = {
            "sockname": self._sock.getsockname,
            "peername": self._sock.getpeername,
        }.get(name)
        try:
            return default if ask is None else ask()
        except OSError:
            return default
