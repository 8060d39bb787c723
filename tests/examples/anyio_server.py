"""Use anyio as a server."""

from __future__ import annotations

import anyio
from anyio.streams.tls import TLSListener

import tlskit


async def echo(stream) -> None:
    """Send everything back."""
    async with stream:
        async for data in stream:
            await stream.send(data)


async def listener(
    context: tlskit.ServerContext, port: int = 0
) -> TLSListener:
    """Listen; call its serve(echo)."""
    return TLSListener(
        await anyio.create_tcp_listener(
            local_host="127.0.0.1", local_port=port
        ),
        context.as_ssl_context(),
    )
