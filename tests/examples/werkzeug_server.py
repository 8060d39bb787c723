"""Use Werkzeug's development server, which is also Flask's."""

from __future__ import annotations

from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

import tlskit


@Request.application
def application(request: Request) -> Response:
    """Say hello."""
    return Response(f"hello, {request.scheme}\n")


def serve(context: tlskit.ServerContext, port: int = 0) -> BaseWSGIServer:
    """Make the server; call its serve_forever()."""
    return make_server(
        "127.0.0.1",
        port,
        application,
        threaded=True,
        ssl_context=context.as_ssl_context(),
    )
