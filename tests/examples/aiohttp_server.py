"""Use aiohttp as a server."""

from __future__ import annotations

from aiohttp import web

import tlskit


async def hello(request: web.Request) -> web.Response:
    """Say hello."""
    return web.Response(text=f"hello, {request.scheme}\n")


async def serve(context: tlskit.ServerContext, port: int = 0) -> web.AppRunner:
    """Start the server; its cleanup() ends it."""
    application = web.Application()
    application.add_routes([web.get("/", hello)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(
        runner, "127.0.0.1", port, ssl_context=context.as_ssl_context()
    ).start()
    return runner
