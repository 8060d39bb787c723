"""Use http.server as a server."""

from __future__ import annotations

import http.server

import tlskit


class Server(http.server.ThreadingHTTPServer):
    """Shakes hands in each client's own thread: none can block the others."""

    def __init__(self, address, handler, context: tlskit.ServerContext):
        super().__init__(address, handler)
        self.socket = context.as_ssl_context().wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )


class Hello(http.server.BaseHTTPRequestHandler):
    """Says hello."""

    timeout = 10

    def do_GET(self) -> None:
        """Answer."""
        body = f"hello, {self.connection.version()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def serve(context: tlskit.ServerContext, port: int = 0) -> Server:
    """Make the server; call its serve_forever()."""
    return Server(("127.0.0.1", port), Hello, context)
