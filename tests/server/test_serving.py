"""``Listener.serve``: handlers in threads, bounded, and a tidy end."""

from __future__ import annotations

import copy
import errno
import gc
import itertools
import logging
import math
import os
import pickle
import signal
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import tlskit
import tlskit.server.listener as module
from tlskit.tools.deadline import Deadline

from ..engines import (
    authority,
    client_context,
    client_engine,
    read,
    server_context,
)
from ..joined import read_to_end
from ..peers import HOST, PATIENCE, Program, Task, Vault, echo
from ..peers import client_context as vaults_client

LOCAL = "127.0.0.1"


class Server:
    """A listener that serves in a thread of its own."""

    def __init__(self, handler, context=None, **options):
        self.listener = tlskit.listen(
            hostname=LOCAL, context=context or server_context()
        )
        self.task = Task(lambda: self.listener.serve(handler, **options))

    def connect(self, context=None, source=None):
        """Connect a client; its handshake is done."""
        port = tlskit.connect(
            LOCAL,
            self.listener.port,
            context or client_context(),
            timeout=PATIENCE,
            source_address=source and (source, 0),
        )
        port.settimeout(PATIENCE)
        return port

    def raw(self, source=LOCAL):
        """Connect by TCP, and say nothing."""
        return socket.create_connection(
            (LOCAL, self.listener.port), PATIENCE, (source, 0)
        )

    def until(self, condition):
        """Wait until the statistics are so."""
        deadline = Deadline.after(PATIENCE)
        nothing = threading.Event()
        while not condition(self.listener.statistics):
            assert deadline.left(), self.listener.statistics
            nothing.wait(0.005)
        return self.listener.statistics

    def refused(self):
        """Wait until somebody was refused; give all reasons."""
        return self.until(lambda found: found.refused).refused


@contextmanager
def serving(handler, context=None, **options):
    """Serve; afterwards nobody is left, neither threads nor clients."""
    before = set(threading.enumerate())
    server = Server(handler, context, **options)
    try:
        yield server
    finally:
        with suppress(TimeoutError):
            server.listener.shutdown(0)
        server.task.settle()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    found = server.listener.statistics
    assert (0, 0) == (found.handshakes, found.active)
    assert found.accepted == found.handshaken + sum(found.refused.values())


