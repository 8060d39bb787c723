"""Whom to trust: roots, and the sources of roots for all who name none."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextvars import ContextVar

from .sources import (
    AnySource,
    Roots,
    VerifySource,
    load_sources,
    system_sources,
)

__all__ = [
    "AnySource",
    "Restorer",
    "Roots",
    "VerifySource",
    "default_verify_sources",
    "load_default_roots",
    "load_sources",
    "set_default_verify_sources",
]

_logger = logging.getLogger("tlskit.trust")

_chosen: ContextVar[tuple[VerifySource, ...] | None] = ContextVar(
    "tlskit_default_verify_sources", default=None
)


def default_verify_sources() -> tuple[VerifySource, ...]:
    """Give the sources that are trusted unless others are named.

    They are those of ``set_default_verify_sources()``, else the system's,
    where ``SSL_CERT_FILE`` replaces its file or store and ``SSL_CERT_DIR``
    (several are separated as in ``PATH``) its directory.  A variable that is
    set, but empty, stands for none.  Seed: ssl-default-verify-sources.

    Raises:
        TrustSourceError: A variable holds a relative path, and the current
            directory is gone.
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    anchors, directories = system_sources()
    file = os.environ.get("SSL_CERT_FILE")
    if file is not None:
        anchors = (VerifySource.file(file),) if file else ()
    paths = os.environ.get("SSL_CERT_DIR")
    if paths is not None:
        names = filter(None, paths.split(os.pathsep))
        directories = tuple(map(VerifySource.directory, names))
    return (*anchors, *directories)


def set_default_verify_sources(sources: Iterable[AnySource]) -> Restorer:
    """Choose what ``default_verify_sources()`` gives from now on.

    The choice is a context variable (``contextvars``): it holds for this
    thread or asyncio task and for tasks made from it.  A new thread begins
    without it, other than in the seed, and trusts the system's sources: run
    it by ``contextvars.copy_context().run``, or make the context before.

    Args:
        sources: Sources, or paths of files of certificates.

    Returns:
        An object for a ``with`` statement, whose end restores the choice
        that was there before.

    Raises:
        TypeError: It is no series of sources and paths.
        TrustSourceError: No file can have one of the names.
    """
    single = (str, bytes, os.PathLike, VerifySource)
    if isinstance(sources, single) or not isinstance(sources, Iterable):
        raise TypeError(f"expected a series of sources, found {sources!r}")
    restorer = Restorer(_chosen.get())
    _chosen.set(tuple(map(VerifySource.of, sources)))
    return restorer


class Restorer:
    """Brings back the default sources of before, at the end of a ``with``."""

    def __init__(self, before: tuple[VerifySource, ...] | None) -> None:
        self._before = before

    def __enter__(self) -> tuple[VerifySource, ...]:
        """Give the default sources of now."""
        return default_verify_sources()

    def __exit__(self, *_: object) -> None:
        """Restore the default sources of before."""
        _chosen.set(self._before)


_reported: tuple[VerifySource, ...] = ()


def load_default_roots() -> tuple[Roots, ...]:
    """Load the default sources; those that can't be are left out.

    If none can, that is logged once.  Seed:
    ssl-load-default-verify-sources!.
    """
    global _reported  # noqa: PLW0603 - it is what "once" means
    sources = default_verify_sources()
    roots = load_sources(sources, ignore_failures=True)
    if not roots and sources != _reported:
        _reported = sources
        _logger.warning(
            "none of the default trust sources can be loaded (%s), so no "
            "peer will be trusted; name others in SSL_CERT_FILE or "
            "SSL_CERT_DIR",
            ", ".join(map(str, sources)),
        )
    return roots
