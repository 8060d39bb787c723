"""What the examples of the how-to guides find when they are run.

A guide says ``connect("www.example.com")`` and ``"key.pem"``, as its reader
will.  ``Stage`` makes a directory with such files, and servers on loopback
to which such names lead; the network is not asked.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tlskit
from tlskit.testing import CA, Leaf

__all__ = ["Stage", "echo"]


def echo(port: tlskit.SSLPort) -> None:
    """Send every line back."""
    for line in port.input:
        port.sendall(line)


def greet(port: tlskit.SSLPort) -> None:
    """Answer an HTTP request."""
    while port.input.readline().strip():
        pass
    port.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")


class Stage:
    """A directory to work in, a CA, and servers by name.

    In the directory are ``ca.pem``, and for the server www.example.com
    ``chain.pem`` and ``key.pem``; for the client alice ``alice.pem`` and
    ``alice-key.pem``.  The CA is what this machine trusts.
    """

    def __init__(self) -> None:
        self.ca = CA("Example CA")
        self._servers: dict[tuple[str, int], tlskit.Listener] = {}
        self._look_up: Callable[..., Any] = socket.getaddrinfo
        self._before = Path.cwd()
        self._stack = contextlib.ExitStack()
        directory = self._stack.enter_context(tempfile.TemporaryDirectory())
        os.chdir(directory)
        self._stack.callback(os.chdir, self._before)
        Path("ca.pem").write_bytes(self.ca.pem)
        self.leaf = self.ca.issue("www.example.com")
        self.leaf.write(directory)
        alice = self.ca.issue(common_name="alice")
        Path("alice.pem").write_bytes(alice.chain_pem)
        Path("alice-key.pem").write_bytes(alice.key_pem)
        self._stack.enter_context(
            tlskit.set_default_verify_sources(
                [tlskit.VerifySource.file("ca.pem")]
            )
        )
        socket.getaddrinfo = self._find
        self._stack.callback(setattr, socket, "getaddrinfo", self._look_up)

    def _find(
        self, host: str | None, port: int, *rest: Any, **keywords: Any
    ) -> Any:
        server = self._servers.get((str(host), port))
        if server is not None:
            host, port = "127.0.0.1", server.port
        return self._look_up(host, port, *rest, **keywords)

    def serve(
        self,
        host: str = "www.example.com",
        port: int = 443,
        *,
        context: tlskit.ServerContext | None = None,
        leaf: Leaf | None = None,
        handler: Callable[[tlskit.SSLPort], object] = echo,
    ) -> None:
        """Serve on loopback what leads to this name and port.

        Args:
            host: The name that examples connect to.
            port: The port that they name.
            context: The server's; by default one with *leaf*.
            leaf: Its credentials; by default good ones for *host*.
            handler: What it does with each client.
        """
        if context is None:
            context = tlskit.ServerContext()
            (leaf or self.ca.issue(host)).apply(context)
        listener = tlskit.listen(hostname="127.0.0.1", context=context)
        self._servers[host, port] = listener
        thread = threading.Thread(
            target=listener.serve, args=[handler], daemon=True
        )
        thread.start()
        self._stack.callback(thread.join, 10)
        self._stack.callback(listener.shutdown, 5)

    def end(self) -> None:
        """Leave everything as it was."""
        self._stack.close()
