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
#: Twisted holds back nobody by itself; asyncio's streams do at this size.
_MOST_AHEAD = 128 * 1024
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


class Stack(Protocol):
    """A way to speak TLS, or none, in an event loop."""

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""
        ...

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server, whose certificate and name are checked."""
        ...


def _contexts(files: Files) -> tuple[SSLContext, SSLContext]:
    """Make the standard library's contexts, for server and client."""
    server = SSLContext(PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.chain, files.key)
    return server, create_default_context(cafile=files.root)


# -- asyncio ----------------------------------------------------------------


def _run_uvloop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(main)


class Asyncio:
    """The streams of asyncio.

    Args:
        files: The certificates.
        tls: Whether to speak TLS at all.
        run: What runs a coroutine: asyncio's own loop, or another one.
    """

    def __init__(
        self,
        files: Files,
        *,
        tls: bool = True,
        run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
    ) -> None:
        self._server, self._client = (
            _contexts(files) if tls else (None, None)
        )
        self._run = run

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""

        async def main() -> None:
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

        self._run(main())

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server."""

        async def main() -> None:
            client = _Streams(
                *await asyncio.open_connection(
                    *(_LOCAL, port),
                    ssl=self._client,
                    server_hostname=self._client and HOST,
                )
            )
            await talk(client)
            await client.close()

        self._run(main())


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


class Tlskit:
    """What all this is about."""

    def __init__(
        self,
        files: Files,
        *,
        run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
    ) -> None:
        import tlskit

        self._server = tlskit.ServerContext()
        self._server.load_certificate_chain(files.chain)
        self._server.load_private_key(files.key)
        self._client = tlskit.ClientContext("auto")
        self._client.load_verify_source(files.root)
        self._client.set_verify()
        self._client.set_verify_hostname()
        self._run = run

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""
        from tlskit.aio import AsyncSSLPort, start_server

        async def main() -> None:
            done: asyncio.Future[None] = (
                asyncio.get_running_loop().create_future()
            )

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

        self._run(main())

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server."""
        from tlskit.aio import open_connection

        async def main() -> None:
            async with await open_connection(
                _LOCAL, port, self._client, hostname=HOST
            ) as connection:
                await talk(_Port(connection))

        self._run(main())


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


# -- Twisted ----------------------------------------------------------------


class Twisted:
    """Twisted's TLS, which is pyOpenSSL's over memory."""

    def __init__(self, files: Files) -> None:
        from pathlib import Path

        from twisted.internet import ssl

        own = Path(files.key).read_bytes() + Path(files.chain).read_bytes()
        root = ssl.Certificate.loadPEM(Path(files.root).read_bytes())
        self._server = ssl.PrivateCertificate.loadPEM(own).options()
        self._client = ssl.optionsForClientTLS(HOST, trustRoot=root)

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""
        from twisted.internet import defer, endpoints, protocol, reactor

        async def main() -> None:
            clients: Any = defer.DeferredQueue()

            class Factory(protocol.Factory):
                def buildProtocol(self, _address: Any) -> Any:  # noqa: N802
                    return _protocol(clients.put)

            endpoint = endpoints.SSL4ServerEndpoint(
                reactor, 0, self._server, interface=_LOCAL
            )
            listening = await endpoint.listen(Factory())
            announce(listening.getHost().port)
            client = await clients.get()
            await talk(client)
            await client.close()

        _run_reactor(main)

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server."""
        from twisted.internet import endpoints, reactor

        async def main() -> None:
            endpoint = endpoints.wrapClientTLS(
                self._client,
                endpoints.TCP4ClientEndpoint(reactor, _LOCAL, port),
            )
            made = _protocol(lambda _: None)
            await endpoints.connectProtocol(endpoint, made)
            await talk(made)
            await made.close()

        _run_reactor(main)


def _run_reactor(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *main* in the reactor, and raise what it raises."""
    from twisted.internet import defer, reactor
    from twisted.python.failure import Failure

    outcome: list[object] = []

    def begin() -> None:
        deferred = defer.ensureDeferred(main())
        deferred.addBoth(outcome.append)
        deferred.addBoth(lambda _: reactor.stop())  # type: ignore[attr-defined]

    reactor.callWhenRunning(begin)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
    for each in outcome:
        if isinstance(each, Failure):
            each.raiseException()


def _protocol(connected: Callable[[Any], object]) -> Any:
    """Make a protocol that can be read and written by a coroutine."""
    from twisted.internet import reactor, task
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IPushProducer
    from twisted.internet.protocol import Protocol as TwistedProtocol
    from zope.interface import implementer

    @implementer(IPushProducer)
    class Made(TwistedProtocol):
        def connectionMade(self) -> None:  # noqa: N802
            self._received = bytearray()
            self._ended = self._full = self._held = False
            self._waiting: list[Any] = []
            self.write = self.transport.write
            self.transport.setTcpNoDelay(True)
            self.transport.registerProducer(self, True)
            connected(self)

        @property
        def suite(self) -> str:
            return str(self.transport.getHandle().get_cipher_name())

        # -- reading

        def dataReceived(self, data: bytes) -> None:  # noqa: N802
            self._received += data
            if len(self._received) >= _MOST_AHEAD:
                self._held = True
                self.transport.pauseProducing()
            self._wake()

        def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
            del reason  # A stream that is too short shows by its length.
            self._ended = True
            self._wake()

        async def read(self, most: int) -> bytes:
            while not self._received and not self._ended:
                await self._wait()
            if len(self._received) <= most:
                data, self._received = self._received, bytearray()
            else:
                data = self._received[:most]
                del self._received[:most]
            if self._held:
                self._held = False
                self.transport.resumeProducing()
            return data

        # -- writing

        def pauseProducing(self) -> None:  # noqa: N802
            self._full = True

        def resumeProducing(self) -> None:  # noqa: N802
            self._full = False
            self._wake()

        def stopProducing(self) -> None:  # noqa: N802
            pass

        async def drain(self) -> None:
            while self._full and not self._ended:
                await self._wait()

        async def close(self) -> None:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            while not self._ended:
                await self._wait()

        # -- waiting

        def _wait(self) -> Any:
            self._waiting.append(Deferred())
            return self._waiting[-1]

        def _wake(self) -> None:
            # Who is woken runs at once, and may wait again.
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

        async def tick(self) -> None:
            await task.deferLater(reactor, 0)

    return Made()


STACKS: dict[str, Callable[[Files], Stack]] = {
    "plain TCP": lambda files: Asyncio(files, tls=False),
    "asyncio": Asyncio,
    "uvloop": lambda files: Asyncio(files, run=_run_uvloop),
    "trio": Trio,
    "Twisted": Twisted,
    "tlskit": Tlskit,
    "tlskit on uvloop": lambda files: Tlskit(files, run=_run_uvloop),
}
_NEEDS = {
    "uvloop": "uvloop",
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
