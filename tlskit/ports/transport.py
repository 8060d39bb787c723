"""What TLS runs over: sockets here, other streams in ``streams``.

A transport moves ciphertext and decides nothing.  Its reads and writes never
wait; ``wait`` does nothing else, and knows the deadline.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..errors import StreamError
from ..tools.deadline import Deadline

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "Poller",
    "SocketTransport",
    "Transport",
    "adopted",
    "poll",
    "tune",
    "watching",
]

# A peer that is gone shows as one of these when we close.
_GONE = (errno.ENOTCONN, errno.EPIPE, errno.ECONNRESET, errno.EBADF)


@runtime_checkable
class Transport(Protocol):
    """A stream of bytes in both directions."""

    #: Whether ``close`` closes what the transport was made from.
    close_streams: bool

    def read_into(self, buffer: memoryview) -> int | None:
        """Put what is there into *buffer*; 0 is end of file, None nothing.

        Raises:
            OSError: The stream broke.
        """

    def write(self, data: memoryview) -> int | None:
        """Send some of *data* and say how much; None if nothing fits now.

        Raises:
            OSError: The stream broke.
        """

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """Wait until one of the directions asked for can move.

        Returns:
            Whether a read, and whether a write, may be tried.

        Raises:
            TimeoutError: Neither before the deadline.
        """
        ...

    def close_write(self) -> None:
        """Tell the other end that no more comes, if that can be told."""

    def wake(self) -> None:
        """Make a ``wait`` in another thread return: we are about to close."""

    def close(self) -> None:
        """Give everything back; a second call is harmless."""

    def fileno(self) -> int:
        """Give the descriptor to select on for reading, or -1."""
        ...


class Poller(Protocol):
    """Waits for what was registered, as ``select.poll``'s objects do."""

    def register(self, number: int, events: int, /) -> None:
        """Wait for these events of a descriptor, too."""

    def poll(self, timeout: float, /) -> list[tuple[int, int]]:
        """Wait for so many milliseconds at most; tell what is ready."""
        ...


