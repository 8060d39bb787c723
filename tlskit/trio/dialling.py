"""Opening a socket: the moves; ``client.opening`` decides."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from ..client.conversation import speak
from ..client.opening import Address, Race, Route
from ..client.proxies import Proxy
from ..context.sides import ClientContext
from ..errors.whereabouts import located
from ..ports.coroutines import shaken
from ..ports.engines import new_engine
from .carriers import Carrier, PortCarrier, SocketCarrier
from .opening import port_over
from .waiting import within

if TYPE_CHECKING:
    import socket

    from ..client.conversation import Conversation

__all__ = ["dialled", "joined"]

#: How long, in seconds, until a full backlog is tried again.
_PAUSE = 0.05


async def dialled(route: Route) -> socket.socket:
    """Connect to the server, or to the proxy.

    Raises:
        OSError: The look-up or TCP failed.
        TimeoutError: The route's deadline passed.
    """
    if route.path is not None:
        with within(route.deadline, route.doing):
            return await _to_path(route, route.path)
    with located(route.peer, route.phase("resolve")):
        with within(route.deadline, route.doing):
            found = await _look_up(route)
    race = Race(route, found)
    with within(route.deadline, lambda: race.doing):
        return await _raced(route, race)


async def joined(route: Route, sock: socket.socket) -> Carrier:
    """Have the proxy connect us, if there is one.

    Raises:
        OSError: The proxy failed, or refused.
        TimeoutError: The route's deadline passed.
    """
    with within(route.deadline, route.doing):
        if route.proxy is None:
            return SocketCarrier(sock)
        conversation = route.proxy.conversation(*route.target)
        if route.proxy.secured:
            return await _nested(route, route.proxy, sock, conversation)
        carrier = SocketCarrier(sock)
        while not conversation.done:
            await _say(carrier, conversation.outgoing())
            conversation.receive(await _hear(carrier))
        return carrier


async def _say(carrier: SocketCarrier, data: bytes) -> None:
    view = memoryview(data)
    while view:
        size = carrier.write(view)
        if size is None:
            await carrier.wait_write()
        else:
            view = view[size:]


async def _hear(carrier: SocketCarrier) -> bytes:
    buffer = memoryview(bytearray(4096))
    while (size := carrier.read_into(buffer)) is None:
        await carrier.wait_read()
    return bytes(buffer[:size])


async def _nested(
    route: Route,
    proxy: Proxy,
    sock: socket.socket,
    conversation: Conversation,
) -> PortCarrier:
    """Have a proxy that we speak TLS with connect us."""
    engine = new_engine(
        ClientContext.secure(),
        server_side=False,
        hostname=proxy.host,
        alpn=(),
    )
    carrier = SocketCarrier(sock)
    outer = await shaken(port_over(engine, carrier), route.deadline)
    await speak(outer, conversation)
    return PortCarrier(outer)


async def _raced(route: Route, race: Race) -> socket.socket:
    """Try the addresses until one answers."""
    attempts = _Attempts(route, race)
    try:
        async with trio.open_nursery() as nursery:
            await attempts.go_on(nursery)
            nursery.cancel_scope.cancel()
    except BaseException:
        for sock in attempts.won:
            sock.close()
        raise
    return attempts.winner()


class _Attempts:
    """The attempts of one race, and what became of them."""

    def __init__(self, route: Route, race: Race) -> None:
        self.won: list[socket.socket] = []
        self._failure: Exception | None = None
        self._route = route
        self._race = race
        self._news = trio.Event()

    async def go_on(self, nursery: trio.Nursery) -> None:
        """Begin attempts as they are due, until one has decided the race."""
        race = self._race
        while not self.won and self._failure is None:
            while (address := race.next()) is not None:
                nursery.start_soon(self._try, address)
            try:
                race.check()
            except OSError as error:
                self._failure = error
                return
            pause = race.pause()
            with trio.move_on_after(math.inf if pause is None else pause):
                await self._news.wait()
            self._news = trio.Event()

    async def _try(self, address: Address) -> None:
        try:
            self.won.append(await _attempt(self._route, address))
        except OSError as error:
            self._race.failed(address, error)
        except Exception as error:
            self._failure = error
        self._news.set()

    def winner(self) -> socket.socket:
        """Give the first that has won, and close who came second.

        Raises:
            OSError: Nobody has.
        """
        if not self.won:
            assert self._failure is not None
            raise self._failure
        first, *others = self.won
        for sock in others:
            sock.close()
        return first


async def _attempt(route: Route, address: Address) -> socket.socket:
    sock = address.socket(route.source_address)
    try:
        with suppress(BlockingIOError):
            sock.connect(address.place)
        await trio.lowlevel.wait_writable(sock)
        number = sock.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_ERROR)
    except BaseException:
        sock.close()
        raise
    if number:
        sock.close()
        raise OSError(number, os.strerror(number))
    return sock


async def _to_path(route: Route, path: str) -> socket.socket:
    """Connect to a socket of the file system."""
    address = Address(trio.socket.AF_UNIX, route.kind, 0, path)
    sock = address.socket(None)
    try:
        while True:
            try:
                sock.connect(address.place)
            except BlockingIOError:  # Its backlog is full; nobody tells when
                await trio.sleep(_PAUSE)  # there is room again.
            else:
                await trio.lowlevel.checkpoint()
                return sock
    except BaseException:
        sock.close()
        raise


async def _look_up(route: Route) -> Sequence[Any]:
    host, port = route.contact
    found = route.numeric()
    if found is not None:
        return found
    return await trio.socket.getaddrinfo(host, port, type=route.kind)
