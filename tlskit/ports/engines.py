"""An engine for the right side, and for whom it shall reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.engine import Engine
from ..errors import ConfigurationError
from ..policy.settings import alpn_names
from ..verify.identity import Identity, checked_identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..engine.callbacks import Hooks
    from ..engine.resumption import Kept

__all__ = ["alpn_offer", "new_engine"]


def alpn_offer(
    alpn: Iterable[str | bytes], *, server_side: bool
) -> tuple[bytes, ...]:
    """Read the argument *alpn* of whatever serves both sides.

    Raises:
        ConfigurationError: A server offers nothing.
    """
    names = alpn_names(alpn)
    if names and server_side:
        raise ConfigurationError(
            "alpn is for a client only",
            hint="call set_alpn() on the server's context",
        )
    return names


def new_engine(
    context: Hooks,
    *,
    server_side: bool,
    hostname: str | None,
    alpn: tuple[bytes, ...],
    dialled: tuple[str, int] | None = None,
    identity: Identity | None = None,
    session_of: object = None,
) -> Engine:
    """Make an engine, if *context* is for its side.

    Raises:
        ConfigurationError: *context* is for the other side, or it checks
            host names and there is none; or it verifies nothing, and there
            is an *identity* to prove.
        ValueError: *hostname* is empty.
        TypeError: *identity* is none, or *session_of* no client's port.
    """
    named = None if hostname is None else Identity.parse(hostname)
    if getattr(context, "server_side", None) is not server_side:
        wanted = "ServerContext" if server_side else "ClientContext"
        raise ConfigurationError(
            f"this side needs a {wanted}, not {type(context).__name__}"
        )
    return Engine(
        context,
        server_side=server_side,
        identity=named if identity is None else checked_identity(identity),
        announced=named,
        insists=identity is not None,
        alpn=alpn,
        dialled=dialled,
        given=None
        if session_of is None
        else _kept_of(session_of, server_side),
    )


def _kept_of(port: object, server_side: bool) -> Kept | None:
    engine = getattr(port, "_engine", None)
    if not isinstance(engine, Engine) or engine.server_side or server_side:
        raise TypeError(
            f"session_of is a client's port, for a client; not {port!r}"
        )
    return engine.resumable()
