"""Raising something else than what a block has raised.

A generator with ``contextmanager`` could do that, too.  But what is thrown
into one gets its frame into the traceback, and that leads back to whoever has
thrown it, who holds the exception: a circle, which is freed by the garbage
collector alone, with all that those frames hold.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Instead"]

E = TypeVar("E", bound=BaseException)


class Instead(Generic[E]):
    """Shows what its block raises to who may raise something else.

    Args:
        kinds: What is shown, one class or several.
        look: Called with it; raises another one, or lets it pass.
    """

    __slots__ = ("_kinds", "_look")

    def __init__(
        self,
        kinds: type[E] | tuple[type[E], ...],
        look: Callable[[E], object],
    ) -> None:
        self._kinds = kinds
        self._look = look

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Have *error* looked at, if it is of the kind."""
        if isinstance(error, self._kinds):
            self._look(error)
