"""One interface over the ports of all drivers, for tests that all pass."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio as trio_itself

import tlskit
from tlskit import aio, trio

from ..engines import client_context, server_context
from ..peers import HOST, PATIENCE

__all__ = ["DRIVERS", "Driver", "End"]

LOCAL = "127.0.0.1"


class End:
    """A port of any driver, seen by a coroutine.

    What is not here is the port's own: facts, above all.
    """

    def __init__(self, driver: Driver, port: Any) -> None:
        self.driver = driver
        self.port = port

    def __getattr__(self, name: str) -> Any:
        """Ask the port."""
        return getattr(self.port, name)

    async def _call(self, blocking: str, *arguments: Any) -> Any:
        return await anyio.to_thread.run_sync(
            getattr(self.port, blocking), *arguments
        )

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        if self.driver.blocking:
            await self._call("sendall", data)
            return
        self.port.write(data)
        await self.port.drain()

    async def receive(self, size: int = 65536) -> bytes:
        """Receive at least a byte; nothing at the end."""
        if self.driver.blocking:
            return await self._call("recv", size)
        return await self.port.read(size)

    async def receive_all(self, size: int) -> bytes:
        """Receive so many bytes."""
        data = b""
        while len(data) < size:
            piece = await self.receive(size - len(data))
            assert piece, f"the stream ended after {len(data)} bytes"
            data += piece
        return data

    async def finish(self) -> None:
        """Send close_notify, and go on reading."""
        if self.driver.blocking:
            await self._call("shutdown", socket.SHUT_WR)
        elif self.driver.name == "trio":
            await self.port.write_eof()
        else:
            self.port.write_eof()
            await self.port.drain()

    async def close(self) -> None:
        """Close it."""
        if self.driver.blocking:
            await self._call("close")
        else:
            await self.port.aclose()

    def patience(self, seconds: float | None) -> None:
        """Set the deadline of later calls."""
        if self.driver.blocking:
            self.port.settimeout(seconds)
        else:
            self.port.timeout = seconds

    async def demand(self, on: bool = True) -> None:
        """Demand the peer's certificate now."""
        if self.driver.blocking:
            await self._call("set_verify", on)
        else:
            await self.port.set_verify(on)

    def cut(self) -> None:
        """Cut the connection, without a word."""
        if self.driver.blocking:
            self.port._driver.transport.sock.close()
        elif self.driver.name == "trio":
            self.port._driver.carrier.abort()
        else:
            self.port._driver.transport.abort()


class Driver:
    """How one driver does what all can do."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.blocking = name == "blocking"

    def __repr__(self) -> str:
        """Tell which."""
        return self.name

    def run(self, main: Callable[[], Awaitable[object]]) -> None:
        """Run a test, which ends in time."""
        backend = "trio" if self.name == "trio" else "asyncio"

        async def bounded() -> None:
            with anyio.fail_after(2 * PATIENCE):
                await main()

        anyio.run(bounded, backend=backend)

    async def connect(
        self,
        port: int,
        context: tlskit.ClientContext | None = None,
        **options: Any,
    ) -> End:
        """Connect to loopback."""
        options = {"hostname": HOST, "timeout": PATIENCE, **options}
        chosen = client_context() if context is None else context
        if self.blocking:
            made: Any = await anyio.to_thread.run_sync(
                partial(tlskit.connect, LOCAL, port, chosen, **options)
            )
        else:
            module = trio if self.name == "trio" else aio
            made = await module.open_connection(LOCAL, port, chosen, **options)
        return End(self, made)

    @asynccontextmanager
    async def serving(
        self,
        handler: Callable[[End], Awaitable[object]],
        context: tlskit.ServerContext | None = None,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """Serve on loopback; gives what has ``port``."""
        chosen = server_context() if context is None else context

        async def wrapped(port: Any) -> None:
            await handler(End(self, port))

        if self.name == "asyncio":
            server = await aio.start_server(
                wrapped, LOCAL, 0, chosen, **options
            )
            async with server:
                yield server
        elif self.name == "trio":
            async with trio_itself.open_nursery() as nursery:
                started = await nursery.start(
                    partial(trio.serve, wrapped, LOCAL, 0, chosen, **options)
                )
                yield started
                await started.shutdown(0)
        else:
            with tlskit.listen(hostname=LOCAL, context=chosen) as listener:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._accept, listener, wrapped, group)
                    try:
                        yield listener
                    finally:
                        listener.close()

    async def _accept(
        self, listener: tlskit.Listener, handler: Any, group: Any
    ) -> None:
        while True:
            try:
                port = await anyio.to_thread.run_sync(
                    partial(listener.accept, raise_error=False)
                )
            except tlskit.ClosedError:
                return
            port.settimeout(PATIENCE)
            group.start_soon(self._handle, handler, port)

    async def _handle(self, handler: Any, port: tlskit.SSLPort) -> None:
        await handler(port)
        await anyio.to_thread.run_sync(port.close)

    @asynccontextmanager
    async def joined(
        self,
        client: tlskit.ClientContext | None = None,
        server: tlskit.ServerContext | None = None,
    ) -> AsyncIterator[tuple[End, End]]:
        """Join two ports over TCP: the client's, and the server's."""
        arrived: list[End] = []
        there, over = anyio.Event(), anyio.Event()

        async def handler(end: End) -> None:
            arrived.append(end)
            there.set()
            await over.wait()

        async with AsyncExitStack() as stack:
            listener = await stack.enter_async_context(
                self.serving(handler, server)
            )
            stack.callback(over.set)
            ours = await self.connect(listener.port, client)
            stack.push_async_callback(ours.close)
            await there.wait()
            arrived[0].patience(PATIENCE)
            yield ours, arrived[0]


DRIVERS = [
    pytest.param(Driver(name), id=name)
    for name in ("blocking", "asyncio", "trio")
]
