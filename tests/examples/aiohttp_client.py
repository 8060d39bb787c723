"""Use aiohttp as a client."""

from __future__ import annotations

import aiohttp

import tlskit


async def fetch(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get a page."""
    connector = aiohttp.TCPConnector(ssl=context.as_ssl_context())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"https://{host}:{port}/") as response,
    ):
        return await response.read()