class Hold:
    """A handler that lets each client wait until it is released."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.released = threading.Event()

    def __call__(self, port):
        """Serve a client."""
        self.begun.release()
        assert self.released.wait(PATIENCE)
        port.sendall(b"done")

    def wait(self):
        """Wait until one more client has met the handler."""
        assert self.begun.acquire(timeout=PATIENCE)


def ending_of(server, timeout=PATIENCE):
    """Begin a shutdown in a thread, and wait until it drains."""
    ending = Task(server.listener.shutdown, timeout)
    deadline = Deadline.after(PATIENCE)
    while server.listener._service.deadline is None:
        assert deadline.left()
    return ending


def test_serve():
    """Clients are served, several at once, and each port is closed."""
    with serving(echo) as server:
        with ExitStack() as stack:
            ports = [stack.enter_context(server.connect()) for _ in range(5)]
            for port in ports:
                port.sendall(b"hello")
            for port in ports:
                assert b"hello" == port.recv(10)
            assert 5 == server.listener.statistics.active
        server.until(lambda found: found.active == 0)
        found = server.listener.statistics
        assert (5, 5, {}) == (found.accepted, found.handshaken, found.refused)
        assert found.received > 5 * 5
        assert found.sent > found.received
        server.listener.shutdown(PATIENCE)

    assert server.task.result() is None
    assert server.listener.closed


def test_ports_have_a_time_out():
    """A client that falls silent keeps no worker for ever."""
    with serving(echo, workers=1, timeout=0.05) as server:
        with server.connect() as silent:
            assert b"" == silent.recv(10)
        with server.connect() as port:
            port.sendall(b"hello")
            assert b"hello" == port.recv(10)


def test_nobody_awaits_a_handler(caplog):
    """A coroutine function is told in words, and the client is let go."""
    caplog.set_level("INFO", "tlskit.listener")

    async def handler(port):
        raise AssertionError

    with serving(handler) as server:
        with server.connect() as port:
            assert b"" == port.recv(10)
    gc.collect()

    assert "a handler can't be a coroutine function" in caplog.text
    assert "tlskit.aio.start_server()" in caplog.text


def test_what_a_handler_raises(caplog):
    """It is logged, the port is closed, and the server goes on."""
    caplog.set_level("INFO", "tlskit.listener")
    raised = [LookupError("a bug"), SystemExit(3), OSError("a peer")]

    def handler(port):
        if raised:
            raise raised.pop(0)
        port.sendall(b"fine")

    with serving(handler) as server:
        for _ in range(3):
            with server.connect() as port:
                assert b"" == port.recv(10)
        with server.connect() as port:
            assert b"fine" == port.recv(10)
        assert 3 == server.listener.statistics.failed_handlers

    records = [
        record
        for record in caplog.records
        if record.name == "tlskit.listener.handler"
    ]
    assert ["LookupError", "SystemExit", "OSError"] == [
        record.error for record in records
    ]
    assert [logging.ERROR, logging.ERROR, logging.INFO] == [
        record.levelno for record in records
    ]
    assert isinstance(records[0].exc_info[1], LookupError)
    assert LOCAL == records[0].peer[0]


def test_slow_handlers_delay_no_handshake():
    """With all workers at work, handshakes go on, and clients queue."""
    hold = Hold()
    with serving(hold, workers=1) as server:
        with server.connect() as one:
            hold.wait()
            with server.connect() as two, server.connect():
                server.until(lambda found: found.handshaken == 3)
                assert not hold.begun.acquire(blocking=False)
                hold.released.set()
                assert b"done" == one.recv(10)
                assert b"done" == two.recv(10)


def test_no_more_workers_than_allowed():
    """Threads are made when they are needed, and no more than allowed."""
    hold = Hold()
    with serving(hold, workers=2) as server:
        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(server.connect())
            hold.wait()
            hold.wait()
            assert 2 == len(server.listener._service._threads)
            hold.released.set()


def scarce(monkeypatch, most):
    """Have a system with no more than *most* threads for workers."""
    made = []

    class Scarce(threading.Thread):
        def start(self):
            if len(made) == most:
                raise RuntimeError("can't start new thread")
            made.append(self)
            super().start()

    monkeypatch.setattr("tlskit.server.service.Thread", Scarce)


def test_no_more_threads_than_there_are(monkeypatch):
    """If the system has no more threads, those that are there have to do."""
    scarce(monkeypatch, 1)
    hold = Hold()
    with serving(hold, workers=2) as server:
        with server.connect() as one, server.connect() as two:
            hold.wait()
            deadline = Deadline.after(PATIENCE)
            while not server.listener._service._queue:
                assert deadline.left()
            hold.released.set()
            assert b"done" == one.recv(10)
            assert b"done" == two.recv(10)


def test_no_threads_at_all(monkeypatch):
    """Without any worker there is nothing to serve with."""
    scarce(monkeypatch, 0)
    server = Server(echo)
    with suppress(OSError), server.connect() as port:
        port.recv(1)
    with pytest.raises(RuntimeError, match="new thread"):
        server.task.result()


def test_idle_workers_work_again():
    """One client after the other needs one thread."""
    with serving(echo, workers=5) as server:
        for _ in range(5):
            with server.connect() as port:
                port.sendall(b"hello")
                assert b"hello" == port.recv(10)
            server.until(lambda found: found.active == 0)
            deadline = Deadline.after(PATIENCE)
            while server.listener._service._busy:
                assert deadline.left()
        assert len(server.listener._service._threads) <= 2


def test_a_client_wakes_one_worker():
    """Of several idle workers, a client wakes no more than one."""
    count, woken = 4, []
    here, go = threading.Barrier(count + 1), threading.Event()
    first = True

    def handler(port):
        if first:  # Not before all are at work are there so many of them.
            here.wait(PATIENCE)
            assert go.wait(PATIENCE)

    with serving(handler, workers=count) as server:
        with ExitStack() as clients:
            for _ in range(count):
                clients.enter_context(server.connect())
            here.wait(PATIENCE)
            service = server.listener._service
            wait = service._called.wait

            def counting(timeout=None):
                found = wait(timeout)
                woken.append(threading.get_ident())
                return found

            service._called.wait = counting
            first = False
            go.set()
        _until_idle(service, count)
        for _ in range(10):
            with server.connect() as port:
                assert port.recv(1) == b""
            _until_idle(service, count)
        assert 1 <= len(woken) <= 10


def _until_idle(service, count):
    deadline = Deadline.after(PATIENCE)
    nothing = threading.Event()
    while True:
        with service._lock:  # Who is woken has counted before it lets go.
            if service._idle == count and not service._busy:
                return
        assert deadline.left(), (service._idle, service._busy)
        nothing.wait(0.005)


def test_no_more_connections_than_allowed():
    """Beyond the cap, clients wait in the backlog until one has left."""
    hold = Hold()
    with serving(hold, max_connections=2) as server:
        with server.connect() as one, server.connect():
            hold.wait()
            hold.wait()
            third = Task(server.connect)
            fourth = server.raw()
            with fourth:
                found = server.listener.statistics
                assert (2, 2, 0) == (
                    found.accepted,
                    found.active,
                    found.handshakes,
                )
                hold.released.set()
                assert b"done" == one.recv(10)
                with third.result() as port:
                    assert b"done" == port.recv(10)
                assert 3 <= server.listener.statistics.accepted


def test_no_more_handshakes_from_one_source():
    """A source with too many is refused; others are not."""
    with serving(echo, max_handshakes_per_source=2) as server:
        with server.raw(), server.raw(), server.raw() as third:
            assert b"" == third.recv(1)
            assert {"too-many-handshakes": 1} == server.refused()
            with pytest.raises((tlskit.TLSError, OSError)):
                server.connect()
            with server.connect(source="127.0.0.2") as port:
                port.sendall(b"hello")
                assert b"hello" == port.recv(10)
        server.until(lambda found: found.handshakes == 0)
        # And there is room again.
        with server.connect() as port:
            port.sendall(b"hello")
            assert b"hello" == port.recv(10)


def test_one_source_can_not_have_all_workers():
    """Silent clients of one address leave workers to those of another."""
    hold = Hold()

    def serve(port):
        if port.peer[0] == LOCAL:
            hold(port)
        else:
            port.sendall(b"at once")

    with serving(serve, workers=3, workers_per_source=2) as server:
        with ExitStack() as stack:
            silent = [stack.enter_context(server.connect()) for _ in range(4)]
            hold.wait()
            hold.wait()
            for _ in range(3):
                with server.connect(source="127.0.0.2") as port:
                    assert b"at once" == port.recv(10)
            assert not hold.begun.acquire(blocking=False)
            hold.released.set()
            for port in silent:  # They wait for each other, and are served.
                assert b"done" == port.recv(10)


def test_refusals_are_counted_by_reason():
    """Each kind of refusal has its slug."""
    with serving(echo, context=_picky(), handshake_timeout=0.3) as server:
        with server.raw():  # Silent.
            with server.raw() as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                read_to_end(sock)
            with server.raw() as sock:
                sock.sendall(b"hello")
                read_to_end(sock)
            server.raw().close()
            with server.connect() as port:
                with pytest.raises(tlskit.AlertError):
                    port.recv(1)
            found = server.until(lambda found: sum(found.refused.values()) > 4)

    assert {
        "timed-out": 1,
        "plain-http": 1,
        "not-tls": 1,
        "closed-in-handshake": 1,
        "no-certificate": 1,
    } == found.refused


def test_refusals_are_told(caplog):
    """Errors go to on_refused; what that raises is logged, and no more."""
    heard = []

    def on_refused(error):
        heard.append(error)
        if len(heard) == 1:
            raise LookupError("a bug")

    with serving(echo, on_refused=on_refused) as server:
        names = []
        for _ in range(2):
            with server.raw() as sock:
                names.append(sock.getsockname())
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                read_to_end(sock)
        with server.connect() as port:
            port.sendall(b"hello")
            assert b"hello" == port.recv(10)

    assert ["plain-http"] * 2 == [error.code for error in heard]
    told = ["{}:{}".format(*name) for name in names]
    assert told == [error.peer for error in heard]
    assert {"handshake"} == {error.phase for error in heard}
    (record,) = (
        record
        for record in caplog.records
        if record.name == "tlskit.listener.handler"
    )
    assert ("LookupError", None) == (record.error, record.peer)


def _picky():
    context = server_context()
    authority().trust(context)
    context.set_verify()
    return context


# -- the end ----------------------------------------------------------------


def test_shutdown_waits_for_handlers():
    """Those being served are served; nobody else is accepted."""
    hold = Hold()
    with serving(hold) as server:
        with server.connect() as port, server.raw() as silent:
            hold.wait()
            server.until(lambda found: found.handshakes == 1)
            ending = ending_of(server)
            assert b"" == silent.recv(1)
            with pytest.raises(ConnectionRefusedError):
                server.raw().close()
            assert ending.running
            hold.released.set()
            assert b"done" == port.recv(10)

            assert ending.result() is None
        assert {"closed": 1} == server.refused()
    assert server.task.result() is None


def test_shutdown_serves_who_has_begun():
    """A client in mid-handshake, and one that is queued, are served."""
    hold = Hold()
    with serving(hold, workers=1) as server:
        with server.connect() as one, server.connect() as two:
            hold.wait()
            raw = server.raw()
            three = Halting(raw)
            three.begin()
            deadline = Deadline.after(PATIENCE)
            while not any(
                each.begun
                for each in list(
                    server.listener._reception.handshakes.values()
                )
            ):
                assert deadline.left()
            ending = ending_of(server)
            hold.released.set()
            with raw:
                assert b"done" == three.end()
            for port in (one, two):
                assert b"done" == port.recv(10)
            assert ending.result() is None


class Halting:
    """A client that begins its handshake, and goes on when it is told to.

    Args:
        sock: A connected socket.
    """

    def __init__(self, sock):
        self._sock = sock
        self._engine = client_engine(hostname=LOCAL)
        self._engine.handshake()
        self._rest = self._engine.outgoing()

    def begin(self):
        """Send a part of the ClientHello."""
        self._sock.sendall(self._rest[:10])
        self._rest = self._rest[10:]

    def end(self):
        """Complete the handshake; give what the server says then."""
        self._sock.sendall(self._rest)
        while not self._engine.handshake():
            self._sock.sendall(self._engine.outgoing())
            self._engine.receive(self._sock.recv(65536))
        self._sock.sendall(self._engine.outgoing())
        while (data := read(self._engine)) is None:
            self._engine.receive(self._sock.recv(65536))
        return data


@pytest.mark.parametrize("most", [1, 512])
def test_shutdown_accepts_the_backlog(most):
    """Whom the system has accepted already is served."""
    context = server_context()
    with tlskit.listen(hostname=LOCAL, context=context) as listener:
        listener.max_handshakes = most
        client = Task(
            lambda: tlskit.connect(LOCAL, listener.port, client_context())
        )
        listener.wait(PATIENCE)  # Pending, and not accepted.
        reception = listener._reception
        deadline = Deadline.after(PATIENCE)

        def work():
            reception.stop_listening()
            assert reception.handshakes or reception.done
            while not reception.done:
                reception.turn(deadline)
            reception.stop_listening()
            return reception.pop()

        port = reception.within(deadline, work)
        with port, client.result():
            assert port.version is not None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOCAL, listener.port), PATIENCE)


def test_shutdown_cuts_off():
    """Handlers that are not done in time lose their port, and it is said."""
    errors = []

    def handler(port):
        try:
            port.recv(1)
        except tlskit.StreamError as error:
            errors.append(error)

    with serving(handler) as server:
        with server.connect() as one, server.connect() as two:
            server.until(lambda found: found.active == 2)
            deadline = Deadline.after(PATIENCE)
            while len(server.listener._service._busy) < 2:
                assert deadline.left()
            with pytest.raises(TimeoutError, match="2 clients"):
                server.listener.shutdown(0)
            # Said goodbye to, all the same.
            assert b"" == one.recv(1)
            assert b"" == two.recv(1)
        with pytest.raises(TimeoutError):
            server.listener.shutdown(0)

    assert server.task.result() is None
    assert 2 == len(errors)
    assert all(isinstance(error, tlskit.ClosedError) for error in errors)


def test_shutdown_cuts_off_who_waits_for_a_worker():
    """Who has met no handler is closed, too."""
    hold = Hold()
    with serving(hold, workers=1) as server:
        with server.connect(), server.connect() as two:
            hold.wait()
            hold.released.clear()
            # In mid-handshake it would be reset.
            server.until(lambda found: found.handshaken == 2)
            ending = Task(server.listener.shutdown, 0)
            assert b"" == two.recv(1)
            hold.released.set()
            with pytest.raises(TimeoutError):
                ending.result()


def test_shutdown_of_a_writer():
    """A handler that is stuck in writing is cut off, too."""
    stuck = threading.Event()

    def handler(port):
        stuck.set()
        while True:
            port.sendall(bytes(1 << 20))

    with serving(handler) as server:
        with server.connect():
            assert stuck.wait(PATIENCE)
            with pytest.raises(TimeoutError):
                server.listener.shutdown(0.1)
        server.task.result()


def test_shutdown_from_a_handler():
    """A handler can end the server; its own client is still served."""

    def handler(port):
        server.listener.shutdown(PATIENCE)
        server.listener.shutdown(PATIENCE)
        port.sendall(b"goodbye")

    with serving(handler) as server:
        with server.connect() as port:
            assert b"goodbye" == port.recv(10)
        assert server.task.result() is None


def test_shutdown_twice():
    """A second call waits as well; the earlier deadline counts."""
    hold = Hold()
    with serving(hold) as server:
        with server.connect():
            hold.wait()
            patient = ending_of(server, None)
            impatient = Task(server.listener.shutdown, 0)
            with pytest.raises(TimeoutError):
                impatient.result()
            with pytest.raises(TimeoutError):
                patient.result()
            hold.released.set()


def test_shutdown_afterwards():
    """It is harmless when all is over."""
    with serving(echo) as server:
        with server.connect() as port:
            port.sendall(b"hello")
            assert b"hello" == port.recv(10)
        server.listener.shutdown(PATIENCE)
        server.listener.shutdown(PATIENCE)
        server.listener.shutdown(0)
        server.listener.close()
        with pytest.raises(tlskit.ClosedError):
            server.listener.serve(echo)


def test_shutdown_without_serve():
    """It closes; ports that were accepted live on."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        client = Task(
            lambda: tlskit.connect(LOCAL, listener.port, client_context())
        )
        with listener.accept(PATIENCE) as port, client.result() as other:
            listener.shutdown(0)
            assert listener.closed
            other.sendall(b"hello")
            assert b"hello" == port.recv(10)


