"""The socket of a listener, and what has to be there before one listens."""

from __future__ import annotations

import socket

from ..context.sides import ServerContext, contexts_of

__all__ = ["check_credentials", "listening_socket", "prepare"]


def check_credentials(context: ServerContext) -> None:
    """Complain about what no client could survive.

    Raises:
        CredentialError: *context* has no certificate.
    """
    context.prepared().settings.check_certificate(context.hooks_in_use)


def prepare(context: ServerContext) -> None:
    """Build all that *context* leads to, for processes to share the keys."""
    for each in contexts_of(context):
        each.prepared()


def listening_socket(
    port: int, backlog: int, reuse: bool, hostname: str | None
) -> socket.socket:
    """Open the socket of a listener; see ``listen``."""
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"port is a number from 0 to 65535, not {port!r}")
    if not isinstance(backlog, int) or backlog < 0:
        raise ValueError(f"backlog is a number from 0 on, not {backlog!r}")
    if hostname is None and socket.has_dualstack_ipv6():
        address: tuple[object, ...] = ("::", port)
        family, dual = socket.AF_INET6, True
    else:
        found = socket.getaddrinfo(
            hostname or None,
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        family, address, dual = found[0][0], found[0][4], False
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
