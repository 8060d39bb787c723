"""Use websockets as a client, with asyncio or with threads."""

from __future__ import annotations

import websockets
import websockets.sync.client

import tlskit


async def talk(host: str, port: int, context: tlskit.ClientContext) -> str:
    """Send a message, and get one."""
    async with websockets.connect(
        f"wss://{host}:{port}/", ssl=context.as_ssl_context()
    ) as socket:
        await socket.send("hello")
        return await socket.recv()


def talk_sync(host: str, port: int, context: tlskit.ClientContext) -> str:
    """Send a message, and get one; without asyncio."""
    with websockets.sync.client.connect(
        f"wss://{host}:{port}/", ssl=context.as_ssl_context()
    ) as socket:
        socket.send("hello")
        return socket.recv(timeout=10)
