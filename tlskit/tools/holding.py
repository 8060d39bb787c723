"""Locks that an interrupt finds held inside a block, or not at all.

Python runs signal handlers between two instructions, also between the one
that takes a lock and the one that enters the block that gives it back.  What
a handler raises there, as Ctrl-C does, would leave the lock held for ever.
``with lock:`` is safe, as C code takes and gives back; but it can't wait for
a bounded time.  Two ways are safe and can:

- ``taken.extend(map(lock.acquire, ...))`` inside ``try``: one call of C code
  takes the lock and notes it, so ``finally`` knows.  ``take`` does it.
- ``with Hold(...)``, whose exit is the lock's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import threading

__all__ = ["AT_ONCE", "Hold", "behind", "if_free", "take"]

T = TypeVar("T")

#: What ``lock.acquire`` is to be mapped over, not to wait.
AT_ONCE = (False,)


def take(
    lock: threading.Lock, taken: list[bool], seconds: float | None
) -> bool:
    """Take *lock*, if it can be had in time.

    Args:
        lock: Which.
        taken: Gets True, if it was taken, in the same moment.  To be asked
            in ``finally``.
        seconds: How long to wait, at most; None for ever.

    Returns:
        Whether it was taken.
    """
    left = -1.0 if seconds is None else seconds
    taken.extend(map(lock.acquire, (True,), (left,)))
    return taken[-1]


def if_free(
    lock: threading.Lock, work: Callable[[], object], seconds: float = 0.0
) -> bool:
    """Do *work* with *lock*, if it is free, or gets so.

    Args:
        lock: Which.
        work: What to do.
        seconds: How long to wait for it.

    Returns:
        Whether it was free.
    """
    taken: list[bool] = []
    try:
        if not take(lock, taken, seconds):
            return False
        work()
        return True
    finally:
        if True in taken:
            lock.release()


def behind(
    locks: Sequence[threading.Lock], work: Callable[[], object], seconds: float
) -> None:
    """Do *work* with all of *locks* that get free; in any case.

    Args:
        locks: Which, in the order of taking them.
        work: What to do.
        seconds: How long to wait for each.
    """
    if not locks:
        work()
    elif not if_free(
        locks[0], lambda: behind(locks[1:], work, seconds), seconds
    ):
        behind(locks[1:], work, seconds)


class Hold:
    """Holds a lock over a block.

    Args:
        lock: Which.
        wait: Called if it is not free.  Takes the lock and notes it, as
            ``take`` does, or raises.
    """

    __slots__ = ("_lock", "_wait")

    def __init__(
        self, lock: threading.Lock, wait: Callable[[list[bool]], object]
    ) -> None:
        self._lock = lock
        self._wait = wait

    def __enter__(self) -> None:
        """Take it."""
        taken: list[bool] = []
        try:
            taken.extend(map(self._lock.acquire, AT_ONCE))
            if not taken[0]:
                self._wait(taken)
        except BaseException:
            if True in taken:
                self._lock.release()
            raise

    # Looked up before the lock is taken; and what is found is C code.
    if TYPE_CHECKING:

        def __exit__(self, *_: object) -> None: ...

    else:

        @property
        def __exit__(self) -> Any:  # noqa: PLE0302 - a property
            """Give it back."""
            return self._lock.__exit__
