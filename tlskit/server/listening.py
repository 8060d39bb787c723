"""What listens: the socket, what it takes to begin, and what is known then."""

from __future__ import annotations

import socket
from typing import Any, Generic, NoReturn, TypeVar

from ..context.following import contexts_of, failures_of, generation_of
from ..context.sides import ServerContext
from ..tools.deadline import check_timeout
from ..tools.whole import check_whole
from .acme.renewing import Renewal
from .collecting import Collector, Counting
from .metrics import ListenerStatistics
from .tally import HARMLESS, Tally, reason_of

__all__ = [
    "MOST_HANDSHAKES",
    "LoopServer",
    "check_backlog",
    "check_credentials",
    "check_serving",
    "listening_socket",
    "prepare",
]

T = TypeVar("T")

#: The limits that may be missing.
_MAY_BE_NONE = {"workers_per_source", "max_connections"}
#: A C ``int`` holds no more; systems take far less in silence.
_MOST_WAITING = 2**31 - 1

#: So many handshakes may go on at once on an event loop; later clients wait
#: in the backlog.
MOST_HANDSHAKES = 512


def check_credentials(context: ServerContext) -> None:
    """Complain about what no client could survive.

    Raises:
        CredentialError: *context* has no certificate.
    """
    context.prepared().settings.check_certificate(context.hooks_in_use)


def check_serving(
    handler: object, *seconds: float | None, **limits: int | None
) -> None:
    """Refuse what can't serve, and limits that leave room for nobody.

    Args:
        handler: What is to be called for each client.
        *seconds: Time-outs; None is none.
        **limits: How many there may be at once, by name.

    Raises:
        ValueError: A number is less than 1, or a time-out negative or NaN.
        TypeError: One is no number, or *handler* no function.
    """
    if not callable(handler):
        raise TypeError(f"a handler is a function of a port, not {handler!r}")
    for each in seconds:
        if each is not None:
            check_timeout(each)
    for name, number in limits.items():
        if number is None and name in _MAY_BE_NONE:
            continue
        check_whole(number, name)
        if not number or number < 1:
            raise ValueError(
                f"{name}: there must be room for one, not {number!r}"
            )


def check_backlog(backlog: int) -> None:
    """Refuse what can be no number of waiting clients.

    Raises:
        ValueError: *backlog* is none.
    """
    if not isinstance(backlog, int) or not 0 <= backlog <= _MOST_WAITING:
        raise ValueError(
            f"backlog is a number from 0 to {_MOST_WAITING}, not {backlog!r}"
        )


def prepare(context: ServerContext) -> None:
    """Build all that *context* leads to, for processes to share the keys."""
    for each in contexts_of(context):
        each.prepared()


def listening_socket(
    port: int, backlog: int, reuse: bool, hostname: str | None
) -> socket.socket:
    """Open the socket of a listener; see ``listen``."""
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"port is a number from 0 to 65535, not {port!r}")
    check_backlog(backlog)
    if not isinstance(hostname, str | None):
        raise TypeError(f"a host name is a str, not {hostname!r}")
    if hostname is None and socket.has_dualstack_ipv6():
        address: tuple[object, ...] = ("::", port)
        family, dual = socket.AF_INET6, True
    else:
        found = socket.getaddrinfo(
            hostname or None,
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        family, address, dual = found[0][0], found[0][4], False
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        _bind(sock, address, backlog, hostname)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(
    sock: socket.socket,
    address: tuple[object, ...],
    backlog: int,
    hostname: str | None,
) -> None:
    """Begin to listen; an error says where."""
    try:
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        where = f"port {address[1]}"
        if hostname is not None:
            where += f" of {hostname}"
        words = f"can't listen on {where}: {error.strerror}"
        raise OSError(error.errno, words) from error


class LoopServer(Generic[T]):
    """What a server on an event loop knows, whatever the loop.

    Args:
        sock: What it listens on.
        context: What decides about later clients.
        handshake_timeout: How long a handshake may take, in seconds.
        timeout: The time-out of the ports, in seconds.
        shutdown_on_close: Whether closing a port sends a close_notify.
    """

    def __init__(
        self,
        sock: Any,
        context: ServerContext,
        *,
        handshake_timeout: float | None,
        timeout: float | None,
        shutdown_on_close: bool,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._context = context
        self._patience = handshake_timeout
        self._timeout = timeout
        self._notify = shutdown_on_close
        # What serves a client each, to be cancelled.
        self._shaking: set[T] = set()
        self._serving: set[T] = set()
        self._closed = False
        self._address = "{}:{}".format(*sock.getsockname()[:2])
        self._tally = Tally(_nothing)
        self._renewal = Renewal()
        #: How many clients failed in their handshake.
        self.failures: int = 0

    def __repr__(self) -> str:
        """Tell address and context."""
        state = (
            "closed"
            if self._closed
            else "{}:{}".format(*self._sock.getsockname()[:2])
        )
        return f"<{type(self).__name__} {state} {self._context!r}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Refuse to be copied or pickled: a socket has one owner."""
        raise TypeError("a server can't be copied or pickled")

    # -- facts --------------------------------------------------------------

    @property
    def sockets(self) -> tuple[Any, ...]:
        """What it listens on; empty once closed."""
        return () if self._closed else (self._sock,)

    @property
    def port(self) -> int:
        """The TCP port."""
        number: int = self._sock.getsockname()[1]
        return number

    @property
    def context(self) -> ServerContext:
        """What decides about later clients."""
        return self._context

    @property
    def connections(self) -> int:
        """How many clients are being served."""
        return len(self._serving)

    @property
    def statistics(self) -> ListenerStatistics:
        """What was counted so far; from any thread."""
        return self._tally.statistics(
            self._address,
            len(self._shaking),
            generation_of(self._context),
            failures_of(self._context),
        )

    def collector(self, *others: Counting) -> Collector:
        """Make a collector for the registry of prometheus_client.

        It gives what ``Listener.collector()`` does.

        Args:
            *others: More servers, or listeners, which share its metrics.

        Raises:
            UnsupportedError: prometheus_client is not installed.
        """
        return Collector(self, *others)

    def is_serving(self) -> bool:
        """Say whether clients are accepted."""
        return not self._closed

    def _refused(self, error: BaseException) -> None:
        """Count a client whose handshake has failed."""
        reason = reason_of(error)
        self.failures += reason not in HARMLESS
        self._tally.refuse(reason)


def _nothing() -> None:
    """Have no bell to ring: nobody waits for room here."""
