"""What client, server and upgrade share: making a port, under a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def within(
    deadline: Deadline, doing: str | Callable[[], str]
) -> Iterator[None]:
    """Cancel what the current task waits for when the deadline has passed.

    For waits that are not our own, and give back what they hold when they
    are cancelled.

    Args:
        deadline: The moment.
        doing: What is waited for, for the message; or who can tell then.

    Raises:
        TimeoutError: The deadline passed.
    """
    left = deadline.left()
    if left is None:
        yield
        return
    task = asyncio.current_task()
    assert task is not None
    late = False

    def cancel() -> None:
        nonlocal late
        late = True
        task.cancel()

    alarm = asyncio.get_running_loop().call_later(left, cancel)
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else may have cancelled it, too; before Python 3.11 that
        # can't be told.
        uncancel = getattr(task, "uncancel", None)
        if not late or (uncancel is not None and uncancel()):
            raise
        told = doing if isinstance(doing, str) else doing()
        raise TimeoutError(f"timed out while {told}") from None
    finally:
        alarm.cancel()