def test_shutdown_before_serve():
    """A service that is told to end before it begins returns at once."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        listener.shutdown(0)

        assert listener.serve(echo) is None


def test_shutdown_while_serve_begins(monkeypatch: pytest.MonkeyPatch):
    """It may close the listener before it sees that somebody serves."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        begin = module.serve_until_drained

        def late(reception: object, service: object) -> None:
            listener._service = None
            listener.shutdown(0)
            listener._service = service
            begin(reception, service)

        monkeypatch.setattr(module, "serve_until_drained", late)

        assert listener.serve(echo) is None
        assert listener.closed


def test_close_while_serving():
    """It ends the service; handlers may go on as long as they like."""
    hold = Hold()
    with serving(hold) as server:
        with server.connect() as port:
            hold.wait()
            server.listener.close()
            server.listener.close()
            assert server.listener.closed
            assert server.task.running
            hold.released.set()
            assert b"done" == port.recv(10)
        assert server.task.result() is None


def test_slow_client_does_not_hold_up_the_end():
    """Who has begun a handshake may go on, but not beyond the deadline."""
    with serving(echo) as server:
        with server.raw() as slow:
            slow.sendall(b"\x16")
            server.until(lambda found: found.received == 1)
            assert server.listener.shutdown(0.1) is None
        assert {"closed": 1} == server.refused()


