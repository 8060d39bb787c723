"""What the tests of both express lanes share: sizes, contexts, a counter."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import strategies as st

import tlskit
from tlskit.ports.blocking import lane

from .engines import client_context, server_context

__all__ = ["ROOM", "SIZE", "SIZES", "Counted", "contexts", "with_lane"]

#: Whatever is on its way at once, so that it always fits.
ROOM = 60000
#: Of no other buffer.
SIZE = 12345
#: Small ones, and those around the end of a record.
SIZES = st.one_of(
    st.integers(0, 40), st.sampled_from([100, 1000, 16383, 16384, 16385])
)


@pytest.fixture(name="_with_lane", autouse=True)
def with_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a lane, also in a run of all tests without one."""
    monkeypatch.setattr(lane, "_open", True)


@lru_cache
def contexts(
    protocol: str = "tls13",
) -> tuple[tlskit.ClientContext, tlskit.ServerContext]:
    """Make both sides' contexts once."""
    return client_context(protocol), server_context()


class Counted:
    """How often a lane did something itself.

    Args:
        monkeypatch: Ends the counting.
        kind: The class of the lane.
        *names: Methods; each gives something if it did it.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, kind: type, *names: str
    ) -> None:
        self.taken: list[str] = []
        for name in names:
            monkeypatch.setattr(kind, name, self._counting(kind, name))

    def _counting(self, kind: type, name: str) -> Callable[..., Any]:
        real = getattr(kind, name)

        def call(*arguments: Any) -> Any:
            result = real(*arguments)
            if result is not None and result is not False:
                self.taken.append(name)
            return result

        return call
