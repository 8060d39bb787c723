"""Let in only who has a certificate, and take the roles from it.

The company's CA writes them into the certificate, as URIs among the
alternative names.  Readers may see the notes on a board, editors may add to
them, and nobody else gets as far as the handler.

Run it, there is nothing to set up: ``python mtls_roles.py``
"""

from __future__ import annotations

from threading import Thread

from cryptography import x509

import tlskit
from tlskit.testing import CA, Leaf

ROLE = "urn:example:role:"


def employee(ca: CA, name: str, *roles: str) -> Leaf:
    """Issue a certificate for somebody with roles."""
    uris = [x509.UniformResourceIdentifier(ROLE + role) for role in roles]
    return ca.issue(common_name=name, san=x509.SubjectAlternativeName(uris))


def roles_of(conn: tlskit.SSLPort) -> set[str]:
    """Read a client's roles, from a certificate that was verified."""
    assert conn.peer_verified
    assert conn.peer_certificate is not None
    names = conn.peer_certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return {uri.removeprefix(ROLE) for uri in uris if uri.startswith(ROLE)}


class Board:
    """Notes: a line without words asks for them, any other one is added."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def serve(self, conn: tlskit.SSLPort) -> None:
        """Answer one client: a server's handler."""
        roles = roles_of(conn)
        for line in conn.input:
            note = line.decode().strip()
            if ("editor" if note else "reader") not in roles:
                conn.sendall(b"you may not\n")
                continue
            if note:
                self.notes.append(note)
            conn.sendall(f"{', '.join(self.notes)}\n".encode())


def server_context(ca: CA) -> tlskit.ServerContext:
    """Make a server that demands a certificate of this CA."""
    context = tlskit.ServerContext()
    ca.issue("localhost").apply(context)
    ca.trust(context)
    context.set_verify()
    context.seal()
    return context


def client_context(ca: CA, who: Leaf | None) -> tlskit.ClientContext:
    """Make a client that shows a certificate, or none."""
    context = tlskit.ClientContext().copy()
    ca.trust(context)
    if who is not None:
        who.apply(context)
    return context


def say(note: str, port: int, context: tlskit.ClientContext) -> str:
    """Send a line to the board on this machine; give the answer."""
    with tlskit.connect("localhost", port, context, timeout=10) as made:
        made.sendall(f"{note}\n".encode())
        return made.input.readline().decode().rstrip("\n")


def main() -> None:
    """Try the board as an editor, a reader, a stranger and a nobody."""
    ca, other = CA("company CA"), CA("other CA")
    guests = {
        "Edith": employee(ca, "Edith", "reader", "editor"),
        "Rita": employee(ca, "Rita", "reader"),
        "Stranger": employee(other, "Stranger", "editor"),
        "Nobody": None,
    }
    with tlskit.listen(
        hostname="localhost", context=server_context(ca)
    ) as listener:
        Thread(target=listener.serve, args=[Board().serve]).start()
        for name, who in guests.items():
            client = client_context(ca, who)
            for note in (f"{name} was here", ""):
                try:
                    answer = say(note, listener.port, client)
                except tlskit.TLSError as error:
                    answer = error.code
                print(f"{name} says {note!r}: {answer}")


if __name__ == "__main__":
    main()
