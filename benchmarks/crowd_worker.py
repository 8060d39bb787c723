"""A threaded server, or the crowd of clients that it gets.

``python -m benchmarks.crowd_worker ROLE STACK OPTIONS``, as
``benchmarks.worker``.  The clients are the same for all servers: one thread
that has the standard library's ``ssl`` wait for nobody.
"""

from __future__ import annotations

import json
import selectors
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from .content import MIB, check, stretch
from .credentials import HOST, Files
from .speech import Clock, hear, say

__all__ = ["STACKS", "main"]

_REQUEST = b"please\n"
_BODY = stretch(0, MIB)
_BACKLOG = 512
_LOCAL = "127.0.0.1"
#: Seconds that anything may take.
_PATIENCE = 60.0


def answer(connection: Any) -> None:
    """Give a client what it asks for."""
    asked = b""
    while len(asked) < len(_REQUEST):
        piece = connection.recv(len(_REQUEST) - len(asked))
        if not piece:
            raise EOFError("a client has gone")
        asked += piece
    connection.sendall(_BODY)


# -- servers ----------------------------------------------------------------


class Tlskit:
    """``Listener.serve`` as it is, with its 32 workers."""

    def __init__(self, files: Files) -> None:
        import tlskit

        context = tlskit.ServerContext()
        context.load_certificate_chain(files.chain)
        context.load_private_key(files.key)
        self._listener = tlskit.listen(0, _BACKLOG, True, _LOCAL, context)
        self.port = self._listener.port

    def serve(self) -> None:
        """Serve until it is closed."""
        self._listener.serve(answer)

    def close(self) -> None:
        """End it."""
        self._listener.shutdown(_PATIENCE)


def _server_context(files: Files) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain, files.key)
    return context


class _Threads(socketserver.ThreadingTCPServer):
    request_queue_size = _BACKLOG
    daemon_threads = True


class StandardLibrary:
    """``socketserver`` and ``ssl``: a thread for each client."""

    def __init__(self, files: Files) -> None:
        context = _server_context(files)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                sock = self.request
                sock.settimeout(_PATIENCE)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with context.wrap_socket(sock, server_side=True) as made:
                    answer(made)

        self._server = _Threads((_LOCAL, 0), Handler)
        self.port = self._server.server_address[1]
        self.serve = self._server.serve_forever

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class Pool:
    """``ssl`` and as many threads as tlskit's server has."""

    def __init__(self, files: Files) -> None:
        self._context = _server_context(files)
        self._socket = socket.create_server((_LOCAL, 0), backlog=_BACKLOG)
        self.port = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Serve until it is closed."""
        with ThreadPoolExecutor(32) as pool, suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                pool.submit(self._handle, sock)

    def _handle(self, sock: socket.socket) -> None:
        sock.settimeout(_PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._context.wrap_socket(sock, server_side=True) as made:
            answer(made)

    def close(self) -> None:
        """End it."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


STACKS: dict[str, Callable[[Files], Any]] = {
    "ssl, a thread each": StandardLibrary,
    "ssl, 32 threads": Pool,
    "tlskit": Tlskit,
}


def serve(stack: str, files: Files, **_: int) -> None:
    """Serve until the parent says that the crowd has gone."""
    server = STACKS[stack](files)
    thread = threading.Thread(target=server.serve)
    thread.start()
    say({"port": server.port})
    clock = Clock()
    suite = hear()["suite"]
    told = clock.read(suite)
    server.close()
    thread.join()
    say(told)


# -- clients ----------------------------------------------------------------


class Client:
    """Downloads once, whenever bytes are there."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((_LOCAL, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(
            sock, server_hostname=HOST, do_handshake_on_connect=False
        )
        self._shaken = False
        self._got = 0

    def step(self, buffer: bytearray) -> bool:
        """Go on as far as possible; say whether that was all.

        Raises:
            EOFError: The server has gone too early.
            ValueError: A byte differs.
        """
        if not self._shaken:
            self.sock.do_handshake()
            self._shaken = True
            self.sock.sendall(_REQUEST)
        while self._got < MIB:
            size = self.sock.recv_into(buffer)
            if not size:
                raise EOFError(f"{MIB - self._got} bytes are missing")
            check(memoryview(buffer)[:size], self._got)
            self._got += size
        return True


def download(_stack: str, files: Files, *, count: int) -> None:
    """Be *count* clients at once."""
    context = ssl.create_default_context(cafile=files.root)
    port = hear()["port"]
    clock = Clock()
    clients = [Client(context, port) for _ in range(count)]
    suite = str(crowd(clients))
    say(clock.read(suite))


def crowd(clients: list[Client]) -> str:
    """Serve whichever client can go on; give the cipher of the last.

    Raises:
        TimeoutError: Nothing has happened for too long.
    """
    buffer, suite = bytearray(MIB // 4), ""
    with selectors.DefaultSelector() as waiting:
        for client in clients:
            waiting.register(client.sock, selectors.EVENT_WRITE, client)
        end = time.monotonic() + _PATIENCE
        while waiting.get_map():
            ready = waiting.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"{len(waiting.get_map())} clients wait")
            for key, _ in ready:
                client, events = key.data, 0
                try:
                    client.step(buffer)
                except ssl.SSLWantReadError:
                    events = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    events = selectors.EVENT_WRITE
                if events != key.events:
                    waiting.unregister(client.sock)
                if events and events != key.events:
                    waiting.register(client.sock, events, client)
                if not events:
                    suite = client.sock.cipher()[0]
                    client.sock.close()
    return suite


ROLES = {"serve": serve, "download": download}


def main() -> None:
    """Play the part that the command line names."""
    role, stack, text = sys.argv[1:]
    options = json.loads(text)
    ROLES[role](stack, Files(*options.pop("files")), **options)


if __name__ == "__main__":
    main()
