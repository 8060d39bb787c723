"""How a connection is opened: decided once, for every driver.

``Route`` is the arguments of ``connect``, checked: whom to dial, for whom,
by when.  ``Race`` is RFC 8305 (Happy Eyeballs): which address is tried next
and when, and what to say if all of them fail.  Neither waits: the drivers
do, blocking or on an event loop, and decide nothing.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..context.sides import ClientContext, client_context
from ..errors import UnsupportedError
from ..errors.whereabouts import place_of
from ..policy.settings import alpn_names
from ..ports.coroutines import Coroutines, shaken
from ..ports.engines import new_engine
from ..tools.deadline import Deadline
from ..verify.identity import Identity, checked_identity
from .proxies import ENVIRONMENT, Proxy

if TYPE_CHECKING:
    from ..engine.engine import Engine

__all__ = ["OPENING", "Address", "Race", "Route", "checked_target", "reached"]


class _Opening(float):
    """A deadline for opening that is not the port's later."""


#: The default of ``timeout=``: seconds for look-up, TCP, proxy and handshake.
OPENING: float = _Opening(60.0)

#: RFC 8305, section 5: attempts never follow each other faster, in seconds.
_LEAST_DELAY = 0.01

#: How a host that is a path of the file system begins.
_UNIX = "unix:"


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


@dataclass(frozen=True)
class Route:
    """What a connection is opened by."""

    context: ClientContext
    alpn: tuple[bytes, ...]
    #: The server, as the caller named it.
    dialled: tuple[str, int]
    #: The server, as a resolver or a proxy wants it.
    target: tuple[str, int]
    #: Whom the certificate must name; None on AF_UNIX without a host name.
    name: str | None
    #: The socket of the file system; None for TCP.
    path: str | None
    proxy: Proxy | None
    #: For everything up to the handshake's end.
    deadline: Deadline
    #: The port's, afterwards.
    timeout: float | None
    delay: float | None
    source_address: tuple[str, int] | None
    #: Whom the certificate must name instead.
    identity: Identity | None

    @classmethod
    def of(
        cls,
        host: str,
        port: int,
        context: ClientContext | str,
        *,
        alpn: Iterable[str | bytes],
        timeout: float | None,
        hostname: str | None,
        source_address: tuple[str, int] | None,
        proxy: str | None,
        happy_eyeballs_delay: float | None,
        identity: Identity | None = None,
    ) -> Route:
        """Check the arguments; begin the deadline.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: One is empty or out of its range.
            ConfigurationError: A host name can be none.
            UnsupportedError: A package, or the platform, lacks something.
        """
        path = _path(host)
        if path is None:
            target = checked_target(host, port)
            default = host if identity is None else None
            name = default if hostname is None else hostname
        else:
            if proxy is not None or source_address is not None:
                raise ValueError(
                    "proxy and source_address are for TCP, and this is a "
                    "socket of the file system"
                )
            target, name = path, hostname
        chosen, names = client_context(context), alpn_names(alpn)
        if name is not None:
            Identity.parse(name)  # A bad name should not cost a connection.
        if identity is not None:
            checked_identity(identity)
        delay = happy_eyeballs_delay
        if delay is not None and not 0 <= delay < math.inf:
            raise ValueError(
                "happy_eyeballs_delay is seconds from 0 on, or None to try "
                f"one address after the other; not {delay!r}"
            )
        return cls(
            chosen,
            names,
            (host, port),
            (target, port),
            name,
            path,
            _proxy(proxy, target, port),
            Deadline.after(timeout),
            None if isinstance(timeout, _Opening) else timeout,
            None if delay is None else max(delay, _LEAST_DELAY),
            source_address,
            identity,
        )

    def engine(self, session_of: object) -> Engine:
        """Make the client's session, which has sent nothing yet."""
        return new_engine(
            self.context,
            server_side=False,
            hostname=self.name,
            alpn=self.alpn,
            dialled=self.dialled,
            identity=self.identity,
            session_of=session_of,
        )

    @property
    def kind(self) -> int:
        """The kind of socket, for a look-up."""
        return socket.SOCK_STREAM

    @property
    def where(self) -> str:
        """The server, for messages."""
        return self.path or "{}:{}".format(*self.dialled)

    @cached_property
    def peer(self) -> str:
        """The server, for errors: ``"host:port"``, or a path."""
        return self.path or place_of(self.dialled)

    def phase(self, name: str) -> str:
        """Name a phase before the handshake: with a proxy, all are its."""
        return name if self.proxy is None else "proxy"

    @property
    def contact(self) -> tuple[str, int]:
        """Host and port that TCP goes to: the proxy's, or the server's."""
        if self.proxy is None:
            return self.target
        return self.proxy.host, self.proxy.port

    @property
    def doing(self) -> str:
        """What is done until there is a connection, for messages."""
        through = "" if self.proxy is None else f" through {self.proxy}"
        return f"connecting to {self.where}{through}"

    def numeric(self) -> Sequence[Any] | None:
        """Look an IP address up, which nobody has to be asked for.

        Returns:
            As ``socket.getaddrinfo``; None for a name.
        """
        host, port = self.contact
        if Identity.parse(host).dns is not None:
            return None
        return socket.getaddrinfo(
            host,
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST,
        )


