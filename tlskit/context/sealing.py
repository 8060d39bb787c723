"""What may change until it is sealed, and is compared by what it decided."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..engine.build import build
from ..errors import SealedError
from ..policy.settings import Settings
from ..tools.forks import ForkLock

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Sealable"]


class Sealable(ABC):
    """Holds one frozen value of settings, replaced by every change."""

    server_side: bool

    _lock: ForkLock
    _frozen: bool
    #: What was made of the settings; a change drops it.
    _built: Any
    _settings: Settings

    def __new__(cls, *_args: Any, **_keywords: Any) -> Self:
        """Prepare what must exist before a subclass assigns anything."""
        self = super().__new__(cls)
        vars(self).update(_lock=ForkLock(), _frozen=False, _built=None)
        return self

    @contextmanager
    def _unsealed(self) -> Iterator[Settings | None]:
        """Hold the lock and give the settings, if they may change."""
        with self._lock:
            if self._frozen:
                raise SealedError("this context is sealed; it can't change")
            yield vars(self).get("_settings")

    def __setattr__(self, name: str, value: object) -> None:
        """Assign, unless the context is sealed."""
        with self._unsealed():
            super().__setattr__(name, value)
            # A hook may have been assigned.
            vars(self)["_built"] = None

    def __delattr__(self, name: str) -> None:
        """Delete, unless the context is sealed."""
        with self._unsealed():
            super().__delattr__(name)
            vars(self)["_built"] = None

    def _change(self, **changes: Any) -> None:
        with self._unsealed():
            self._settings = replace(self._settings, **changes)

    def seal(self) -> None:
        """Allow no more changes; a second call is harmless.

        Raises:
            CredentialError: Certificate chain and private key don't fit.

        Source: ``ssl-seal-context!``.
        """
        with self._lock:
            if not self._frozen:
                self._settings.check_pair()
                vars(self)["_frozen"] = True

    @property
    def frozen(self) -> bool:
        """Whether the context is sealed."""
        return self._frozen

    def copy(self) -> Self:
        """Make an unsealed copy."""
        copy = type(self).__new__(type(self))
        own = {
            name: value
            for name, value in vars(self).items()
            if name not in ("_lock", "_frozen", "_built")
        }
        vars(copy).update(own)
        return copy

    def __copy__(self) -> Self:
        """Make an unsealed copy."""
        return self.copy()

    def __eq__(self, other: object) -> bool:
        """Compare class and settings."""
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Sealable)
        return self._settings == other._settings

    def __hash__(self) -> int:
        """Agree with equality, also of a context that still changes."""
        return hash(type(self))

    def _try_out(self, **changes: Any) -> None:
        """Change what only OpenSSL can judge, if it accepts it."""
        with self._unsealed():
            # Without credentials: they may still be on their way.
            trial = replace(
                self._settings, chain=None, key=None, roots=(), **changes
            )
            build(trial, frozenset(), server_side=self.server_side)
            self._change(**changes)
