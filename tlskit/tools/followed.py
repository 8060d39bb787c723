"""What forked processes hold, too, and what is to change in all of them.

A thing that is made before a fork has the same number in parent and child.
The parent sees by the generations what has changed, and tells its children
the numbers; they do the same with their copies.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from .forks import tell_child

__all__ = ["Followed", "changed", "enlist", "follow", "generations", "heard"]


class Followed(Protocol):
    """Something that is renewed from time to time."""

    @property
    def generation(self) -> int:
        """How many values were in use so far."""
        ...

    def follow(self, generation: int) -> None:
        """Renew it as another process did."""


_numbers = itertools.count()
_things: dict[int, weakref.ref[Followed]] = {}


class _Listeners:
    """Who wants to know of changes, in this process."""

    def __init__(self) -> None:
        self.tell: list[Callable[[], None]] = []
        tell_child(self)

    def _after_fork(self) -> None:
        self.tell = []  # A child has nobody to tell.


_listeners = _Listeners()


def enlist(thing: Followed) -> None:
    """Have the copies of *thing* in children follow it."""
    number = next(_numbers)
    _things[number] = weakref.ref(thing, lambda _: _things.pop(number, None))


def generations() -> dict[int, int]:
    """Give the generation of all things, by number."""
    # A list at once: other threads may enlist something.
    found = [(number, each()) for number, each in list(_things.items())]
    return {
        number: each.generation for number, each in found if each is not None
    }


def changed() -> None:
    """Say that a thing has a new generation; a signal's handler may."""
    for tell in _listeners.tell:
        tell()


@contextmanager
def heard(tell: Callable[[], None]) -> Iterator[None]:
    """Have *tell* called after each change."""
    _listeners.tell.append(tell)
    try:
        yield
    finally:
        _listeners.tell.remove(tell)


def follow(wanted: Mapping[int, int]) -> None:
    """Bring things to the generations that they have in another process.

    Args:
        wanted: The generations by number; what is not known is no matter.
    """
    for number, generation in wanted.items():
        known = _things.get(number)
        thing = None if known is None else known()
        if thing is not None and thing.generation != generation:
            thing.follow(generation)
