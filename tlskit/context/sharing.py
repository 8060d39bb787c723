"""What secure contexts share: their settings, and what was built of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from ..tools.forks import ForkLock

if TYPE_CHECKING:
    from ..engine.build import Built
    from ..policy.settings import Settings
    from ..trust import Roots

__all__ = ["Shared", "keep_secure", "leaves_alone", "secure_by"]

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


def secure_by(roots: tuple[Roots, ...]) -> Shared | None:
    """Give what secure contexts have that trust *roots*, if there is one."""
    with _lock:
        return _ready.get(tuple(map(id, roots)))


def keep_secure(roots: tuple[Roots, ...], settings: Settings) -> Shared:
    """Keep what the first of them has decided.

    Args:
        roots: Whom it trusts; they are in *settings*.
        settings: All that it has decided.
    """
    shared = Shared(settings, {})
    with _lock:
        _ready[tuple(map(id, roots))] = shared
        if len(_ready) > _MOST:
            _ready.popitem(last=False)
    return shared


def leaves_alone(kind: type[object], base: type[object]) -> bool:
    """Say whether a class has from *base* what makes it secure."""
    return all(getattr(kind, name) is getattr(base, name) for name in _STEPS)
