"""What a hook answers, which has to be there when it returns."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from inspect import isasyncgen, isawaitable, isgenerator
from typing import TypeVar

from ..errors import ConfigurationError

__all__ = ["at_once"]

T = TypeVar("T")


_HINT = "define it without async; on asyncio and trio, choose_for() may wait"


def at_once(answer: T, hook: str, hint: str = _HINT) -> T:
    """Give a hook's answer, unless the hook has not even begun.

    What ``async def`` or a ``yield`` makes of a function gives an object
    that is true, and decides nothing.

    Args:
        answer: What the hook returned.
        hook: Its name.
        hint: What to do.

    Raises:
        ConfigurationError: That is a coroutine, something else to wait for,
            or a generator.
    """
    if not (isawaitable(answer) or isasyncgen(answer) or isgenerator(answer)):
        return answer
    if isinstance(answer, (Coroutine, Generator)):
        answer.close()
    raise ConfigurationError(
        f"{hook} can't be a coroutine function, nor a generator: it has "
        f"returned {type(answer).__name__!r}, and nobody waits for its answer",
        code="hook-not-awaited",
        hint=hint,
    )
