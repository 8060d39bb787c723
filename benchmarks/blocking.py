"""Blocking stacks, behind one shape of connection."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

from .c_loop import CMover, compiled
from .credentials import HOST, Files, directory
from .moving import Connection, FileMover, Mover, OutputMover

__all__ = ["MOVERS", "STACKS", "Stack", "available"]


class Stack(Protocol):
    """A way to speak TLS, or none, over a connected socket."""

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        ...

    def connect(self, sock: socket.socket) -> Connection:
        """Be the client, and check certificate and host name."""
        ...

    def suite(self, connection: Any) -> str:
        """Name the cipher that is in use."""
        ...


class Plain:
    """No TLS at all: what the sockets themselves can do."""

    def __init__(self, files: Files) -> None:
        pass

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        return sock

    connect = accept

    def suite(self, _connection: Any) -> str:
        """Name none."""
        return ""


class StandardLibrary:
    """The standard library's ``ssl``, or a module that is like it."""

    def __init__(self, files: Files, module: Any = ssl) -> None:
        self._server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(files.chain, files.key)
        self._client = module.create_default_context(cafile=files.root)

    def accept(self, sock: socket.socket) -> Connection:
        """Be the server."""
        return self._server.wrap_socket(sock, server_side=True)

    def connect(self, sock: socket.socket) -> Connection:
        """Be the client."""
        return self._client.wrap_socket(sock, server_hostname=HOST)

    def suite(self, connection: Any) -> str:
        """Name the cipher that is in use."""
        return str(connection.cipher()[0])


def _rtls(files: Files) -> StandardLibrary:
    """Do it by rustls, under the standard library's names.

    It can't be told which cipher suite of TLS 1.3 to use, and takes AES-128.
    """
    import rtls

    return StandardLibrary(files, rtls)


class PyOpenSSL:
    """pyOpenSSL over the socket, as its documentation has it."""

    def __init__(self, files: Files) -> None:
        from OpenSSL import SSL

        self._ssl = SSL
        self._server = SSL.Context(SSL.TLS_METHOD)
        self._server.use_certificate_chain_file(files.chain)
        self._server.use_privatekey_file(files.key)
        self._client = SSL.Context(SSL.TLS_METHOD)
        self._client.load_verify_locations(files.root)
        self._client.set_verify(SSL.VERIFY_PEER)

    def accept(self, sock: socket.socket) -> Any:
        """Be the server."""
        connection = self._ssl.Connection(self._server, sock)
        connection.set_accept_state()
        connection.do_handshake()
        return connection

    def connect(self, sock: socket.socket) -> Any:
        """Be the client."""
        from service_identity.pyopenssl import verify_hostname

        connection = self._ssl.Connection(self._client, sock)
        connection.set_tlsext_host_name(HOST.encode())
        connection.set_connect_state()
        connection.do_handshake()
        verify_hostname(connection, HOST)
        return connection

    def suite(self, connection: Any) -> str:
        """Name the cipher that is in use."""
        return str(connection.get_cipher_name())


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

    def suite(self, connection: Any) -> str:
        """Name the cipher that is in use."""
        return str(connection.cipher)


class Untraced(Tlskit):
    """The same, whose contexts told of each message until now."""

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        for context in (self._server, self._client):
            context.set_trace(lambda _: None)
            context.set_trace(None)


STACKS: dict[str, Callable[[Files], Stack]] = {
    "plain TCP": Plain,
    "C loop": PyOpenSSL,
    "pyOpenSSL": PyOpenSSL,
    "ssl": StandardLibrary,
    "ssl, makefile": StandardLibrary,
    "rtls, AES-128": _rtls,
    "tlskit": Tlskit,
    "tlskit, .output": Tlskit,
    "tlskit, tracing was on": Untraced,
}
#: How a stack's bytes are moved, if not by ``sendall`` and ``recv_into``.
MOVERS: dict[str, type[Mover]] = {
    "C loop": CMover,
    "ssl, makefile": FileMover,
    "tlskit, .output": OutputMover,
}


def available(*names: str) -> tuple[list[str], dict[str, str]]:
    """Give which of the stacks *names* can be had, and why others can't."""
    missing = {}
    if "C loop" in names and (reason := compiled(directory())):
        missing["C loop"] = reason
    if "rtls, AES-128" in names and find_spec("rtls") is None:
        missing["rtls, AES-128"] = "rtls is not installed"
    return [name for name in names if name not in missing], missing
