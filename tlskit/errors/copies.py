"""Copies of exceptions, for who has to raise one again.

An exception holds its traceback, that holds frames, and these hold their
variables: the connection above all.  A connection that kept the exception in
turn would be in a circle, which is freed by the garbage collector alone, long
after the next thousand have failed.  So what is ``Kept`` is a copy without a
traceback; and the exception itself is raised again only if its owner still
has it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import (
    BuiltinMethodType,
    GetSetDescriptorType,
    MemberDescriptorType,
)
from typing import Any, TypeVar, cast

__all__ = ["Kept", "caused", "copied", "is_copy"]

E = TypeVar("E", bound=BaseException)

_UNSET = object()
_SLOTS = (GetSetDescriptorType, MemberDescriptorType)
#: What every exception has, and what is no state of its own.
_COMMON = frozenset(vars(BaseException)) | {"__dict__", "__weakref__"}
_LINKS = ("__cause__", "__context__")


class Kept:
    """An exception that is to be raised again, in no circle with its frames.

    Args:
        error: It; the caller is about to raise it for the first time.
    """

    __slots__ = ("_seen", "copy")

    def __init__(self, error: BaseException) -> None:
        #: To look at, and not to raise.
        self.copy: BaseException = copied(error)
        self._seen = _reference(error)

    def again(self) -> BaseException:
        """Give the exception, for who raises it again.

        Returns:
            The one that was raised before, as long as somebody has it (and
            if its class allows for weak references); else another copy.
        """
        error = self._seen()
        if error is None:
            error = copied(self.copy)
            self._seen = _reference(error)
        # Its old traceback would grow with every raise.
        return error.with_traceback(None)


def _reference(error: BaseException) -> Callable[[], BaseException | None]:
    try:
        return weakref.ref(error)
    except TypeError:  # It is of a class that is built in.
        return _nothing


def _nothing() -> None:
    """Stand for a reference to what is gone."""


def copied(error: E) -> E:
    """Copy *error* without its traceback, and its causes likewise.

    No method of its class is called: that may be anybody's, and what it has
    to say was said when *error* was made.

    Args:
        error: Any exception.

    Returns:
        One of the same class, with the same arguments, attributes and notes.
        It is *error* itself, if its class is too odd for that.
    """
    made: dict[int, tuple[BaseException, BaseException]] = {}
    waiting: list[BaseException] = [error]
    while waiting:  # Causes may go round in a circle, or far back.
        each = waiting.pop()
        if id(each) not in made:
            made[id(each)] = each, _alike(each)
            waiting += filter(None, map(partial(_given, each), _LINKS))
    for each, copy in made.values():
        if copy is each:
            continue
        for name in _LINKS:
            link = _given(each, name)
            _give(copy, name, None if link is None else made[id(link)][1])
        # Last, as whoever is given a cause suppresses its context.
        suppressed = _given(each, "__suppress_context__")
        _give(copy, "__suppress_context__", suppressed)
    return cast("E", made[id(error)][1])


def caused(error: E, cause: BaseException) -> E:
    """Give *error* its cause before it is kept, unless it has one.

    What a hook has raised knows better why than what failed because of it.

    Args:
        error: Any exception.
        cause: What it is raised for; it may be the same.
    """
    if error is not cause and _given(error, "__cause__") is None:
        _give(error, "__cause__", cause)
    return error


def is_copy(error: BaseException, of: BaseException | None) -> bool:
    """Say whether *error* is *of*, or a copy of it, or the other way round."""
    return error is of or (
        of is not None and type(error) is type(of) and error.args is of.args
    )


def _given(error: BaseException, name: str) -> Any:
    """Get what every exception has, past all that its class may say."""
    return vars(BaseException)[name].__get__(error)


def _give(error: BaseException, name: str, value: object) -> None:
    """Set what every exception has; a frozen dataclass would refuse."""
    vars(BaseException)[name].__set__(error, value)


def _alike(error: BaseException) -> BaseException:
    """Make another one of its class, without asking the class."""
    try:
        return _made_like(error)
    except Exception:  # noqa: BLE001 - it is no worse than it was
        return error


def _made_like(error: BaseException) -> BaseException:
    kind = type(error)
    # What is made in C is to be made by its own, and nothing below that.
    make = next(
        vars(each)["__new__"]
        for each in kind.__mro__
        if isinstance(vars(each).get("__new__"), BuiltinMethodType)
    )
    args = _given(error, "args")
    copy: BaseException = make(kind, *args)
    _give(copy, "args", args)
    vars(copy).update(vars(error))
    notes = vars(error).get("__notes__")
    if isinstance(notes, list):  # Each gets those of its own, later on.
        vars(copy)["__notes__"] = [*notes]
    for each in kind.__mro__:
        for name, slot in vars(each).items():
            if isinstance(slot, _SLOTS) and name not in _COMMON:
                held = _held(slot, error)
                # To some, being told None is not the same as knowing nothing.
                if held is not _UNSET and held is not _held(slot, copy):
                    with suppress(AttributeError, TypeError):
                        slot.__set__(copy, held)
    return copy


def _held(slot: Any, error: BaseException) -> object:
    try:
        return slot.__get__(error)
    except AttributeError:
        return _UNSET
