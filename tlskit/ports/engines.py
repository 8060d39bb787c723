"""An engine for the right side, and for whom it shall reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.engine import Engine
from ..errors import ConfigurationError
from ..verify.identity import Identity, checked_identity

if TYPE_CHECKING:
    from ..engine.callbacks import Hooks

__all__ = ["new_engine"]


def new_engine(
    context: Hooks,
    *,
    server_side: bool,
    hostname: str | None,
    alpn: tuple[bytes, ...],
    dialled: tuple[str, int] | None = None,
    identity: Identity | None = None,
) -> Engine:
    """Make an engine, if *context* is for its side.

    Raises:
        ConfigurationError: *context* is for the other side, or it checks
            host names and there is none; or it verifies nothing, and there
            is an *identity* to prove.
        ValueError: *hostname* is empty.
        TypeError: *identity* is none.
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
    )
