"""Renew a server's certificate while it runs.

The context follows the files.  A new pair is checked as a whole before it is
used, so half a renewal changes nothing; connections that are there already
keep what they had.

Run it, there is nothing to set up: ``python reload.py``
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import tlskit
from tlskit.testing import CA


def following(chain: Path, key: Path) -> tlskit.ServerContext:
    """Make a sealed context whose credentials follow two files."""
    context = tlskit.ServerContext()
    # With a number of seconds they are looked at by themselves; with None
    # whoever renews them says so, by reload().  A signal is a good moment.
    context.load_credentials(
        tlskit.ReloadableCredentials(chain, key, interval=None)
    )
    context.seal()
    return context


def echo(conn: tlskit.SSLPort) -> None:
    """Send everything back: a server's handler."""
    while data := conn.recv(65536):
        conn.sendall(data)


def serial(conn: tlskit.SSLPort) -> int:
    """Give the serial number of the server's certificate."""
    conn.sendall(b"still there?\n")
    assert conn.input.readline() == b"still there?\n"
    assert conn.peer_certificate is not None
    return conn.peer_certificate.serial_number


def main() -> None:
    """Renew badly, then well, under a connection that lives on."""
    ca = CA()
    first, second = ca.issue("localhost"), ca.issue("localhost")
    names = {
        first.certificate.serial_number: "the first certificate",
        second.certificate.serial_number: "the second certificate",
    }
    client = tlskit.ClientContext().copy()
    ca.trust(client)
    with TemporaryDirectory() as directory:
        chain, key = first.write(directory)
        server = following(chain, key)
        with tlskit.listen(hostname="localhost", context=server) as listener:
            Thread(target=listener.serve, args=[echo]).start()

            def connect() -> tlskit.SSLPort:
                return tlskit.connect(
                    "localhost", listener.port, client, timeout=10
                )

            with connect() as early:
                print("at first:", names[serial(early)])

                chain.write_bytes(second.chain_pem)  # Its key is missing yet.
                try:
                    server.reload()
                except tlskit.CredentialError as error:
                    print("half a renewal:", error.code)
                with connect() as conn:
                    print("so still:", names[serial(conn)])

                key.write_bytes(second.key_pem)
                server.reload()
                with connect() as conn:
                    print("from now on:", names[serial(conn)])
                print("the early connection:", names[serial(early)])


if __name__ == "__main__":
    main()
