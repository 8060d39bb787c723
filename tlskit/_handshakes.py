"""One client's handshake in a listener, which never waits."""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress

from .deadline import Deadline
from .driver import Driver
from .errors import TLSError, WantReadError, WantWriteError
from .ports import SSLPort, endpoints_of, open_port
from .sides import ServerContext
from .transport import SocketTransport

__all__ = ["Handshake"]

#: How long, in seconds, and how many bytes a refused client is drained, so
#: that no reset destroys the alert that it is about to read.
_LINGER = 1.0
_MOST_DRAINED = 1048576


class Handshake:
    """Brings one client to a port, or to an error.

    Args:
        sock: The client's socket.
        context: Decides about it.
        address: Where it comes from.
        seconds: How long it may take.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ServerContext,
        address: tuple[str, int],
        seconds: float,
    ) -> None:
        self.sock = sock
        self.number = sock.fileno()
        self.deadline = Deadline.after(seconds)
        self.interest = selectors.EVENT_READ
        self.over = False
        self._address = address
        self._transport = SocketTransport(sock)
        self.port: SSLPort = open_port(
            context,
            self._transport,
            server_side=True,
            endpoints=endpoints_of(sock),
        )
        self._driver: Driver = self.port._driver
        self._refused = False
        self._drained = 0

    def advance(self) -> SSLPort | BaseException | None:
        """Go on as far as the bytes allow.

        Returns:
            The port or the error, once; None if there is no news.
        """
        if self._refused:
            self._drain()
            return None
        try:
            self.deadline.check("shaking hands with a client")
            self._driver.handshake(Deadline.now())
        except WantReadError:
            self.interest = selectors.EVENT_READ
        except WantWriteError:
            self.interest = selectors.EVENT_READ | selectors.EVENT_WRITE
        except BaseException as error:
            self._refuse()
            return self._placed(error)
        else:
            self.over = True
            return self.port
        return None

    def _placed(self, error: BaseException) -> BaseException:
        """Say of which client it is, where the error can hold that."""
        if isinstance(error, (TLSError, OSError)):
            setattr(error, "peer", self._address)  # noqa: B010 - an OSError's
        return error

    def _refuse(self) -> None:
        """The alert is out; end our direction, and hear the client out."""
        self._refused = True
        self.interest = selectors.EVENT_READ
        self.deadline = Deadline.after(_LINGER)
        with suppress(OSError):
            self._transport.close_write()
        self._drain()

    def _drain(self) -> None:
        chunk = memoryview(bytearray(65536))
        with suppress(OSError):
            while self._drained < _MOST_DRAINED and self.deadline.left():
                size = self._transport.read_into(chunk)
                if size is None:
                    return
                if size == 0:
                    break
                self._drained += size
        self.over = True

    def leave(self) -> None:
        """Close what was refused; a finished port is its owner's."""
        if self._refused:
            self.abort()

    def abort(self) -> None:
        """Close the socket at once."""
        self._driver.release()
        self.sock.close()
