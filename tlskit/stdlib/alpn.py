"""A server's context with application protocols that others chose.

Whoever speaks HTTP over an adapter decides which HTTP; the context itself
stays as it is, and may be sealed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..context.context import Context
from ..engine.build import Built, build
from ..engine.callbacks import Hooks
from ..tools.versioned import VersionedCache

if TYPE_CHECKING:
    from cryptography import x509

    from ..engine.facts import Facts
    from ..engine.hello.client_hello import ClientHello

__all__ = ["Cache", "WithALPN"]

Cache = VersionedCache[tuple[int, tuple[bytes, ...]], Built]


class WithALPN:
    """Hooks that differ from their context's in the application protocols.

    Args:
        context: What decides everything else.
        alpn: The protocols, the preferred first.
        cache: What was built, for all contexts that the server names lead
            to.
    """

    def __init__(
        self,
        context: Context,
        alpn: tuple[bytes, ...],
        cache: Cache | None = None,
    ) -> None:
        self._context = context
        self._alpn = alpn
        self._cache: Cache = VersionedCache(64) if cache is None else cache

    def prepared(self) -> Built:
        """Give what is built from the context's settings and our ALPN."""
        original = self._context.prepared()
        return self._cache.get(
            (id(self._context), self._alpn),
            original,
            lambda: build(
                replace(original.settings, alpn=self._alpn),
                self.hooks_in_use,
                server_side=self.server_side,
            ),
        )

    def warn_if_unverified(self) -> None:
        """Say it as the context does."""
        self._context.warn_if_unverified()

    def choose_for(
        self, hello: ClientHello
    ) -> Hooks | Awaitable[Hooks | None] | None:
        """Choose as the context does; our protocols go on being ours."""
        chosen = self._context.choose_for(hello)
        if isinstance(chosen, Awaitable):
            return chosen  # Refused: nobody here waits for it.
        return self.ours(chosen)

    def choose_context(self, server_name: str) -> Hooks | None:
        """Choose as the context does; our protocols go on being ours."""
        return self.ours(self._context.choose_context(server_name))

    def ours(self, chosen: Hooks | None) -> Hooks | None:
        """Have *chosen* speak our protocols."""
        if chosen is self._context:
            return None
        if isinstance(chosen, Context):
            return WithALPN(chosen, self._alpn, self._cache)
        return chosen

    def select_alpn(self, offered: tuple[str, ...]) -> str | bytes | None:
        """Select by the context's hook, if a subclass has one, or by ours."""
        if "select_alpn" in self._context.hooks_in_use:
            return self._context.select_alpn(offered)
        for name in self._alpn:
            if name.decode("utf-8", "replace") in offered:
                return name
        return None

    # -- as the context -----------------------------------------------------

    @property
    def hooks_in_use(self) -> frozenset[str]:
        """The names of the hooks that have something to say."""
        return self._context.hooks_in_use

    @property
    def frozen(self) -> bool:
        """Whether the context can't change any more."""
        return self._context.frozen

    @property
    def origin(self) -> object:
        """The context whose methods these are."""
        return self._context

    @property
    def server_side(self) -> bool:
        """Which side it is for."""
        return self._context.server_side

    @property
    def port_class(self) -> Callable[..., Any]:
        """What makes a port from a driver and keywords."""
        return self._context.port_class

    def verify_certificate(
        self, certificate: x509.Certificate, depth: int, ok: bool
    ) -> bool:
        """Accept or refuse one certificate."""
        return self._context.verify_certificate(certificate, depth, ok)

    def verify_peer(self, verdict: Facts) -> None:
        """Raise to refuse the peer as a whole."""
        self._context.verify_peer(verdict)

    def log_key(self, line: str) -> None:
        """Take one line of the key log."""
        self._context.log_key(line)
