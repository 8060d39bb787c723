"""``serve``: accepts TLS clients; none of them delays another."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from ..context.sides import ServerContext, server_context
from ..errors.whereabouts import place_of, told
from ..ports.coroutines import shaken
from ..ports.engines import new_engine
from ..ports.opening import endpoints_of
from ..server.listening import (
    MOST_HANDSHAKES,
    LoopServer,
    check_credentials,
    check_serving,
    listening_socket,
)
from ..server.tally import Meter
from ..tools.deadline import Deadline
from .carriers import SocketCarrier
from .opening import port_over
from .port import TrioSSLPort

if TYPE_CHECKING:
    import socket

__all__ = ["Handler", "TrioServer", "serve"]

Handler = Callable[[TrioSSLPort], Awaitable[object]]

_log = logging.getLogger("tlskit.trio")

#: How long, in seconds, until accepting is tried again when it failed, as it
#: does while there are no more descriptors to be had.
_PAUSE = 0.1
#: How long, in seconds, ``shutdown`` lets handlers go on.
_GRACE = 10.0


class TrioServer(LoopServer["trio.CancelScope"]):
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
        self._slots = trio.Semaphore(max_handshakes)
        self._accepting = trio.CancelScope()
        self._over = trio.Event()

    # -- accepting ----------------------------------------------------------

    async def _run(self, started: Callable[[TrioServer], object]) -> None:
        """Serve until closed, and until nobody is served any more."""
        self._renewal.begin(self._context)
        try:
            async with trio.open_nursery() as nursery:
                started(self)
                with self._accepting:
                    await self._accept(nursery)
        finally:
            self._closed = True
            self._renewal.end()
            self._sock.close()
            self._over.set()

    async def _accept(self, nursery: trio.Nursery) -> None:
        try:
            while True:
                await self._slots.acquire()
                try:
                    sock = await self._next()
                except BaseException:
                    self._slots.release()
                    raise
                nursery.start_soon(self._meet, sock)
        finally:
            self._sock.close()

    async def _next(self) -> socket.socket:
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            try:
                found: socket.socket = self._sock.accept()[0]
            except (BlockingIOError, ConnectionAbortedError):
                continue  # It has gone again.
            except OSError as error:
                _log.warning("no client can be accepted now: %s", error)
                await trio.sleep(_PAUSE)
            else:
                return found

    async def _meet(self, sock: socket.socket) -> None:
        """Shake hands with one client, and serve it."""
        meter = self._tally.meter()
        try:
            port = await self._met(sock, meter)
            if port is not None:
                await self._serve(port)
        finally:
            meter.stop()

    async def _met(
        self, sock: socket.socket, meter: Meter
    ) -> TrioSSLPort | None:
        since = time.monotonic()
        with trio.CancelScope() as scope:
            self._shaking.add(scope)
            try:
                port = await self._shake(sock, meter)
            except Exception as error:
                self._refused(error)
                _tell(error, "a client failed")
            except trio.Cancelled:
                self._tally.refuse("closed")
                raise
            else:
                self._tally.shaken(time.monotonic() - since)
                return port
            finally:
                self._shaking.discard(scope)
                self._slots.release()
        return None

    async def _serve(self, port: TrioSSLPort) -> None:
        with trio.CancelScope() as scope:
            self._serving.add(scope)
            try:
                async with port:
                    await self._handler(port)
            except Exception as error:
                self._tally.count("failed_handlers")
                _tell(error, "a client was lost", port.peer)
            finally:
                self._serving.discard(scope)

    async def _shake(self, sock: socket.socket, meter: Meter) -> TrioSSLPort:
        try:
            endpoints = endpoints_of(sock)
            engine = new_engine(
                self._context, server_side=True, hostname=None, alpn=()
            )
            carrier = _Metered(sock, meter)
        except BaseException:
            sock.close()
            raise
        port = port_over(
            engine,
            carrier,
            endpoints=endpoints,
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
        for scope in (self._accepting, *self._shaking):
            scope.cancel()

    async def wait_closed(self) -> None:
        """Wait until it is closed, and nobody is served any more."""
        await self._over.wait()

    async def shutdown(self, timeout: float = _GRACE) -> None:
        """Close, and give those who are being served some time.

        Not to be called by a handler, which would wait for itself.

        Args:
            timeout: How long, in seconds; their handlers are cancelled then.
        """
        self.close()
        try:
            with trio.move_on_after(timeout):
                await self.wait_closed()
        finally:
            for scope in self._serving:
                scope.cancel()
        await self.wait_closed()


class _Metered(SocketCarrier):
    """A client's socket whose bytes are counted."""

    def __init__(self, sock: socket.socket, meter: Meter) -> None:
        super().__init__(sock)
        self._meter = meter

    def read_into(self, buffer: memoryview) -> int | None:
        size = super().read_into(buffer)
        self._meter.received += size or 0
        return size

    def write(self, data: memoryview) -> int | None:
        size = super().write(data)
        self._meter.sent += size or 0
        return size


def _tell(
    error: Exception, what: str, peer: tuple[str, int] | None = None
) -> None:
    """Log what clients do, and what is our fault with its traceback."""
    words = told(error, None if peer is None else place_of(peer))
    expected = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
    if isinstance(error, expected):
        _log.info("%s: %s", what, words)
    else:
        _log.error("%s: %s", what, words, exc_info=error)


async def serve(
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
    task_status: trio.TaskStatus[TrioServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve TLS clients, each in a task of its own, until cancelled.

    ``server = await nursery.start(tlskit.trio.serve, handler)`` gives the
    server as soon as it listens.

    Args:
        handler: A coroutine function, called with each client's port.  When
            it is over, the port is closed.
        host: The local name or address to listen on; None for all, of IPv4
            and IPv6.
        port: The TCP port; 0 takes a free one, see ``TrioServer.port``.
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
        task_status: As ``nursery.start`` gives it.

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
        found = await trio.socket.getaddrinfo(host, None)
        host = str(found[0][4][0])
    server = TrioServer(
        listening_socket(port, backlog, reuse, host),
        handler,
        chosen,
        handshake_timeout=handshake_timeout,
        max_handshakes=max_handshakes,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
    )
    await server._run(task_status.started)
