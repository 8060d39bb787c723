"""Use socketserver as a server."""

from __future__ import annotations

import socketserver

import tlskit


class Echo(socketserver.StreamRequestHandler):
    """Sends each line back."""

    timeout = 10

    def handle(self) -> None:
        """Serve one client."""
        for line in self.rfile:
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    """Shakes hands in each client's own thread: none can block the others."""

    daemon_threads = True

    def __init__(self, address, handler, context: tlskit.ServerContext):
        super().__init__(address, handler)
        self._ssl_context = context.as_ssl_context()

    def get_request(self):
        """Accept a client; its first read shakes hands."""
        sock, address = super().get_request()
        return self._ssl_context.wrap_socket(
            sock, server_side=True, do_handshake_on_connect=False
        ), address


def serve(context: tlskit.ServerContext, port: int = 0) -> Server:
    """Make the server; call its serve_forever()."""
    return Server(("127.0.0.1", port), Echo, context)
