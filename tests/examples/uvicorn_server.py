"""Use uvicorn; the application sees who the client is."""

from __future__ import annotations

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

import tlskit


class Protocol(H11Protocol):
    """Hands the client's certificate to the application."""

    def connection_made(self, transport) -> None:
        """Add what TLS knows to the state that each request gets."""
        super().connection_made(transport)
        session = transport.get_extra_info("ssl_object")
        # Once for each connection, as the protocol object itself.
        self.app_state = {
            **self.app_state,
            "client_certificate": session.getpeercert(),
        }


class Config(uvicorn.Config):
    """Takes a tlskit context instead of file names."""

    def __init__(self, app, context: tlskit.ServerContext, **options) -> None:
        super().__init__(app, http=Protocol, **options)
        self._context = context

    def load(self) -> None:
        """Load everything, and TLS last."""
        super().load()
        self.ssl = self._context.as_ssl_context()


async def application(scope, receive, send) -> None:
    """Tell clients their names."""
    assert scope["type"] == "http"
    certificate = scope["state"]["client_certificate"] or {}
    names = [value for _, value in certificate.get("subjectAltName", ())]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain")],
        }
    )
    body = f"hello, {', '.join(names) or 'stranger'}\n".encode()
    await send({"type": "http.response.body", "body": body})


def server(context: tlskit.ServerContext, port: int = 0) -> uvicorn.Server:
    """Make the server; call its run(), or await its serve()."""
    return uvicorn.Server(
        Config(
            application,
            context,
            host="127.0.0.1",
            port=port,
            lifespan="off",
            log_level="warning",
        )
    )
