"""What client, server and upgrade share: making a port, under a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from ..ports.view import Endpoints
from ..tools.deadline import Deadline
from .driver import AsyncDriver
from .port import AsyncSSLPort

__all__ = ["endpoints_of", "port_over", "within"]


def endpoints_of(
    transport: asyncio.BaseTransport, hostname: str | None = None
) -> Endpoints | None:
    """Read both addresses of a TCP transport; None for another kind."""
    local = transport.get_extra_info("sockname")
    remote = transport.get_extra_info("peername")
    if not isinstance(local, tuple) or not isinstance(remote, tuple):
        return None
    return Endpoints(local[:2], remote[:2], hostname)


def port_over(
    driver: AsyncDriver,
    transport: asyncio.BaseTransport,
    *,
    hostname: str | None = None,
    timeout: float | None = None,
    shutdown_on_close: bool = True,
) -> AsyncSSLPort:
    """Make a port of a driver that has its transport."""
    return AsyncSSLPort(
        driver,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
        endpoints=endpoints_of(transport, hostname),
    )


class within:  # noqa: N801 - used as a function
    """Cancel what the current task waits for when the deadline has passed.

    For waits that are not our own, and give back what they hold when they
    are cancelled.

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
        self._late = False
        self._alarm: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        """Set the alarm."""
        left = self._deadline.left()
        if left is None:
            return
        self._task = asyncio.current_task()
        self._alarm = asyncio.get_running_loop().call_later(left, self._cancel)

    def _cancel(self) -> None:
        assert self._task is not None
        self._late = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel the alarm; raise ``TimeoutError`` if it has rung."""
        alarm, self._alarm = self._alarm, None
        if alarm is None:
            return
        alarm.cancel()
        if not (self._late and isinstance(error, asyncio.CancelledError)):
            return
        # Somebody else may have cancelled it, too; before Python 3.11 that
        # can't be told.
        uncancel = getattr(self._task, "uncancel", None)
        if uncancel is not None and uncancel():
            return
        told = self._doing if isinstance(self._doing, str) else self._doing()
        raise TimeoutError(f"timed out while {told}") from None
