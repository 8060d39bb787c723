"""Waits that end at a deadline, or when the port is closed."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TypeVar

import trio

from ..errors import ClosedError
from ..tools.deadline import Deadline

__all__ = ["Waits", "beside", "scope_until", "within"]

T = TypeVar("T")


def scope_until(deadline: Deadline) -> trio.CancelScope:
    """Make a scope that is cancelled when *deadline* has passed."""
    left = deadline.left()
    return trio.CancelScope(
        deadline=math.inf if left is None else trio.current_time() + left
    )


class within:  # noqa: N801 - used as a function
    """Cancel what is inside when *deadline* has passed.

    Args:
        deadline: The moment.
        doing: What is waited for, for the message; or who can tell then.

    Raises:
        TimeoutError: The deadline passed.
    """

    def __init__(
        self, deadline: Deadline, doing: str | Callable[[], str]
    ) -> None:
        self._deadline = deadline
        self._doing = doing

    def __enter__(self) -> None:
        """Enter the scope."""
        self._scope = scope_until(self._deadline)
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Leave the scope; raise ``TimeoutError`` if it was cancelled."""
        done = self._scope.__exit__(kind, error, traceback)
        if not self._scope.cancelled_caught:
            return done
        told = self._doing if isinstance(self._doing, str) else self._doing()
        raise TimeoutError(f"timed out while {told}")


class Waits:
    """Who waits, so that closing wakes them."""

    def __init__(self) -> None:
        self.closed: bool = False
        self._scopes: set[trio.CancelScope] = set()

    def check_open(self) -> None:
        """Refuse what comes after the end.

        Raises:
            ClosedError: The port was closed.
        """
        if self.closed:
            raise ClosedError("this port was closed")

    def shut(self) -> None:
        """Let nobody in any more, and tell those who wait."""
        self.closed = True
        for scope in self._scopes:
            scope.cancel()

    async def _waiting(
        self,
        wait: Callable[[], Awaitable[None]],
        deadline: Deadline,
        complaint: str,
    ) -> None:
        """Wait, until the deadline, or until the port is closed."""
        scope = scope_until(deadline)
        self._scopes.add(scope)
        try:
            with scope:
                await wait()
        finally:
            self._scopes.discard(scope)
        if scope.cancelled_caught:
            self.check_open()
            raise TimeoutError(complaint)

    @asynccontextmanager
    async def _turn(
        self, lock: trio.Lock, deadline: Deadline, complaint: str
    ) -> AsyncIterator[None]:
        """Wait for one's turn with the carrier."""
        try:
            lock.acquire_nowait()
        except trio.WouldBlock:
            await self._waiting(lock.acquire, deadline, complaint)
        try:
            yield
        finally:
            lock.release()


async def beside(
    main: Callable[[], Awaitable[T]], aside: Callable[[], Awaitable[None]]
) -> T:
    """Await *main*, with *aside* going on as long as that takes.

    Whatever *main* raises comes out as it is, not in a group.
    """
    outcome: list[T] = []
    error: BaseException | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(aside)
        try:
            outcome.append(await main())
        except BaseException as raised:
            error = raised
        # A cancellation from outside has reached main() already.
        nursery.cancel_scope.shield = True
        nursery.cancel_scope.cancel()
    if error is None:
        return outcome[0]
    try:
        raise error
    finally:
        del error  # Its frames are ours, which hold it.
