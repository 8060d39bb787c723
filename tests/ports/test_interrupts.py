"""Ctrl-C anywhere: no lock stays held, and no stream has a silent hole."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count

import pytest

import tlskit
from tlskit.testing import memory_pair

from ..engines import (
    authority,
    client_context,
    client_engine,
    move,
    server_context,
    server_engine,
    shake,
)
from ..interrupts import interrupted
from ..joined import over_sockets
from ..peers import HOST, PATIENCE, Task

# Python loses what comes up in what it calls itself, such as a generator's
# end, and says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
VERSIONS = ("tls12", "tls13")
#: Over sockets ports take the express lane.
OVER = ("memory", "sockets")


@contextmanager
def pair(
    over: str = "memory",
) -> Iterator[tuple[tlskit.SSLPort, tlskit.SSLPort]]:
    """Join two ports; close them, however they are."""
    if over == "memory":
        ours, theirs = memory_pair(client_context(), server_context())
    else:
        ours, theirs = over_sockets()
    try:
        yield ours, theirs
    finally:
        for port in (theirs, ours):
            port.abandon()


def is_free(port: tlskit.SSLPort) -> bool:
    """Tell whether no lock of the port's is held."""
    driver = port._driver
    return not (
        driver._reading.locked()
        or driver._writing.locked()
        or driver.engine.lock.locked()
    )


def everywhere(
    run: Callable[[tlskit.SSLPort, tlskit.SSLPort], Callable[[], object]],
    look: Callable[[tlskit.SSLPort, tlskit.SSLPort], None],
    over: str,
) -> tuple[int, int]:
    """Interrupt at every place in turn; count interrupts, and broken ports.

    Args:
        run: Prepares, and gives what is to be interrupted.
        look: Uses the ports on; may raise what a torn port raises.
        over: What joins the ports.
    """
    torn = 0
    numbers = count()
    while True:
        with pair(over) as (ours, theirs):
            for number in numbers:
                try:
                    if not interrupted(number, run(ours, theirs)):
                        return number, torn
                    assert is_free(ours)
                    look(ours, theirs)
                except tlskit.StreamError as error:
                    assert "interrupted" == error.code
                    torn += 1
                    break


@pytest.mark.parametrize("over", OVER)
def test_sending(over: str) -> None:
    """A port goes on after an interrupt, or says that it can't."""
    seen = bytearray(64)

    def run(ours, _theirs):
        return lambda: ours.sendall(b"abc")

    def look(ours, theirs):
        ours.sendall(b"|")
        size = theirs.recv_into(seen)
        while seen[size - 1] != ord("|"):
            size += theirs.recv_into(memoryview(seen)[size:])
        assert bytes(seen[:size]) in (b"abc|", b"|")

    interrupts, torn = everywhere(run, look, over)

    assert interrupts > torn > 0


@pytest.mark.parametrize("over", OVER)
def test_receiving(over: str) -> None:
    """What comes after an interrupt is whole, or a refusal to go on."""

    def run(ours, theirs):
        theirs.sendall(b"abc")
        return lambda: ours.recv(3)

    def look(ours, theirs):
        theirs.sendall(b"|")
        data = b""
        while not data.endswith(b"|"):
            data += ours.recv(64)
        # The read was over, or had not begun.
        assert data in (b"|", b"abc|")

    interrupts, torn = everywhere(run, look, over)

    assert interrupts > torn > 0


def test_closing() -> None:
    """A close that was interrupted can be done again."""
    for number in count():
        with pair() as (ours, _):
            if not interrupted(number, ours.close):
                break
            assert is_free(ours)
            ours.close()
            assert ours.closed
    assert number > 10


def test_torn_port_stays_so() -> None:
    """Every later call says it, and closing sends no end that is a lie."""
    with pair() as (ours, theirs):
        ours._driver._moving_out = True
        for _ in range(2):
            with pytest.raises(
                tlskit.StreamError, match="interrupt"
            ) as caught:
                ours.sendall(b"x")
        assert "interrupted" == caught.value.code
        with pytest.raises(tlskit.StreamError, match="interrupt"):
            ours.recv(1)
        ours.close()
        with pytest.raises(tlskit.TruncatedError):
            theirs.recv(1)


def test_torn_input() -> None:
    """A reader, a writer that takes in, and a handshake see the mark."""
    with pair() as (ours, _):
        ours._driver._moving_in = True
        with pytest.raises(tlskit.StreamError, match="interrupt"):
            ours.recv(1)
    with pair() as (ours, _):
        ours._driver._moving_in = True
        with pytest.raises(tlskit.StreamError, match="interrupt"):
            ours.handshake()
    with pair() as (ours, _):
        ours._driver._moving_in = True
        with ours._driver._reading:
            with pytest.raises(tlskit.StreamError, match="interrupt"):
                ours._driver._take_in()


def test_locks_of_others() -> None:
    """Who does not get a lock does not give it back."""
    with pair() as (ours, _):
        ours.settimeout(0.01)
        for lock, work in (
            (ours._driver._writing, lambda: ours.sendall(b"x")),
            (ours._driver._reading, lambda: ours.recv(1)),
        ):
            with lock:
                with pytest.raises(TimeoutError, match="another thread"):
                    work()
                assert lock.locked()