def test_keyboard_interrupt():
    """Ctrl-C in the serving thread ends it, and is raised again."""
    hold = Hold()

    def client():
        with tlskit.connect(LOCAL, listener.port, client_context()) as port:
            hold.wait()
            hold.released.set()
            os.kill(os.getpid(), signal.SIGINT)
            port.settimeout(PATIENCE)
            return port.recv(10)

    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        task = Task(client)
        with pytest.raises(KeyboardInterrupt):
            listener.serve(hold)

        assert b"done" == task.result()
        assert listener.closed
        assert 0 == listener._service.cut_off


def test_second_keyboard_interrupt():
    """A second Ctrl-C does not wait for handlers."""
    entered = threading.Event()

    def handler(port):
        entered.set()
        port.settimeout(None)
        port.recv(1)

    def client():
        with tlskit.connect(LOCAL, listener.port, client_context()) as port:
            assert entered.wait(PATIENCE)
            os.kill(os.getpid(), signal.SIGINT)
            deadline = Deadline.after(PATIENCE)
            while listener._service.deadline is None or not listener.closed:
                assert deadline.left()
            os.kill(os.getpid(), signal.SIGINT)
            port.settimeout(PATIENCE)
            return port.recv(10)

    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        task = Task(client)
        with pytest.raises(KeyboardInterrupt):
            listener.serve(handler)

        assert b"" == task.result()
        assert 1 == listener._service.cut_off


