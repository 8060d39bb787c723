"""Asynchronous stacks, behind one shape of connection.

The libraries are imported where they are used, so a worker needs only its
own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from importlib.util import find_spec
from ssl import PROTOCOL_TLS_SERVER, SSLContext, create_default_context
from typing import Any, Protocol, TypeVar

from .credentials import HOST, Files

__all__ = ["STACKS", "Connection", "Stack", "Talk", "available"]

_LOCAL = "127.0.0.1"
T = TypeVar("T")


class Connection(Protocol):
    """What the workloads need of a connection."""

    @property
    def suite(self) -> str:
        """The cipher that is in use; empty if there is none."""
        ...

    async def read(self, most: int) -> bytes:
        """Read what is there, at least a byte; nothing at the end."""
        ...

    def write(self, data: Any) -> None:
        """Take all of it."""
        ...

    async def drain(self) -> None:
        """Wait while the peer takes no more."""
        ...

    async def tick(self) -> None:
        """Let the loop have a turn."""
        ...


Talk = Callable[[Connection], Awaitable[None]]
Run = Callable[[Coroutine[Any, Any, None]], None]


class Stack(Protocol):
    """A way to speak TLS, or none, in an event loop."""

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""
        ...

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server, whose certificate and name are checked."""
        ...

    def both(self, server: Talk, client: Talk) -> None:
        """Be both ends, in one loop."""
        ...


class InLoop:
    """A way that runs in any event loop of asyncio's kind.

    Args:
        run: What runs a coroutine: asyncio's own loop, or another one.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    async def serving(
        self, talk: Talk, announce: Callable[[int], None]
    ) -> None:
        """Do ``serve`` in the running loop."""
        raise NotImplementedError

    async def connecting(self, port: int, talk: Talk) -> None:
        """Do ``connect`` in the running loop."""
        raise NotImplementedError

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""
        self._run(self.serving(talk, announce))

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server."""
        self._run(self.connecting(port, talk))

    def both(self, server: Talk, client: Talk) -> None:
        """Be both ends, in one loop."""

        async def main() -> None:
            port = asyncio.get_running_loop().create_future()
            task = asyncio.ensure_future(self.serving(server, port.set_result))
            await self.connecting(await port, client)
            await task

        self._run(main())


def _contexts(files: Files) -> tuple[SSLContext, SSLContext]:
    """Make the standard library's contexts, for server and client."""
    server = SSLContext(PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.chain, files.key)
    return server, create_default_context(cafile=files.root)


# -- asyncio ----------------------------------------------------------------


def _run_uvloop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(main)


def _run_aiofastnet(main: Coroutine[Any, Any, None]) -> None:
    import aiofastnet

    async def patched() -> None:
        aiofastnet.patch_loop()
        await main

    asyncio.run(patched())


class Asyncio(InLoop):
    """The streams of asyncio.

    Args:
        files: The certificates.
        tls: Whether to speak TLS at all.
        run: As for ``InLoop``.
    """

    def __init__(
        self, files: Files, *, tls: bool = True, run: Run = asyncio.run
    ) -> None:
        super().__init__(run)
        self._server, self._client = _contexts(files) if tls else (None, None)

    async def serving(
        self, talk: Talk, announce: Callable[[int], None]
    ) -> None:
        """Announce a TCP port, and talk to one client."""
        clients: asyncio.Queue[_Streams] = asyncio.Queue()
        server = await asyncio.start_server(
            lambda *streams: clients.put_nowait(_Streams(*streams)),
            *(_LOCAL, 0),
            ssl=self._server,
        )
        announce(server.sockets[0].getsockname()[1])
        client = await clients.get()
        await talk(client)
        await client.close()
        server.close()

    async def connecting(self, port: int, talk: Talk) -> None:
        """Talk to the server."""
        client = _Streams(
            *await asyncio.open_connection(
                *(_LOCAL, port),
                ssl=self._client,
                server_hostname=self._client and HOST,
            )
        )
        await talk(client)
        await client.close()


