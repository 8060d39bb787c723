"""To whom an error happened, and when."""

from __future__ import annotations

from contextlib import suppress

from ..tools.instead import Instead
from . import TLSError

__all__ = ["locate", "located", "place_of", "told"]


def place_of(address: tuple[str, int]) -> str:
    """Write a peer as ``"host:port"``; a path, which has the port 0, alone."""
    host, port = address
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def locate(error: BaseException, peer: str | None, phase: str) -> None:
    """Give *error* the attributes ``peer`` and ``phase``.

    An error of tlskit's shows them among its notes.  Any other gets a note,
    from Python 3.11 on; a class that allows no attributes has nothing else.
    Who has raised it first knows best, so what is there stays, unless it is
    of another connection: a failed session raises its error again.

    Args:
        error: An interrupt or a cancellation is left alone.
        peer: ``"host:port"``, a path, or None if nobody is known.
        phase: ``"resolve"``, ``"connect"``, ``"proxy"``, ``"accept"``,
            ``"preface"``, ``"handshake"``, ``"read"``, ``"write"`` or
            ``"close"``.
    """
    if not isinstance(error, Exception):
        return
    known = getattr(error, "phase", None) is not None
    if known and peer in (None, getattr(error, "peer", None)):
        return
    with suppress(AttributeError, TypeError):
        error.peer = peer  # type: ignore[attr-defined]
        error.phase = phase  # type: ignore[attr-defined]
    add_note = getattr(error, "add_note", None)  # From Python 3.11 on.
    if not isinstance(error, TLSError) and add_note is not None:
        place = "" if peer is None else f"peer: {peer}, "
        with suppress(AttributeError, TypeError):
            add_note(f"{place}phase: {phase}")


def told(error: BaseException, peer: str | None = None) -> str:
    """Say what went wrong, and with whom, for a log.

    Args:
        error: What went wrong.
        peer: With whom, if *error* does not know.
    """
    words = str(error) or type(error).__name__
    peer = getattr(error, "peer", None) or peer
    if peer is None or f"(peer {peer})" in words:
        return words
    return f"{words} (peer {peer})"


def located(peer: str | None, phase: str) -> Instead[Exception]:
    """Have whatever is raised in the block say to whom and when."""
    return Instead(Exception, lambda error: locate(error, peer, phase))
