"""Blocking stacks, behind one shape of connection."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from .credentials import HOST, Files

__all__ = ["STACKS", "Connection", "Stack"]


class Connection(Protocol):
    """What the workloads need of a connection."""

    def recv_into(self, buffer: Any) -> int:
        """Read at least a byte."""
        ...

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Stack(Protocol):
    """A way to speak TLS, or none, over a connected socket."""

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        ...

    def connect(self, sock: socket.socket) -> Connection:
        """Be the client, and check certificate and host name."""
        ...


class Plain:
    """No TLS at all: what the sockets themselves can do."""

    def __init__(self, files: Files) -> None:
        pass

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        return sock

    connect = accept


class StandardLibrary:
    """The standard library's ``ssl``."""

    def __init__(self, files: Files) -> None:
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(files.chain, files.key)
        self._client = ssl.create_default_context(cafile=files.root)

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        return self._server.wrap_socket(sock, server_side=True)

    def connect(self, sock: socket.socket) -> Connection:
        """Be the client."""
        return self._client.wrap_socket(sock, server_hostname=HOST)


class PyOpenSSL:
    """pyOpenSSL over the socket, as its documentation has it."""

    def __init__(self, files: Files) -> None:
        from OpenSSL import SSL

        self._ssl = SSL
        self.server = SSL.Context(SSL.TLS_METHOD)
        self.server.use_certificate_chain_file(files.chain)
        self.server.use_privatekey_file(files.key)
        self.client = SSL.Context(SSL.TLS_METHOD)
        self.client.load_verify_locations(files.root)
        self.client.set_verify(SSL.VERIFY_PEER)

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        connection = self._ssl.Connection(self.server, sock)
        connection.set_accept_state()
        connection.do_handshake()
        return connection

    def connect(self, sock: socket.socket) -> Connection:
        """Be the client."""
        from service_identity.pyopenssl import verify_hostname

        connection = self._ssl.Connection(self.client, sock)
        connection.set_tlsext_host_name(HOST.encode())
        connection.set_connect_state()
        connection.do_handshake()
        verify_hostname(connection, HOST)
        return connection


class Bare:
    """OpenSSL's functions on the descriptor: as little Python as possible.

    The same library as tlskit's, and no check of anything: a limit, and
    nothing to use.
    """

    def __init__(self, files: Files) -> None:
        self._parent = PyOpenSSL(files)
        for context in (self._parent.server, self._parent.client):
            context.clear_mode(1)  # No partial writes.

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        return _Bare(self._parent.accept(sock))

    def connect(self, sock: socket.socket) -> Connection:
        """Be the client."""
        return _Bare(self._parent.connect(sock))


class _Bare:
    def __init__(self, connection: Any) -> None:
        from cryptography.hazmat.bindings.openssl.binding import Binding

        self._connection = connection
        self._read: Callable[..., int] = Binding().lib.SSL_read
        self._write: Callable[..., int] = Binding().lib.SSL_write
        self._buffer = Binding().ffi.from_buffer
        self._ssl = connection._ssl

    def recv_into(self, buffer: Any) -> int:
        """Read at least a byte."""
        target = self._buffer(buffer)
        return self._read(self._ssl, target, len(target))

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        done = self._write(self._ssl, self._buffer(data), len(data))
        assert done == len(data)

    def close(self) -> None:
        """Close it."""
        with suppress(Exception):
            self._connection.shutdown()
        self._connection.close()


class Tlskit:
    """What all this is about."""

    def __init__(self, files: Files) -> None:
        import tlskit

        self._start = tlskit.SSLPort.start_tls
        self._server = tlskit.ServerContext()
        self._server.load_certificate_chain(files.chain)
        self._server.load_private_key(files.key)
        self._client = tlskit.ClientContext("auto")
        self._client.load_verify_source(files.root)
        self._client.set_verify()
        self._client.set_verify_hostname()

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        return self._start(sock, self._server, server_side=True)

    def connect(self, sock: socket.socket) -> Connection:
        """Be the client."""
        return self._start(sock, self._client, hostname=HOST)


STACKS: dict[str, Callable[[Files], Stack]] = {
    "plain TCP": Plain,
    "OpenSSL, bare": Bare,
    "pyOpenSSL": PyOpenSSL,
    "ssl": StandardLibrary,
    "tlskit": Tlskit,
}
