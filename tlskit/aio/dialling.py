"""Opening a transport: the moves; ``client.opening`` decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..client.conversation import speak
from ..client.opening import Address, Race, Route
from ..client.proxies import Proxy
from ..context.sides import ClientContext
from ..errors.whereabouts import located
from ..ports.coroutines import shaken
from ..ports.engines import new_engine
from .driver import AsyncDriver
from .nested import PortTransport
from .opening import port_over, within
from .sockets import attached

if TYPE_CHECKING:
    import socket

__all__ = ["opened"]


async def opened(route: Route, driver: AsyncDriver) -> asyncio.Transport:
    """Bring *driver* to the server, or through the proxy to it.

    Raises:
        OSError: The look-up, TCP or the proxy failed.
        TimeoutError: The route's deadline passed.
    """
    loop = asyncio.get_running_loop()
    if route.path is not None:
        with within(route.deadline, route.doing):
            transport, _ = await loop.create_unix_connection(
                lambda: driver, route.path
            )
        return transport
    with located(route.peer, route.phase("resolve")):
        with within(route.deadline, route.doing):
            found = await _look_up(route)
    race = Race(route, found)
    with within(route.deadline, lambda: race.doing):
        sock = await _dialled(route, race)
    try:
        with within(route.deadline, route.doing):
            return await _joined(route, sock, driver)
    except BaseException:
        sock.close()
        raise


async def _joined(
    route: Route, sock: socket.socket, driver: AsyncDriver
) -> asyncio.Transport:
    """Have the proxy connect us, if there is one, and hand the socket over."""
    if route.proxy is not None and route.proxy.secured:
        return await _nested(route, route.proxy, sock, driver)
    if route.proxy is not None:
        await _ask(route, route.proxy, sock)
    return await attached(asyncio.get_running_loop(), sock, driver)


async def _dialled(route: Route, race: Race) -> socket.socket:
    """Try the addresses until one answers."""
    attempts: dict[asyncio.Task[socket.socket], Address] = {}
    try:
        while True:
            while (address := race.next()) is not None:
                task = asyncio.ensure_future(_attempt(route, address))
                attempts[task] = address
            race.check()
            done, _ = await asyncio.wait(
                attempts,
                timeout=race.pause(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                error = task.exception()
                if error is None:
                    del attempts[task]
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                race.failed(attempts.pop(task), error)
    finally:
        await _given_up(attempts)


async def _given_up(
    attempts: dict[asyncio.Task[socket.socket], Address],
) -> None:
    """End the attempts that nobody needs, and close what they won."""
    for task in attempts:
        task.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            outcome.close()


async def _attempt(route: Route, address: Address) -> socket.socket:
    sock = address.socket(route.source_address)
    try:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, address.place)
    except BaseException:
        sock.close()
        raise
    return sock


async def _look_up(route: Route) -> Sequence[Any]:
    host, port = route.contact
    found = route.numeric()
    if found is not None:
        return found
    return await asyncio.get_running_loop().getaddrinfo(
        host, port, type=route.kind
    )


async def _ask(route: Route, proxy: Proxy, sock: socket.socket) -> None:
    """Have the proxy connect us."""
    loop = asyncio.get_running_loop()
    conversation = proxy.conversation(*route.target)
    while not conversation.done:
        await loop.sock_sendall(sock, conversation.outgoing())
        conversation.receive(await loop.sock_recv(sock, 4096))


async def _nested(
    route: Route, proxy: Proxy, sock: socket.socket, driver: AsyncDriver
) -> asyncio.Transport:
    """Have a proxy that we speak TLS with connect us."""
    conversation = proxy.conversation(*route.target)
    outer_driver = AsyncDriver(
        new_engine(
            ClientContext.secure(),
            server_side=False,
            hostname=proxy.host,
            alpn=(),
        )
    )
    transport = await attached(asyncio.get_running_loop(), sock, outer_driver)
    made = port_over(
        outer_driver,
        transport,
        hostname=proxy.host,
    )
    outer = await shaken(made, route.deadline)
    await speak(outer, conversation)
    nested = PortTransport(outer)
    driver.take_over(nested, kept=outer)
    return nested
