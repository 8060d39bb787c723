"""One end of a measurement, in a process of its own.

``python -m benchmarks.worker ROLE STACK OPTIONS``: it says its TCP port if it
is a server, then the figures, each as a line of JSON.
"""

from __future__ import annotations

import gc
import json
import resource
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .blocking import STACKS, Connection
from .credentials import Files

__all__ = ["main"]

_BUFFER = 256 * 1024
#: What is compared byte for byte before anything is timed.
_PROBE = bytes(range(256)) * 4096
_GO, _DONE = b"g", b"d"


def say(value: Any) -> None:
    """Tell the parent."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def listening(stack: str, files: Files) -> Connection:
    """Accept one client of *stack*."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = STACKS[stack](files)
        say({"port": listener.getsockname()[1]})
        sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made.accept(sock)


def connected(stack: str, files: Files, port: int) -> Connection:
    """Connect to the other worker."""
    made = STACKS[stack](files)
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made.connect(sock)


def take(connection: Connection, size: int) -> bytes:
    """Read exactly *size* bytes."""
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        piece = connection.recv_into(view[got:])
        if piece <= 0:
            raise EOFError(f"{size - got} bytes are missing")
        got += piece
    return bytes(data)


def receive(connection: Connection, *, total: int, **_: Any) -> None:
    """Compare the probe, then time what follows."""
    if take(connection, len(_PROBE)) != _PROBE:
        raise ValueError("the probe arrived damaged")
    buffer, left = memoryview(bytearray(_BUFFER)), total
    connection.sendall(_GO)
    began = time.perf_counter()
    while left > 0:
        got = connection.recv_into(buffer)
        if got <= 0:
            raise EOFError(f"{left} bytes are missing")
        left -= got
    seconds = time.perf_counter() - began
    if left < 0:
        raise ValueError(f"{-left} bytes too many")
    connection.sendall(_DONE)
    say({"figure": total / seconds})


def send(
    connection: Connection, *, total: int, size: int, way: str = "sendall"
) -> None:
    """Send the probe, then messages of *size* bytes."""
    connection.sendall(_PROBE)
    take(connection, 1)
    message = memoryview((_PROBE * (1 + size // len(_PROBE)))[:size])
    if way == "output":
        output = connection.output  # type: ignore[attr-defined]
        for _ in range(total // size):
            output.write(message)
        output.flush()
    elif way == "makefile":
        with connection.makefile("wb") as output:  # type: ignore[attr-defined]
            for _ in range(total // size):
                output.write(message)
    else:
        for _ in range(total // size):
            connection.sendall(message)
    take(connection, 1)


def pong(connection: Connection, *, turns: int, size: int) -> None:
    """Send back what comes."""
    for _ in range(turns):
        connection.sendall(take(connection, size))


def ping(connection: Connection, *, turns: int, size: int) -> None:
    """Time a hundred bytes there and back."""
    message = _PROBE[:size]
    began = time.perf_counter()
    for _ in range(turns):
        connection.sendall(message)
        if take(connection, size) != message:
            raise ValueError("the echo is another one")
    say({"figure": turns / (time.perf_counter() - began)})


def host(stack: str, files: Files, *, count: int) -> None:
    """Accept idle connections, and weigh them."""
    made = STACKS[stack](files)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        say({"port": listener.getsockname()[1]})
        weigh(lambda: made.accept(listener.accept()[0]), count)


def guests(stack: str, files: Files, *, port: int, count: int) -> None:
    """Make idle connections, and weigh them."""
    made = STACKS[stack](files)
    weigh(
        lambda: made.connect(socket.create_connection(("127.0.0.1", port))),
        count,
    )


def weigh(connect: Callable[[], Connection], count: int) -> None:
    """Say how much resident memory a connection costs, after some traffic."""
    idle = [used(connect()) for _ in range(10)]
    before = resident()
    idle += [used(connect()) for _ in range(count)]
    say({"figure": max(1.0, (resident() - before) / count)})
    for each in idle:
        each.close()


def used(connection: Connection) -> Connection:
    """Have a little traffic both ways, as a connection has before it rests."""
    connection.sendall(_PROBE[:1000])
    take(connection, 1000)
    return connection


def resident() -> int:
    """Give this process's resident memory, in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


SERVERS = {"receive": receive, "pong": pong}
CLIENTS = {"send": send, "ping": ping}
CROWDS = {"host": host, "guests": guests}


def main() -> None:
    """Play the part that the command line names."""
    role, stack, text = sys.argv[1:]
    options = json.loads(text)
    files = Files(*options.pop("files"))
    if role in CROWDS:
        CROWDS[role](stack, files, **options)
        return
    if role in SERVERS:
        connection = listening(stack, files)
        SERVERS[role](connection, **options)
    else:
        connection = connected(stack, files, options.pop("port"))
        CLIENTS[role](connection, **options)
    connection.close()


if __name__ == "__main__":
    main()