class _Streams:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writer = writer
        # No detour on the way that is measured.
        self.read, self.write = reader.read, writer.write
        self.drain = writer.drain

    @property
    def suite(self) -> str:
        cipher = self._writer.get_extra_info("cipher")
        return cipher[0] if cipher else ""

    async def tick(self) -> None:
        await asyncio.sleep(0)

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Tlskit(InLoop):
    """What all this is about."""

    def __init__(self, files: Files, *, run: Run = asyncio.run) -> None:
        import tlskit

        super().__init__(run)
        self._server = tlskit.ServerContext()
        self._server.load_certificate_chain(files.chain)
        self._server.load_private_key(files.key)
        self._client = tlskit.ClientContext("auto")
        self._client.load_verify_source(files.root)
        self._client.set_verify()
        self._client.set_verify_hostname()

    async def serving(
        self, talk: Talk, announce: Callable[[int], None]
    ) -> None:
        """Announce a TCP port, and talk to one client."""
        from tlskit.aio import AsyncSSLPort, start_server

        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def handle(port: AsyncSSLPort) -> None:
            try:
                await talk(_Port(port))
            except BaseException as error:
                done.set_exception(error)
                raise
            done.set_result(None)

        async with await start_server(
            handle, _LOCAL, 0, self._server
        ) as server:
            announce(server.port)
            await done

    async def connecting(self, port: int, talk: Talk) -> None:
        """Talk to the server."""
        from tlskit.aio import open_connection

        async with await open_connection(
            _LOCAL, port, self._client, hostname=HOST
        ) as connection:
            await talk(_Port(connection))


class _Port:
    def __init__(self, port: Any) -> None:
        self._port = port
        self.read, self.write = port.read, port.write
        self.drain = port.drain

    @property
    def suite(self) -> str:
        return str(self._port.cipher)

    async def tick(self) -> None:
        await asyncio.sleep(0)


# -- trio -------------------------------------------------------------------


class Trio:
    """trio's TLS streams, which gather nothing: ``drain`` sends."""

    def __init__(self, files: Files) -> None:
        self._server, self._client = _contexts(files)

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""
        import trio

        async def main() -> None:
            [listener] = await trio.open_tcp_listeners(0, host=_LOCAL)
            announce(listener.socket.getsockname()[1])
            async with listener:
                stream = await listener.accept()
            await self._talk(
                trio.SSLStream(stream, self._server, server_side=True), talk
            )

        trio.run(main)

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server."""
        import trio

        async def main() -> None:
            stream = await trio.open_tcp_stream(_LOCAL, port)
            await self._talk(
                trio.SSLStream(stream, self._client, server_hostname=HOST),
                talk,
            )

        trio.run(main)

    async def _talk(self, stream: Any, talk: Talk) -> None:
        import trio

        await stream.do_handshake()
        await talk(_TrioStream(stream))
        with suppress(trio.BrokenResourceError):
            await stream.aclose()


class _TrioStream:
    def __init__(self, stream: Any) -> None:
        from trio.lowlevel import checkpoint

        self._stream = stream
        self._waiting: list[Any] = []
        self.read = stream.receive_some
        self.write = self._waiting.append
        self.tick = checkpoint

    @property
    def suite(self) -> str:
        return str(self._stream.cipher()[0])

    async def drain(self) -> None:
        for data in self._waiting:
            await self._stream.send_all(data)
        self._waiting.clear()


def _twisted(files: Files) -> Stack:
    from .twisted_stack import Twisted

    return Twisted(files)


STACKS: dict[str, Callable[[Files], Stack]] = {
    "plain TCP": lambda files: Asyncio(files, tls=False),
    "asyncio": Asyncio,
    "uvloop": lambda files: Asyncio(files, run=_run_uvloop),
    "aiofastnet": lambda files: Asyncio(files, run=_run_aiofastnet),
    "trio": Trio,
    "Twisted": _twisted,
    "tlskit": Tlskit,
    "tlskit on uvloop": lambda files: Tlskit(files, run=_run_uvloop),
}
_NEEDS = {
    "uvloop": "uvloop",
    "aiofastnet": "aiofastnet",
    "trio": "trio",
    "Twisted": "twisted",
    "tlskit on uvloop": "uvloop",
}


def available(*names: str) -> tuple[list[str], dict[str, str]]:
    """Give which of the stacks *names* can be had, and why others can't."""
    missing = {
        name: f"{_NEEDS[name]} is not installed"
        for name in names
        if name in _NEEDS and find_spec(_NEEDS[name]) is None
    }
    return [name for name in names if name not in missing], missing
