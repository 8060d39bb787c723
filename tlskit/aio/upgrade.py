"""``start_tls``: TLS over a stream that exists already (STARTTLS)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

from ..context.sides import ClientContext, ServerContext
from ..errors import ClosedError
from ..ports.coroutines import shaken
from ..ports.engines import alpn_offer, new_engine
from ..tools.deadline import Deadline
from ..verify.identity import Identity
from .driver import AsyncDriver
from .nested import PortTransport
from .opening import port_over
from .port import AsyncSSLPort

__all__ = ["start_tls"]

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def start_tls(
    stream: asyncio.Transport | _Streams | AsyncSSLPort,
    context: ClientContext | ServerContext,
    *,
    server_side: bool = False,
    hostname: str | None = None,
    identity: Identity | None = None,
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = None,
    shutdown_on_close: bool = True,
    pending: bytes = b"",
    session_of: object = None,
) -> AsyncSSLPort:
    """Upgrade a stream in place.

    The stream belongs to the port from now on: nothing else may read it or
    write to it, and closing the port closes it.  So does a handshake that
    fails.  Bytes that a ``StreamReader`` holds already are the first of the
    handshake.

    Args:
        stream: A transport; a pair of streams, as ``asyncio.open_connection``
            gives them; or another port (TLS in TLS).
        context: A ``ClientContext``, or a ``ServerContext`` with
            *server_side*.
        server_side: Whether we are the server.
        hostname: Whom we want to reach.
        identity: Whom the peer has to prove to be, instead of a host name:
            ``Identity.uri("spiffe://...")`` and the like.  *hostname* is then
            the server name to announce, and nothing else; without it a URI
            or a service announces none.
        alpn: Application protocols to offer; only for a client.
        timeout: How long the handshake may take, in seconds.  It is also the
            port's time-out later.
        shutdown_on_close: Whether closing sends a close_notify.
        pending: Bytes of the handshake that were read from a transport.
        session_of: As for ``open_connection()``.

    Returns:
        The port, with its handshake done.

    Raises:
        HandshakeError: There is no session.
        TimeoutError: The time is over.
        ClosedError: The stream is closed.
        ConfigurationError: *context* is for the other side, or it checks
            host names and there is none.
        OSError: The stream broke.
        TypeError: *stream* is none.

    Source: ``SSLPort.start_tls``.
    """
    names = alpn_offer(alpn, server_side=server_side)
    transport = _transport_of(stream)
    if transport.is_closing():
        raise ClosedError("this stream was closed; there is nothing to secure")
    try:
        engine = new_engine(
            context,
            server_side=server_side,
            hostname=hostname,
            alpn=names,
            identity=identity,
            session_of=session_of,
        )
    except BaseException:
        transport.close()
        raise
    driver = AsyncDriver(engine)
    if pending:
        driver.engine.receive(pending)
    _hand_over(stream, transport, driver)
    port = port_over(
        driver,
        transport,
        hostname=hostname,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
    )
    return await shaken(port, Deadline.after(timeout))


def _transport_of(
    stream: asyncio.Transport | _Streams | AsyncSSLPort,
) -> asyncio.Transport:
    if isinstance(stream, AsyncSSLPort):
        return PortTransport(stream)
    if isinstance(stream, tuple) and len(stream) == 2:
        transport = getattr(stream[1], "transport", None)
    else:
        transport = stream
    if not hasattr(transport, "is_closing"):
        raise TypeError(
            f"a stream is a transport, a reader and writer, or a port; not "
            f"{stream!r}"
        )
    return cast("asyncio.Transport", transport)


def _hand_over(
    stream: asyncio.Transport | _Streams | AsyncSSLPort,
    transport: asyncio.Transport,
    driver: AsyncDriver,
) -> None:
    """Have *driver* hear of all that comes from now on, and came already."""
    if isinstance(stream, AsyncSSLPort):
        ahead = stream._take_all()
        if ahead:  # Nothing would be the end.
            driver.engine.receive(ahead)
        driver.take_over(transport, kept=stream)
        return
    transport.pause_reading()
    if not isinstance(stream, tuple):
        driver.take_over(transport)
    else:
        reader, _ = stream
        # A writer that is forgotten closes its transport.
        previous = transport.get_protocol()
        driver.take_over(transport, kept=stream, previous=previous)
        for piece in _held_by(reader):
            driver.feed(piece)
        if reader.at_eof():
            driver.eof_received()
    transport.resume_reading()


def _held_by(reader: asyncio.StreamReader) -> Iterable[bytes]:
    """Take what *reader* has, without waiting for more.

    Only ``read`` tells, which gives what is there at once, and else begins to
    wait; then it is told to stop.
    """
    while True:
        reading = reader.read(65536)
        try:
            reading.send(None)
        except StopIteration as done:
            if not done.value:
                return
            yield done.value
        else:
            reading.close()
            return
