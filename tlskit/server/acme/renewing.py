"""Keeps credentials that renew themselves at work while a server serves."""

from __future__ import annotations

import threading
from operator import is_
from typing import Protocol, TypeGuard

from ...context.following import contexts_of
from ...context.sides import ServerContext

__all__ = ["Renewal", "proof_of"]


class _Worker(Protocol):
    """A source of credentials that does something by itself."""

    def start(self) -> None:
        """Begin; calls are counted."""

    def stop(self) -> None:
        """End, when as many have said so as have begun."""

    def proof(self, token: str) -> bytes | None:
        """Give what an ACME server wants to see for a token, or None."""


def _works(source: object) -> TypeGuard[_Worker]:
    return hasattr(source, "start") and hasattr(source, "stop")


def proof_of(context: ServerContext, token: str) -> bytes | None:
    """Give what proves to an ACME server that it has asked the right one.

    Args:
        context: A listener's.
        token: By which the server asks (RFC 8555, section 8.3).
    """
    answers = (
        source.proof(token)
        for each in contexts_of(context)
        for source in each.settings.credentials
        if _works(source) and hasattr(source, "proof")
    )
    return next(filter(None, answers), None)


class Renewal:
    """What one server has set to work; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working: tuple[_Worker, ...] = ()
        self._seen: tuple[object, object] | None = None
        self._ended = False

    def begin(self, context: ServerContext) -> None:
        """Have the sources of *context*, and no others, at work.

        Those of the contexts that its table of server names leads to are
        among them; a function that chooses contexts can't be asked.
        """
        seen = context, context.settings
        if self._seen is not None and all(map(is_, self._seen, seen)):
            return  # It is asked all the time.
        self._seen = seen
        found = {
            id(source): source
            for each in contexts_of(context)
            for source in each.settings.credentials
            if _works(source)
        }
        self._replace(tuple(found.values()))

    def end(self) -> None:
        """Have none at work, for good; a second call is harmless."""
        self._ended = True
        self._replace(())

    def _replace(self, sources: tuple[_Worker, ...]) -> None:
        with self._lock:
            if self._ended:
                sources = ()
            # First the new ones: what is in both goes on without a break.
            for each in sources:
                each.start()
            before, self._working = self._working, sources
            for each in before:
                each.stop()
