"""Waiting for something without a task, until a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..tools.deadline import Deadline

__all__ = ["Signal"]


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
        self._waiters: list[asyncio.Future[None]] = []
        #: Called at each ``set``, for what runs over us.
        self.listener: Callable[[], None] | None = None

    @property
    def awaited(self) -> bool:
        """Whether a coroutine waits, or was woken and has not run yet."""
        return bool(self._waiters)

    def set(self) -> None:
        """Wake everybody who waits now."""
        for waiter in self._waiters:
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
        self._waiters.append(waiter)
        left = deadline.left()
        alarm = (
            None
            if left is None
            else self._loop.call_later(left, self._expire, waiter)
        )
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)
            if alarm is not None:
                alarm.cancel()

    def _expire(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_exception(TimeoutError(self._complaint))
