"""Use Werkzeug's development server, which is also Flask's."""

from __future__ import annotations

from werkzeug.serving import (
    BaseWSGIServer,
    WSGIRequestHandler,
    make_server,
)
from werkzeug.wrappers import Request, Response

import tlskit


class Handler(WSGIRequestHandler):
    """Hands what TLS knows to the application."""

    def make_environ(self):
        """Add Apache's names for it: ``SSL_CLIENT_S_DN`` and its like."""
        return {**super().make_environ(), **self.connection.facts.environ()}


@Request.application
def application(request: Request) -> Response:
    """Say hello to a client by its name, if it has proved that."""
    name = request.environ.get("SSL_CLIENT_S_DN", request.scheme)
    return Response(f"hello, {name}\n")


def serve(context: tlskit.ServerContext, port: int = 0) -> BaseWSGIServer:
    """Make the server; call its serve_forever()."""
    return make_server(
        "127.0.0.1",
        port,
        application,
        threaded=True,
        request_handler=Handler,
        ssl_context=context.as_ssl_context(),
    )