def test_interrupt_while_closing(monkeypatch):
    """A Ctrl-C in the middle of closing closes once more."""
    listener = tlskit.listen(hostname=LOCAL, context=server_context())
    reception, closed = listener._reception, []

    def run(reception, service):
        raise ZeroDivisionError

    def close():
        closed.append(1)
        if len(closed) == 1:
            raise KeyboardInterrupt
        type(reception).close(reception)

    monkeypatch.setattr(module, "serve_until_drained", run)
    monkeypatch.setattr(reception, "close", close)
    with pytest.raises(KeyboardInterrupt):
        listener.serve(echo)

    assert 2 == len(closed)
    assert -1 == listener._sock.fileno()


def test_shutdown_by_a_signal():
    """A signal's handler, in the serving thread, can shut down."""

    def leave(*_):
        listener.shutdown(PATIENCE)

    def handler(port):
        os.kill(os.getpid(), signal.SIGUSR1)
        port.recv(1)

    def client():
        with tlskit.connect(LOCAL, listener.port, client_context()) as port:
            port.settimeout(PATIENCE)
            try:
                listening = True
                while listening:
                    listening = not listener._service.deadline
                port.sendall(b"x")
                return port.recv(1)
            except OSError as error:
                return error

    before = signal.signal(signal.SIGUSR1, leave)
    try:
        with tlskit.listen(
            hostname=LOCAL, context=server_context()
        ) as listener:
            task = Task(client)
            assert listener.serve(handler) is None
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert b"" == task.result()


