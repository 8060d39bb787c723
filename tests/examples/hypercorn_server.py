"""Use hypercorn, which speaks HTTP/2 where ALPN agrees on it."""

from __future__ import annotations

from contextvars import ContextVar

import hypercorn.asyncio
import hypercorn.config
from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import TCPServer

import tlskit

#: What is known of the client of this connection, as ASGI has it.
_tls: ContextVar[dict] = ContextVar("tls")


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


class Connection(TCPServer):
    """Keeps what TLS knows of a client for the tasks of its requests."""

    async def run(self) -> None:
        """Serve one connection; hypercorn runs each in a task of its own."""
        session = self.writer.get_extra_info("ssl_object")
        _tls.set(session.facts.asgi())
        await super().run()


# hypercorn has no setting for the class that serves a connection.
run.TCPServer = Connection


def with_tls(app):
    """Have *app* find it where ASGI's TLS extension has it."""

    async def wrapped(scope, receive, send) -> None:
        if scope["type"] != "lifespan":
            extensions = {**scope.get("extensions", {}), "tls": _tls.get()}
            scope = {**scope, "extensions": extensions}
        await app(scope, receive, send)

    return wrapped


async def application(scope, receive, send) -> None:
    """Tell the HTTP version, and clients their names."""
    if scope["type"] != "http":
        return
    name = scope["extensions"]["tls"]["client_cert_name"] or "CN=stranger"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    version = f"HTTP/{scope['http_version']}"
    body = f"hello, {version} from {name.removeprefix('CN=')}\n".encode()
    await send({"type": "http.response.body", "body": body})


async def serve(context: tlskit.ServerContext, bind: str, until) -> None:
    """Serve until the coroutine function *until* ends."""
    config = Config(context)
    config.bind = [bind]
    await hypercorn.asyncio.serve(
        with_tls(application), config, shutdown_trigger=until
    )
