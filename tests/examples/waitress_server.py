"""Use waitress, which speaks no TLS: take it off in front, in one process.

Each client of ours is a client of waitress's, on a local port of its own.  By
that port the application finds what TLS knows; no header says it, which a
client could forge.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Thread

import waitress.server

import tlskit

#: What TLS knows of clients, by the local port that waitress sees.
_known: dict[str, dict[str, str]] = {}


def with_tls(app):
    """Have *app* find it in its environment, under mod_ssl's names."""

    def wrapped(environ, start_response):
        known = _known.get(environ["REMOTE_PORT"])
        if known is not None:
            environ = {**environ, **known, "wsgi.url_scheme": "https"}
        return app(environ, start_response)

    return wrapped


def application(environ, start_response):
    """Say hello to a client by its name, if it has proved that."""
    name = environ.get("SSL_CLIENT_S_DN", environ["wsgi.url_scheme"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"hello, {name}\n".encode()]


def exchange(conn: tlskit.SSLPort, plain: socket.socket) -> None:
    """Copy both ways at once, until both have ended or one has failed."""

    def copy(source, sink) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            conn.abandon()  # No close_notify: a part is not the whole.
            with suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)

    answering = Thread(target=copy, args=(plain, conn))
    answering.start()
    copy(conn, plain)
    answering.join()


def handler(port: int):
    """Make what serves a client of a listener, for waitress on *port*."""

    def serve(conn: tlskit.SSLPort) -> None:
        """Serve one client."""
        with socket.create_connection(("127.0.0.1", port)) as plain:
            local = str(plain.getsockname()[1])
            _known[local] = conn.facts.environ()
            try:
                exchange(conn, plain)
            finally:
                del _known[local]  # Before somebody else may get the port.

    return serve


def server() -> waitress.server.BaseWSGIServer:
    """Make waitress; ``run()`` serves, for this machine only."""
    return waitress.create_server(
        with_tls(application), host="127.0.0.1", port=0
    )
