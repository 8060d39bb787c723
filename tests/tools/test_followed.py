"""Things that forked processes hold, too."""

from __future__ import annotations

import gc

from tlskit.tools.followed import (
    changed,
    enlist,
    follow,
    generations,
    heard,
)


class Thing:
    """Something of which there are generations."""

    def __init__(self) -> None:
        self.generation = 1
        self.asked: list[int] = []
        enlist(self)

    def follow(self, generation: int) -> None:
        """Do as another process did."""
        self.asked.append(generation)
        self.generation = generation


def number_of(thing: Thing) -> int:
    """Find the number of a thing by its generation."""
    thing.generation, before = 10**9, thing.generation
    (found,) = (n for n, each in generations().items() if each == 10**9)
    thing.generation = before
    return found


def test_a_thing_follows_another_process() -> None:
    """It is asked for what it has not, and unknown numbers are no matter."""
    thing = Thing()
    number = number_of(thing)
    follow({number: 1, -1: 7})
    follow({number: 3})

    assert [3] == thing.asked
    assert 3 == generations()[number]


def test_what_is_gone_has_no_number() -> None:
    """Nobody keeps a thing alive for this."""
    thing = Thing()
    number = number_of(thing)
    del thing
    gc.collect()

    assert number not in generations()
    follow({number: 2})


def test_changes_are_told_while_somebody_listens() -> None:
    """Afterwards, and in a child, nobody is told."""
    told: list[str] = []
    with heard(lambda: told.append("once")):
        changed()
    changed()

    assert ["once"] == told
