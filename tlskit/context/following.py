"""What became of the files and orders that a server's context follows."""

from __future__ import annotations

from .sides import ServerContext, contexts_of

__all__ = ["failures_of", "generation_of"]


def generation_of(context: ServerContext) -> int:
    """Count the states of what *context* follows; 0 if that is nothing."""
    sources = {
        id(source): source.generation
        for each in contexts_of(context)
        for source in each.settings.reloadable_sources
    }
    return sum(sources.values()) - max(0, len(sources) - 1)


def failures_of(context: ServerContext) -> int:
    """Count how often what *context* follows could not be renewed."""
    sources = {
        id(source): getattr(source, "failures", 0)
        for each in contexts_of(context)
        for source in each.settings.reloadable_sources
    }
    return sum(sources.values())
