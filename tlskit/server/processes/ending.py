"""How a service comes to its end, whoever wants it, from whatever thread."""

from __future__ import annotations

import threading

from ...tools.deadline import Deadline
from ..metrics import ListenerStatistics

__all__ = ["HURRY", "Ending"]

#: How long, in seconds, handlers may go on after Ctrl-C; a second one does
#: not wait for them.
HURRY = 5.0


class Ending:
    """When a service has to end, and whether it has; for any thread.

    Made by the thread that serves.

    Args:
        margin: How long, in seconds, the end may take after its deadline.
    """

    def __init__(self, margin: float) -> None:
        self._margin = margin
        self._server = threading.get_ident()
        # Reentrant: a signal's handler may call shutdown() anywhere.
        self._lock = threading.RLock()
        self._change = threading.Condition(self._lock)
        self._deadline: Deadline | None = None
        self._over = False
        #: How many clients were closed while they were being served.
        self.cut_off = 0

    @property
    def deadline(self) -> Deadline | None:
        """When handlers have to be done; None while the service goes on."""
        return self._deadline

    def drain(self, deadline: Deadline) -> None:
        """Have the service end; the earliest of several deadlines counts."""
        with self._change:
            if self._deadline is not None:
                deadline = deadline.earlier(self._deadline)
            self._deadline = deadline
            self._change.notify_all()

    def wait(self, deadline: Deadline) -> None:
        """Wait until the service has ended, unless that waits for us.

        Raises:
            TimeoutError: Clients had to be cut off.
        """
        left = deadline.left()
        limit = None if left is None else left + self._margin
        with self._change:
            if self._is_part(threading.get_ident()):
                return
            ended = self._change.wait_for(lambda: self._over, limit)
            if not ended or self.cut_off:
                raise TimeoutError(
                    f"{self.cut_off} clients were not done in time, and were "
                    "cut off"
                )

    def total(self, own: ListenerStatistics) -> ListenerStatistics:
        """Add what others have counted who serve with us."""
        return own

    def _is_part(self, thread: int) -> bool:
        return thread == self._server

    def end(self) -> None:
        """Let those go on who wait for the end; a second call is harmless."""
        with self._change:
            self._over = True
            self._change.notify_all()
