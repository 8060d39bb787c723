"""Interrupts at every place where Python may run a signal's handler.

CPython looks for signals after calls of C code and at the beginning of its
own functions.  A profiler is told of both, and what it raises comes up just
there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Interrupt", "interrupted"]

_PLACES = {"call", "c_return"}
#: What Python calls itself, where it shows and forgets what is raised: ends
#: of objects, of those that weak references lead to, and pytest's hook that is
#: told of them.
_FORGETFUL = {"__del__", "remove", "_remove", "unraisable_hook"}


class Interrupt(BaseException):
    """What the handler raises."""


def interrupted(number: int, work: Callable[[], object]) -> bool:
    """Do *work*, with an interrupt at the *number*-th place.

    That may be in a module that tlskit calls, or that calls it.

    Returns:
        Whether there were so many places.  What the interrupt became, if not
        itself, is raised.
    """
    left = number

    def look(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        if event == "c_return" and argument.__name__ == "__enter__":
            # From 3.14 on a profiler is told of this, but a handler does not
            # run here: a lock that is taken is held by "with".  (In 3.14 it
            # does, which is a fault of CPython's, number 148874.)
            return
        if event not in _PLACES or frame.f_code.co_filename == __file__:
            return
        if not _is_forgotten(frame):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise Interrupt

    before = sys.getprofile()
    try:
        sys.setprofile(look)
        try:
            work()
        finally:
            sys.setprofile(before)
    except Interrupt:
        return True
    return left < 0


def _is_forgotten(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name in _FORGETFUL:
            return True
        frame = frame.f_back
    return False
