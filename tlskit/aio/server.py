"""``start_server``: accepts TLS clients; none of them delays another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..context.sides import ServerContext, server_context
from ..errors.whereabouts import place_of, told
from ..ports.coroutines import shaken
from ..ports.engines import new_engine
from ..server.listening import (
    MOST_HANDSHAKES,
    LoopServer,
    check_credentials,
    check_serving,
    listening_socket,
)
from ..server.tally import Meter
from ..tools.deadline import Deadline
from .driver import AsyncDriver
from .opening import port_over
from .port import AsyncSSLPort
from .sockets import attached

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["AsyncServer", "Handler", "start_server"]

Handler = Callable[[AsyncSSLPort], Awaitable[object]]

_log = logging.getLogger("tlskit.aio")

#: How long, in seconds, until accepting is tried again when it failed, as it
#: does while there are no more descriptors to be had.
_PAUSE = 0.1
#: How long, in seconds, ``shutdown`` lets handlers go on.
_GRACE = 10.0


class AsyncServer(LoopServer["asyncio.Task[None]"]):
    """Accepts TLS clients, and calls a handler for each.

    The handler gets the port when its handshake is done; when it returns or
    raises, the port is closed.  A client that fails is logged, and counted in
    ``failures``; it keeps nobody waiting.
    """

    def __init__(
        self,
        sock: Any,
        handler: Handler,
        context: ServerContext,
        *,
        handshake_timeout: float | None,
        max_handshakes: int,
        timeout: float | None,
        shutdown_on_close: bool,
    ) -> None:
        super().__init__(
            sock,
            context,
            handshake_timeout=handshake_timeout,
            timeout=timeout,
            shutdown_on_close=shutdown_on_close,
        )
        self._handler = handler
        self._slots = asyncio.Semaphore(max_handshakes)
        self._renewal.begin(context)
        self._accepting = asyncio.get_running_loop().create_task(
            self._accept()
        )
        # A task that is cancelled before it has begun closes nothing.
        self._accepting.add_done_callback(lambda _: sock.close())

    # -- accepting ----------------------------------------------------------

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._slots.acquire()
                sock = await self._next(loop)
                meter = self._tally.meter()
                task = loop.create_task(self._meet(sock, loop, meter))
                self._shaking.add(task)
                task.add_done_callback(partial(self._leave, sock, meter))
        finally:
            self._renewal.end()
            self._sock.close()

    async def _next(self, loop: asyncio.AbstractEventLoop) -> Any:
        while True:
            try:
                sock, _ = await loop.sock_accept(self._sock)
            except ConnectionAbortedError:
                continue  # It has gone again.
            except OSError as error:
                _log.warning("no client can be accepted now: %s", error)
                await asyncio.sleep(_PAUSE)
            else:
                return sock

    async def _meet(
        self, sock: Any, loop: asyncio.AbstractEventLoop, meter: Meter
    ) -> None:
        """Shake hands with one client, and serve it."""
        since = time.monotonic()
        try:
            port = await self._shake(sock, loop, meter)
        except Exception as error:  # noqa: BLE001 - a hook raises anything
            self._refused(error)
            _tell(error, "a client failed", loop)
            return
        self._tally.shaken(time.monotonic() - since)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._forget_handshake(task)
        async with port:
            try:
                await self._handler(port)
            except Exception as error:  # noqa: BLE001 - the handler's own
                self._tally.count("failed_handlers")
                _tell(error, "a client was lost", loop, port.peer)

    def _forget_handshake(self, task: asyncio.Task[None]) -> None:
        if task in self._shaking:
            self._shaking.discard(task)
            self._slots.release()

    def _leave(
        self, sock: Any, meter: Meter, task: asyncio.Task[None]
    ) -> None:
        if task in self._shaking and task.cancelled():
            self._tally.refuse("closed")
        self._forget_handshake(task)
        self._serving.discard(task)
        meter.stop()
        if task.cancelled():  # Perhaps before it could begin.
            sock.close()

    async def _shake(
        self, sock: Any, loop: asyncio.AbstractEventLoop, meter: Meter
    ) -> AsyncSSLPort:
        try:
            engine = new_engine(
                self._context, server_side=True, hostname=None, alpn=()
            )
            driver = AsyncDriver(engine)
            driver.meter = meter
            transport = await attached(loop, sock, driver)
        except BaseException:
            sock.close()
            raise
        port = port_over(
            driver,
            transport,
            timeout=self._timeout,
            shutdown_on_close=self._notify,
        )
        return await shaken(port, Deadline.after(self._patience))

    # -- the end ------------------------------------------------------------

    def close(self) -> None:
        """Accept no more, and drop clients in mid-handshake.

        Those that are being served live on.  A second call is harmless.
        """
        self._closed = True
        self._renewal.end()
        self._accepting.cancel()
        for task in self._shaking:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until it is closed, and nobody is served any more."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)
        if not self._accepting.cancelled():
            self._accepting.result()

    async def shutdown(self, timeout: float = _GRACE) -> None:
        """Close, and give those who are being served some time.

        Args:
            timeout: How long, in seconds; their handlers are cancelled then.
        """
        self.close()
        deadline = Deadline.after(timeout)
        try:
            while (tasks := self._tasks()) and deadline.left():
                await asyncio.wait(tasks, timeout=deadline.left())
        finally:
            for task in self._tasks():
                task.cancel()
        await self.wait_closed()

    async def serve_forever(self) -> None:
        """Serve until ``close()``, or until cancelled; then ``shutdown()``."""
        try:
            await self.wait_closed()
        finally:
            await self.shutdown()

    def _tasks(self) -> set[asyncio.Task[None]]:
        tasks = {self._accepting, *self._shaking, *self._serving}
        me = asyncio.current_task()  # A handler doesn't wait for itself.
        return {each for each in tasks if each is not me and not each.done()}

    async def __aenter__(self) -> Self:
        """Give the server."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Shut it down; without delay, after an exception."""
        await self.shutdown(_GRACE if kind is None else 0)


