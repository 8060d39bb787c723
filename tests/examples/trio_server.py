"""Use trio as a server."""

from __future__ import annotations

import trio

import tlskit


async def echo(stream) -> None:
    """Send everything back."""
    async with stream:
        async for data in stream:
            await stream.send_all(data)


async def listeners(context: tlskit.ServerContext, port: int = 0):
    """Listen; give this to trio.serve_listeners()."""
    return await trio.open_ssl_over_tcp_listeners(
        port, context.as_ssl_context(), host="127.0.0.1"
    )
