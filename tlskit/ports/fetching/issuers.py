"""Fetches the certificates of issuers, and remembers them for a while."""

from __future__ import annotations

import time
from collections import OrderedDict

from ...engine.refusal.missing import Errand, Fetching, listed
from ...tools.deadline import Deadline
from ...tools.forks import ForkLock
from .http import fetch

__all__ = ["run_errand"]

#: How long, in seconds, and how many answers are remembered.
_REMEMBERED, _MOST = 3600.0, 64
_known: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
_lock = ForkLock()


def run_errand(errand: Errand, deadline: Deadline) -> None:
    """Fetch what *errand* looks for; what fails is noted there.

    Args:
        errand: The search.
        deadline: When to give up; the errand's own time-out counts, too.
    """
    rules = errand.rules
    soonest = deadline.sooner(rules.timeout)
    errand.run(lambda url: _remembered(url, rules, soonest))


def _remembered(url: str, rules: Fetching, deadline: Deadline) -> bytes:
    """Fetch, or give what was fetched within the last hour."""
    now = time.monotonic()
    with _lock:
        end, data = _known.get(url, (now, b""))
    if end > now:
        return data
    data = fetch(url, rules, deadline)
    listed(data)  # What is none is not remembered.
    with _lock:
        _known[url] = now + _REMEMBERED, data
        _known.move_to_end(url)
        while len(_known) > _MOST:
            _known.popitem(last=False)
    return data
