"""Use httpx, with threads or with asyncio."""

from __future__ import annotations

import httpx

import tlskit


def fetch(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get a page."""
    with httpx.Client(verify=context.as_ssl_context()) as client:
        return client.get(f"https://{host}:{port}/").content


async def fetch_async(
    host: str, port: int, context: tlskit.ClientContext
) -> bytes:
    """Get a page, and don't block the loop."""
    async with httpx.AsyncClient(verify=context.as_ssl_context()) as client:
        response = await client.get(f"https://{host}:{port}/")
        return response.content
