"""Joining an engine, a driver and a transport to a port."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..engine.callbacks import Hooks
from .blocking.driver import Driver
from .engines import new_engine
from .transport import Transport
from .view import Endpoints

if TYPE_CHECKING:
    from ..verify.identity import Identity
    from .port import SSLPort

__all__ = ["endpoints_of", "open_port"]


def endpoints_of(
    sock: socket.socket, hostname: str | None = None
) -> Endpoints | None:
    """Read both addresses of a TCP socket; None for another kind."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    local, remote = sock.getsockname(), sock.getpeername()
    return Endpoints(local[:2], remote[:2], hostname)


def open_port(
    context: Hooks,
    transport: Transport,
    *,
    server_side: bool,
    hostname: str | None = None,
    alpn: tuple[bytes, ...] = (),
    timeout: float | None = None,
    owns_transport: bool = True,
    shutdown_on_close: bool = True,
    error: Callable[[str], BaseException] | None = None,
    endpoints: Endpoints | None = None,
    dialled: tuple[str, int] | None = None,
    identity: Identity | None = None,
    session_of: object = None,
) -> SSLPort:
    """Join an engine, a driver and a transport to a port of *context*'s kind.

    No byte is sent yet.

    Raises:
        ConfigurationError: As ``new_engine``.
        CredentialError: A server has no certificate.
        ValueError: *hostname* is empty.
    """
    engine = new_engine(
        context,
        server_side=server_side,
        hostname=hostname,
        alpn=alpn,
        dialled=dialled,
        identity=identity,
        session_of=session_of,
    )
    driver = Driver(
        engine, transport, owns_transport=owns_transport, error=error
    )
    port: SSLPort = context.port_class(
        driver,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
        endpoints=endpoints,
    )
    return port
