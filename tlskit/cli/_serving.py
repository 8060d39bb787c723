"""The server behind ``serve``: a thread for each client, and an end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..deadline import Deadline
from ..errors import ClosedError
from ..listener import Listener
from ..ports import SSLPort
from ._journal import Journal, Traffic

__all__ = ["Handler", "PortServer", "echo"]

#: Talks to one client until that has no more to say, and counts.
Handler = Callable[[SSLPort, Traffic], None]

#: How often, in seconds, waits without an end look up; Windows doesn't let
#: Ctrl-C interrupt them.
_BEAT = 1.0
#: How long, in seconds, the end waits for goodbyes.
_FAREWELL = 2.0


def echo(port: SSLPort, traffic: Traffic) -> None:
    """Send back what the client sends."""
    while data := port.recv(65536):
        traffic.received += len(data)
        port.sendall(data)
        traffic.sent += len(data)


class PortServer:
    """Accepts clients, and gives each a thread.

    Args:
        listener: Where they come from; ``close`` closes it.
        journal: Hears about each.
        handler: Talks to each; errors of the transport end a client.
        idle: How long a client may be silent, in seconds.
        most: How many clients are served at once; later ones wait.
        on_beat: Called about once a second while it runs, by its thread.
    """

    def __init__(
        self,
        listener: Listener,
        journal: Journal,
        handler: Handler,
        *,
        idle: float,
        most: int = 100,
        on_beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._listener = listener
        self._journal = journal
        self._handler = handler
        self._on_beat = on_beat
        self._idle = idle
        self._room = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._live: dict[SSLPort, threading.Thread] = {}

    def run(self) -> None:
        """Serve until the listener is closed, or nobody reads the journal.

        Raises:
            OSError: No further client can be accepted, whoever it is.
        """
        beat = Deadline.after(_BEAT)
        while not (self._listener.closed or self._journal.unheard):
            if not beat.left():
                self._on_beat()
                beat = Deadline.after(_BEAT)
            if not self._room.acquire(timeout=_BEAT):
                continue
            port = self._accepted()
            if port is None:
                self._room.release()
                continue
            threading.Thread(
                target=self._serve, args=(port,), daemon=True
            ).start()

    def _accepted(self) -> SSLPort | None:
        try:
            return self._listener.accept(_BEAT)
        except OSError as error:
            peer = getattr(error, "peer", None)
            if peer is not None:
                self._journal.refused(peer, error)
            elif not isinstance(error, (TimeoutError, ClosedError)):
                raise
        return None

    def _serve(self, port: SSLPort) -> None:
        with self._lock:
            self._live[port] = threading.current_thread()
        traffic = Traffic()
        failure = None
        try:
            self._journal.client(port)
            port.settimeout(self._idle)
            with port:
                self._handler(port, traffic)
        except ClosedError:
            pass  # By us, at the end.
        except OSError as error:
            failure = error
        finally:
            self._journal.left(port.getpeername(), traffic, failure)
            with self._lock:
                del self._live[port]
            self._room.release()

    def close(self) -> None:
        """Accept no more, and say goodbye to all, within 2 seconds."""
        deadline = Deadline.after(_FAREWELL)
        with self._lock:
            closers = [self._listener.close]
            closers += [port.close for port in self._live]
            serving = list(self._live.values())
        # All at once, and nobody is waited for in vain.
        goodbyes = [
            threading.Thread(target=each, daemon=True) for each in closers
        ]
        for each in goodbyes:
            each.start()
        for each in (*goodbyes, *serving):
            each.join(deadline.left())
