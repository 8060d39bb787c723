"""``listen`` and ``Listener``: accept TLS clients, or have them served."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from ..context.sides import ServerContext, server_context
from ..errors import ClosedError, ConfigurationError
from ..errors.whereabouts import located
from ..ports.port import SSLPort
from ..tools.deadline import Deadline
from ..tools.public import public
from .collecting import Collector
from .listening import check_credentials, check_serving, prepare
from .local import NoFile, is_local, opened_socket, place_of
from .metrics import ListenerStatistics
from .processes.children import Parent
from .processes.ending import HURRY, Ending
from .processes.prefork import Crew, check_processes
from .reception import Reception
from .rules import Rules
from .service import Service, serve_until_drained

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Listener", "listen"]


@public
class Listener(Rules):
    """Accepts TLS clients on a TCP port, or on a socket of the file system.

    Handshakes go on in whatever thread is inside ``accept``, ``wait`` or
    ``serve``, all at once: a silent client delays nobody.  Hooks of the
    context run there, too, and should not wait for anything.

    Args:
        sock: A listening socket; the listener takes it over.
        context: Decides about later clients.
    """

    def __init__(self, sock: socket.socket, context: ServerContext) -> None:
        self._name = place_of(sock.getsockname())
        self._address = (
            self._name[0] if is_local(sock) else "{}:{}".format(*self._name)
        )
        self._file = NoFile()
        self._sock = sock
        super().__init__(context)
        self._closed = False
        self._told_to_end = False  # By shutdown(), maybe before serve().
        self._service: Ending | None = None
        self._lock = threading.Lock()  # Around beginning to serve.
        self._reception = Reception(sock, self, self._address)

    def __repr__(self) -> str:
        """Tell address and context."""
        state = "closed" if self._closed else self._address
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
                not, it is only logged.  The listener goes on in both cases.

        Raises:
            TimeoutError: No client was done in time; or, with the attribute
                ``peer``, that client took too long.
            HandshakeError: A client's handshake failed; ``peer`` is its
                address.
            CredentialError: The context has no certificate.
            ConfigurationError: The listener is in ``serve()``.
            ClosedError: The listener is closed.

        Source: ``ssl-accept``, ``tls-socket-accept``.
        """
        deadline = Deadline.after(timeout)
        with located(None, "accept"):
            self._check_credentials()
            self._check_free()
            find = partial(self._next, deadline, handshake, raise_error)
            return self._reception.within(deadline, find)

    def _next(
        self, deadline: Deadline, shake: bool, raise_error: bool
    ) -> SSLPort:
        while (port := self._reception.pop_port(raise_error)) is None:
            self._reception.turn(deadline, shake=shake)
        return port

    def _check_free(self) -> None:
        if self._service is not None:
            raise ConfigurationError(
                "this listener is in serve(), which gets all clients"
            )

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

    # -- serving ------------------------------------------------------------

    def serve(
        self,
        handler: Callable[[SSLPort], object],
        *,
        processes: int = 1,
        workers: int = 32,
        workers_per_source: int | None = None,
        timeout: float | None = 60.0,
        handshake_timeout: float = 10.0,
        max_handshakes: int = 512,
        max_handshakes_per_source: int = 256,
        max_connections: int | None = 1024,
        on_refused: Callable[[Exception], object] | None = None,
    ) -> None:
        """Serve clients until ``shutdown()`` or ``close()``.

        Handshakes go on in this thread, handlers in others; so neither a
        silent client nor a slow handler keeps a handshake waiting.  What a
        handler raises is logged (``tlskit.listener.handler``), and the
        server goes on.  Ctrl-C shuts down, with five seconds for handlers,
        and is raised again; a second one does not wait for them.

        The listener is closed when this returns.

        With several processes, this one forks them and only minds them: one
        that dies is logged (``tlskit.listener.server``) and replaced, at most
        once a second for each; ``statistics`` adds up what all have counted;
        and the end is the end of all, also by SIGTERM unless you handle it
        yourself.  They share the keys of session tickets.  All limits are
        those of one process, and what is changed here later reaches only
        those that are forked later.  Fork before other threads are started.

        Args:
            handler: Called with each client's port, in a thread of its own;
                the port is closed afterwards.
            processes: How many processes serve; 1 is this one alone.
            workers: How many handlers may be at work at once; clients whose
                handshake is done wait for one of them.
            workers_per_source: How many of them may serve clients of one
                address (of one /64 in IPv6); None is no limit.
            timeout: The time-out of the ports that handlers get, in seconds;
                None for ever.  A handler may change it.
            handshake_timeout: As the attribute; so are the others.
            max_handshakes: See there.
            max_handshakes_per_source: See there.
            max_connections: See there.
            on_refused: Called with what went wrong with a client, whose
                address is the error's ``peer``; in the thread that serves,
                so it must not wait.

        Raises:
            CredentialError: The context has no certificate.
            ConfigurationError: The listener is in ``serve()`` already, or
                *processes* is below 1.
            UnsupportedError: *processes* is above 1, and this platform can't
                fork.
            ClosedError: The listener is closed.  If ``shutdown()`` came
                before the only ``serve()``, that returns at once instead.
            ValueError: Another number is out of its range.
            TypeError: One is no number, or *handler* no function.
        """
        check_processes(processes)
        check_serving(
            handler,
            timeout,
            handshake_timeout,
            workers=workers,
            workers_per_source=workers_per_source,
            max_handshakes=max_handshakes,
            max_handshakes_per_source=max_handshakes_per_source,
            max_connections=max_connections,
        )

        def make() -> Service:
            return Service(
                handler,
                self._reception.events,
                workers=workers,
                per_source=workers_per_source,
                timeout=timeout,
                on_refused=on_refused,
            )

        try:
            self._check_credentials()
            with self._lock:
                self._check_free()
                service = (
                    make() if processes == 1 else self._crew(make, processes)
                )
                self._service = service
        except ClosedError:
            if self._told_to_end and self._service is None:
                return  # shutdown() came first, and is obeyed.
            raise
        self.handshake_timeout = handshake_timeout
        self.max_handshakes = max_handshakes
        self.max_handshakes_per_source = max_handshakes_per_source
        self.max_connections = max_connections
        if isinstance(service, Service):
            self._serve(service)
        else:
            self._mind(service)

    def _serve(self, service: Service) -> None:
        """Serve in this process."""
        events = self._reception.events
        try:
            events.state("serving")
            serve_until_drained(self._reception, service)
        except BaseException as error:
            service.drain(Deadline.after(HURRY))
            if not (self._told_to_end and isinstance(error, ClosedError)):
                raise
        finally:
            self._closed = True
            self._file.remove()
            try:
                self._reception.close()
            except BaseException:  # A second Ctrl-C must not leave it open.
                self._reception.close()
                raise
            finally:
                service.finish()
            events.state("ended", cut_off=service.cut_off)

    def _crew(self, make: Callable[[], Service], processes: int) -> Crew:
        def work(parent: Parent) -> None:
            # Whoever held it before the fork is not here to release it.
            self._lock = threading.Lock()
            reception = Reception(self._sock, self, self._address)
            self._reception = reception
            service = self._service = make()
            with parent.attended(
                service, reception.ring, lambda: reception.statistics
            ):
                self._serve(service)

        prepare(self._context)
        events = self._reception.events
        return Crew(work, events, self._address, processes=processes)

    def _mind(self, crew: Crew) -> None:
        """Have others serve."""
        with ExitStack() as stack:
            stack.callback(crew.end)
            stack.callback(self._reception.close)
            stack.callback(setattr, self, "_closed", True)
            stack.callback(self._file.remove)
            # They get nothing but the socket; a selector would be one for
            # all.
            sock = self._sock.dup()
            stack.callback(sock.close)
            self._reception.close()
            self._sock = sock
            crew.run(sock.close)

    def shutdown(self, timeout: float | None = 10.0) -> None:
        """End ``serve()``: accept no more, and let handlers finish.

        Those who have begun a handshake are still served; those who have
        said nothing are dropped.  Call it from any thread, from a handler,
        or from a signal's handler.  In a handler, and in the thread that
        serves, it can't wait for the end, and returns at once.  A second
        call waits as well; the earlier deadline counts.

        Without ``serve()`` it is ``close()``.

        Args:
            timeout: How long handlers may go on, in seconds; after that
                their ports are closed under them.  None for ever.

        Raises:
            TimeoutError: Handlers were not done in time, and were cut off.
        """
        deadline = Deadline.after(timeout)
        self._told_to_end = True
        service = self._service
        if service is None:
            self.close()
            # If serve() has begun meanwhile, it finds the listener closed.
            return
        service.drain(deadline)
        self._reception.ring()
        service.wait(deadline)

    # -- waiting ------------------------------------------------------------

    def accept_ready(self) -> bool:
        """Say whether a TCP client is pending, or a finished one waiting.

        Source: ``ssl-listener-accept-ready?``.
        """
        self._check_open()
        if self._reception.done:
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
        self._check_free()
        reception = self._reception
        try:
            reception.within(deadline, lambda: reception.look_out(deadline))
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
        selector = self._reception.selector
        if hasattr(selector, "fileno") and not self._reception.closed:
            return int(selector.fileno())
        return self._sock.fileno()

    # -- facts --------------------------------------------------------------

    @property
    def port(self) -> int:
        """The TCP port; 0 on AF_UNIX.  Source: ``ssl-listener-port``."""
        return self._name[1]

    @property
    def closed(self) -> bool:
        """Whether the listener was closed."""
        return self._closed

    @property
    def statistics(self) -> ListenerStatistics:
        """What was counted so far; see also ``prometheus_text()``."""
        own = self._reception.statistics
        return own if self._service is None else self._service.total(own)

    def collector(self, *others: Listener) -> Collector:
        """Make a collector for the registry of prometheus_client.

        ``REGISTRY.register(listener.collector())``: the counts of
        ``statistics``, ``tlskit_handshake_seconds`` as a histogram, and
        ``tlskit_certificate_not_after_timestamp_seconds`` (Unix time) for
        each of our own certificates.

        Args:
            *others: More listeners, which share its metrics: a metric of
                several collectors is shown once for each of them.

        Raises:
            UnsupportedError: prometheus_client is not installed.
        """
        return Collector(self, *others)

    def addresses(
        self, port_numbers: bool = False
    ) -> tuple[str, str] | tuple[str, int, str, int]:
        """Give our own address; the remote one is ``"0.0.0.0"``, port 0.

        On AF_UNIX, ours is the path, with port 0.

        Args:
            port_numbers: Whether to give the TCP ports, too.

        Returns:
            ``(local, remote)``, or ``(local, port, remote, port)``.

        Source: ``ssl-addresses``.
        """
        if port_numbers:
            return (*self._name, "0.0.0.0", 0)  # noqa: S104 - no binding
        return self._name[0], "0.0.0.0"  # noqa: S104 - no binding

    # -- the end ------------------------------------------------------------

    def close(self) -> None:
        """Accept no more, and drop clients that were not accepted.

        Accepted ones live on; ``serve()`` ends when they do.  A second call
        is harmless.

        Source: ``ssl-close``.
        """
        if self._closed:
            return
        self._closed = True
        if self._service is None:
            self._file.remove()
            self._reception.close()
            return
        self._service.drain(Deadline())
        self._reception.ring()

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


def listen(
    port: int = 0,
    backlog: int = 128,
    reuse: bool = True,
    hostname: str | None = None,
    context: ServerContext | str = "secure",
    *,
    path: str | os.PathLike[str] | None = None,
) -> Listener:
    """Listen for TLS clients.

    Args:
        port: The TCP port; 0 takes a free one, see ``Listener.port``.
        backlog: How many clients may wait to be accepted.
        reuse: Whether to take over a port whose last owner has just gone.
        hostname: The local name or address to listen on; None for all, of
            IPv4 and IPv6.
        context: A ``ServerContext``, or the name of a protocol.
        path: Listen on a socket of the file system instead (AF_UNIX).  With
            *reuse*, the file of a socket on which nobody listens any more is
            replaced; ours is removed at the end.  The permissions of file
            and folder say who may connect.

    Raises:
        ValueError: An argument is out of its range, or there are a port or a
            *hostname* beside *path*.
        UnsupportedError: This platform has no sockets in its file system.
        OSError: The port, or the path, can't be had.

    Source: ``ssl-listen``, ``make-server-tls-socket``.
    """
    chosen = server_context(context)
    sock, file = opened_socket(port, backlog, reuse, hostname, path)
    made = Listener(sock, chosen)
    made._file = file
    return made
