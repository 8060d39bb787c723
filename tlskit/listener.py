"""``listen`` and ``Listener``: handshakes off the accept path.

No client can keep another one waiting, because nobody waits for a client:
all handshakes go on at once, in whatever thread is inside ``accept`` (or
``wait``), each by as much as its bytes allow.  ``accept`` returns the first
that is done.
"""

from __future__ import annotations

import logging
import select
import selectors
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ._handshakes import Handshake
from .deadline import Deadline
from .errors import ClosedError
from .ports import SSLPort
from .sides import ServerContext, server_context
from .transport import tune

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from typing_extensions import Self

    from .credentials import KeySource, Password, Source

__all__ = ["Listener", "check_credentials", "listen", "listening_socket"]

_log = logging.getLogger("tlskit.listener")

#: So many handshakes may go on at once; later clients wait in the backlog.
_MOST_HANDSHAKES = 512


class Listener:
    """Accepts TLS clients on a TCP port.

    Args:
        sock: A listening socket; the listener takes it over.
        context: Decides about later clients.
    """

    #: How long one client's handshake may take, in seconds.
    handshake_timeout: float = 10.0
    #: How many handshakes may go on at once.
    max_handshakes: int = _MOST_HANDSHAKES

    def __init__(self, sock: socket.socket, context: ServerContext) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._context = context
        self._lock = threading.Lock()
        self._handshakes: dict[int, Handshake] = {}
        self._done: deque[SSLPort | BaseException] = deque()
        self._closed = False
        self._selector = selectors.DefaultSelector()
        # Readable while something is in _done, or after close().
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(sock, selectors.EVENT_READ)
        self._name: tuple[str, int] = sock.getsockname()[:2]

    def __repr__(self) -> str:
        """Tell address and context."""
        state = "closed" if self._closed else "{}:{}".format(*self._name)
        return f"<{type(self).__name__} {state} {self._context!r}>"

    # -- accepting ----------------------------------------------------------

    def accept(
        self,
        timeout: float | None = None,
        *,
        handshake: bool = True,
        raise_error: bool = True,
    ) -> SSLPort:
        """Give the next client whose handshake is done.

        Args:
            timeout: How long to wait for one, in seconds; None for ever.
            handshake: False gives the next client at once, and leaves the
                handshake to its port's ``handshake()``.
            raise_error: Whether to raise what went wrong with a client; if
                not, it is logged and skipped.  The listener goes on in both
                cases.

        Raises:
            TimeoutError: No client was done in time; or, with the attribute
                ``peer``, that client took too long.
            HandshakeError: A client's handshake failed; ``peer`` is its
                address.
            CredentialError: The context has no certificate.
            ClosedError: The listener is closed.

        Source: ``ssl-accept``, ``tls-socket-accept``.
        """
        deadline = Deadline.after(timeout)
        self._check_credentials()
        with self._turn_taken(deadline):
            while True:
                found = self._next(raise_error=raise_error)
                if found is not None:
                    return found
                self._turn(deadline, handshake=handshake)

    def _next(self, *, raise_error: bool) -> SSLPort | None:
        while self._done:
            outcome = self._done.popleft()
            if not self._done:
                self._hush()
            if isinstance(outcome, SSLPort):
                return outcome
            if raise_error or not isinstance(outcome, Exception):
                raise outcome
            _log.info("a client failed: %s", outcome)
        return None

    def _check_credentials(self) -> None:
        """Complain now about what no client could survive."""
        self._check_open()
        check_credentials(self._context)

    def __iter__(self) -> Iterator[SSLPort]:
        """Accept clients until the listener is closed."""
        while not self._closed:
            try:
                yield self.accept(raise_error=False)
            except ClosedError:
                return

    # -- one turn of the wheel ----------------------------------------------

    def _turn(
        self, deadline: Deadline, *, handshake: bool, accept: bool = True
    ) -> bool:
        """Wait for something to happen, and have it happen.

        Returns:
            Whether a TCP client is pending.
        """
        self._check_open()
        self._admit()
        until = deadline
        for each in self._handshakes.values():
            until = until.earlier(each.deadline)
        events = self._selector.select(until.left())
        self._check_open()
        pending = False
        for key, _ in events:
            if key.fileobj is self._sock:
                pending = True
            elif isinstance(key.data, Handshake):
                self._advance(key.data)
        if pending and accept:
            self._take(handshake=handshake)
        for each in list(self._handshakes.values()):
            if each.deadline.left() == 0:
                self._advance(each)
        # Busy clients are no reason to stay longer than was asked for.
        if not self._done and (accept or not pending):
            deadline.check("waiting for a client")
        return pending

    def _admit(self) -> None:
        """Listen for clients only while there is room for a handshake."""
        room = len(self._handshakes) < self.max_handshakes
        listening = self._sock.fileno() in self._selector.get_map()
        if room and not listening:
            self._selector.register(self._sock, selectors.EVENT_READ)
        elif listening and not room:
            self._selector.unregister(self._sock)

    def _take(self, *, handshake: bool) -> None:
        try:
            sock, address = self._sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # It has gone again.
        try:
            tune(sock)
            made = Handshake(
                sock, self._context, address[:2], self.handshake_timeout
            )
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            self._finish(error)
            return
        if not handshake:
            self._finish(made.port)
            return
        self._handshakes[sock.fileno()] = made
        self._selector.register(sock, selectors.EVENT_READ, made)
        self._advance(made)

    def _advance(self, handshake: Handshake) -> None:
        """Let one handshake go on, and act on what came of it."""
        outcome = handshake.advance()
        if outcome is not None:
            self._finish(outcome)
        sock = handshake.sock
        if handshake.over:
            number = handshake.number
            del self._handshakes[number]
            self._selector.unregister(sock)
            handshake.leave()
        else:
            self._selector.modify(sock, handshake.interest, handshake)

    def _finish(self, outcome: SSLPort | BaseException) -> None:
        self._done.append(outcome)
        with suppress(BlockingIOError):
            self._ringer.send(b"!")

    def _hush(self) -> None:
        with suppress(BlockingIOError):
            while self._bell.recv(64):
                pass

    def _turn_taken(self, deadline: Deadline) -> _Taken:
        return _Taken(self._lock, deadline)

    # -- waiting ------------------------------------------------------------

    def accept_ready(self) -> bool:
        """Say whether a TCP client is pending, or a finished one waiting.

        Source: ``ssl-listener-accept-ready?``.
        """
        self._check_open()
        if self._done:
            return True
        return bool(select.select([self._sock], [], [], 0)[0])

    def wait(self, timeout: float | None = None) -> Self | None:
        """Wait until ``accept_ready()``.

        Args:
            timeout: How long, in seconds; None for ever.

        Returns:
            The listener itself, or None if the time is over.

        Source: a listener as an event (``sync``).
        """
        deadline = Deadline.after(timeout)
        try:
            with self._turn_taken(deadline):
                while not self._done:
                    if self._turn(deadline, handshake=True, accept=False):
                        break
        except ClosedError:
            raise
        except TimeoutError:
            return None
        return self

    def fileno(self) -> int:
        """Give a descriptor that is readable when ``accept`` has work to do.

        It is also readable while handshakes go on, so that a loop around
        ``accept(timeout=0)`` brings them to their end.

        Source: ``ssl-listener-fileno``.
        """
        self._check_open()
        selector = self._selector
        if hasattr(selector, "fileno"):
            return int(selector.fileno())
        return self._sock.fileno()  # pragma: no cover - Windows

    # -- facts --------------------------------------------------------------

    @property
    def port(self) -> int:
        """The TCP port.  Source: ``ssl-listener-port``."""
        return self._name[1]

    @property
    def context(self) -> ServerContext:
        """What decides about later clients; another one may be assigned.

        Clients whose handshake has begun keep what they had.
        """
        return self._context

    @context.setter
    def context(self, context: ServerContext) -> None:
        self._context = server_context(context)

    @property
    def closed(self) -> bool:
        """Whether the listener was closed."""
        return self._closed

    def addresses(
        self, port_numbers: bool = False
    ) -> tuple[str, str] | tuple[str, int, str, int]:
        """Give our own address; the remote one is ``"0.0.0.0"``, port 0.

        Source: ``ssl-addresses``.
        """
        if port_numbers:
            return (*self._name, "0.0.0.0", 0)  # noqa: S104 - no binding
        return self._name[0], "0.0.0.0"  # noqa: S104 - no binding

    # -- changing the context -----------------------------------------------

    def load_certificate_chain(self, source: Source) -> None:
        """Change the context's certificates; see ``Context``."""
        self._context.load_certificate_chain(source)

    def load_private_key(
        self,
        source: KeySource,
        *,
        rsa: bool = False,
        asn1: bool = False,
        password: Password = None,
    ) -> None:
        """Change the context's private key; see ``Context``."""
        self._context.load_private_key(
            source, rsa=rsa, asn1=asn1, password=password
        )

    def load_verify_root_certificates(
        self,
        path: str | os.PathLike[str] | None,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        """Trust more roots; see ``Context``."""
        self._context.load_verify_root_certificates(path, directory)

    def load_suggested_certificate_authorities(self, source: Source) -> None:
        """Suggest these authorities to clients; see ``Context``."""
        self._context.load_suggested_certificate_authorities(source)

    def set_verify(self, on: bool = True) -> None:
        """Require a certificate of later clients; see ``Context``."""
        self._context.set_verify(on)

    def try_verify(self, on: bool = True) -> None:
        """Ask later clients for a certificate; see ``Context``."""
        self._context.try_verify(on)

    # -- the end ------------------------------------------------------------

    def close(self) -> None:
        """Accept no more, and drop clients that were not accepted.

        Accepted ones live on.  A second call is harmless.

        Source: ``ssl-close``.
        """
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            self._ringer.send(b"!")
        with self._lock:  # Whoever was inside has seen the flag.
            for each in self._handshakes.values():
                each.abort()
            for outcome in self._done:
                if isinstance(outcome, SSLPort):
                    outcome.close()
            self._handshakes.clear()
            self._done.clear()
            self._selector.close()
            for sock in (self._sock, self._bell, self._ringer):
                sock.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this listener was closed")

    def __enter__(self) -> Self:
        """Give the listener."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


class _Taken:
    """Holds a lock that was waited for no longer than a deadline allows."""

    def __init__(self, lock: threading.Lock, deadline: Deadline) -> None:
        self._lock = lock
        self._deadline = deadline

    def __enter__(self) -> None:
        left = self._deadline.left()
        if not self._lock.acquire(timeout=-1 if left is None else left):
            raise TimeoutError("timed out while another thread accepted")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def listen(
    port: int = 0,
    backlog: int = 128,
    reuse: bool = True,
    hostname: str | None = None,
    context: ServerContext | str = "secure",
) -> Listener:
    """Listen for TLS clients.

    Args:
        port: The TCP port; 0 takes a free one, see ``Listener.port``.
        backlog: How many clients may wait to be accepted.
        reuse: Whether to take over a port whose last owner has just gone.
        hostname: The local name or address to listen on; None for all, of
            IPv4 and IPv6.
        context: A ``ServerContext``, or the name of a protocol.

    Raises:
        ValueError: An argument is out of its range.
        OSError: The port can't be had.

    Source: ``ssl-listen``, ``make-server-tls-socket``.
    """
    chosen = server_context(context)
    return Listener(listening_socket(port, backlog, reuse, hostname), chosen)


def check_credentials(context: ServerContext) -> None:
    """Complain about what no client could survive.

    Raises:
        CredentialError: *context* has no certificate.
    """
    context.prepared().settings.check_certificate(context.hooks_in_use)


def listening_socket(
    port: int, backlog: int, reuse: bool, hostname: str | None
) -> socket.socket:
    """Open the socket of a listener; see ``listen``."""
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"port is a number from 0 to 65535, not {port!r}")
    if not isinstance(backlog, int) or backlog < 0:
        raise ValueError(f"backlog is a number from 0 on, not {backlog!r}")
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
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
