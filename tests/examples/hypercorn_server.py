"""Use hypercorn, which speaks HTTP/2 where ALPN agrees on it."""

from __future__ import annotations

import hypercorn.asyncio
import hypercorn.config

import tlskit


class Config(hypercorn.config.Config):
    """Takes a tlskit context instead of file names."""

    def __init__(self, context: tlskit.ServerContext) -> None:
        super().__init__()
        self._context = context

    @property
    def ssl_enabled(self) -> bool:
        """Say https in the log."""
        return True

    def create_ssl_context(self):
        """Offer the protocols that hypercorn would."""
        adapter = self._context.as_ssl_context()
        adapter.set_alpn_protocols(self.alpn_protocols)
        return adapter


async def application(scope, receive, send) -> None:
    """Tell the HTTP version."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = f"hello, HTTP/{scope['http_version']}\n".encode()
    await send({"type": "http.response.body", "body": body})


async def serve(context: tlskit.ServerContext, bind: str, until) -> None:
    """Serve until the coroutine function *until* ends."""
    config = Config(context)
    config.bind = [bind]
    await hypercorn.asyncio.serve(application, config, shutdown_trigger=until)