def test_close_by_a_signal_while_accepting():
    """A signal's handler can close the listener that its thread is in."""
    listener = tlskit.listen(hostname=LOCAL, context=server_context())
    before = signal.signal(signal.SIGUSR1, lambda *_: listener.close())
    try:

        def send():
            deadline = Deadline.after(PATIENCE)
            while listener._reception._inside is None:
                assert deadline.left()
            os.kill(os.getpid(), signal.SIGUSR1)

        task = Task(send)
        with pytest.raises(tlskit.ClosedError):
            listener.accept(PATIENCE)
        task.result()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert -1 == listener._sock.fileno()


def test_interrupt_in_a_hook_ends_the_service():
    """What is no Exception is raised from serve()."""

    class Interrupted(tlskit.ServerContext):
        def verify_peer(self, verdict):
            raise KeyboardInterrupt

    context = Interrupted()
    authority().issue(LOCAL).apply(context)
    with serving(echo, context) as server:
        with pytest.raises(tlskit.HandshakeError):
            server.connect(client_context("tls12"))
        with pytest.raises(KeyboardInterrupt):
            server.task.result()
    assert server.listener.closed


# -- what can't be ----------------------------------------------------------


def test_one_service_at_a_time():
    """Nobody else serves, accepts or waits meanwhile."""
    with serving(echo) as server:
        server.until(lambda _: server.listener._service is not None)
        for use in (
            lambda: server.listener.serve(echo),
            server.listener.accept,
            server.listener.wait,
        ):
            with pytest.raises(tlskit.ConfigurationError, match="in serve"):
                use()


