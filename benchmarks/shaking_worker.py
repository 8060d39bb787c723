"""Shakes hands in a process of its own, or with another one.

``python -m benchmarks.shaking_worker ROLE STACK OPTIONS``, as
``benchmarks.worker``.
"""

from __future__ import annotations

import json
import socket
import sys

from .credentials import HOST, OTHERS, Files
from .shaking import STACKS, Stack
from .speech import Clock, hear, say

__all__ = ["main"]

#: So many come first, and are not timed.
WARM = 3
_GREETING = b"!"


def insist(reused: bool, *, resume: bool) -> None:
    """Let a full handshake not pass for a resumed one, or the reverse.

    Raises:
        ValueError: It does.
    """
    if reused is not resume:
        raise ValueError(f"resumed: expected {resume}, found {reused}")


def memory(
    made: Stack, *, times: int, resume: bool, strange: bool = False
) -> None:
    """Be both sides; *strange* asks for another host each time."""
    hosts = [
        f"host-{number}{OTHERS}" if strange else HOST
        for number in range(WARM + times)
    ]
    for host in hosts[:WARM]:
        made.shake(host)
    clock = Clock()
    for host in hosts[WARM:]:
        insist(made.shake(host), resume=resume)
    say(clock.read(made.suite))


def serve(made: Stack, *, times: int, **_: bool) -> None:
    """Greet one client after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say({"port": listener.getsockname()[1]})
        greet(made, listener, WARM)
        clock = Clock()
        greet(made, listener, times)
        told = clock.read(made.suite)
    say(told)


def greet(made: Stack, listener: socket.socket, times: int) -> None:
    """Shake hands, and send a byte: the client reads the tickets, too."""
    for _ in range(times):
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = made.accept(sock)
        connection.sendall(_GREETING)
        connection.close()


def connect(made: Stack, *, times: int, resume: bool) -> None:
    """Connect again and again."""
    port = hear()["port"]
    for _ in range(WARM):
        visit(made, port)
    clock = Clock()
    for _ in range(times):
        insist(visit(made, port), resume=resume)
    say(clock.read(made.suite))


def visit(made: Stack, port: int) -> bool:
    """Connect, read the greeting, and close."""
    connection, reused = made.connect(port)
    if connection.recv(1) != _GREETING:
        raise ValueError("the greeting is another one")
    made.close(connection)
    return reused


ROLES = {"memory": memory, "serve": serve, "connect": connect}


def main() -> None:
    """Play the part that the command line names."""
    role, stack, text = sys.argv[1:]
    options = json.loads(text)
    files = Files(*options.pop("files"))
    made = STACKS[stack](files, options.pop("group"), resume=options["resume"])
    ROLES[role](made, **options)


if __name__ == "__main__":
    main()