def test_closing_under_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that stay inside a port for ever don't keep it open."""
    monkeypatch.setattr("tlskit.ports.blocking.farewell._LINGER", 0.0)
    monkeypatch.setattr("tlskit.ports.blocking.farewell._FAREWELL", 0.0)
    ours, theirs = memory_pair(client_context(), server_context())
    with theirs, ours._driver._reading, ours._driver._writing:
        ours.close()
        assert ours.closed
        with pytest.raises(tlskit.TruncatedError):
            theirs.recv(1)


@pytest.mark.parametrize("error", [LookupError("no"), OSError("no")])
def test_engine_that_raises(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What is no interrupt leaves no mark of one."""
    with pair() as (ours, theirs):
        theirs.sendall(b"x")
        with monkeypatch.context() as patch:

            def fail(*_: object) -> None:
                raise error

            patch.setattr(type(ours._driver.engine), "read_into", fail)
            with pytest.raises(type(error)):
                ours.recv(1)
        assert b"x" == ours.recv(1)


def test_first_failure_stays() -> None:
    """A session that had failed already says why it did."""
    client, server = client_engine(), server_engine()
    shake(client, server)
    server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(tlskit.StreamError) as caught:
        server.read_into(bytearray(1))
    with server.lock:
        server.lose()

    assert caught.value is server.again()


def test_accepting() -> None:
    """A listener can be used on, whenever ``accept()`` is interrupted."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context()) as one:

        def accept() -> None:
            with pytest.raises(TimeoutError):
                one.accept(timeout=0)

        for number in count():
            if not interrupted(number, accept):
                break
            assert not one._reception._lock.locked()
            assert one._reception._inside is None
        accept()
        assert one.wait(0) is None
    assert number > 10


@pytest.mark.native
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("server_side", [False, True])
def test_shaking_hands(version: str, server_side: bool) -> None:
    """No certificate, name or protocol is blamed, and no interrupt lost."""
    context, theirs = client_context(version), server_context()
    authority().trust(theirs)
    theirs.set_verify()
    theirs.set_alpn(["h2"])
    context.set_alpn(["h2"])
    authority().issue("client.example").apply(context)
    shake(client_engine(context), server_engine(theirs))  # Modules load.
    for number in count():
        client, server = client_engine(context), server_engine(theirs)
        client.handshake()
        move(client, server)
        if not server_side:
            server.handshake()
            move(server, client)
        who = server if server_side else client
        if not interrupted(number, who.handshake):
            break
    assert number > 30


class Talkative(tlskit.ClientContext):
    """Has the key log's lines go through Python."""

    def log_key(self, line: str) -> None:
        """Take one."""


def watched() -> tuple[tlskit.ClientContext, tlskit.ServerContext]:
    """Have a key log and a stapled response."""
    context, theirs = Talkative("auto"), server_context()
    authority().trust(context)
    context.set_verify()
    context.set_ocsp("check")
    leaf = authority().issue(HOST)
    leaf.apply(theirs)
    theirs.set_ocsp_response(authority().ocsp(leaf))
    return context, theirs


def keyed() -> tuple[tlskit.ClientContext, tlskit.ServerContext]:
    """Have a key before."""
    context, theirs = client_context("tls13"), server_context()
    context.set_psk_client(("me", bytes(32)))
    theirs.set_psk_server({"me": bytes(32)})
    return context, theirs


def doubted() -> tuple[tlskit.ClientContext, tlskit.ServerContext]:
    """Have a second verifier, of another language."""
    context = client_context()
    context.set_strict()
    return context, server_context()


@pytest.mark.native
@pytest.mark.parametrize("make", [watched, keyed, doubted])
def test_shaking_hands_with_more_to_tell(
    make: Callable[[], tuple[tlskit.ClientContext, tlskit.ServerContext]],
) -> None:
    """Whatever OpenSSL, or another library, calls: no interrupt is lost."""
    context, theirs = make()
    shake(client_engine(context), server_engine(theirs))  # Modules load.
    for number in count(step=7):
        sides = client_engine(context), server_engine(theirs)
        if not interrupted(number, partial(shake, *sides)):
            break
    assert number > 100


def connected_sockets(number: int) -> list[socket.socket]:
    """Give the sockets of ours that lead to a TCP port of this machine."""
    found = []
    for each in gc.get_objects():
        if isinstance(each, socket.socket) and each.fileno() != -1:
            with suppress(OSError):
                if each.getpeername()[1:2] == (number,):
                    found.append(each)
    return found


@pytest.mark.native
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_connecting(host: str) -> None:
    """What interrupts ``connect()`` comes out of it, and no socket is left."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context()) as one:
        context = client_context()
        made: list[tlskit.SSLPort] = []

        def connect() -> None:
            made.append(
                tlskit.connect(
                    host, one.port, context, hostname=HOST, timeout=PATIENCE
                )
            )

        serving = Task(one.serve, lambda port: port.recv(1))
        try:
            connect()  # Modules load.
            number, more = 0, True
            while more:
                while made:
                    made.pop().close()
                more = interrupted(number, connect)
                number += 7
            made.pop().close()
            assert [] == connected_sockets(one.port)
        finally:
            one.shutdown()
            serving.result()
    assert number > 70
