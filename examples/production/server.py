"""A server for production: everything that one wants, in one program.

It echoes lines.  Several processes serve; certificates are renewed without a
restart (SIGHUP); SIGTERM lets clients finish; systemd may open the socket
(socket activation) and is told when the server is ready; HAProxy may stand
in front; Prometheus reads the counts.

Environment: CHAIN and KEY are files; PORT, METRICS_PORT, PROCESSES, and
PROXIES (a list of networks, with commas) are optional.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tlskit

log = logging.getLogger("echo")

#: How long clients may take to finish, in seconds; less than systemd's own
#: TimeoutStopSec.
GRACE = 30


def handle(conn: tlskit.SSLPort) -> None:
    """Serve one client; its connection is closed afterwards."""
    for line in conn.input:
        conn.sendall(line)


def notify(state: str) -> None:
    """Tell systemd how it goes (``man 3 sd_notify``)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        if path.startswith("@"):  # A name without a file.
            path = "\0" + path[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(state.encode(), path)


def activated() -> socket.socket | None:
    """Take the socket that systemd has opened, if it has."""
    ours = os.environ.get("LISTEN_PID") == str(os.getpid())
    if ours and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=3)
    return None


def show_metrics(listener: tlskit.Listener, port: int) -> ThreadingHTTPServer:
    """Show the counts to Prometheus, on this machine only."""

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = tlskit.prometheus_text(listener.statistics).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: it comes every few seconds."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    context = tlskit.ServerContext()
    context.load_credentials(
        tlskit.ReloadableCredentials(
            os.environ["CHAIN"], os.environ["KEY"], interval=None
        )
    )
    context.seal()
    sock = activated()
    listener = (
        tlskit.listen(int(os.environ.get("PORT", "8443")), context=context)
        if sock is None
        else tlskit.Listener(sock, context)
    )
    if proxies := os.environ.get("PROXIES"):
        listener.set_proxy_protocol(proxies.split(","))

    def reload(*_: object) -> None:
        try:
            context.reload()  # Every process follows.
        except tlskit.ConfigurationError as error:
            log.warning("the old certificate stays: %s", error)

    def end(*_: object) -> None:
        notify("STOPPING=1")
        # Not here: the handler must not wait for the thread that it stops.
        threading.Thread(target=drain, daemon=True).start()

    def drain() -> None:
        try:
            listener.shutdown(GRACE)
        except TimeoutError:
            log.warning("some clients were cut off")

    signal.signal(signal.SIGHUP, reload)
    signal.signal(signal.SIGTERM, end)
    # This thread only waits, so what tlskit says of threads and forks is no
    # matter here.
    metrics = show_metrics(
        listener, int(os.environ.get("METRICS_PORT", "9443"))
    )
    notify(f"READY=1\nSTATUS=metrics on port {metrics.server_port}")
    with listener:
        listener.serve(handle, processes=int(os.environ.get("PROCESSES", "2")))


if __name__ == "__main__":
    main()