@pytest.mark.parametrize(
    "name",
    [
        "workers",
        "workers_per_source",
        "max_connections",
        "max_handshakes",
        "max_handshakes_per_source",
    ],
)
def test_room_for_nobody(name):
    """A server without room is refused at once, and can serve later."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        with pytest.raises(ValueError, match="room for one"):
            listener.serve(echo, **{name: 0})
        assert not listener.closed


@pytest.mark.parametrize(
    ("name", "found", "error"),
    [
        ("workers", None, TypeError),
        ("workers", 1.5, TypeError),
        ("max_connections", math.nan, TypeError),
        ("max_handshakes_per_source", "4", TypeError),
        ("handshake_timeout", -1, ValueError),
        ("handshake_timeout", math.nan, ValueError),
        ("timeout", math.nan, ValueError),
        ("timeout", "60", TypeError),
    ],
)
def test_limits_out_of_their_range(name, found, error):
    """What limits nothing is refused at once, and serving can begin later."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        with pytest.raises(error):
            listener.serve(echo, **{name: found})
        assert not listener.closed


@pytest.mark.parametrize("handler", [None, 3, "echo"])
def test_what_can_be_no_handler(handler):
    """It is refused before a client comes."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        with pytest.raises(TypeError, match="a handler is a function"):
            listener.serve(handler)
        assert not listener.closed


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_listener_is_not_copied(copied):
    """Its socket has one owner."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        with pytest.raises(TypeError, match="copied or pickled"):
            copied(listener)


@pytest.mark.parametrize(
    ("name", "found", "error"),
    [
        ("hostname", 3, TypeError),
        ("hostname", [], TypeError),
        ("backlog", -1, ValueError),
        ("backlog", 2**70, ValueError),
        ("backlog", "5", ValueError),
        ("port", -1, ValueError),
    ],
)
def test_listening_on_nonsense(name, found, error):
    """It is refused before there is a socket."""
    with pytest.raises(error, match="not "):
        tlskit.listen(**{name: found})


def test_no_certificate():
    """A listener without a certificate can't serve."""
    with tlskit.listen(hostname=LOCAL) as listener:
        with pytest.raises(tlskit.CredentialError):
            listener.serve(echo)


def test_no_limit():
    """Connections need not be capped."""
    with serving(echo, max_connections=None, timeout=None) as server:
        with server.connect() as port:
            port.sendall(b"hello")
            assert b"hello" == port.recv(10)


class Accepting:
    """A listening socket whose accept() fails a while."""

    def __init__(self, *errors):
        self._real = socket.create_server((LOCAL, 0))
        self.errors = list(errors)

    def accept(self):
        """Fail, or accept."""
        if self.errors:
            raise self.errors.pop(0)
        return self._real.accept()

    def __getattr__(self, name):
        return getattr(self._real, name)


def test_out_of_descriptors(monkeypatch, caplog):
    """A system without descriptors is given time; then the server goes on."""
    monkeypatch.setattr("tlskit.server.reception._REST", 0.05)
    sock = Accepting(
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
    )
    with tlskit.Listener(sock, server_context()) as listener:
        task = Task(listener.serve, echo)
        with tlskit.connect(
            LOCAL, listener.port, client_context(), timeout=PATIENCE
        ) as port:
            port.sendall(b"hello")
            assert b"hello" == port.recv(10)
        listener.shutdown(PATIENCE)
        task.result()

    assert "Too many open files" in caplog.text