def tune(sock: socket.socket) -> None:
    """Turn Nagle's algorithm off: a record is a message, and goes at once."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def adopted(number: int) -> socket.socket:
    """Make a socket of a descriptor that nobody else has any more."""
    return socket.socket(fileno=number)


class SocketTransport:
    """A connected stream socket.

    Args:
        sock: The socket; it is kept in non-blocking mode.
        close: Whether closing the transport closes the socket.  If not, the
            socket gets its old time-out back.
    """

    def __init__(self, sock: socket.socket, *, close: bool = True) -> None:
        self.sock = sock
        self.close_streams = close
        self._timeout = sock.gettimeout()
        sock.setblocking(False)

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Transport``."""
        try:
            return self.sock.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data: memoryview) -> int | None:
        """See ``Transport``."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return None

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """See ``Transport``."""
        number = self.sock.fileno()
        return poll(
            [number] if read else [], [number] if write else [], deadline
        )

    def close_write(self) -> None:
        """See ``Transport``."""
        self._shutdown(socket.SHUT_WR)

    def wake(self) -> None:
        """See ``Transport``; a socket that is given back stays as it is."""
        if self.close_streams:
            self._shutdown(socket.SHUT_RDWR)

    def _shutdown(self, how: int) -> None:
        try:
            self.sock.shutdown(how)
        except OSError as error:
            if error.errno not in _GONE:
                raise

    def close(self) -> None:
        """Close the socket, or give it back as it came."""
        if self.close_streams:
            self.sock.close()
        elif self.sock.fileno() != -1:
            self.sock.settimeout(self._timeout)

    def give_back(
        self, timeout: float | None, ahead: bytes | bytearray = b""
    ) -> socket.socket:
        """Give the socket away, blocking again.

        Args:
            timeout: Its time-out from now on.
            ahead: What was received, and is to be read from it first.
        """
        self.sock.settimeout(timeout)
        if not ahead:
            return self.sock
        sock = _SocketAhead(fileno=self.sock.detach())
        sock.settimeout(timeout)
        sock.ahead = bytes(ahead)
        return sock

    def detach(self) -> int:
        """Give the descriptor away, and be without a socket."""
        return self.sock.detach()

    def fileno(self) -> int:
        """See ``Transport``."""
        return self.sock.fileno()


class _SocketAhead(socket.socket):
    """A socket that has received more than was read: that comes first.

    The system knows nothing of it, so don't wait for the descriptor to be
    readable before the first read.
    """

    #: What is to be read yet.
    ahead: bytes = b""

    def _take(self, size: int, flags: int) -> bytes:
        taken = self.ahead[:size]
        if not flags & socket.MSG_PEEK:
            self.ahead = self.ahead[size:]
        return taken

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """See ``socket.socket.recv``."""
        if self.ahead:
            return self._take(bufsize, flags)
        return super().recv(bufsize, flags)

    def recv_into(
        self, buffer: Buffer, nbytes: int = 0, flags: int = 0
    ) -> int:
        """See ``socket.socket.recv_into``."""
        if not self.ahead:
            return super().recv_into(buffer, nbytes, flags)
        view = memoryview(buffer).cast("B")
        taken = self._take(nbytes or len(view), flags)
        view[: len(taken)] = taken
        return len(taken)

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """See ``socket.socket.recvfrom``; of TCP there is no address."""
        return self.recv(bufsize, flags), None

    def recvfrom_into(
        self, buffer: Buffer, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Any]:
        """See ``socket.socket.recvfrom_into``; and ``recvfrom`` here."""
        return self.recv_into(buffer, nbytes, flags), None

    def detach(self) -> int:
        """Give the descriptor, unless that would lose what comes first."""
        if self.ahead:
            raise StreamError(
                f"{len(self.ahead)} bytes were received already, and go "
                "with no descriptor",
                code="plaintext-behind-end",
                hint="read them before",
            )
        return super().detach()


def poll(
    read: Iterable[int], write: Iterable[int], deadline: Deadline
) -> tuple[bool, bool]:
    """Wait until one of the descriptors is ready.

    Args:
        read: Descriptors to be read.
        write: Descriptors to be written.
        deadline: When to give up.

    Returns:
        Whether one to be read, and one to be written, is ready.  An error
        or a hang-up counts as ready: the next call finds out.

    Raises:
        TimeoutError: None was ready in time.
        OSError: A descriptor is closed.
    """
    wanted = dict.fromkeys(read, _IN)
    for number in write:
        wanted[number] = wanted.get(number, 0) | _OUT
    if min(wanted, default=0) < 0:
        raise OSError(errno.EBADF, "the stream is closed")
    ready = _poll(wanted, deadline.left())
    if not ready:
        raise TimeoutError(
            "timed out: the peer "
            + ("sent nothing" if read else "takes no more bytes")
        )
    readable = writable = False
    for number, events in ready:
        if wanted[number] & _IN and events & ~_OUT:
            readable = True
        if wanted[number] & _OUT and events & ~_IN:
            writable = True
    return readable, writable


#: POLLIN and POLLOUT, everywhere the same.
_IN, _OUT = 1, 4


def watching(number: int) -> Poller | None:
    """Give what waits, many times, for a descriptor to be readable.

    None where there is no such thing; see ``poll``.
    """
    make = getattr(select, "poll", None)
    if make is None:
        return None
    poller: Poller = make()
    poller.register(number, _IN)
    return poller


def _poll(
    wanted: dict[int, int], seconds: float | None
) -> list[tuple[int, int]]:
    # Not on Windows; and what exchanges system calls (eventlet) removes it.
    make = getattr(select, "poll", None)
    if make is None:
        return _select(wanted, seconds)
    poller = make()
    for number, events in wanted.items():
        poller.register(number, events)
    ready: list[tuple[int, int]] = poller.poll(
        None if seconds is None else seconds * 1000
    )
    return ready


def _select(
    wanted: dict[int, int], seconds: float | None
) -> list[tuple[int, int]]:
    read, write, broken = select.select(
        [n for n, events in wanted.items() if events & _IN],
        [n for n, events in wanted.items() if events & _OUT],
        list(wanted),
        seconds,
    )
    return [
        *((n, _IN) for n in read),
        *((n, _OUT) for n in write),
        *((n, 8) for n in broken),
    ]