def _tell(
    error: Exception,
    what: str,
    loop: asyncio.AbstractEventLoop,
    peer: tuple[str, int] | None = None,
) -> None:
    """Log what clients do, and have the loop tell what is our fault."""
    words = told(error, None if peer is None else place_of(peer))
    if isinstance(error, OSError):
        _log.info("%s: %s", what, words)
    else:
        loop.call_exception_handler(
            {"message": f"{what}: {words}", "exception": error}
        )


async def start_server(
    handler: Handler,
    host: str | None = None,
    port: int = 0,
    context: ServerContext | str = "secure",
    *,
    backlog: int = 128,
    reuse: bool = True,
    handshake_timeout: float | None = 10.0,
    max_handshakes: int = MOST_HANDSHAKES,
    timeout: float | None = None,
    shutdown_on_close: bool = True,
) -> AsyncServer:
    """Serve TLS clients, each in a task of its own.

    Args:
        handler: A coroutine function, called with each client's port.  When
            it is over, the port is closed.
        host: The local name or address to listen on; None for all, of IPv4
            and IPv6.
        port: The TCP port; 0 takes a free one, see ``AsyncServer.port``.
        context: A ``ServerContext``, or the name of a protocol.  Later
            clients see what changes in it.
        backlog: How many clients may wait to be accepted.
        reuse: Whether to take over a port whose last owner has just gone.
        handshake_timeout: How long one client's handshake may take, in
            seconds; None is for ever.
        max_handshakes: How many may go on at once; later clients wait in the
            backlog.
        timeout: The time-out of the ports, in seconds; None is none.
        shutdown_on_close: Whether closing a port sends a close_notify.

    Returns:
        The server, which listens already.

    Raises:
        ValueError: An argument is out of its range.
        CredentialError: The context has no certificate.
        OSError: The port can't be had.

    Source: ``listen`` and ``Listener``.
    """
    check_serving(
        handler, handshake_timeout, timeout, max_handshakes=max_handshakes
    )
    chosen = server_context(context)
    check_credentials(chosen)
    if host is not None:
        # Here the look-up delays nobody; the listener's own would.
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
        host = str(found[0][4][0])
    return AsyncServer(
        listening_socket(port, backlog, reuse, host),
        handler,
        chosen,
        handshake_timeout=handshake_timeout,
        max_handshakes=max_handshakes,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
    )
