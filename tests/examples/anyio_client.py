"""Use anyio as a client."""

from __future__ import annotations

import anyio

import tlskit


async def ask(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Send a line, and get one."""
    async with await anyio.connect_tcp(
        host, port, tls=True, ssl_context=context.as_ssl_context()
    ) as stream:
        await stream.send(b"hello\n")
        return await stream.receive()
