"""Take TLS off in front of a server that speaks plain TCP.

The end of one direction is passed on as the end of that direction only.  A
connection that breaks on one side is broken on the other: nobody may take a
part for the whole.

Run it, there is nothing to set up: ``python terminating_proxy.py``
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread

import tlskit
from tlskit.testing import CA

#: Seconds that a side may be silent, or take nothing of what it is sent.
PATIENCE = 60
#: Closing a socket with this option sends a reset instead of an end.
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Proxy:
    """Connects each client to a plain server of its own kind."""

    host: str
    port: int

    def serve(self, conn: tlskit.SSLPort) -> None:
        """Serve one client: a handler."""
        try:
            plain = socket.create_connection((self.host, self.port), PATIENCE)
        except OSError:
            conn.abandon()  # No close_notify: this is not an empty answer.
            raise
        with plain:
            exchange(conn, plain)


def exchange(conn: tlskit.SSLPort, plain: socket.socket) -> None:
    """Copy both ways at once, until both have ended or one has failed."""
    failed = Event()

    def copy(
        source: tlskit.SSLPort | socket.socket,
        sink: tlskit.SSLPort | socket.socket,
    ) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            if not failed.is_set():
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            failed.set()
            with suppress(OSError):  # Whatever is left of it.
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                plain.shutdown(socket.SHUT_RD)  # Wakes the other copy().
            conn.abandon()

    answering = Thread(target=copy, args=(plain, conn))
    answering.start()
    copy(conn, plain)
    answering.join()


class Shout(StreamRequestHandler):
    """The plain server of this demonstration; it knows nothing of TLS."""

    def handle(self) -> None:
        """Answer each line in capitals."""
        for line in self.rfile:
            self.wfile.write(line.upper())


def ask(question: str, port: int, context: tlskit.ClientContext) -> str:
    """Send one line to the proxy on this machine; give the whole answer."""
    with tlskit.connect("localhost", port, context, timeout=10) as made:
        made.sendall(f"{question}\n".encode())
        made.shutdown(socket.SHUT_WR)
        return made.input.read().decode().rstrip("\n")


def main() -> None:
    """Ask through the proxy, while its plain server is there, and later."""
    ca = CA()
    client, server = tlskit.ClientContext().copy(), tlskit.ServerContext()
    ca.trust(client)
    ca.issue("localhost").apply(server)
    with ThreadingTCPServer(("127.0.0.1", 0), Shout) as plain:
        Thread(target=plain.serve_forever, daemon=True).start()
        proxy = Proxy("127.0.0.1", plain.server_address[1])
        with tlskit.listen(hostname="localhost", context=server) as listener:
            Thread(target=listener.serve, args=[proxy.serve]).start()
            print(ask("is anybody there?", listener.port, client))
            plain.shutdown()
            plain.server_close()
            try:
                ask("and now?", listener.port, client)
            except OSError as error:  # TruncatedError, or a reset.
                print(f"no empty answer, but a {type(error).__name__}")


if __name__ == "__main__":
    main()
