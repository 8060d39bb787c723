"""Use asyncio's own streams as a server."""

from __future__ import annotations

import asyncio

import tlskit


async def echo(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send each line back."""
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    finally:
        writer.close()


async def serve(
    context: tlskit.ServerContext, port: int = 0
) -> asyncio.Server:
    """Start the server."""
    return await asyncio.start_server(
        echo, "127.0.0.1", port, ssl=context.as_ssl_context()
    )
