"""What a listener has counted so far, from any thread."""

from __future__ import annotations

import socket
import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from types import MappingProxyType

from ..errors import TLSError
from ..ports.transport import SocketTransport
from .metrics import BOUNDS, ListenerStatistics

__all__ = ["HARMLESS", "Meter", "MeteredTransport", "Tally", "reason_of"]

#: Refusals that mean nothing.
HARMLESS = frozenset({"acme-challenge", "health-check"})


def reason_of(error: BaseException) -> str:
    """Give the slug under which a refused client is counted."""
    if isinstance(error, TLSError):
        return error.code
    if isinstance(error, TimeoutError):
        return "timed-out"
    if isinstance(error, ConnectionError):
        return "connection-lost"
    return "system-error" if isinstance(error, OSError) else "hook-failed"


class Meter:
    """Counts the bytes of one connection.

    Its reader and its writer are one thread each (see ``driver``), so they
    need no lock.
    """

    __slots__ = ("_running", "_stopped", "received", "sent")

    def __init__(self, stopped: Callable[[Meter], None]) -> None:
        self.received: int = 0
        self.sent: int = 0
        self._running: bool = True
        self._stopped = stopped

    def stop(self) -> None:
        """Count the connection as ended; a second call is harmless."""
        if self._running:
            self._running = False
            self._stopped(self)


class MeteredTransport(SocketTransport):
    """A client's socket whose bytes are counted, and its end.

    Args:
        sock: The socket.
        meter: What counts.
    """

    def __init__(self, sock: socket.socket, meter: Meter) -> None:
        self._meter = meter
        super().__init__(sock)

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Transport``."""
        size = super().read_into(buffer)
        self._meter.received += size or 0
        return size

    def write(self, data: memoryview) -> int | None:
        """See ``Transport``."""
        size = super().write(data)
        self._meter.sent += size or 0
        return size

    def close(self) -> None:
        """See ``Transport``."""
        super().close()
        self._meter.stop()

    def give_back(
        self, timeout: float | None, ahead: bytes | bytearray = b""
    ) -> socket.socket:
        """See ``SocketTransport``; its bytes are no longer ours."""
        self._meter.stop()
        return super().give_back(timeout, ahead)

    def detach(self) -> int:
        """See ``SocketTransport``."""
        self._meter.stop()
        return super().detach()

    def __del__(self) -> None:
        """Count a port that was forgotten as closed, which it is."""
        self._meter.stop()


class Tally:
    """Counts for one listener.

    Args:
        freed: Called, in any thread, after a connection has ended; it may
            not wait for anything.
    """

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._seconds = 0.0
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._open: set[Meter] = set()
        # Ports may be collected at any time, also in a thread that is inside
        # this class; so those that end take no lock.
        self._stopped: deque[Meter] = deque()

    def meter(self) -> Meter:
        """Count a connection that was accepted, and give it a meter."""
        meter = Meter(self._stop)
        with self._lock:
            self._settle()
            self._counts["accepted"] += 1
            self._open.add(meter)
        return meter

    def _stop(self, meter: Meter) -> None:
        self._stopped.append(meter)
        self._freed()

    def refuse(self, reason: str) -> None:
        """Count a client that was refused."""
        with self._lock:
            self._refused[reason] += 1

    def shaken(self, seconds: float) -> None:
        """Count a handshake that was completed, and how long it took."""
        with self._lock:
            self._counts["handshaken"] += 1
            self._seconds += seconds
            self._buckets[bisect_left(BOUNDS, seconds)] += 1

    def count(self, name: str) -> None:
        """Count one more of ``ListenerStatistics``'s *name*."""
        with self._lock:
            self._counts[name] += 1

    @property
    def open(self) -> int:
        """How many connections are open, handshakes included."""
        with self._lock:
            self._settle()
            return len(self._open)

    def _settle(self) -> None:
        """Sum up the connections that have ended."""
        while self._stopped:
            meter = self._stopped.popleft()
            # Two threads may have ended it at once.
            if meter in self._open:  # pragma: no branch - a race
                self._open.remove(meter)
                self._counts["received"] += meter.received
                self._counts["sent"] += meter.sent

    def statistics(
        self,
        address: str,
        handshakes: int,
        generation: int = 0,
        failed_renewals: int = 0,
    ) -> ListenerStatistics:
        """Give all counts as one value.

        Args:
            address: Where the listener listens.
            handshakes: How many open connections are handshakes.
            generation: How many states of files were in use.
            failed_renewals: How many could not be used.
        """
        with self._lock:
            self._settle()
            live = list(self._open)
            counts = self._counts.copy()
            refused = MappingProxyType(dict(self._refused))
            seconds, buckets = self._seconds, tuple(self._buckets)
        counts["received"] += sum(meter.received for meter in live)
        counts["sent"] += sum(meter.sent for meter in live)
        return ListenerStatistics(
            address=address,
            refused=refused,
            handshakes=handshakes,
            active=max(0, len(live) - handshakes),
            handshake_seconds=seconds,
            handshake_counts=buckets,
            generation=generation,
            failed_renewals=failed_renewals,
            **counts,
        )
