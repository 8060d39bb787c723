"""Stacks that shake hands: in memory, and over loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from .credentials import HOST, Files

__all__ = ["STACKS", "Stack"]


class Stack(Protocol):
    """A client and a server with a certificate; some resume."""

    suite: str

    def shake(self, host: str = HOST) -> bool:
        """Shake hands in memory; say whether a session was resumed."""
        ...

    def accept(self, sock: socket.socket) -> Any:
        """Be the server."""
        ...

    def connect(self, port: int) -> tuple[Any, bool]:
        """Be the client; say whether a session was resumed."""
        ...

    def close(self, connection: Any) -> None:
        """Close a client's connection, from which a byte was read."""
        ...


class StandardLibrary:
    """The standard library's ``ssl``."""

    def __init__(self, files: Files, group: str, *, resume: bool) -> None:
        import ssl

        self._ssl = ssl
        self._resume = resume
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(files.chain, files.key)
        self._client = ssl.create_default_context(cafile=files.root)
        self._session: Any = None
        self.suite = ""
        if group:
            self._server.set_ecdh_curve(group)
            self._client.set_ecdh_curve(group)

    def shake(self, host: str = HOST) -> bool:
        """Shake hands in memory."""
        ours, theirs = self._ssl.MemoryBIO(), self._ssl.MemoryBIO()
        client = self._client.wrap_bio(
            ours, theirs, server_hostname=host, session=self._session
        )
        sides = [
            client,
            self._server.wrap_bio(theirs, ours, server_side=True),
        ]
        while sides:
            for side in list(sides):
                try:
                    side.do_handshake()
                except self._ssl.SSLWantReadError:
                    continue
                sides.remove(side)
        if self._resume:
            with suppress(self._ssl.SSLWantReadError):
                client.read(1)  # The tickets.
            self._session = client.session
        self.suite = _suite(client)
        return bool(client.session_reused)

    def accept(self, sock: socket.socket) -> Any:
        """Be the server."""
        made = self._server.wrap_socket(sock, server_side=True)
        self.suite = _suite(made)
        return made

    def connect(self, port: int) -> tuple[Any, bool]:
        """Be the client."""
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = self._client.wrap_socket(
            sock, server_hostname=HOST, session=self._session
        )
        self.suite = _suite(made)
        return made, bool(made.session_reused)

    def close(self, connection: Any) -> None:
        """Close a client's connection."""
        if self._resume:
            self._session = connection.session
        connection.close()


def _suite(connection: Any) -> str:
    return str(connection.cipher()[0])


class Tlskit:
    """What all this is about."""

    def __init__(self, files: Files, group: str, *, resume: bool) -> None:
        import tlskit
        from tlskit.engine.engine import Engine
        from tlskit.verify.identity import Identity

        self._connect = tlskit.connect
        self._start = tlskit.SSLPort.start_tls
        self._engine = Engine
        self._identity = Identity.parse
        self._resume = resume
        self._server = tlskit.ServerContext()
        self._server.load_certificate_chain(files.chain)
        self._server.load_private_key(files.key)
        self._client = tlskit.ClientContext("auto")
        self._client.load_verify_source(files.root)
        self._client.set_verify()
        self._client.set_verify_hostname()
        self.suite = ""
        if resume:
            self._client.set_session_cache(tlskit.SessionCache())
        if group:
            self._server.set_groups([group])
            self._client.set_groups([group])

    def shake(self, host: str = HOST) -> bool:
        """Shake hands in memory."""
        client = self._engine(
            self._client,
            server_side=False,
            identity=self._identity(host),
            dialled=(host, 443),
        )
        server = self._engine(self._server, server_side=True)
        left = [(client, server), (server, client)]
        while left:
            for side, peer in list(left):
                if side.handshake():
                    left.remove((side, peer))
                if data := side.outgoing():
                    peer.receive(data)
        if self._resume:
            client.read_into(memoryview(bytearray(1)))  # The tickets.
        facts = client.facts
        assert facts is not None
        self.suite = str(facts.cipher)
        return facts.session_reused

    def accept(self, sock: socket.socket) -> Any:
        """Be the server."""
        made = self._start(sock, self._server, server_side=True)
        self.suite = str(made.cipher)
        return made

    def connect(self, port: int) -> tuple[Any, bool]:
        """Be the client."""
        made = self._connect("127.0.0.1", port, self._client, hostname=HOST)
        self.suite = str(made.cipher)
        return made, made.session_reused

    def close(self, connection: Any) -> None:
        """Close a client's connection."""
        connection.close()


class PyOpenSSL:
    """pyOpenSSL and service-identity, with the default groups only."""

    def __init__(self, files: Files, _group: str, *, resume: bool) -> None:
        from OpenSSL import SSL
        from service_identity.pyopenssl import verify_hostname

        assert not resume
        self._ssl = SSL
        self._verify = verify_hostname
        self._server = SSL.Context(SSL.TLS_METHOD)
        self._server.use_certificate_chain_file(files.chain)
        self._server.use_privatekey_file(files.key)
        self._client = SSL.Context(SSL.TLS_METHOD)
        self._client.load_verify_locations(files.root)
        self._client.set_verify(SSL.VERIFY_PEER)
        self.suite = ""

    def shake(self, host: str = HOST) -> bool:
        """Shake hands in memory."""
        client = self._ssl.Connection(self._client)
        server = self._ssl.Connection(self._server)
        self._begin(client, host)
        server.set_accept_state()
        left = [(client, server), (server, client)]
        while left:
            for side, peer in list(left):
                with suppress(self._ssl.WantReadError):
                    side.do_handshake()
                    left.remove((side, peer))
                with suppress(self._ssl.WantReadError):
                    peer.bio_write(side.bio_read(65536))
        return self._checked(client, host)

    def _begin(self, client: Any, host: str = HOST) -> None:
        client.set_tlsext_host_name(host.encode())
        client.set_connect_state()

    def _checked(self, client: Any, host: str = HOST) -> bool:
        self._verify(client, host)
        self.suite = str(client.get_cipher_name())
        return False

    def accept(self, sock: socket.socket) -> Any:
        """Be the server."""
        made = self._ssl.Connection(self._server, sock)
        made.set_accept_state()
        made.do_handshake()
        self.suite = str(made.get_cipher_name())
        return made

    def connect(self, port: int) -> tuple[Any, bool]:
        """Be the client."""
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = self._ssl.Connection(self._client, sock)
        self._begin(made)
        made.do_handshake()
        return made, self._checked(made)

    def close(self, connection: Any) -> None:
        """Close a client's connection."""
        connection.close()


STACKS: dict[str, Callable[..., Stack]] = {
    "pyOpenSSL": PyOpenSSL,
    "ssl": StandardLibrary,
    "tlskit": Tlskit,
}