def _path(host: object) -> str | None:
    if not isinstance(host, str) or not host.startswith(_UNIX):
        return None
    path = host[len(_UNIX) :]
    if not path or "\0" in path:
        raise ValueError(f"{_UNIX} is followed by a path, found {host!r}")
    if not hasattr(socket, "AF_UNIX"):  # pragma: no cover - Windows
        raise UnsupportedError("this platform has no sockets of that kind")
    return path


def _proxy(proxy: str | None, host: str, port: int) -> Proxy | None:
    if proxy is None:
        return None
    if proxy == ENVIRONMENT:
        return Proxy.from_environment(host, port)
    return Proxy.parse(proxy)


def _reason(error: OSError) -> str:
    """Say why an address was none; asyncio's own words repeat it."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


class Address(NamedTuple):
    """One of the addresses that a look-up has found."""

    family: int
    kind: int
    protocol: int
    #: As ``socket.connect`` wants it.
    place: Any

    def __str__(self) -> str:
        """Tell host and port."""
        host, port = self.place[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def socket(self, source_address: tuple[str, int] | None) -> socket.socket:
        """Open a socket for it, which does not block.

        Raises:
            OSError: This machine has none of the kind.
        """
        sock = socket.socket(self.family, self.kind, self.protocol)
        try:
            sock.setblocking(False)
            if source_address is not None:
                sock.bind(source_address)
        except BaseException:
            sock.close()
            raise
        return sock


def _interleaved(found: Iterable[Any]) -> deque[Address]:
    """Let the families take turns (RFC 8305, section 4).

    The resolver has sorted them (RFC 6724); its first keeps its place.
    """
    queues: dict[int, deque[Address]] = {}
    for family, kind, protocol, _, place in found:
        address = Address(family, kind, protocol, place)
        queues.setdefault(family, deque()).append(address)
    ordered: deque[Address] = deque()
    while queues:
        for family in list(queues):
            ordered.append(queues[family].popleft())
            if not queues[family]:
                del queues[family]
    return ordered


class Race:
    """RFC 8305, section 5: who is tried, when, and what became of it.

    Args:
        route: What the race is for.
        found: What the look-up gave, as ``socket.getaddrinfo`` does.
    """

    def __init__(self, route: Route, found: Iterable[Any]) -> None:
        self._route = route
        self._waiting = _interleaved(found)
        self._running: list[Address] = []
        self._failures: list[tuple[Address, OSError]] = []
        self._due = -math.inf

    def next(self) -> Address | None:
        """Give the address to try now; None if none is due."""
        now = time.monotonic()
        if not self._waiting or (self._running and now < self._due):
            return None
        delay = self._route.delay
        self._due = math.inf if delay is None else now + delay
        address = self._waiting.popleft()
        self._running.append(address)
        return address

    def failed(self, address: Address, error: OSError) -> None:
        """Note a failure; the next address is due at once."""
        self._running.remove(address)
        self._failures.append((address, error))
        self._due = -math.inf

    def pause(self) -> float | None:
        """Give the seconds until an address is due; None if none will be."""
        if not self._waiting or self._due == math.inf:
            return None
        return max(0.0, self._due - time.monotonic())

    def check(self) -> None:
        """Raise if nobody is left.

        Raises:
            OSError: All have failed; the last one's class and number.
        """
        if self._running or self._waiting:
            return
        route = self._route
        if not self._failures:
            raise OSError(f"{route.contact[0]!r} has no address")
        last = self._failures[-1][1]
        message = f"{route.doing} failed: {self._told()}"
        if last.errno is None:
            raise OSError(message) from last
        raise OSError(last.errno, message) from last

    def late(self) -> TimeoutError:
        """Make the error for a deadline that has passed meanwhile."""
        return TimeoutError(f"timed out while {self.doing}")

    @property
    def doing(self) -> str:
        """What is waited for, with what was tried until now."""
        return f"{self._route.doing}: {self._told()}"

    def _told(self) -> str:
        """Say what was tried, and why it failed."""
        told = [
            f"{address}: {_reason(error)}" for address, error in self._failures
        ]
        told += [f"{address}: no answer" for address in self._running]
        told += [f"{address}: not tried" for address in self._waiting]
        return "; ".join(told)


P = TypeVar("P", bound=Coroutines)


async def reached(
    route: Route,
    connected: Callable[[object], Awaitable[P]],
    session_of: object,
    *,
    handshake: bool,
) -> P:
    """Connect and shake hands; once more if a session is resumed in vain.

    Args:
        route: Where to, and by when.
        connected: Opens TCP, and gives a port over it.
        session_of: Whose session to resume; for *connected*.
        handshake: False leaves it to the caller.
    """
    made = await connected(session_of)
    if not handshake:
        return made
    try:
        return await shaken(made, route.deadline)
    except Exception as error:
        if not made._engine.resumed_in_vain(error):
            raise
    # Nothing was sent, and no session will be offered now.
    return await shaken(await connected(None), route.deadline)
