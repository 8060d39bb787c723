"""Put an application's rules into a class of contexts.

``Intranet`` trusts only certificates that are renewed often, and its ports
can be asked a question.  Whoever connects by it can't forget either.

Run it, there is nothing to set up: ``python subclassing.py``
"""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import tlskit
from tlskit.testing import CA


class QuestionPort(tlskit.SSLPort):
    """A port to a server that answers questions, a line each."""

    def ask(self, question: str) -> str:
        """Send a line, and give the line that comes back."""
        self.sendall(f"{question}\n".encode())
        return self.input.readline().decode().rstrip("\n")


class Intranet(tlskit.ClientContext):
    """Verifies as every client does, and asks for short-lived certificates."""

    port_class = QuestionPort
    longest = timedelta(days=100)

    def verify_peer(self, verdict: tlskit.Facts) -> None:
        """Refuse, after chain and name are accepted, what lives too long."""
        leaf = verdict.verified_chain[0]
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        if life > self.longest:
            raise tlskit.VerificationError(
                f"expected a certificate for {self.longest.days} days at "
                f"most, found one for {life.days}",
                code="lives-too-long",
                hint="have it renewed automatically",
            )


def ask(question: str, port: int, context: Intranet) -> str:
    """Connect to a server on this machine, and ask it."""
    with tlskit.connect("localhost", port, context, timeout=10) as made:
        assert isinstance(made, QuestionPort)
        return made.ask(question)


def shout(conn: tlskit.SSLPort) -> None:
    """Answer each line in capitals: a server's handler."""
    for line in conn.input:
        conn.sendall(line.upper())


def main() -> None:
    """Ask a server, first with a good certificate, then with an old one."""
    ca = CA()
    client, server = Intranet().copy(), tlskit.ServerContext()
    ca.trust(client)
    client.seal()
    ca.issue("localhost").apply(server)
    with tlskit.listen(hostname="localhost", context=server) as listener:
        Thread(target=listener.serve, args=[shout]).start()
        print(ask("how are you?", listener.port, client))

        now = ca.certificate.not_valid_before_utc
        ca.issue("localhost", valid=(now, now + timedelta(days=3650))).apply(
            server
        )
        try:
            ask("and now?", listener.port, client)
        except tlskit.VerificationError as error:
            print(error.code, "-", error)


if __name__ == "__main__":
    main()
