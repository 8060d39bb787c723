"""Tlskit's ways of being a client that resumes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import tlskit
from tlskit import aio

__all__ = ["CALLED"]

SECONDS = 10.0
HOST = "localhost"


def _hear(port: tlskit.SSLPort, words: bytes) -> bool:
    """Have the server say something, with which tickets come."""
    with suppress(OSError):
        port.sendall(words)
        port.recv(4096)
    return port.session_reused


def _by_connect(
    number: int, context: tlskit.ClientContext, words: bytes
) -> bool:
    """Connect twice, with a cache."""
    found = False
    for _ in range(2):
        with tlskit.connect(HOST, number, context, timeout=SECONDS) as port:
            found = _hear(port, words)
    return found


def _by_start_tls(
    number: int, context: tlskit.ClientContext, words: bytes
) -> bool:
    """Resume one port's session for another."""
    with tlskit.connect(HOST, number, context, timeout=SECONDS) as first:
        _hear(first, words)
    # Closed already: some serve one client at a time.
    sock = socket.create_connection((HOST, number), SECONDS)
    with tlskit.SSLPort.start_tls(
        sock, context, hostname=HOST, session_of=first
    ) as second:
        return second.session_reused


def _by_asyncio(
    number: int, context: tlskit.ClientContext, words: bytes
) -> bool:
    """Connect twice from a coroutine."""

    async def main() -> bool:
        found = False
        for _ in range(2):
            port = await aio.open_connection(
                HOST, number, context, timeout=SECONDS
            )
            with suppress(OSError):
                port.write(words)
                await port.drain()
                await port.read(4096)
            found = port.session_reused
            await port.aclose()
        return found

    return asyncio.run(main())


def _by_adapter(
    number: int, context: tlskit.ClientContext, words: bytes
) -> bool:
    """Hand a session on as users of ssl do."""
    adapter = context.as_ssl_context()
    session: ssl.SSLSession | None = None
    found = False
    for _ in range(2):
        sock = socket.create_connection((HOST, number), SECONDS)
        with adapter.wrap_socket(
            sock, server_hostname=HOST, session=session
        ) as wrapped:
            with suppress(OSError):
                wrapped.sendall(words)
                wrapped.recv(4096)
            session = wrapped.session
            found = bool(wrapped.session_reused)
    return found


#: Column -> meets a server twice; gives whether the second time resumed.
CALLED: dict[str, Callable[[int, tlskit.ClientContext, bytes], bool]] = {
    "connect": _by_connect,
    "start_tls": _by_start_tls,
    "asyncio": _by_asyncio,
    "adapter": _by_adapter,
}
