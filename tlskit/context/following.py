"""The contexts that a server's context leads to, and what they follow.

They follow files and orders, which change while the server runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .server_names import NameTable

if TYPE_CHECKING:
    from cryptography import x509

    from ..policy.settings import Renewed
    from .sides import ServerContext

__all__ = [
    "certificates_of",
    "contexts_of",
    "failures_of",
    "generation_of",
    "sources_of",
]


def contexts_of(context: ServerContext) -> tuple[ServerContext, ...]:
    """Give *context* and those that a table of names leads to.

    A function that chooses contexts can't be asked for all of them.
    """
    known: dict[int, ServerContext] = {}
    waiting = [context]
    while waiting:
        each = waiting.pop()
        if id(each) not in known:
            known[id(each)] = each
            choose: object = each.settings.choose
            if isinstance(choose, NameTable):
                waiting += choose.contexts
    return tuple(known.values())


def sources_of(context: ServerContext) -> tuple[Renewed, ...]:
    """Give what these contexts follow, each source once."""
    found = {
        id(source): source
        for each in contexts_of(context)
        for source in each.settings.reloadable_sources
    }
    return tuple(found.values())


def certificates_of(context: ServerContext) -> list[x509.Certificate]:
    """Give what is presented now, by whichever server name, once each."""
    found: dict[x509.Certificate, None] = {}
    for each in contexts_of(context):
        try:
            settings = each.prepared().settings
        except ConfigurationError:  # Its clients are told.
            continue
        found.update((pair.chain.leaf, None) for pair in settings.pairs)
        for source in each.settings.credentials:
            chains = getattr(source, "certificate_chains", ())
            found.update((chain.leaf, None) for chain in chains)
    return list(found)


def generation_of(context: ServerContext) -> int:
    """Count the states of what *context* follows; 0 if that is nothing."""
    sources = sources_of(context)
    return sum(each.generation for each in sources) - max(0, len(sources) - 1)


def failures_of(context: ServerContext) -> int:
    """Count how often what *context* follows could not be renewed."""
    return sum(getattr(each, "failures", 0) for each in sources_of(context))
