"""What secure contexts share: their settings, and what was built of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from ..tools.forks import ForkLock
from ..trust import load_default_roots

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.build import Built
    from ..policy.settings import Settings
    from .sealing import Sealable
    from .sides import ClientContext

__all__ = ["Shared", "leaves_alone", "once", "share_secure"]

_MOST = 16
_STEPS = ("load_default_verify_sources", "set_verify", "set_verify_hostname")


class Shared(NamedTuple):
    """Settings that many contexts have, and what was built from them."""

    settings: Settings
    #: By the names of the hooks in use, which is all that may differ.
    builds: dict[frozenset[str], Built]


# The roots are in the settings, so that no other object takes over their id.
_ready: OrderedDict[tuple[int, ...], Shared] = OrderedDict()
_lock = ForkLock()
_contexts: OrderedDict[tuple[object, ...], Sealable] = OrderedDict()
_contexts_lock = ForkLock()


def share_secure(context: ClientContext) -> None:
    """Make a fresh context secure by what earlier ones decided and built."""
    roots = load_default_roots()
    key = tuple(map(id, roots))
    with _lock:
        found = _ready.get(key)
    if found is None:
        for each in roots:
            context._trust(each)
        context.set_verify()
        context.set_verify_hostname()
        found = Shared(context.settings, {})
        with _lock:
            _ready[key] = found
            if len(_ready) > _MOST:
                _ready.popitem(last=False)
    vars(context).update(_settings=found.settings, _shared=found)


def leaves_alone(kind: type[object], base: type[object]) -> bool:
    """Say whether a class has from *base* what makes it secure."""
    return all(getattr(kind, name) is getattr(base, name) for name in _STEPS)


def once(key: tuple[object, ...], make: Callable[[], Sealable]) -> Sealable:
    """Give the context of this key, and make it if there is none."""
    with _contexts_lock:
        found = _contexts.get(key)
        if found is None:
            found = _contexts[key] = make()
            if len(_contexts) > _MOST:
                _contexts.popitem(last=False)
        _contexts.move_to_end(key)
    return found
