"""Waiting for something without a task, until a deadline."""

from __future__ import annotations

import asyncio
import time
from asyncio import current_task
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

from ..tools.deadline import Deadline

__all__ = ["News", "Signal", "Waiter"]


class Signal:
    """Wakes the coroutines that wait for it.

    Whoever is cancelled while waiting has taken nothing, so nothing is lost.

    Args:
        loop: Where they run.
        complaint: What a time-out says.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, complaint: str
    ) -> None:
        self._loop = loop
        self._complaint = complaint
        #: Who waits, or was woken and has not run yet.
        self.waiters: list[asyncio.Future[None]] = []
        #: Called at each ``set``, for what runs over us.
        self.listener: Callable[[], None] | None = None

    @property
    def awaited(self) -> bool:
        """Whether a coroutine waits, or was woken and has not run yet."""
        return bool(self.waiters)

    def set(self) -> None:
        """Wake everybody who waits now."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self.listener is not None:
            self.listener()

    async def wait(self, deadline: Deadline) -> None:
        """Wait for the next ``set``.

        Raises:
            TimeoutError: The deadline passed.
        """
        waiter = self._loop.create_future()
        self.waiters.append(waiter)
        left = deadline.left()
        alarm = (
            None
            if left is None
            else self._loop.call_later(left, self._expire, waiter)
        )
        try:
            await waiter
        finally:
            self.waiters.remove(waiter)
            if alarm is not None:
                alarm.cancel()
            del waiter  # It holds what it has raised, and that this frame.

    def _expire(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_exception(TimeoutError(self._complaint))


class Waiter:
    """What one coroutine waits for, again and again.

    A task takes it for a future (``asyncio.isfuture`` tells of such).  Unlike
    one it has no result to keep, so it need not be made anew; and whoever
    waits can be run at once, by a callback of the loop's, instead of in the
    loop's next turn.

    Args:
        loop: Where the coroutine runs.
        complaint: What a time-out says.
    """

    __slots__ = (
        "_alarm",
        "_alarm_rings",
        "_asyncio_future_blocking",
        "_callback",
        "_complaint",
        "_context",
        "_due",
        "_error",
        "_loop",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, complaint: str
    ) -> None:
        self._loop = loop
        self._complaint = complaint
        self._asyncio_future_blocking = False
        self._callback: Callable[[Waiter], object] | None = None
        self._context: Context | None = None
        self._error: BaseException | None = None
        # One timer serves many waits: it looks when it rings whether somebody
        # is late, and else is set again.
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_rings = 0.0
        self._due: float | None = None

    def __await__(self) -> Generator[Any, None, None]:
        """Wait; for one coroutine at a time."""
        self._asyncio_future_blocking = True
        try:
            yield self
        finally:
            self._callback = self._due = None

    # -- what wakes ---------------------------------------------------------

    def wake(self) -> None:
        """Run whoever waits, now; as the last thing a callback does."""
        callback = self._callback
        if callback is None:
            return
        self._callback = None
        if current_task(self._loop) is None:
            assert self._context is not None
            self._context.run(callback, self)
        else:
            self._loop.call_soon(callback, self, context=self._context)

    def wake_soon(self) -> None:
        """Run whoever waits, in the loop's next turn."""
        callback = self._callback
        if callback is not None:
            self._callback = None
            self._loop.call_soon(callback, self, context=self._context)

    def ring_at(self, moment: float) -> None:
        """Have the next wait end at *moment* of the monotonic clock."""
        self._due = moment
        alarm = self._alarm
        if alarm is None or self._alarm_rings > moment:
            if alarm is not None:
                alarm.cancel()
            self._set_alarm(moment)

    def _set_alarm(self, moment: float) -> None:
        left = max(0.0, moment - time.monotonic())
        self._alarm_rings = moment
        self._alarm = self._loop.call_later(left, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        due = self._due
        if due is None or self._callback is None:
            return
        if due > time.monotonic():
            self._set_alarm(due)
            return
        self._error = TimeoutError(self._complaint)
        self.wake()

    def rest(self) -> None:
        """Give the timer back."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # -- what a task wants of a future --------------------------------------

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop."""
        return self._loop

    def add_done_callback(
        self,
        callback: Callable[[Waiter], object],
        *,
        context: Context | None = None,
    ) -> None:
        """Note whom to run."""
        self._callback = callback
        self._context = context

    def remove_done_callback(
        self, callback: Callable[[Waiter], object]
    ) -> int:
        """Run nobody; say how many that changes."""
        if self._callback != callback:
            return 0
        self._callback = None
        return 1

    def done(self) -> bool:
        """Say whether nobody waits, or who did was woken."""
        return self._callback is None

    def cancel(self, msg: object = None) -> bool:
        """Wake whoever waits with a ``CancelledError``."""
        if self._callback is None:
            return False
        self._error = asyncio.CancelledError(*() if msg is None else (msg,))
        self.wake_soon()
        return True

    def result(self) -> None:
        """Raise what ended the wait, if it was not the end waited for."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                error = None


class News(Signal):
    """A signal that one coroutine can wait for on the express lane, too."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, complaint: str
    ) -> None:
        super().__init__(loop, complaint)
        #: What that one waits for.
        self.waiter: Waiter = Waiter(loop, complaint)
        #: Whether it does, or was woken and has not run yet.
        self.attended: bool = False

    @property
    def awaited(self) -> bool:
        """See ``Signal``."""
        return self.attended or bool(self.waiters)

    def set(self) -> None:
        """Wake everybody who waits now."""
        self.waiter.wake_soon()
        super().set()
