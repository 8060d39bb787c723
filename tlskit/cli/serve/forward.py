"""TLS outside, plain TCP inside, for ``serve --forward``.

Each direction has a thread.  The end of one is carried through as the end of
that direction only; a connection that breaks on one side is broken on the
other, so that nobody takes a part for the whole.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ...ports.port import SSLPort
from ..places import Place
from .journal import Traffic
from .serving import Handler

__all__ = ["forward"]

_CHUNK = 65536
#: How long, in seconds, the inner connection may take to come about.
_CONNECT = 10.0
#: Closing then sends a reset instead of an end.
_RESET = struct.pack("ii", 1, 0)


def forward(place: Place, seconds: float) -> Handler:
    """Make a handler that forwards to *place*.

    Args:
        place: Where plain TCP is spoken.
        seconds: How long both directions may be silent together, and how
            long one side may take nothing of what it is sent.
    """

    def handle(port: SSLPort, traffic: Traffic) -> None:
        try:
            sock = socket.create_connection(place, min(_CONNECT, seconds))
        except OSError as error:
            port.abandon()
            reason = error.strerror or error
            raise OSError(f"can't forward to {place}: {reason}") from error
        with sock:
            sock.settimeout(seconds)
            _Exchange(port, sock, traffic, seconds).run()

    return handle


class _Exchange:
    """Moves bytes both ways until both directions have ended."""

    def __init__(
        self,
        port: SSLPort,
        sock: socket.socket,
        traffic: Traffic,
        seconds: float,
    ) -> None:
        self._port = port
        self._sock = sock
        self._traffic = traffic
        self._seconds = seconds
        self._busy = time.monotonic()
        self._lock = threading.Lock()
        self._failure: OSError | None = None

    def run(self) -> None:
        """Serve until the end; raise what broke it, if something did."""
        outward = threading.Thread(target=self._outward, daemon=True)
        outward.start()
        self._inward()
        # It ends with the inner connection, or by its own deadline.
        outward.join()
        if self._failure is not None:
            raise self._failure

    def _inward(self) -> None:
        """From the client to the inner server."""
        try:
            while data := self._patiently(lambda: self._port.recv(_CHUNK)):
                self._traffic.received += len(data)
                self._sock.sendall(data)
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._break(error)

    def _outward(self) -> None:
        """From the inner server to the client."""
        try:
            while data := self._patiently(lambda: self._sock.recv(_CHUNK)):
                self._port.sendall(data)
                self._traffic.sent += len(data)
            # Not when _break() has woken us, which looks like an end.
            if self._failure is None:
                self._port.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._break(error)

    def _patiently(self, read: Callable[[], bytes]) -> bytes:
        """Read; while the other direction is busy, this one may be silent."""
        while True:
            try:
                data = read()
            except TimeoutError:
                if time.monotonic() - self._busy < self._seconds:
                    continue
                raise
            self._busy = time.monotonic()
            return data

    def _break(self, error: OSError) -> None:
        """End both sides at once, in a way that is no ordinary end."""
        with self._lock:
            if self._failure is not None:
                return
            self._failure = error
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with suppress(OSError):  # Wakes the other thread.
            self._sock.shutdown(socket.SHUT_RD)
        with suppress(OSError):
            self._port.abandon()
