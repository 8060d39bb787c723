"""The server behind ``serve``: a listener's own, with a journal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from ...errors import ClosedError
from ...ports.port import SSLPort
from ...server.listener import Listener
from .acme import is_question
from .journal import Journal, Traffic

__all__ = ["Handler", "PortServer", "echo"]

#: Talks to one client until that has no more to say, and counts.
Handler = Callable[[SSLPort, Traffic], None]

#: How often, in seconds, somebody looks up.
_BEAT = 1.0


def echo(port: SSLPort, traffic: Traffic) -> None:
    """Send back what the client sends."""
    while data := port.recv(65536):
        traffic.received += len(data)
        port.sendall(data)
        traffic.sent += len(data)


class PortServer:
    """Serves clients, and keeps a journal of them.

    Args:
        listener: Where they come from; ``close`` closes it.
        journal: Hears about each.
        handler: Talks to each; errors of the transport end a client.
        idle: How long a client may be silent, in seconds.
        most: How many clients there are at once; later ones wait.
        on_beat: Called about once a second while it runs, in a thread of its
            own.
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
        self._most = most
        self._over = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        """Serve until ``close``, or until nobody reads the journal.

        Raises:
            OSError: No further client can be accepted, whoever it is.
            Exception: What ``on_beat`` raised.
        """
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        try:
            self._listener.serve(
                self._serve,
                workers=self._most,
                timeout=self._idle,
                max_connections=self._most,
                on_refused=self._refused,
            )
        finally:
            self._over.set()
        watch.join()
        if self._failure is not None:
            raise self._failure

    def _watch(self) -> None:
        try:
            while not (self._over.wait(_BEAT) or self._journal.unheard):
                self._on_beat()
        except Exception as error:  # noqa: BLE001 - raised by run()
            self._failure = error
        self.close()

    def _refused(self, error: Exception) -> None:
        peer = getattr(error, "peer", None)
        if peer is not None and not is_question(error):
            self._journal.refused(peer, error)

    def _serve(self, port: SSLPort) -> None:
        traffic = Traffic()
        failure = None
        try:
            self._journal.client(port)
            with port:
                self._handler(port, traffic)
        except ClosedError:
            pass  # By us, at the end.
        except OSError as error:
            failure = error
        finally:
            self._journal.left(port.getpeername(), traffic, failure)

    def close(self) -> None:
        """Accept no more, and say goodbye to all at once.

        From any thread, and from a signal's handler.
        """
        with suppress(TimeoutError):  # Clients were not done; no wonder.
            self._listener.shutdown(0)
