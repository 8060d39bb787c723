"""Locks taken so that an interrupt can't leave them held."""

from __future__ import annotations

import sys
import threading
from itertools import count

import pytest

from tlskit.tools.forks import ForkLock
from tlskit.tools.holding import Hold, behind, if_free, take

from ..interrupts import Interrupt, interrupted


def test_take() -> None:
    """It says whether the lock was to be had, and notes it."""
    lock = threading.Lock()
    first: list[bool] = []
    second: list[bool] = []

    assert take(lock, first, None)
    assert not take(lock, second, 0.0)
    assert ([True], [False]) == (first, second)


def test_if_free() -> None:
    """It works with the lock, or not at all."""
    lock = threading.Lock()
    seen: list[bool] = []

    assert if_free(lock, lambda: seen.append(lock.locked()))
    with lock:
        assert not if_free(lock, lambda: seen.append(False))
    with pytest.raises(LookupError):
        if_free(lock, lambda: [][0:] or {}["nothing"])
    assert [True] == seen
    assert not lock.locked()


def test_behind() -> None:
    """It works in any case, with the locks that are free."""
    locks = [threading.Lock() for _ in range(3)]
    seen: list[list[bool]] = []
    with locks[1]:
        behind(
            locks, lambda: seen.append([each.locked() for each in locks]), 0.0
        )

    assert [[True, True, True]] == seen
    assert not any(each.locked() for each in locks)


def test_hold() -> None:
    """It holds over its block, and who waits may give up."""
    lock = threading.Lock()

    def give_up(taken: list[bool]) -> None:
        assert [False] == taken
        raise TimeoutError

    with Hold(lock, give_up):
        assert lock.locked()
        with pytest.raises(TimeoutError):
            with Hold(lock, give_up):
                raise AssertionError
        assert lock.locked()
    assert not lock.locked()


def test_hold_after_waiting() -> None:
    """What waits takes the lock itself."""
    lock = threading.Lock()
    lock.acquire()

    def wait(taken: list[bool]) -> None:
        lock.release()
        take(lock, taken, None)

    with Hold(lock, wait):
        assert lock.locked()
    assert not lock.locked()


@pytest.mark.parametrize("kind", ["hold", "if_free", "fork lock"])
def test_interrupts(kind: str) -> None:
    """Wherever one comes, the lock is free afterwards."""
    lock, ours = threading.Lock(), ForkLock()

    def work() -> None:
        if kind == "hold":
            with Hold(lock, lambda taken: take(lock, taken, None)):
                pass
        elif kind == "if_free":
            if_free(lock, lambda: None)
        else:
            with ours:
                pass

    def is_free() -> bool:
        # Another thread's view: a re-entrant lock is always free for us.
        seen: list[bool] = []

        def look() -> None:
            seen.append(not lock.locked() and ours.acquire(blocking=False))
            if seen[0]:
                ours.release()

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return seen[0]

    for number in count():
        if not interrupted(number, work):
            break
        assert is_free()
    assert number > 0
    assert is_free()


def test_interrupt_is_what_comes_out() -> None:
    """The tool for these tests raises where it is told, and only there."""
    before = sys.getprofile()

    assert interrupted(0, lambda: None)
    assert not interrupted(1, lambda: None)
    assert interrupted(1, lambda: if_free(threading.Lock(), lambda: None))
    assert before is sys.getprofile()
    with pytest.raises(Interrupt):
        raise Interrupt
