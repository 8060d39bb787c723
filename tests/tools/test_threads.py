"""Work in another thread: its result, its errors, a bounded wait."""

from __future__ import annotations

import _thread
import threading
from typing import NoReturn

import pytest

from tlskit.tools.threads import elsewhere, undisturbed

from ..interrupts import Interrupt
from ..peers import PATIENCE, Task

WAYS = pytest.mark.parametrize("way", [elsewhere, undisturbed])


def fail() -> NoReturn:
    """Raise what no handler of errors takes."""
    raise Interrupt("mine")


@WAYS
def test_results_and_errors(way) -> None:
    """What the work gives or raises is what comes out."""
    assert "done" == way(lambda: "done")
    with pytest.raises(Interrupt, match="mine"):
        way(fail)


@WAYS
def test_not_in_the_main_thread(way) -> None:
    """No signal's handler can come up there."""
    assert threading.get_ident() != way(threading.get_ident)


def test_who_is_elsewhere_stays() -> None:
    """Another thread than the main one does the work itself."""

    def work() -> bool:
        return threading.get_ident() == undisturbed(threading.get_ident)

    assert Task(work).result()


def test_a_bounded_wait() -> None:
    """Who takes longer is left alone."""
    over = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            elsewhere(lambda: over.wait(PATIENCE), 0.01)
    finally:
        over.set()


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """If none can be had, the work is done all the same, or not at all."""

    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)

    assert threading.get_ident() == undisturbed(threading.get_ident)
    with pytest.raises(Interrupt, match="mine"):
        undisturbed(fail)
    with pytest.raises(RuntimeError, match="can't start"):
        elsewhere(fail)
