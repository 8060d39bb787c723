"""One end of a blocking measurement, in a process of its own.

``python -m benchmarks.worker ROLE STACK OPTIONS``: a server says its TCP
port, a client is told it; then each says what it took.
"""

from __future__ import annotations

import gc
import json
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .blocking import MOVERS, STACKS, Stack
from .content import (
    CHECKED,
    DONE,
    END,
    GO,
    MIB,
    check,
    check_end,
    stretch,
)
from .credentials import Files
from .moving import Connection, Mover, take
from .speech import Clock, hear, say

__all__ = ["main"]

_BUFFER = MIB // 4


def receive(mover: Mover, suite: str, *, total: int, **_: Any) -> None:
    """Compare what comes first; then count, and time, what follows."""
    check(take(mover.connection, CHECKED), 0)
    buffer = bytearray(_BUFFER)
    mover.connection.sendall(GO)
    clock = Clock()
    last = mover.receive_stream(buffer, total)
    told = clock.read(suite)
    check(buffer[:last], total - last)
    mover.connection.sendall(DONE)
    check_end(take(mover.connection, len(END)))
    say(told)


def send(mover: Mover, suite: str, *, total: int, size: int) -> None:
    """Send what is compared, and what is timed, in the same way."""
    mover.send_stream(size, CHECKED)
    take(mover.connection, 1)
    clock = Clock()
    mover.send_stream(size, total)
    take(mover.connection, 1)
    told = clock.read(suite)
    mover.connection.sendall(END)
    say(told)


def pong(mover: Mover, suite: str, *, turns: int, size: int) -> None:
    """Send back what comes."""
    mover.pong(size, turns // 10)
    clock = Clock()
    mover.pong(size, turns)
    say(clock.read(suite))


def ping(mover: Mover, suite: str, *, turns: int, size: int) -> None:
    """Time a message there and back, after some that are not timed."""
    message = stretch(0, size)
    mover.ping(message, turns // 10)
    clock = Clock()
    mover.ping(message, turns)
    say(clock.read(suite))


def host(made: Stack, *, count: int) -> None:
    """Accept idle connections, and weigh them."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        say({"port": listener.getsockname()[1]})
        weigh(lambda: made.accept(listener.accept()[0]), count)


def guests(made: Stack, *, count: int) -> None:
    """Make idle connections, and weigh them."""
    address = ("127.0.0.1", hear()["port"])
    weigh(lambda: made.connect(socket.create_connection(address)), count)


def weigh(connect: Callable[[], Connection], count: int) -> None:
    """Say how much resident memory a connection costs, after some traffic."""
    idle = [used(connect()) for _ in range(10)]
    before = resident()
    idle += [used(connect()) for _ in range(count)]
    say({"figure": (resident() - before) / count})
    for each in idle:
        each.close()


def used(connection: Connection) -> Connection:
    """Have a little traffic both ways, as a connection has before it rests."""
    message = stretch(0, 1000)
    connection.sendall(message)
    check(take(connection, len(message)), 0)
    return connection


def resident() -> int:
    """Give this process's resident memory, in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def accepted(made: Stack) -> Connection:
    """Accept one client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say({"port": listener.getsockname()[1]})
        sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made.accept(sock)


def connected(made: Stack) -> Connection:
    """Connect to the other worker."""
    sock = socket.create_connection(("127.0.0.1", hear()["port"]))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made.connect(sock)


CROWDS = {"host": host, "guests": guests}
SERVERS: dict[str, Callable[..., None]] = {"receive": receive, "pong": pong}
CLIENTS: dict[str, Callable[..., None]] = {"send": send, "ping": ping}


def main() -> None:
    """Play the part that the command line names."""
    role, stack, text = sys.argv[1:]
    options = json.loads(text)
    made = STACKS[stack](Files(*options.pop("files")))
    if role in CROWDS:
        CROWDS[role](made, **options)
        return
    open_ = accepted if role in SERVERS else connected
    connection = open_(made)
    mover = MOVERS.get(stack, Mover)(connection)
    {**SERVERS, **CLIENTS}[role](mover, made.suite(connection), **options)
    connection.close()


if __name__ == "__main__":
    main()
