"""``open_connection``: look-up, TCP and handshake under one deadline."""

from __future__ import annotations

from collections.abc import Iterable

from ..client.opening import OPENING, Route, reached
from ..context.sides import ClientContext
from ..errors.whereabouts import located
from ..ports.opening import endpoints_of
from ..verify.identity import Identity
from .dialling import dialled, joined
from .opening import port_over
from .port import TrioSSLPort

__all__ = ["open_connection"]


async def open_connection(
    host: str,
    port: int = 443,
    context: ClientContext | str = "secure",
    *,
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = OPENING,
    hostname: str | None = None,
    handshake: bool = True,
    shutdown_on_close: bool = True,
    source_address: tuple[str, int] | None = None,
    proxy: str | None = None,
    happy_eyeballs_delay: float | None = 0.25,
    identity: Identity | None = None,
    session_of: object = None,
) -> TrioSSLPort:
    """Connect to a TLS server.

    The addresses of *host* are tried as RFC 8305 (Happy Eyeballs) has it.
    No failure, and no cancellation, leaves
    a socket behind.

    Args:
        host: A host name or an IP address; or ``"unix:"`` and the path of a
            socket, which has no name to check but *hostname*.
        port: The TCP port, 1 to 65535.
        context: A ``ClientContext``, or the name of a protocol.  The default
            verifies certificate and host name.
        alpn: Application protocols to offer, the preferred first.
        timeout: One deadline, in seconds, for look-up, TCP, proxy and
            handshake together; None is none.  If it is given, it is also the
            port's time-out later; the default leaves the port without one.
        hostname: The name to announce and to check, if it is not *host*.
        handshake: False leaves it to the port's ``handshake()``.
        shutdown_on_close: Whether closing sends a close_notify.
        source_address: Our own ``(host, port)``.
        proxy: Who connects us to the server, and resolves its name:
            ``"http://[user:password@]host:port"`` (CONNECT),
            ``"https://..."`` (the same, over TLS that the default context
            verifies), ``"socks5://..."`` (with the extra ``socks``), or
            ``"HTTPS_PROXY"`` for the proxy that the environment names, if
            any, but for hosts in ``NO_PROXY``.  None connects directly.
        happy_eyeballs_delay: How long, in seconds, an address may keep
            silent before the next one is tried beside it (RFC 8305), 0.01 at
            least; None tries the next only after a failure.
        identity: Whom the peer has to prove to be, instead of a host name:
            ``Identity.uri("spiffe://...")`` and the like.  *hostname* is then
            the server name to announce, and nothing else; without it a URI
            or a service announces none.
        session_of: Another client's port, as the control connection of
            FTPS: its session is resumed, whatever the TCP port, if it came
            about by the same rules: settings of the context, name to check,
            protocols offered.  If not, or if the server does not want to,
            the handshake is a full one.

    Returns:
        The port, with its handshake done.

    Raises:
        HandshakeError: No session came about; above all
            ``VerificationError`` and ``IdentityError``.
            A proxy that refuses has the code ``"proxy-refused"``.
        TimeoutError: The deadline passed.
        OSError: The look-up or TCP failed; the message has each address that
            was tried, and why it failed.
        ConfigurationError: *host* or *hostname* can be no host name.
        UnsupportedError: A SOCKS proxy needs a package that is missing.
        ValueError: An argument is empty or out of its range.
        TypeError: *session_of* is no client's port.

    Source: ``connect``, whose arguments it has.
    """
    route = Route.of(
        host,
        port,
        context,
        alpn=alpn,
        timeout=timeout,
        hostname=hostname,
        source_address=source_address,
        proxy=proxy,
        happy_eyeballs_delay=happy_eyeballs_delay,
        identity=identity,
    )
    return await reached(
        route,
        lambda session: _open(route, shutdown_on_close, session),
        session_of,
        handshake=handshake,
    )


async def _open(
    route: Route, shutdown_on_close: bool, session_of: object
) -> TrioSSLPort:
    """Open TCP, and a port over it."""
    engine = route.engine(session_of)
    with located(route.peer, route.phase("connect")):
        sock = await dialled(route)
    try:
        endpoints = endpoints_of(sock, route.dialled[0])
        with located(route.peer, "proxy"):
            carrier = await joined(route, sock)
    except BaseException:
        sock.close()
        raise
    made = port_over(
        engine,
        carrier,
        endpoints=endpoints,
        timeout=route.timeout,
        shutdown_on_close=shutdown_on_close,
    )
    made._called = route.peer
    return made
