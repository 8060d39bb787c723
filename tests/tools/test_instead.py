"""``Instead``: something else is raised, and nothing goes round in circles."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress

import pytest

from tlskit.tools.instead import Instead


def look(error: OSError) -> None:
    """Raise something else, but for one class."""
    if error.errno is None:
        raise RuntimeError("instead") from error


def test_something_else() -> None:
    """What is raised instead has the first one as its cause."""
    with pytest.raises(RuntimeError, match="instead") as caught:
        with Instead(OSError, look):
            raise ConnectionError("first")

    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize("error", [ValueError("a"), ConnectionError(1, "b")])
def test_what_passes(error: Exception) -> None:
    """Other kinds are not shown, and who looks may let one pass."""
    with pytest.raises(type(error)) as caught:
        with Instead(OSError, look):
            raise error

    assert caught.value is error


def test_nothing_is_raised() -> None:
    """Without an exception, nobody looks."""
    with Instead(BaseException, pytest.fail):
        pass


def test_no_circle() -> None:
    """Both exceptions, and their frames, are freed without the collector."""

    class Thing:
        """What a frame holds."""

    def block() -> None:
        thing = Thing()
        gone.append(weakref.ref(thing))
        with Instead(OSError, look):
            raise OSError("first")

    gone: list[weakref.ref[Thing]] = []
    gc.collect()
    gc.disable()
    try:
        with suppress(RuntimeError):
            block()
        assert gone[0]() is None
    finally:
        gc.enable()
