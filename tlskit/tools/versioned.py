"""Results kept for as long as what they were made from is unchanged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from .forks import ForkLock

__all__ = ["VersionedCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class VersionedCache(Generic[K, V]):
    """Gives the very same result for the same key and version.

    Args:
        size: How many results are kept; the longest unused goes first.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[K, tuple[object, V]] = OrderedDict()
        self._lock = ForkLock()

    def get(self, key: K, version: object, make: Callable[[], V]) -> V:
        """Give what is kept for *key*, or make it if the version is another.

        What *make* raises is raised, and nothing is kept.
        """
        with self._lock:
            entry = self._kept.get(key)
            if entry is not None and entry[0] == version:
                self._kept.move_to_end(key)
                return entry[1]
        # Making is slow, and outside the lock: two threads may do it at the
        # same time, and the first one's result serves both.
        made = make()
        with self._lock:
            entry = self._kept.get(key)
            if entry is not None and entry[0] == version:
                return entry[1]
            self._kept[key] = version, made
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
            return made
