"""Contexts by server name: by the exact one, then by wildcard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from ..errors import ConfigurationError
from ..verify.identity import Identity

__all__ = ["NameTable"]

C = TypeVar("C")


class NameTable(Generic[C]):
    """Finds a context by exact name, then by wildcard."""

    def __init__(
        self,
        names: Mapping[str, C],
        default: C | None,
    ) -> None:
        self._exact: dict[str, C] = {}
        self._below: dict[str, C] = {}
        self._default = default
        for name, context in names.items():
            wildcard = isinstance(name, str) and name.startswith("*.")
            table = self._below if wildcard else self._exact
            table[_canonical(name[2:] if wildcard else name)] = context

    @property
    def contexts(self) -> list[C]:
        """All that it leads to."""
        more = [] if self._default is None else [self._default]
        return [*self._exact.values(), *self._below.values(), *more]

    def __call__(self, server_name: str) -> C | None:
        """Find the context for a name; perhaps the default."""
        name = server_name.lower().rstrip(".")
        if name in self._exact:
            return self._exact[name]
        return self._below.get(name.partition(".")[2], self._default)


def _canonical(name: str) -> str:
    identity = Identity.parse(name)
    if identity.sni is None:
        raise ConfigurationError(
            f"clients send no server name for an address: {name!r}"
        )
    return identity.sni.decode("ascii")
