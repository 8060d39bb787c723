"""What may change until it is sealed, and is compared by what it decided."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..engine.build import build
from ..errors import SealedError
from ..policy.settings import Settings
from ..tools.forks import ForkLock
from .stdlib_names import SETTINGS, instead_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Sealable"]


T = TypeVar("T")


class Sealing(ABCMeta):
    """Ends the making of a context: when the outermost __init__ is over.

    So a subclass may assign its own attributes after
    ``super().__init__()``, though that asks for the seal.
    """

    def __call__(cls: type[T], *arguments: Any, **keywords: Any) -> T:
        """Make a context, then seal it if its constructor wants that."""
        made: Any = type.__call__(cls, *arguments, **keywords)
        made._made()
        return made  # type: ignore[no-any-return]

    @property
    def __signature__(cls) -> Signature:
        """Give the constructor's parameters, and not those of a metaclass."""
        found = signature(vars(cls).get("__init__") or cls.__init__)  # type: ignore[misc]
        return found.replace(parameters=list(found.parameters.values())[1:])


class Sealable(metaclass=Sealing):
    """Holds one frozen value of settings, replaced by every change."""

    server_side: bool

    _lock: ForkLock
    _frozen: bool
    #: What was made of the settings; a change drops it.
    _built: Any
    _settings: Settings
    #: Whether to seal when the constructor is over.
    _seals: bool
    #: Whether it was said that this client verifies nobody.
    _warned: bool

    def __new__(cls, *_args: Any, **_keywords: Any) -> Self:
        """Prepare what must exist before a subclass assigns anything."""
        if not hasattr(cls, "server_side"):
            raise TypeError(
                f"{cls.__name__} is abstract: make a ClientContext or a "
                "ServerContext"
            )
        self = super().__new__(cls)
        vars(self).update(
            _lock=ForkLock(),
            _frozen=False,
            _built=None,
            _seals=False,
            _warned=False,
        )
        return self

    def _made(self) -> None:
        """Do what was put off until the outermost __init__ was over."""
        if "_settings" not in vars(self):
            raise TypeError(
                f"{type(self).__name__}.__init__() has not called "
                "super().__init__()"
            )
        if self._seals:
            self.seal()

    @contextmanager
    def _unsealed(self) -> Iterator[Settings | None]:
        """Hold the lock and give the settings, if they may change."""
        with self._lock:
            if self._frozen:
                raise SealedError("this context is sealed; it can't change")
            yield vars(self).get("_settings")

    if not TYPE_CHECKING:  # A type checker would believe in any name then.

        def __getattr__(self, name: str) -> object:
            """Tell what there is instead of what ``ssl`` has."""
            words = instead_of(type(self), name)
            raise AttributeError(words, name=name, obj=self)

    def __setattr__(self, name: str, value: object) -> None:
        """Assign, unless the context is sealed.

        What would decide something in ``ssl``, and nothing here, is refused.
        """
        with self._unsealed():
            if name in SETTINGS and not hasattr(type(self), name):
                words = instead_of(type(self), name)
                raise AttributeError(words, name=name, obj=self)
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
            if name not in ("_lock", "_frozen", "_built", "_seals", "_warned")
        }
        vars(copy).update(own)
        return copy

    def __copy__(self) -> Self:
        """Make an unsealed copy."""
        return self.copy()

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Refuse to be pickled: it may hold a private key, and functions."""
        raise TypeError(
            "a context can't be pickled or copied deeply; make it anew where "
            "it is needed, or call copy()"
        )

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
