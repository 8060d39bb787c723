"""Both directions of ``connect``: stdin to the server, and back to stdout."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from contextlib import suppress

from ...ports.port import SSLPort

__all__ = ["Pipe"]

_CHUNK = 65536


class Pipe:
    """Moves bytes both ways at the same time, and counts them.

    Args:
        port: Its handshake is done.
        idle: How long, in seconds, nothing may move.
        crlf: Whether to end lines of stdin as most protocols want it.
    """

    def __init__(self, port: SSLPort, *, idle: float, crlf: bool) -> None:
        self.sent: int = 0
        self.received: int = 0
        #: Why stdin was not sent to its end.
        self.unsent: OSError | None = None
        self._port = port
        self._idle = idle
        self._crlf = crlf
        self._after_return = False
        self._moved = time.monotonic()

    def run(self) -> OSError | None:
        """Go on until the server has finished.

        Stdin's end ends our direction only.

        Returns:
            Why it ended before that; None if it did not.

        Raises:
            OSError: Stdout takes no more.
        """
        # Nothing can end a thread that waits for a terminal; so it must not
        # keep the process alive.
        threading.Thread(target=self._send, daemon=True).start()
        self._port.settimeout(self._idle)
        while True:
            try:
                data = self._port.recv(_CHUNK)
            except TimeoutError as error:
                if time.monotonic() - self._moved >= self._idle:
                    return error
                continue  # The other direction is busy.
            except OSError as error:
                return error
            if not data:
                return self.unsent
            self._moved = time.monotonic()
            self.received += len(data)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def _send(self) -> None:
        try:
            # Not by sys.stdin.buffer: the end of the process would trip over
            # its lock.
            while sys.stdin and (data := os.read(sys.stdin.fileno(), _CHUNK)):
                wire = self._with_crlf(data) if self._crlf else data
                self._port.sendall(wire)
                self.sent += len(wire)
                self._moved = time.monotonic()
        except OSError as error:
            self.unsent = error
        with suppress(OSError):
            self._port.shutdown(socket.SHUT_WR)

    def _with_crlf(self, data: bytes) -> bytes:
        """Put a CR before each LF that has none, also at a chunk's border."""
        head = b"\r" if self._after_return else b""
        self._after_return = data.endswith(b"\r")
        return re.sub(rb"(?<!\r)\n", b"\r\n", head + data)[len(head) :]
