"""Event loops for tests, asyncio's own and uvloop's, and what is joined."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest

import tlskit
from tlskit import aio
from tlskit.aio import AsyncSSLPort

from .engines import authority, client_context, server_context
from .peers import HOST, PATIENCE

__all__ = [
    "LOOPS",
    "Run",
    "joined",
    "run_on",
    "serving",
    "stdlib_contexts",
    "until",
]

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]

LOOPS = ("asyncio", "uvloop")


def _new_loop(kind: str) -> asyncio.AbstractEventLoop:
    if kind == "asyncio":
        return asyncio.new_event_loop()
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def run_on(kind: str, patience: float = PATIENCE) -> Run[Any]:
    """Give what runs a coroutine on a loop of this kind.

    The coroutine has *patience* seconds, leaves no task behind, and gives
    the loop nothing to complain about.
    """

    def run(main: Coroutine[Any, Any, T]) -> T:
        complaints: list[dict[str, Any]] = []
        try:
            loop = _new_loop(kind)
        except BaseException:
            main.close()
            raise
        loop.set_exception_handler(lambda _, what: complaints.append(what))
        try:
            result = loop.run_until_complete(asyncio.wait_for(main, patience))
            left = asyncio.all_tasks(loop)
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
        assert not complaints
        assert not left
        return result

    return run


@asynccontextmanager
async def serving(
    handler: Callable[[AsyncSSLPort], Coroutine[Any, Any, object]],
    context: tlskit.ServerContext | None = None,
    **options: Any,
) -> AsyncIterator[aio.AsyncServer]:
    """Serve on loopback."""
    server = await aio.start_server(
        handler, "127.0.0.1", 0, context or server_context(), **options
    )
    async with server:
        yield server


@asynccontextmanager
async def joined(
    client: tlskit.ClientContext | None = None,
    server: tlskit.ServerContext | None = None,
    **options: Any,
) -> AsyncIterator[tuple[AsyncSSLPort, AsyncSSLPort]]:
    """Join two ports over TCP: the client's, and the server's."""
    arrived = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handler(port: AsyncSSLPort) -> None:
        arrived.set_result(port)
        await over.wait()

    async with serving(handler, server) as listener:
        try:
            ours = await aio.open_connection(
                "127.0.0.1",
                listener.port,
                client or client_context(),
                hostname=HOST,
                **{"timeout": PATIENCE, **options},
            )
            async with ours:
                theirs = await arrived
                theirs.timeout = PATIENCE
                yield ours, theirs
        finally:
            over.set()


def stdlib_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a client's context and a server's, of the standard library's."""
    client = ssl.create_default_context(cadata=authority().pem.decode())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = authority().issue(HOST)
    with TemporaryDirectory() as directory:
        server.load_cert_chain(*leaf.write(directory))
    return client, server


async def until(claim: Callable[[], bool]) -> None:
    """Let the loop turn until *claim* holds; the run's patience ends it."""
    # Nobody rings a bell for what a test looks at.
    while not claim():  # noqa: ASYNC110
        await asyncio.sleep(0)
