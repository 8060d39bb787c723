"""Copies of exceptions, and what is kept to be raised again."""

from __future__ import annotations

import dataclasses
import json
import ssl
import sys
import weakref
from typing import Any

import pytest

import tlskit
from tlskit.errors.copies import Kept, caused, copied, is_copy


class Slotted(OSError):  # noqa: N818 - the same
    """With state in a slot, and arguments that its class would not take."""

    __slots__ = ("empty", "mood", "other")

    def __init__(self, mood: str, *, other: int | None) -> None:
        super().__init__(5, mood)
        self.mood, self.other = mood, other


class Particular(Exception):  # noqa: N818 - it is none of ours
    """Made in its own way."""

    def __new__(cls, *_: object, must: int) -> Any:
        """Want a keyword."""
        made = super().__new__(cls)
        made.must = must
        return made

    def __init__(self, *_: object, must: int) -> None:
        """Do nothing more."""


MADE = [
    tlskit.TLSError("a", code="b", hint="c", errno=4, filename="d"),
    tlskit.AlertError("a", alert=tlskit.Alert(40)),
    OSError(2, "no", "one", None, "two"),
    ConnectionResetError(104, "reset"),
    KeyboardInterrupt(),
    SystemExit(3),
    KeyError("a"),
    UnicodeDecodeError("utf-8", b"abc", 0, 1, "bad"),
    ssl.SSLCertVerificationError(1, "bad"),
    json.JSONDecodeError("bad", "text", 1),
    ImportError("no", name="a", path="b"),
    Slotted("bad", other=None),
    Particular(1, must=2),
]


def raised(error: BaseException) -> BaseException:
    """Raise and catch it, because of something else."""
    with pytest.raises(type(error)) as caught:
        try:
            int("first")
        except ValueError as cause:
            raise error from cause
    return caught.value


def state(error: BaseException) -> dict[str, object]:
    """Give all that one can ask an exception for, but for methods."""
    found = {
        name: getattr(error, name, None)
        for name in dir(error)
        if not name.startswith("__") or name == "__notes__"
    }
    return {
        name: value
        for name, value in found.items()
        if not callable(value) or isinstance(value, type)
    }


@pytest.mark.parametrize("error", MADE, ids=lambda each: type(each).__name__)
def test_all_but_the_traceback(error: BaseException) -> None:
    """A copy is the same in class, words and state, causes included."""
    first = raised(error)
    copy = copied(first)

    assert type(first) is type(copy)
    assert (str(first), repr(first)) == (str(copy), repr(copy))
    assert state(first) == state(copy)
    assert "first" in str(copy.__cause__)
    assert first.__suppress_context__ is copy.__suppress_context__ is True
    assert copy.__traceback__ is None
    assert copy.__cause__ is copy.__context__
    assert copy.__cause__ is not None
    assert copy.__cause__.__traceback__ is None
    assert first.__traceback__ is not None


def test_what_was_never_set() -> None:
    """An empty slot stays so; a copy of no use in a class is left out."""
    copy = copied(Slotted("bad", other=None))

    assert copy.other is None
    with pytest.raises(AttributeError):
        copy.empty  # noqa: B018


def test_read_only_slots() -> None:
    """What a class does not let itself be told is left out."""
    group = getattr(__builtins__, "ExceptionGroup", None) or dict(
        vars(sys.modules["builtins"])
    ).get("ExceptionGroup")
    if group is None:
        pytest.skip("this Python has no groups")
    copy = copied(group("a", [ValueError(1)]))

    assert ("a", 1) == (copy.message, len(copy.exceptions))


class Deaf(Exception):  # noqa: N818 - the same
    """Can't be made from what it tells."""

    args = property(lambda _: ("other",))  # type: ignore[assignment]

    def __getattribute__(self, name: str) -> Any:
        """Tell nothing of its state."""
        if name == "__dict__":
            raise RuntimeError("asked too much")
        return super().__getattribute__(name)


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):  # noqa: N818 - the same
    """Lets nobody set anything, as frozen dataclasses do."""

    why: str


def test_a_frozen_one() -> None:
    """A class whose objects can't change is copied like any other."""
    first = raised(Frozen("no"))
    copy = copied(first)

    assert first is not copy
    assert first == copy
    assert first.args == copy.args
    assert "first" in str(copy.__cause__)


def test_what_can_not_be_copied() -> None:
    """What its class does not let be copied is kept as it is."""
    first = raised(Deaf("no"))
    cause = first.__cause__

    assert first is copied(first)
    assert cause is first.__cause__


def test_a_long_way_back() -> None:
    """However many errors came before it, all are copied."""
    error = ValueError(0)
    for number in range(1, 5000):
        later = ValueError(number)
        later.__context__, error = error, later

    copy: BaseException | None = copied(error)
    numbers = []
    while copy is not None:
        numbers.append(copy.args[0])
        copy = copy.__context__
    assert [*reversed(range(5000))] == numbers


def test_notes_of_its_own() -> None:
    """What is noted on one is not noted on the other."""
    first = ValueError(1)
    first.__notes__ = ["a"]  # type: ignore[attr-defined,unused-ignore]
    copy = copied(first)
    vars(copy)["__notes__"].append("b")

    assert ["a"] == vars(first)["__notes__"]


def test_causes_in_a_circle() -> None:
    """A circle of causes is copied as one."""
    one, other = ValueError(1), ValueError(2)
    one.__cause__, other.__cause__ = other, one
    copy = copied(one)

    assert copy.__cause__ is not None
    assert copy is copy.__cause__.__cause__


def test_who_is_a_copy() -> None:
    """Copies of one are known, and others are not."""
    error = ValueError("a")

    assert is_copy(error, error)
    assert is_copy(copied(copied(error)), error)
    assert not is_copy(ValueError("ab"[:1]), error)
    assert not is_copy(TypeError(*error.args), error)
    assert not is_copy(error, None)


def test_first_again() -> None:
    """Who still has the first one gets it again, without its traceback."""
    error = raised(tlskit.StreamError("a"))
    kept = Kept(error)

    assert kept.again() is error
    assert error.__traceback__ is None


def test_first_is_gone() -> None:
    """Nobody keeps the first one; then there are copies."""
    error = tlskit.StreamError("a")  # Raised, this frame would hold it.
    gone, kept = weakref.ref(error), Kept(error)
    del error

    assert gone() is None
    again = kept.again()
    assert "a" == str(again)
    assert again is kept.again()
    assert again is not kept.copy


def test_builtin_exceptions() -> None:
    """Those that can't be looked after are copied each time."""
    error = ValueError("a")
    kept = Kept(error)

    assert is_copy(kept.again(), error)
    assert kept.again() is not error


def test_a_cause_of_its_own() -> None:
    """Who knows why is not told otherwise; nobody is the cause of itself."""
    first, other, knows = ValueError(1), ValueError(2), raised(ValueError(3))
    cause = knows.__cause__

    assert first is caused(first, first)
    assert first.__cause__ is None
    assert other is caused(first, other).__cause__
    assert cause is caused(knows, other).__cause__
    frozen = caused(Frozen("no"), other)
    assert other is frozen.__cause__
