"""Use websockets as a server."""

from __future__ import annotations

import websockets

import tlskit


async def echo(socket) -> None:
    """Send each message back."""
    async for message in socket:
        await socket.send(message)


def serve(context: tlskit.ServerContext, port: int = 0):
    """Make the server, for ``async with``."""
    return websockets.serve(
        echo, "127.0.0.1", port, ssl=context.as_ssl_context()
    )
