"""What carries ciphertext: a socket, another port, or any stream of trio's.

All look like a blocking port's transport: reads and writes never wait, and
waiting does nothing else.  So whoever is cancelled while it waits has lost
nothing.  A foreign stream has no such moves; see ``StreamCarrier``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import trio

from ..ports.transport import SocketTransport, tune
from ..tools.deadline import NEVER
from ..tools.instead import Instead

if TYPE_CHECKING:
    import socket

    from .port import TrioSSLPort

__all__ = ["Carrier", "PortCarrier", "SocketCarrier", "StreamCarrier"]

#: So much is given to a stream at once, or received of it.
_PIECE = 65536


class Carrier(Protocol):
    """A stream of bytes in both directions."""

    #: Whether ``wait_write`` only waits, and can be cancelled at any time.
    only_waits: bool

    @property
    def unsent(self) -> int:
        """How many bytes were taken and have not left yet."""
        ...

    def read_into(self, buffer: memoryview) -> int | None:
        """Put what is there into *buffer*; 0 is end of file, None nothing."""
        ...

    def write(self, data: memoryview) -> int | None:
        """Take some of *data* and say how much; None if nothing fits now."""
        ...

    async def wait_read(self) -> None:
        """Wait until there is something to read."""

    async def wait_write(self) -> None:
        """Wait until there is room, or what was taken has left."""

    async def wait_room(self) -> None:
        """Wait until there may be room; nothing is sent meanwhile."""

    async def send_eof(self) -> None:
        """Tell the other end that no more comes, if that can be told."""

    async def aclose(self) -> None:
        """Give everything back; at once if cancelled."""

    def abort(self) -> None:
        """Give everything back without waiting."""


class SocketCarrier(SocketTransport):
    """A connected socket."""

    only_waits = True
    unsent = 0

    def __init__(self, sock: socket.socket) -> None:
        tune(sock)
        super().__init__(sock)

    async def wait_read(self) -> None:
        """See ``Carrier``."""
        await trio.lowlevel.wait_readable(self.sock)

    async def wait_write(self) -> None:
        """See ``Carrier``."""
        await trio.lowlevel.wait_writable(self.sock)

    wait_room = wait_write

    async def send_eof(self) -> None:
        """See ``Carrier``."""
        self.close_write()

    async def aclose(self) -> None:
        """See ``Carrier``."""
        self.abort()

    def abort(self) -> None:
        """See ``Carrier``; wake who waits for the socket."""
        if self.sock.fileno() != -1:
            trio.lowlevel.notify_closing(self.sock)
        self.close()


class PortCarrier:
    """Another port's plaintext: TLS in TLS.

    What the port takes leaves in order whatever becomes of who waits.
    """

    only_waits = True

    def __init__(self, port: TrioSSLPort) -> None:
        self._port = port
        self._driver = port._driver
        self._ahead = port._take_all()

    @property
    def unsent(self) -> int:
        """See ``Carrier``."""
        return self._driver.backlog

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Carrier``."""
        if self._ahead:
            taken, self._ahead = self._ahead, b""
            size = min(len(taken), len(buffer))
            buffer[:size] = taken[:size]
            self._ahead = taken[size:]
            return size
        return self._driver.read_now(buffer)

    def write(self, data: memoryview) -> int | None:
        """See ``Carrier``."""
        if not self._driver.push():
            return None
        piece = data[:_PIECE]
        self._driver.write(bytes(piece))
        self._driver.push()
        return len(piece)

    async def wait_read(self) -> None:
        """See ``Carrier``."""
        await self._driver.fill(NEVER)

    async def wait_write(self) -> None:
        """See ``Carrier``."""
        await self._driver.drain(NEVER)

    wait_room = wait_write

    async def send_eof(self) -> None:
        """See ``Carrier``."""
        await self._driver.write_eof(NEVER)

    async def aclose(self) -> None:
        """See ``Carrier``."""
        await self._port.aclose()

    def abort(self) -> None:
        """See ``Carrier``."""
        self._port.abort()


class StreamCarrier:
    """Any stream of trio's.

    It takes bytes without waiting and sends them in ``wait_write``.  Nobody
    knows how much of them a foreign stream has sent when that is cancelled:
    then nothing can be sent any more.
    """

    only_waits = False

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._taken = b""
        self._arrived: bytes | bytearray = b""
        self._ended = False
        self._half = False  # A send was cancelled half-way.

    @property
    def unsent(self) -> int:
        """See ``Carrier``."""
        return len(self._taken)

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Carrier``."""
        size = min(len(self._arrived), len(buffer))
        if not size:
            return 0 if self._ended else None
        buffer[:size] = self._arrived[:size]
        self._arrived = self._arrived[size:]
        return size

    def write(self, data: memoryview) -> int | None:
        """See ``Carrier``."""
        self._check()
        if self._taken:  # Perhaps just being sent.
            return None
        self._taken = bytes(data[:_PIECE])
        return len(self._taken)

    def _check(self) -> None:
        if self._half:
            raise BrokenPipeError(
                "a send over this stream was cancelled before it was done"
            )

    async def wait_read(self) -> None:
        """See ``Carrier``."""
        with _translated():
            piece = await self._stream.receive_some()
        self._arrived += piece
        self._ended = not piece

    async def wait_write(self) -> None:
        """See ``Carrier``."""
        self._check()
        try:
            with _translated():
                await self._stream.send_all(self._taken)
        except BaseException:
            self._half = True
            raise
        self._taken = b""

    async def wait_room(self) -> None:
        """See ``Carrier``."""
        with _translated():
            await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """See ``Carrier``."""
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            with _translated():
                await self._stream.send_eof()

    async def aclose(self) -> None:
        """See ``Carrier``."""
        await self._stream.aclose()

    def abort(self) -> None:
        """See ``Carrier``; there is no way but by a task."""
        trio.lowlevel.spawn_system_task(trio.aclose_forcefully, self._stream)


def _translated() -> Instead[Exception]:
    """Make an ``OSError`` of what a stream of trio's raises."""
    return Instead(
        (trio.BrokenResourceError, trio.ClosedResourceError), _translate
    )


def _translate(error: Exception) -> None:
    raise BrokenPipeError(
        str(error) or "the stream below is broken or closed"
    ) from error
