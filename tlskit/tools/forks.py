"""What a forked child must not inherit: locks held, and tickets to be used."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

__all__ = ["ForkLock", "tell_child"]

_told: weakref.WeakSet[Any] = weakref.WeakSet()


def tell_child(owner: Any) -> None:
    """Have ``owner._after_fork()`` called in every forked child."""
    _told.add(owner)


def _in_child() -> None:
    for owner in list(_told):
        owner._after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(after_in_child=_in_child)


class ForkLock:
    """A re-entrant lock that is free in a child, whoever held it before.

    Threads don't survive a fork, but the locks that they held would: a child
    of a server that forks while another of its threads prepares a context
    could wait for that thread for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        tell_child(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take the lock; say whether it was to be had."""
        return self._lock.acquire(blocking=blocking)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    # C code's own, found before they are called: so an interrupt finds the
    # lock held inside the block, or not at all (see ``holding``).
    if TYPE_CHECKING:

        def __enter__(self) -> object: ...

        def __exit__(self, *_: object) -> None: ...

    else:

        @property
        def __enter__(self) -> Any:
            """Take it."""
            return self._lock.__enter__

        @property
        def __exit__(self) -> Any:  # noqa: PLE0302 - a property
            """Give it back."""
            return self._lock.__exit__
