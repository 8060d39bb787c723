"""Use uvicorn; the application sees who the client is."""

from __future__ import annotations

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

import tlskit


class Protocol(H11Protocol):
    """Hands what TLS knows to the application."""

    def connection_made(self, transport) -> None:
        """Add it to the state that each request gets."""
        super().connection_made(transport)
        session = transport.get_extra_info("ssl_object")
        # Once for each connection, as the protocol object itself.
        self.app_state = {**self.app_state, "tls": session.facts.asgi()}


def with_tls(app):
    """Have *app* find it where ASGI's TLS extension has it."""

    async def wrapped(scope, receive, send) -> None:
        tls = scope.get("state", {}).get("tls")
        if tls is not None:
            extensions = {**scope.get("extensions", {}), "tls": tls}
            scope = {**scope, "extensions": extensions}
        await app(scope, receive, send)

    return wrapped


async def application(scope, receive, send) -> None:
    """Tell clients their names."""
    assert scope["type"] == "http"
    name = scope["extensions"]["tls"]["client_cert_name"] or "CN=stranger"
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain")],
        }
    )
    body = f"hello, {name.removeprefix('CN=')}\n".encode()
    await send({"type": "http.response.body", "body": body})


def server(context: tlskit.ServerContext, port: int = 0) -> uvicorn.Server:
    """Make the server; call its run(), or await its serve()."""
    return uvicorn.Server(
        uvicorn.Config(
            with_tls(application),
            http=Protocol,
            ssl_context_factory=lambda *_: context.as_ssl_context(),
            host="127.0.0.1",
            port=port,
            lifespan="off",
            log_level="warning",
        )
    )
