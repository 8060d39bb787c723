"""The methods of a context that subclasses override to decide."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from ..engine.callbacks import Hooks, settings_in_force
from ..engine.facts import Facts
from ..errors import UnverifiedContextWarning
from ..policy.answers import at_once
from ..policy.settings import Settings, Verify
from .sealing import Sealable

if TYPE_CHECKING:
    from types import FrameType

    from cryptography import x509

    from ..engine.hello.client_hello import ClientHello

__all__ = ["HookMethods"]

_PACKAGE = __name__.partition(".")[0]

_HOOKS = (
    "choose_for",
    "choose_context",
    "select_alpn",
    "verify_certificate",
    "verify_peer",
    "log_key",
)


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == _PACKAGE


def _outside() -> int:
    """Give the stack level, for our caller, of the first code not ours."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    return level


class HookMethods(Sealable):
    """The hooks of ``Context``, and which of them are in use."""

    @property
    def hooks_in_use(self) -> frozenset[str]:
        """The names of the hooks that have something to say."""
        settings, own, kind = self._settings, vars(self), type(self)
        found = [
            name
            for name, plain in _PLAIN
            if name in own or getattr(kind, name) is not plain
        ]
        if settings.choose is not None:
            found.append("choose_context")
        if settings.verifier is not None:
            found.append("verify_certificate")
        if settings.keylog is not None:
            found.append("log_key")
        return frozenset(found)

    @property
    def origin(self) -> object:
        """The context whose methods these are: this one."""
        return self

    @property
    def _in_force(self) -> Settings:
        """What was decided when the connection began that a hook is for."""
        return settings_in_force(self) or self._settings

    def warn_if_unverified(self) -> None:
        """Warn, once, if this client verifies nobody and wasn't told not to.

        Whoever overrides ``verify_peer`` or has pins judges the peer anyhow.
        """
        settings = self._settings
        if (
            settings.verify is not Verify.NONE
            or settings.verify_told
            or settings.pins
            or settings.psk is not None
            or self._warned
            or "verify_peer" in self.hooks_in_use
        ):
            return
        vars(self)["_warned"] = True
        warnings.warn(
            f"a client context for {settings.protocol.name!r} verifies "
            "nobody: use 'secure' or ClientContext.secure(protocol=...), "
            "call set_verify(), or say by set_verify(False) that it is meant",
            UnverifiedContextWarning,
            stacklevel=_outside(),
        )

    def choose_for(
        self,
        hello: ClientHello,  # noqa: ARG002 - for those who override it
    ) -> Hooks | Awaitable[Hooks | None] | None:
        """Choose another context by all that a client offers.

        Called for every client, with or without a server name, before
        ``choose_context`` and before anything is decided; not again for the
        second ClientHello after a HelloRetryRequest, which changes nothing
        any more.  On asyncio and trio it may be a coroutine function: while
        it waits, other connections go on.

        Args:
            hello: The client's first message.

        Returns:
            A ``ServerContext``, which then does the whole handshake, or None
            to go on with this one.

        Raises:
            Exception: Whatever refuses the client; ``handshake()`` raises
                it.  The client gets the alert in its attribute ``alert``,
                an ``Alert``, and without one ``internal_error``.

        Source: RFC 8446, section 4.1.2.
        """
        return None

    def choose_context(self, server_name: str) -> Hooks | None:
        """Choose another context for the server name that a client gave.

        Args:
            server_name: As the client sent it; not called if it sent none.

        Returns:
            A ``ServerContext``, whose whole policy then applies, or None to
            go on with this one.

        Source: RFC 6066, section 3.
        """
        choose = self._in_force.choose
        return None if choose is None else choose(server_name)  # type: ignore[return-value]

    def select_alpn(self, offered: tuple[str, ...]) -> str | bytes | None:
        """Select one of the protocols that a client offers.

        Args:
            offered: The client's names, the preferred first.

        Returns:
            One of *offered*, or None if there is no match.

        Source: RFC 7301, section 3.2.
        """
        for name in self._in_force.alpn:
            if name.decode("utf-8", "replace") in offered:
                return name
        return None

    def verify_certificate(
        self,
        certificate: x509.Certificate,
        depth: int,
        ok: bool,
    ) -> bool:
        """Accept or refuse one certificate of the peer's chain.

        Called for each, the root first, and again for each fault; not when a
        session is resumed.

        Args:
            certificate: The one in question.
            depth: Its place; 0 is the peer's own.
            ok: OpenSSL's verdict so far.

        Returns:
            Whether to accept it; this overrides *ok*.  It can't be a
            coroutine function, which refuses everybody.
        """
        verifier = self._in_force.verifier
        if verifier is None:
            return ok
        answer = verifier(depth, ok, certificate)
        return bool(at_once(answer, "a certificate verifier"))

    def verify_peer(self, verdict: Facts) -> None:
        """Raise to refuse the peer.

        Called once in each handshake, when chain and name are settled and
        before our last flight leaves; also when a session is resumed.

        Args:
            verdict: What the handshake has established; ``peer_verified`` may
                be False where it was not demanded.

        Raises:
            Exception: Whatever refuses the peer; ``handshake()`` raises it.
                A ``ConfigurationError``, if this is a coroutine function.
        """

    def log_key(self, line: str) -> None:
        """Take one line of the key log.

        Args:
            line: In the format of NSS's key log; it holds a secret of the
                session.
        """
        keylog = self._in_force.keylog
        if keylog is not None:
            at_once(keylog(line), "a key log's function")


# The methods above, which have nothing to say.
_PLAIN = tuple((name, getattr(HookMethods, name)) for name in _HOOKS)
