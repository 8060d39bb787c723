"""Use trio as a client."""

from __future__ import annotations

import trio

import tlskit


async def ask(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Send a line, and get one."""
    stream = await trio.open_ssl_over_tcp_stream(
        host, port, ssl_context=context.as_ssl_context()
    )
    async with stream:
        await stream.send_all(b"hello\n")
        return await stream.receive_some(100)
