"""Waits that end at a deadline, or when the port is closed."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from ..tools.deadline import Deadline

__all__ = ["beside", "scope_until", "within"]

T = TypeVar("T")


def scope_until(deadline: Deadline) -> trio.CancelScope:
    """Make a scope that is cancelled when *deadline* has passed."""
    left = deadline.left()
    return trio.CancelScope(
        deadline=math.inf if left is None else trio.current_time() + left
    )


@contextmanager
def within(
    deadline: Deadline, doing: str | Callable[[], str]
) -> Iterator[None]:
    """Cancel what is inside when *deadline* has passed.

    Args:
        deadline: The moment.
        doing: What is waited for, for the message; or who can tell then.

    Raises:
        TimeoutError: The deadline passed.
    """
    scope = scope_until(deadline)
    with scope:
        yield
    if scope.cancelled_caught:
        told = doing if isinstance(doing, str) else doing()
        raise TimeoutError(f"timed out while {told}")


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
    if error is not None:
        raise error
    return outcome[0]
