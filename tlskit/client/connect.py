"""``connect``: look-up, TCP and handshake under one deadline."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from ..context.sides import ClientContext
from ..errors.whereabouts import located
from ..ports.opening import endpoints_of, open_port
from ..ports.port import SSLPort
from ..ports.transport import SocketTransport, Transport, tune
from ..tools.threads import elsewhere
from ..verify.identity import Identity
from .conversation import talk
from .opening import OPENING, Address, Race, Route
from .wrapping import PortTransport

__all__ = ["connect"]

# It waits for a handful of sockets, once; epoll would be four calls more.
_Selector = getattr(selectors, "PollSelector", selectors.DefaultSelector)


def connect(
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
) -> SSLPort:
    """Connect to a TLS server.

    The addresses of *host* are tried as RFC 8305 (Happy Eyeballs) has it.
    Ctrl-C interrupts it anywhere, and no
    failure leaves a socket behind.

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

    Source: ``ssl-connect``, ``ssl-connect/enable-break``,
    ``make-client-tls-socket``.
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
    while True:
        made = _open(route, shutdown_on_close, session_of)
        try:
            if handshake:
                with made._during("handshake"):
                    made._driver.handshake(route.deadline)
        except BaseException as error:
            try:
                made.close()
            finally:  # Also if that is interrupted.
                made._driver.transport.close()
            if not made._engine.resumed_in_vain(error):
                raise
            # Nothing was sent, and no session will be offered now.
            session_of = None
        else:
            return made


def _open(
    route: Route, shutdown_on_close: bool, session_of: object
) -> SSLPort:
    """Open TCP, and a port over it."""
    sock = _dial(route)
    try:
        with located(route.peer, "proxy"):
            transport = _through(route, sock)
        made = open_port(
            route.context,
            transport,
            server_side=False,
            hostname=route.name,
            alpn=route.alpn,
            timeout=route.timeout,
            shutdown_on_close=shutdown_on_close,
            endpoints=endpoints_of(sock, route.dialled[0]),
            dialled=route.dialled,
            identity=route.identity,
            session_of=session_of,
        )
    except BaseException:
        sock.close()
        raise
    made._called = route.peer
    return made


def _through(route: Route, sock: socket.socket) -> Transport:
    """Have the proxy connect us, if there is one."""
    tune(sock)
    transport: Transport = SocketTransport(sock)
    proxy = route.proxy
    if proxy is None:
        return transport
    if proxy.secured:
        outer = open_port(
            ClientContext.secure(),
            transport,
            server_side=False,
            hostname=proxy.host,
            endpoints=endpoints_of(sock, proxy.host),
        )
        outer._driver.handshake(route.deadline)
        transport = PortTransport(outer, close=True)
    talk(transport, proxy.conversation(*route.target), route.deadline)
    return transport


def _dial(route: Route) -> socket.socket:
    """Try the addresses until one answers."""
    with located(route.peer, route.phase("connect")):
        if route.path is not None:
            return _dial_path(route, route.path)
        with located(route.peer, route.phase("resolve")):
            found = _look_up(route)
        return _raced(route, Race(route, found))


def _raced(route: Route, race: Race) -> socket.socket:
    attempts: dict[socket.socket, Address] = {}
    won: socket.socket | None = None
    try:
        with _Selector() as selector:
            while won is None:
                while (address := race.next()) is not None:
                    _begin(route, race, address, attempts, selector)
                race.check()
                won = _finished(route, race, attempts, selector)
    except BaseException:
        won = None  # Whom nobody will get any more.
        raise
    finally:
        for sock in attempts:
            if sock is not won:
                sock.close()
    assert won is not None
    return won


def _begin(
    route: Route,
    race: Race,
    address: Address,
    attempts: dict[socket.socket, Address],
    selector: selectors.BaseSelector,
) -> None:
    if route.deadline.left() == 0.0:
        raise race.late()
    sock = None
    try:
        sock = address.socket(route.source_address)
        attempts[sock] = address
        with suppress(BlockingIOError):
            sock.connect(address.place)
        selector.register(sock, selectors.EVENT_WRITE)
    except OSError as error:
        if sock is not None:
            del attempts[sock]
            sock.close()
        race.failed(address, error)


def _finished(
    route: Route,
    race: Race,
    attempts: dict[socket.socket, Address],
    selector: selectors.BaseSelector,
) -> socket.socket | None:
    """Wait for an attempt to end, or for the next one to be due."""
    pause = race.pause()
    deadline = route.deadline
    waited = deadline if pause is None else deadline.sooner(pause)
    ready = selector.select(waited.left())
    for key, _ in ready:
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not number:
            return sock
        selector.unregister(sock)
        race.failed(attempts.pop(sock), OSError(number, os.strerror(number)))
        sock.close()
    if not ready and deadline.left() == 0.0:
        raise race.late()
    return None


def _dial_path(route: Route, path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        route.deadline.check(route.doing)
        sock.settimeout(route.deadline.left())
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _look_up(route: Route) -> Sequence[Any]:
    """Resolve a name; the system's resolver knows no deadline of its own."""
    host, port = route.contact
    found = route.numeric()
    if found is not None:
        return found

    def ask() -> Sequence[Any]:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    if route.deadline.moment is None:
        return ask()
    try:
        return elsewhere(ask, route.deadline.left())
    except TimeoutError:
        raise TimeoutError(f"timed out while looking up {host!r}") from None
