"""Gives each client of a listener to a handler, in a bounded crew of threads.

Whoever wants the service to end sets its deadline (``drain``).  The thread
that serves does the rest: it waits for the handlers, and when the deadline
has passed it closes their ports under them.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from threading import Thread

from ..policy.answers import at_once
from ..ports.port import SSLPort
from ..tools.deadline import Deadline
from .events import Events
from .processes.ending import Ending
from .reception import Reception
from .sources import source_of

__all__ = ["Service", "serve_until_drained"]

#: How long, in seconds, saying goodbye to a client may take ...
_FAREWELL = 0.5
#: ... and how long its handler may then take to notice.
_GRACE = 2.0
_HINT = "define it without async, or use tlskit.aio.start_server()"


class Service(Ending):
    """Handlers at work; made by the thread that serves.

    Args:
        handler: Called with each port, which is closed afterwards.
        events: Hears what a handler raises.
        workers: How many handlers may be at work at once.
        per_source: How many of them for clients of one source; None is no
            limit.
        timeout: The ports' time-out at the beginning, in seconds.
        on_refused: Hears what went wrong with a client.
    """

    def __init__(
        self,
        handler: Callable[[SSLPort], object],
        events: Events,
        *,
        workers: int,
        per_source: int | None = None,
        timeout: float | None,
        on_refused: Callable[[Exception], object] | None = None,
    ) -> None:
        super().__init__(2 * _GRACE + _FAREWELL)
        self._handler = handler
        self._events = events
        self._workers = workers
        self._per_source = per_source
        self._timeout = timeout
        self._on_refused = on_refused
        # The idle wait apart: whoever waits for the end shall not be woken
        # by each client, and a client shall not wake more than one of them.
        self._called = threading.Condition(self._lock)
        self._queue: deque[SSLPort] = deque()
        self._busy: dict[int, SSLPort] = {}
        self._threads: list[Thread] = []
        self._idle = 0
        self._dismissed = False

    # -- serving ------------------------------------------------------------

    def take(self, port: SSLPort) -> None:
        """Have a port served, as soon as a thread is free."""
        port.settimeout(self._timeout)
        with self._change:
            self._queue.append(port)
            if self._idle < len(self._queue) and (
                len(self._threads) < self._workers
            ):
                self._hire()
            self._called.notify()

    def refuse(self, error: Exception) -> None:
        """Tell whoever wants to know what went wrong with a client."""
        if self._on_refused is None:
            return
        try:
            self._on_refused(error)
        except Exception as failure:
            self._events.unheard(failure)

    def _hire(self) -> None:
        # Python can't end a thread, so a handler that never ends shall not
        # keep the whole process from ending.
        thread = Thread(
            target=self._work,
            name=f"tlskit-worker-{len(self._threads) + 1}",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # The system has no more; some may do.
            if not self._threads:
                raise
            return
        self._threads.append(thread)

    def _work(self) -> None:
        while (port := self._next()) is not None:
            try:
                self._serve(port)
            finally:
                with self._change:
                    del self._busy[threading.get_ident()]
                    self._change.notify_all()
            del port  # The next one may be long in coming.

    def _next(self) -> SSLPort | None:
        with self._change:
            self._idle += 1
            try:
                self._called.wait_for(self._has_turned)
            finally:
                self._idle -= 1
            port = self._whose_turn()
            if port is not None:
                self._queue.remove(port)
                self._busy[threading.get_ident()] = port
            return port

    def _has_turned(self) -> bool:
        return self._dismissed or self._whose_turn() is not None

    def _whose_turn(self) -> SSLPort | None:
        """Give who has waited longest of those who may be served now.

        Whose source has all the workers that it may have waits until one of
        these is free; and that one looks here next.
        """
        if self._per_source is None:
            return self._queue[0] if self._queue else None
        served = Counter(map(_source, self._busy.values()))
        for port in self._queue:
            source = _source(port)
            if source is None or served[source] < self._per_source:
                return port
        return None

    def _serve(self, port: SSLPort) -> None:
        try:
            with port:
                at_once(self._handler(port), "a handler", _HINT)
        except BaseException as error:
            self._events.failed(error, port)

    # -- ending -------------------------------------------------------------

    def _is_part(self, thread: int) -> bool:
        return super()._is_part(thread) or thread in self._busy

    def finish(self) -> None:
        """Wait for the handlers until the deadline; then cut them off."""
        try:
            self._wait_for_handlers()
        finally:
            self._cut()
            self.end()

    def _wait_for_handlers(self) -> None:
        with self._change:
            while self._busy or (self._queue and self._threads):
                assert self._deadline is not None
                left = self._deadline.left()
                if left == 0:
                    return
                self._change.wait(left)

    def _cut(self) -> None:
        with self._change:
            waiting, served = list(self._queue), list(self._busy.values())
            self._queue.clear()
            self.cut_off = len(waiting) + len(served)
            self._dismissed = True
            self._called.notify_all()
            threads = self._threads
        # All at once: who blocks one goodbye shall not delay the others.
        goodbyes = [
            Thread(target=_close, args=(port,), daemon=True) for port in served
        ]
        for each in goodbyes:
            each.start()
        for port in waiting:
            _close(port)
        deadline = Deadline.after(_GRACE)
        for each in (*goodbyes, *threads):
            each.join(deadline.left())


def _source(port: SSLPort) -> str | None:
    """Say where a client comes from; None if it is this machine's own."""
    return None if port.peer is None else source_of(port.peer[0])


def _close(port: SSLPort) -> None:
    """Say goodbye, shortly; a handler inside the port is thrown out."""
    port._driver.close(Deadline.after(_FAREWELL))


def serve_until_drained(reception: Reception, service: Service) -> None:
    """Have clients served, until the service drains and all are done."""
    reception.within(Deadline(), lambda: _serve(reception, service))


def _serve(reception: Reception, service: Service) -> None:
    while service.deadline is None:
        _turn_for(reception, service, Deadline())
    reception.events.state("draining")
    reception.stop_listening()
    reception.drop_silent()
    while any(each.begun for each in reception.handshakes.values()):
        if service.deadline.left() == 0:
            return
        _turn_for(reception, service, service.deadline)


def _turn_for(
    reception: Reception, service: Service, deadline: Deadline
) -> None:
    try:
        reception.turn(deadline)
    except TimeoutError:
        return
    except OSError as error:
        if not reception.resting:
            raise
        reception.events.scarce(error)
    while (outcome := reception.pop()) is not None:
        if isinstance(outcome, SSLPort):
            service.take(outcome)
        elif isinstance(outcome, Exception):
            service.refuse(outcome)
        else:
            raise outcome
