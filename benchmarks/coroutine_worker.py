"""One end of an asynchronous measurement, in a process of its own.

``python -m benchmarks.coroutine_worker ROLE STACK OPTIONS``, as
``benchmarks.worker``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from .content import (
    CHECKED,
    DONE,
    END,
    GO,
    MIB,
    check,
    check_end,
    messages,
    stretch,
)
from .coroutines import STACKS, Connection
from .credentials import Files
from .speech import Clock, hear, say

__all__ = ["main", "ping", "pong", "receive", "send"]

_BUFFER = MIB // 4
#: Who hears what an end took.
Tell = Callable[[Any], None]


async def take(connection: Connection, size: int) -> bytes:
    """Read exactly *size* bytes.

    Raises:
        EOFError: There are no more.
    """
    data = await connection.read(size)
    while len(data) < size:
        piece = await connection.read(size - len(data))
        if not piece:
            raise EOFError(f"{size - len(data)} bytes are missing")
        data += piece
    return data


async def receive(
    connection: Connection, *, total: int, tell: Tell = say, **_: Any
) -> None:
    """Compare what comes first; then count, and time, what follows."""
    check(await take(connection, CHECKED), 0)
    left, data = total, b""
    connection.write(GO)
    await connection.drain()
    clock = Clock()
    while left > 0:
        data = await connection.read(_BUFFER)
        if not data:
            raise EOFError(f"{left} bytes are missing")
        left -= len(data)
    told = clock.read(connection.suite)
    if left:
        raise ValueError(f"{-left} bytes too many")
    check(data, total - len(data))
    connection.write(DONE)
    await connection.drain()
    check_end(await take(connection, len(END)))
    tell(told)


async def send(
    connection: Connection,
    *,
    total: int,
    size: int,
    per_tick: int = 0,
    tell: Tell = say,
) -> None:
    """Send what is compared, and what is timed, in the same way."""
    await stream(connection, size, CHECKED, per_tick)
    await take(connection, 1)
    clock = Clock()
    await stream(connection, size, total, per_tick)
    await take(connection, 1)
    told = clock.read(connection.suite)
    connection.write(END)
    await connection.drain()
    tell(told)


async def stream(
    connection: Connection, size: int, total: int, per_tick: int
) -> None:
    """Send *total* bytes, waiting after each message.

    With *per_tick*, wait only after so many, and then for the loop's turn.
    """
    write, drain = connection.write, connection.drain
    if not per_tick:
        for message in messages(size, total):
            write(message)
            await drain()
        return
    for turn, message in enumerate(messages(size, total), 1):
        write(message)
        if turn % per_tick == 0:
            await drain()
            await connection.tick()
    await drain()


async def pong(
    connection: Connection, *, turns: int, size: int, tell: Tell = say
) -> None:
    """Send back what comes."""
    await echo(connection, turns // 10, size)
    clock = Clock()
    await echo(connection, turns, size)
    tell(clock.read(connection.suite))


async def echo(connection: Connection, turns: int, size: int) -> None:
    """Send back *turns* messages."""
    for _ in range(turns):
        connection.write(await take(connection, size))
        await connection.drain()


async def ping(
    connection: Connection, *, turns: int, size: int, tell: Tell = say
) -> None:
    """Time a message there and back, after some that are not timed."""
    await bounce(connection, turns // 10, size)
    clock = Clock()
    await bounce(connection, turns, size)
    tell(clock.read(connection.suite))


async def bounce(connection: Connection, turns: int, size: int) -> None:
    """Send a message and have it back.

    Raises:
        ValueError: The echo is another one.
    """
    message = stretch(0, size)
    for _ in range(turns):
        connection.write(message)
        await connection.drain()
        if await take(connection, size) != message:
            raise ValueError("the echo is another one")


SERVERS: dict[str, Any] = {"receive": receive, "pong": pong}
CLIENTS: dict[str, Any] = {"send": send, "ping": ping}


def main() -> None:
    """Play the part that the command line names."""
    role, stack, text = sys.argv[1:]
    options = json.loads(text)
    made = STACKS[stack](Files(*options.pop("files")))
    talk: Any = partial({**SERVERS, **CLIENTS}[role], **options)
    if role in SERVERS:
        made.serve(talk, lambda port: say({"port": port}))
    else:
        made.connect(hear()["port"], talk)


if __name__ == "__main__":
    main()
