"""Results of pure functions, kept as long as there is room."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from .forks import ForkLock

__all__ = ["Bounded"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Keeps what follows from its key alone; the oldest goes first.

    To look something up takes no lock: that is one step of a dictionary's.

    Args:
        size: How many results are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[K, V] = {}
        self._lock = ForkLock()
        #: Give what is kept for a key, or None.
        self.get = self._kept.get

    def __len__(self) -> int:
        """Count what is kept."""
        return len(self._kept)

    def put(self, key: K, value: V) -> None:
        """Keep a result."""
        with self._lock:
            while len(self._kept) >= self._size:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = value
