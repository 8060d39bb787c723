"""``connect``: look-up, TCP and handshake under one deadline."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from ..context.sides import ClientContext, client_context
from ..policy.settings import alpn_names
from ..ports.port import SSLPort, endpoints_of, open_port
from ..ports.transport import SocketTransport, tune
from ..tools.deadline import Deadline
from ..verify.identity import Identity

__all__ = ["checked_target", "connect"]

_AddressInfo = Sequence[tuple[Any, Any, Any, Any, Any]]


def connect(
    host: str,
    port: int = 443,
    context: ClientContext | str = "secure",
    *,
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = None,
    hostname: str | None = None,
    handshake: bool = True,
    shutdown_on_close: bool = True,
    source_address: tuple[str, int] | None = None,
) -> SSLPort:
    """Connect to a TLS server.

    Each address of *host* is tried.  Ctrl-C interrupts it anywhere, and no
    failure leaves a socket behind.

    Args:
        host: A host name or an IP address.
        port: The TCP port, 1 to 65535.
        context: A ``ClientContext``, or the name of a protocol.  The default
            verifies certificate and host name.
        alpn: Application protocols to offer, the preferred first.
        timeout: One deadline, in seconds, for look-up, TCP and handshake
            together; None is none.  It is also the port's time-out later.
        hostname: The name to announce and to check, if it is not *host*.
        handshake: False leaves it to the port's ``handshake()``.
        shutdown_on_close: Whether closing sends a close_notify.
        source_address: Our own ``(host, port)``.

    Returns:
        The port, with its handshake done.

    Raises:
        HandshakeError: No session came about; above all
            ``VerificationError`` and ``IdentityError``.
        TimeoutError: The deadline passed.
        OSError: The look-up or TCP failed.
        ConfigurationError: *host* or *hostname* can be no host name.
        ValueError: An argument is empty or out of its range.

    Source: ``ssl-connect``, ``ssl-connect/enable-break``,
    ``make-client-tls-socket``.
    """
    address = checked_target(host, port)
    names = alpn_names(alpn)
    chosen = client_context(context)
    name = host if hostname is None else hostname
    Identity.parse(name)  # A bad name should not cost a connection.
    deadline = Deadline.after(timeout)
    sock = _dial(address, port, deadline, source_address)
    try:
        tune(sock)
        made = open_port(
            chosen,
            SocketTransport(sock),
            server_side=False,
            hostname=name,
            alpn=names,
            timeout=timeout,
            shutdown_on_close=shutdown_on_close,
            endpoints=endpoints_of(sock, host),
            dialled=(host, port),
        )
    except BaseException:
        sock.close()
        raise
    if handshake:
        try:
            made._driver.handshake(deadline)
        except BaseException:
            made.close()
            raise
    return made


def checked_target(host: str, port: int) -> str:
    """Refuse what can be no address; give what the resolver wants.

    That is A-labels, and IP addresses without brackets.
    """
    if not isinstance(host, str):
        raise TypeError(f"host is a str, not {host!r}")
    if not isinstance(port, int) or not 1 <= port <= 65535:
        raise ValueError(f"port is a number from 1 to 65535, not {port!r}")
    found = Identity.parse(host)
    if found.dns is not None:
        return found.dns.decode("ascii")
    # With its zone, if there is one ("fe80::1%eth0").
    return host.strip("[]")


def _dial(
    host: str,
    port: int,
    deadline: Deadline,
    source_address: tuple[str, int] | None,
) -> socket.socket:
    """Try each address until one answers."""
    last: OSError | None = None
    for family, kind, protocol, _, address in _look_up(host, port, deadline):
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            if source_address is not None:
                sock.bind(source_address)
            sock.settimeout(_some(deadline, f"connecting to {host}:{port}"))
            sock.connect(address)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if not isinstance(error, OSError):
                raise
            last = error
        else:
            sock.settimeout(None)
            return sock
    if last is None:
        raise OSError(f"{host!r} has no address")
    raise last


def _some(deadline: Deadline, doing: str) -> float | None:
    deadline.check(doing)
    return deadline.left()


def _look_up(host: str, port: int, deadline: Deadline) -> _AddressInfo:
    """Resolve *host*; the system's resolver knows no deadline of its own."""

    def ask() -> _AddressInfo:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    if deadline.moment is None:
        return ask()
    answers: queue.Queue[_AddressInfo | BaseException] = queue.Queue()

    def ask_and_tell() -> None:
        try:
            answers.put(ask())
        except BaseException as error:  # Raised by the caller instead.
            answers.put(error)

    threading.Thread(target=ask_and_tell, daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError(f"timed out while looking up {host!r}") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer
