"""``start_tls``: TLS over a stream that exists already (STARTTLS)."""

from __future__ import annotations

from collections.abc import Iterable

import trio

from ..context.sides import ClientContext, ServerContext
from ..errors import ClosedError
from ..ports.coroutines import shaken
from ..ports.engines import alpn_offer, new_engine
from ..ports.opening import endpoints_of
from ..ports.transport import adopted
from ..ports.view import Endpoints
from ..tools.deadline import Deadline
from ..verify.identity import Identity
from .carriers import Carrier, PortCarrier, SocketCarrier, StreamCarrier
from .opening import port_over
from .port import TrioSSLPort

__all__ = ["start_tls"]


async def start_tls(
    stream: trio.abc.Stream,
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
) -> TrioSSLPort:
    """Upgrade a stream in place.

    The stream belongs to the port from now on: nothing else may read it or
    write to it, and closing the port closes it.  So does a handshake that
    fails.  Of a ``trio.SocketStream`` the socket is taken, and the stream
    left empty.

    Args:
        stream: A ``trio.SocketStream``, another port (TLS in TLS), or any
            other stream of trio's.
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
        pending: Bytes of the handshake that were read already.
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
    if not isinstance(stream, trio.abc.Stream):
        raise TypeError(f"a stream of trio's is wanted, not {stream!r}")
    names = alpn_offer(alpn, server_side=server_side)
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
        await trio.aclose_forcefully(stream)
        raise
    carrier, endpoints = _carrier_of(stream, hostname)
    if pending:
        engine.receive(pending)
    port = port_over(
        engine,
        carrier,
        endpoints=endpoints,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
    )
    return await shaken(port, Deadline.after(timeout))


def _carrier_of(
    stream: trio.abc.Stream, hostname: str | None
) -> tuple[Carrier, Endpoints | None]:
    """Take *stream* over."""
    if isinstance(stream, TrioSSLPort):
        stream._driver.check_open()
        return PortCarrier(stream), stream._endpoints
    if not isinstance(stream, trio.SocketStream):
        return StreamCarrier(stream), None
    number = stream.socket.detach()
    if number < 0:
        raise ClosedError("this stream was closed; there is nothing to secure")
    sock = adopted(number)
    try:
        return SocketCarrier(sock), endpoints_of(sock, hostname)
    except BaseException:
        sock.close()
        raise