#: A server with room for three clients, which says how often it has looked
#: for a client when the system had none to give.
SCARCE = """
import logging, os, resource, sys, tlskit
from tlskit.server import reception as _reception
turn, turns = _reception.Reception.turn, []
def counted(self, *arguments, **options):
    turns.append(1)
    return turn(self, *arguments, **options)
_reception.Reception.turn = counted
_reception._REST = 0.05
class Handler(logging.Handler):
    def emit(self, record):
        os.write(1, f"SCARCE {len(turns)} {record.getMessage()}\\n".encode())
logging.getLogger("tlskit.listener.server").addHandler(Handler())
def handler(port):
    port.sendall(port.recv(10))
    port.recv(1)
context = tlskit.ServerContext(
    certificate_chain=sys.argv[1], private_key=sys.argv[2]
)
listener = tlskit.listen(hostname="127.0.0.1", context=context)
most = os.dup(0) + 3
os.close(most - 3)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
os.write(1, f"PORT {listener.port}\\n".encode())
listener.serve(handler)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_really_out_of_descriptors(tmp_path):
    """It is tried again after a rest, and who had to wait is served."""
    vault = Vault(tmp_path)
    files = vault.leaf()
    place = str(Path(tlskit.__file__).parents[1])

    def connect():
        port = tlskit.connect(
            *(LOCAL, number, vaults_client(vault)),
            hostname=HOST,
            timeout=PATIENCE,
        )
        port.settimeout(PATIENCE)
        port.sendall(b"hello")
        assert b"hello" == port.recv(10)
        return port

    with (
        Program(
            *(sys.executable, "-c", SCARCE, files.chain, files.key),
            env={"PYTHONPATH": place},
        ) as program,
        ExitStack() as stack,
    ):
        number = int(program.until(r"^PORT (\d+)\n")[1])
        for _ in range(3):
            port = stack.enter_context(connect())
        waiting = Task(connect)
        looks = [
            int(program.until(r"^SCARCE (\d+) no client.*files$", times)[1])
            for times in range(1, 5)
        ]
        assert waiting.running
        port.close()
        with waiting.result() as late:
            assert late.version is not None

    # One that finds nobody, one that rests, and one for what else there is.
    assert all(b - a <= 3 for a, b in itertools.pairwise(looks))


def test_broken_listening_socket():
    """What is no lack ends the service, with the system's error."""
    sock = Accepting(OSError(errno.EINVAL, "Invalid argument"))
    with tlskit.Listener(sock, server_context()) as listener:
        task = Task(listener.serve, echo)
        with suppress(ConnectionError):  # It may end while we connect.
            socket.create_connection((LOCAL, listener.port), PATIENCE).close()
        with pytest.raises(OSError, match="Invalid argument"):
            task.result()


# -- logs -------------------------------------------------------------------


def test_topics(caplog):
    """Each topic has a logger; what a record is about is in its attributes."""
    caplog.set_level("DEBUG", "tlskit.listener")
    with serving(echo) as server:
        with server.connect() as port:
            name = port.name
            port.sendall(b"hello")
            assert b"hello" == port.recv(10)
        with server.raw() as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            stranger = sock.getsockname()
            read_to_end(sock)
        server.listener.shutdown(PATIENCE)
    records = {
        topic: [
            record
            for record in caplog.records
            if record.name == f"tlskit.listener.{topic}"
        ]
        for topic in ("accepted", "handshaken", "refused", "server")
    }

    assert [name, stranger] == [each.peer for each in records["accepted"]]
    (shaken,) = records["handshaken"]
    assert (name, "TLS_1_3", None) == (
        shaken.peer,
        shaken.version,
        shaken.proxy,
    )
    (refused,) = records["refused"]
    assert (stranger, "plain-http") == (refused.peer, refused.reason)
    assert "https://" in refused.hint
    assert ["serving", "draining", "ended"] == [
        each.state for each in records["server"]
    ]
    assert {f"{LOCAL}:{server.listener.port}"} == {
        each.listener for topic in records.values() for each in topic
    }


def test_our_own_mistakes_are_warnings(caplog):
    """A refusal that is ours to mend is a warning."""

    class Broken(tlskit.ServerContext):
        def select_alpn(self, offered):
            raise LookupError("a bug")

    context = Broken()
    authority().issue(LOCAL).apply(context)
    with serving(echo, context) as server:
        client = client_context()
        client.set_alpn(["h2"])
        with pytest.raises(tlskit.HandshakeError):
            server.connect(client)
        server.until(lambda found: found.refused)

    (record,) = [each for each in caplog.records if "refused" in each.name]
    assert logging.WARNING == record.levelno
    assert "hook-failed" == record.reason
