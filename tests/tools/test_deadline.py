"""Deadlines: one moment, shared by many waits."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlskit.tools.deadline import Deadline

NEVER = Deadline()
MOMENTS = st.none() | st.floats(allow_nan=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stop the clock; its only entry is the time."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_never():
    """None is no deadline: nothing is left to count, nothing raises."""
    deadline = Deadline.after(None)

    assert NEVER == deadline
    assert deadline.left() is None
    assert not deadline.is_now
    deadline.check("waiting")


def test_after(clock):
    """The moment is fixed when it begins; what is left shrinks."""
    deadline = Deadline.after(5)
    clock[0] += 3

    assert 2.0 == deadline.left()
    deadline.check("waiting")


def test_passed(clock):
    """Afterwards nothing is left, never less, and the error says of what."""
    deadline = Deadline.after(5)
    clock[0] += 50

    assert 0.0 == deadline.left()
    with pytest.raises(TimeoutError, match=r"^timed out while reading$"):
        deadline.check("reading")


def test_zero(clock):
    """No time at all is a deadline that has passed, not none."""
    assert 0.0 == Deadline.after(0).left()


@pytest.mark.parametrize("seconds", ["5", (1,), [2]], ids=repr)
def test_no_number(seconds):
    """What is no number of seconds is refused in our words."""
    with pytest.raises(TypeError, match=r"^a time-out is seconds, not "):
        Deadline.after(seconds)


@pytest.mark.parametrize("seconds", [-1, -0.001, -math.inf])
def test_negative(seconds):
    """A negative time-out is a mistake."""
    with pytest.raises(ValueError, match=f"negative: {seconds!r}"):
        Deadline.after(seconds)


def test_now():
    """The deadline of a non-blocking call has always passed."""
    deadline = Deadline.now()

    assert deadline.is_now
    assert 0.0 == deadline.left()
    with pytest.raises(TimeoutError):
        deadline.check("reading")


@given(MOMENTS, MOMENTS)
def test_earlier(one, two):
    """Of two, the one that ends first counts, whatever their order."""
    known = [each for each in (one, two) if each is not None]
    first = Deadline(min(known, default=None))

    assert first == Deadline(one).earlier(Deadline(two))
    assert first == Deadline(two).earlier(Deadline(one))


def test_sooner(clock):
    """A shorter wait can be cut out of a deadline, but not a longer one."""
    deadline = Deadline.after(5)

    assert 2.0 == deadline.sooner(2).left()
    assert deadline == deadline.sooner(9)
    assert 9.0 == NEVER.sooner(9).left()
