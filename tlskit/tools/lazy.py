"""Modules that are loaded when they are first used.

``import tlskit`` then costs little, and works where one of them is broken:
whoever needs it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["Lazy"]


class Lazy:
    """Stands for a module, or for something in one, until it is used.

    Args:
        module: The module's whole name.
        member: The name of a class in it; empty for the module itself.
        check: Called before it is loaded; may raise a better error.
    """

    def __init__(
        self,
        module: str,
        member: str = "",
        check: Callable[[], None] | None = None,
    ) -> None:
        self._source = module, member, check

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Introspection is not use.
            raise AttributeError(name)
        module, member, check = self._source
        if check is not None:
            check()
        found: Any = import_module(module)
        value = getattr(getattr(found, member) if member else found, name)
        setattr(self, name, value)
        return value
