"""Twisted's TLS, which is pyOpenSSL's over memory, for coroutines.

This module needs Twisted; ``coroutines`` imports it if it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet import endpoints, protocol, ssl, task
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredQueue, ensureDeferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from .coroutines import Talk
from .credentials import HOST, Files

__all__ = ["Twisted"]

reactor: Any = _reactor  # Its type depends on the platform.
_LOCAL = "127.0.0.1"
#: Twisted holds back nobody by itself; asyncio's streams do at this size.
_MOST_AHEAD = 128 * 1024


class Twisted:
    """Twisted's own reactor, and endpoints that speak TLS."""

    def __init__(self, files: Files) -> None:
        own = Path(files.key).read_bytes() + Path(files.chain).read_bytes()
        root = ssl.Certificate.loadPEM(Path(files.root).read_bytes())
        self._server = ssl.PrivateCertificate.loadPEM(own).options()
        self._client = ssl.optionsForClientTLS(HOST, trustRoot=root)

    def serve(self, talk: Talk, announce: Callable[[int], None]) -> None:
        """Announce a TCP port, and talk to one client."""

        async def main() -> None:
            clients: DeferredQueue[Joined] = DeferredQueue()
            factory = protocol.Factory.forProtocol(lambda: Joined(clients.put))
            endpoint = endpoints.SSL4ServerEndpoint(
                reactor, 0, self._server, interface=_LOCAL
            )
            listening: Any = await endpoint.listen(factory)
            announce(listening.getHost().port)
            client = await clients.get()
            await talk(client)
            await client.close()

        _run(main)

    def connect(self, port: int, talk: Talk) -> None:
        """Talk to the server."""

        async def main() -> None:
            endpoint = endpoints.wrapClientTLS(
                self._client,
                endpoints.TCP4ClientEndpoint(reactor, _LOCAL, port),
            )
            made = Joined(lambda _: None)
            await endpoints.connectProtocol(endpoint, made)
            await talk(made)
            await made.close()

        _run(main)


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *main* in the reactor, and raise what it raises."""
    outcome: list[object] = []

    def finish(result: object) -> None:
        outcome.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: ensureDeferred(main()).addBoth(finish))
    reactor.run()
    for each in outcome:
        if isinstance(each, Failure):
            each.raiseException()


@implementer(IPushProducer)
class Joined(protocol.Protocol):
    """A connection that coroutines read and write, with back-pressure.

    Args:
        connected: Called with this when TCP is connected.
    """

    transport: Any

    def __init__(self, connected: Callable[[Any], object]) -> None:
        self._connected = connected
        self._received = bytearray()
        self._ended = self._full = self._held = False
        self._waiting: list[Deferred[None]] = []

    def connectionMade(self) -> None:  # noqa: N802
        """Begin; see Twisted's ``Protocol``."""
        self.write = self.transport.write
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._connected(self)

    @property
    def suite(self) -> str:
        """The cipher that is in use."""
        return str(self.transport.getHandle().get_cipher_name())

    # -- reading ------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Keep it, and hold back a peer that is too fast."""
        self._received += data
        if len(self._received) >= _MOST_AHEAD:
            self._held = True
            self.transport.pauseProducing()
        self._wake()

    def connectionLost(self, _reason: Any = None) -> None:  # noqa: N802
        """End; a stream that is too short shows by its length."""
        self._ended = True
        self._wake()

    async def read(self, most: int) -> bytes:
        """Read what is there, at least a byte; nothing at the end."""
        while not self._received and not self._ended:
            await self._wait()
        data = bytes(memoryview(self._received)[:most])
        del self._received[:most]
        if self._held:
            self._held = False
            self.transport.resumeProducing()
        return data

    # -- writing ------------------------------------------------------------

    def pauseProducing(self) -> None:  # noqa: N802
        """Write no more for now."""
        self._full = True

    def resumeProducing(self) -> None:  # noqa: N802
        """Go on."""
        self._full = False
        self._wake()

    def stopProducing(self) -> None:  # noqa: N802
        """Do nothing: whoever writes is told by ``connectionLost``."""

    async def drain(self) -> None:
        """Wait while the peer takes no more."""
        while self._full and not self._ended:
            await self._wait()

    async def close(self) -> None:
        """Send what is left, and close."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        while not self._ended:
            await self._wait()

    # -- waiting ------------------------------------------------------------

    async def tick(self) -> None:
        """Let the reactor have a turn."""
        await task.deferLater(reactor, 0)

    def _wait(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _wake(self) -> None:
        # Who is woken runs at once, and may wait again.
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
