"""Ports of tlskit joined to each other over real streams, for tests."""

from __future__ import annotations

import os
import socket
from typing import Any, BinaryIO

import tlskit

from .engines import client_context, server_context
from .peers import HOST, PATIENCE, Task

__all__ = [
    "file_pairs",
    "over_sockets",
    "read_exactly",
    "read_to_end",
    "tcp_pair",
    "wrap_both",
]


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Connect two TCP sockets over loopback: ours, and the accepted one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), PATIENCE)
        theirs, _ = listener.accept()
    theirs.settimeout(PATIENCE)
    return ours, theirs


def over_sockets(
    pair: tuple[socket.socket, socket.socket] | None = None,
    *,
    client: tlskit.ClientContext | None = None,
    server: tlskit.ServerContext | None = None,
) -> tuple[tlskit.SSLPort, tlskit.SSLPort]:
    """Upgrade both ends of a pair of sockets: the client's port, the other."""
    left, right = socket.socketpair() if pair is None else pair
    left.settimeout(PATIENCE)
    right.settimeout(PATIENCE)
    task = Task(
        lambda: tlskit.SSLPort.start_tls(
            right, server or server_context(), server_side=True
        )
    )
    ours = tlskit.SSLPort.start_tls(
        left, client or client_context(), hostname=HOST
    )
    return ours, task.result()


def file_pairs(
    buffering: int = -1,
) -> tuple[tuple[BinaryIO, BinaryIO], tuple[BinaryIO, BinaryIO]]:
    """Join two pairs of files (input, output) by two pipes."""
    one_in, one_out = os.pipe()
    two_in, two_out = os.pipe()
    return (
        (_open(one_in, "rb", buffering), _open(two_out, "wb", buffering)),
        (_open(two_in, "rb", buffering), _open(one_out, "wb", buffering)),
    )


def _open(number: int, mode: str, buffering: int) -> Any:
    return os.fdopen(number, mode, buffering)


def wrap_both(
    left: tuple[Any, Any],
    right: tuple[Any, Any],
    *,
    server_options: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[tlskit.SSLPort, tlskit.SSLPort]:
    """Speak TLS over two pairs of streams: the client's port, the other.

    *options* are for both, *server_options* for the second one only.
    """
    options.setdefault("shutdown_on_close", True)
    theirs = {**options, **(server_options or {})}
    theirs.setdefault("context", server_context())
    options.setdefault("context", client_context())
    task = Task(
        lambda: tlskit.ports_to_ssl_ports(*right, mode="accept", **theirs)
    )
    ours = tlskit.ports_to_ssl_ports(
        *left, mode="connect", hostname=HOST, **options
    )
    other = task.result()
    for port in (ours, other):
        port.settimeout(PATIENCE)
    return ours, other


def read_exactly(port: Any, size: int) -> bytes:
    """Read *size* bytes from a port or a socket."""
    data = b""
    while len(data) < size:
        piece = port.recv(size - len(data))
        assert piece, f"the stream ended after {data!r}"
        data += piece
    return data


def read_to_end(port: Any) -> bytes:
    """Read until the end of the stream."""
    data = bytearray()
    while piece := port.recv(65536):
        data += piece
    return bytes(data)
