"""Both ends of a measurement in one process.

``python -m benchmarks.alone_worker ROLE STACK OPTIONS``, as
``benchmarks.worker``.
"""

from __future__ import annotations

import json
import socket
import sys
from functools import partial
from threading import Thread
from typing import Any

from . import blocking, coroutines
from .content import stretch
from .coroutine_worker import ping, pong, receive, send
from .credentials import Files
from .moving import Connection
from .speech import Clock, say

__all__ = ["main"]


def thread(stack: str, files: Files, *, turns: int, size: int) -> None:
    """Play ping-pong with oneself, in one thread."""
    made = blocking.STACKS[stack](files)
    ends = joined(made)
    message = stretch(0, size)
    bounce(ends, message, turns // 10)
    clock = Clock()
    bounce(ends, message, turns)
    say(clock.read(made.suite(ends[0])))
    for each in ends:
        each.close()


def joined(made: blocking.Stack) -> tuple[Connection, Connection]:
    """Join a client with a server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socks = (
            socket.create_connection(listener.getsockname()),
            (listener.accept()[0]),
        )
    for sock in socks:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    accepted: list[Connection] = []
    other = Thread(target=lambda: accepted.append(made.accept(socks[1])))
    other.start()
    client = made.connect(socks[0])
    other.join()
    return client, accepted[0]


def bounce(
    ends: tuple[Connection, Connection], message: bytes, turns: int
) -> None:
    """Send a message there and back.

    Raises:
        ValueError: The echo is another one.
    """
    one, other = ends
    size = len(message)
    for _ in range(turns):
        one.sendall(message)
        other.sendall(received(other, size))
        if received(one, size) != message:
            raise ValueError("the echo is another one")


def received(connection: Any, size: int) -> bytes:
    """Read exactly *size* bytes, which nearly always come at once."""
    data: bytes = connection.recv(size)
    while len(data) < size:
        data += connection.recv(size - len(data))
    return data


def stream(
    stack: str, files: Files, *, total: int, size: int, per_tick: int
) -> None:
    """Send to oneself, in one loop."""
    coroutines.STACKS[stack](files).both(
        partial(receive, total=total, tell=_silent),
        partial(send, total=total, size=size, per_tick=per_tick, tell=say),
    )


def loop(stack: str, files: Files, *, turns: int, size: int) -> None:
    """Play ping-pong with oneself, in one loop."""
    coroutines.STACKS[stack](files).both(
        partial(pong, turns=turns, size=size, tell=_silent),
        partial(ping, turns=turns, size=size, tell=say),
    )


def _silent(_: Any) -> None:
    """Hear what the other end tells, of the same process."""


ROLES: dict[str, Any] = {"thread": thread, "stream": stream, "loop": loop}


def main() -> None:
    """Play the part that the command line names."""
    role, stack, text = sys.argv[1:]
    options = json.loads(text)
    ROLES[role](stack, Files(*options.pop("files")), **options)


if __name__ == "__main__":
    main()
