"""Ask a server that begins in plaintext for TLS, and then who it is.

What was said before the handshake counts for nothing, and a server that
offers no TLS is an error: somebody on the way may have cut the offer out.

Run it, there is nothing to set up: ``python starttls_client.py``
Or ask a real server: ``python starttls_client.py smtp mail.example.com``
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from threading import Thread

import tlskit
from tlskit import starttls
from tlskit.testing import CA


def who_is(
    host: str,
    protocol: str,
    port: int | None = None,
    context: tlskit.ClientContext | str = "secure",
) -> str:
    """Give the names in the certificate of a server, once it is verified."""
    with starttls.connect(host, protocol, port, context, timeout=10) as made:
        assert made.peer_certificate is not None
        info = tlskit.CertificateInfo.of(made.peer_certificate)
        return f"{', '.join(info.names)}; {info.days_left()} days left"


def mail_server(
    listener: socket.socket, context: tlskit.ServerContext | None
) -> None:
    """Play a mail server for one client, with TLS or without.

    It says no more than the client above needs to hear.
    """
    sock, _ = listener.accept()
    with sock, suppress(OSError):
        sock.settimeout(10)
        sock.sendall(b"220 localhost ready\r\n")
        sock.recv(1024)  # EHLO
        if context is None:
            sock.sendall(b"250 localhost\r\n")
            return
        sock.sendall(b"250-localhost\r\n250 STARTTLS\r\n")
        sock.recv(1024)  # STARTTLS
        sock.sendall(b"220 go ahead\r\n")
        with tlskit.SSLPort.start_tls(sock, context, server_side=True) as conn:
            conn.recv(1024)


def main() -> None:
    """Ask the server that is named; or two servers of our own."""
    if len(sys.argv) == 3:
        print(who_is(sys.argv[2], sys.argv[1]))
        return
    ca = CA()
    client, server = tlskit.ClientContext().copy(), tlskit.ServerContext()
    ca.trust(client)
    ca.issue("localhost").apply(server)
    for context in (server, None):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            Thread(target=mail_server, args=(listener, context)).start()
            try:
                number = listener.getsockname()[1]
                print(who_is("localhost", "smtp", number, client))
            except tlskit.NotTLSError as error:
                print(error.code, "-", error)


if __name__ == "__main__":
    main()
