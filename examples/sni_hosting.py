"""Host several names on one port, each with its own certificate and rules.

The name that a client asks for chooses a context, and that context's whole
policy applies: the cats' club asks for a member's certificate, the dogs let
in everybody.  The front has no certificate of its own: who asks for another
name sees none.

Run it, there is nothing to set up: ``python sni_hosting.py``
"""

from __future__ import annotations

from threading import Thread

import tlskit
from tlskit.testing import CA


def tenant(
    ca: CA, name: str, members: CA | None = None
) -> tlskit.ServerContext:
    """Make the sealed context of one tenant, perhaps for members only."""
    context = tlskit.ServerContext()
    ca.issue(name).apply(context)
    if members is not None:
        members.trust(context)
        context.set_verify()
    context.seal()
    return context


def hosting(ca: CA, club: CA) -> tlskit.ServerContext:
    """Make the context in front, which knows the tenants' names."""
    front = tlskit.ServerContext()
    front.set_server_names(
        {
            "cats.example": tenant(ca, "cats.example", club),
            "*.dogs.example": tenant(ca, "*.dogs.example"),
        }
    )
    front.seal()
    return front


def welcome(conn: tlskit.SSLPort) -> None:
    """Tell a client where it is: a server's handler."""
    conn.sendall(f"this is {conn.server_name}\n".encode())


def visit(name: str, port: int, context: tlskit.ClientContext) -> str:
    """Ask this machine for *name*, as if DNS had led here."""
    with tlskit.connect(
        "localhost", port, context, hostname=name, timeout=10
    ) as made:
        return made.input.readline().decode().strip()


def main() -> None:
    """Visit everybody, as a stranger and as a member of the club."""
    ca, club = CA(), CA("the cats' club")
    stranger = tlskit.ClientContext().copy()
    ca.trust(stranger)
    member = stranger.copy()
    club.issue("tom@cats.example").apply(member)
    visitors = {"a stranger": stranger, "a member": member}
    with tlskit.listen(
        hostname="localhost", context=hosting(ca, club)
    ) as listener:
        Thread(target=listener.serve, args=[welcome]).start()
        for name in ("cats.example", "rex.dogs.example", "birds.example"):
            for who, context in visitors.items():
                try:
                    answer = visit(name, listener.port, context)
                except tlskit.TLSError as error:
                    answer = error.code
                print(f"{who} asks for {name}: {answer}")


if __name__ == "__main__":
    main()
