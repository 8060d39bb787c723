"""One end of an HTTP conversation, in a process of its own.

``python -m benchmarks.http_worker ROLE STACK OPTIONS``, as
``benchmarks.worker``.  The server does as little as it can, and uses the
standard library's ``ssl``, unless the stack says that both ends are ours.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
from http.client import HTTPSConnection
from typing import Any

from .content import stretch
from .credentials import HOST, Files
from .speech import Clock, hear, say

__all__ = ["main"]

_HEADER = (
    "HTTP/1.1 200 OK\r\n"
    "Server: benchmark\r\n"
    "Content-Type: application/octet-stream\r\n"
    "Content-Length: {}\r\n\r\n"
)
_LENGTH = b"content-length:"


def server_context(stack: str, files: Files) -> ssl.SSLContext:
    """Make the context of whoever answers."""
    if stack != "tlskit, both ends":
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(files.chain, files.key)
        return made
    import tlskit

    context = tlskit.ServerContext()
    context.load_certificate_chain(files.chain)
    context.load_private_key(files.key)
    return context.as_ssl_context()


def client_context(stack: str, files: Files) -> ssl.SSLContext:
    """Make the context of whoever asks."""
    if stack == "ssl":
        return ssl.create_default_context(cafile=files.root)
    import tlskit

    context = tlskit.ClientContext("auto")
    context.load_verify_source(files.root)
    context.set_verify()
    context.set_verify_hostname()
    return context.as_ssl_context()


def answer(
    stack: str, files: Files, *, turns: int, down: int, up: int
) -> None:
    """Answer one client's requests."""
    context = server_context(stack, files)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say({"port": listener.getsockname()[1]})
        plain, _ = listener.accept()
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    message = _HEADER.format(down).encode() + stretch(0, down)
    with (
        context.wrap_socket(plain, server_side=True) as sock,
        sock.makefile("rb") as file,
    ):
        for _ in range(turns // 10):
            take_request(file, up)
            sock.sendall(message)
        clock = Clock()
        for _ in range(turns):
            take_request(file, up)
            sock.sendall(message)
        say(clock.read(suite(sock)))


def take_request(file: Any, size: int) -> None:
    """Read a request.

    Raises:
        ValueError: Its body is another one.
    """
    length = 0
    while (line := file.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(_LENGTH):
            length = int(line[len(_LENGTH) :])
    if length != size or file.read(length) != stretch(0, size):
        raise ValueError("the request is another one")


def ask(stack: str, files: Files, *, turns: int, down: int, up: int) -> None:
    """Ask again and again, after some requests that are not timed."""
    client = HTTPSConnection(
        HOST, hear()["port"], context=client_context(stack, files)
    )
    client.connect()
    sock: Any = client.sock
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = stretch(0, up) if up else None
    expected = stretch(0, down)
    for _ in range(turns // 10):
        converse(client, body, expected)
    clock = Clock()
    for _ in range(turns):
        converse(client, body, expected)
    say(clock.read(suite(sock)))
    client.close()


def converse(
    client: HTTPSConnection, body: bytes | None, expected: bytes
) -> None:
    """Ask once.

    Raises:
        ValueError: The answer is another one.
    """
    client.request("GET" if body is None else "POST", "/", body)
    if client.getresponse().read() != expected:
        raise ValueError("the answer is another one")


def suite(sock: Any) -> str:
    """Name the cipher that is in use."""
    return str(sock.cipher()[0])


ROLES: dict[str, Any] = {"answer": answer, "ask": ask}


def main() -> None:
    """Play the part that the command line names."""
    role, stack, text = sys.argv[1:]
    options = json.loads(text)
    ROLES[role](stack, Files(*options.pop("files")), **options)


if __name__ == "__main__":
    main()
