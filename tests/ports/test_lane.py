"""The express lane: the same as the long way, byte by byte, and no less."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tlskit
from tlskit.engine.engine import State
from tlskit.errors import (
    ClosedError,
    StreamError,
    TruncatedError,
    WantReadError,
)
from tlskit.openssl import native
from tlskit.ports.blocking import lane
from tlskit.ports.blocking.lane import Lane, closed_lane
from tlskit.ports.port import SSLPort
from tlskit.tools.deadline import NEVER, Deadline

from ..engines import client_context
from ..joined import over_sockets, read_exactly, tcp_pair
from ..lanes import ROOM, SIZE, SIZES, Counted, contexts, with_lane  # noqa: F401 - a fixture
from ..peers import PATIENCE, Task, reset

pytestmark = pytest.mark.native

Pair = tuple[SSLPort, SSLPort]


@pytest.fixture(params=["tls12", "tls13"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client's port and a server's, that have talked."""
    with joined(request.param) as ports:
        yield ports


@contextmanager
def joined(protocol: str = "tls13") -> Iterator[Pair]:
    """Join two ports that have talked, and close them."""
    ports = over_sockets(client=contexts(protocol)[0], server=contexts()[1])
    try:
        talk(*ports)
        talk(*ports)
        yield ports
    finally:
        # The end of the file is in by then: farewells would take a moment.
        for port in ports:
            with suppress(OSError):
                port._driver.transport.sock.shutdown(socket.SHUT_RDWR)
        for port in ports:
            with suppress(OSError):
                port.close()


def talk(one: SSLPort, other: SSLPort) -> None:
    """Have each say a word; tickets are behind us then."""
    for here, there in ((one, other), (other, one)):
        here.sendall(b"word")
        assert b"word" == there.recv(100)


# -- the same ---------------------------------------------------------------

#: Each verb is done by one of the two ports, chosen by the first number.
VERBS = st.one_of(
    st.tuples(st.integers(0, 1), st.just("send"), SIZES),
    st.tuples(st.integers(0, 1), st.just("sendall"), SIZES),
    st.tuples(st.integers(0, 1), st.just("recv"), SIZES),
    st.tuples(st.integers(0, 1), st.just("recv"), SIZES),
    st.tuples(st.integers(0, 1), st.just("recv_into"), SIZES),
    st.tuples(st.integers(0, 1), st.just("pending"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("gather"), SIZES),
    st.tuples(st.integers(0, 1), st.just("flush"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("file"), SIZES),
    st.tuples(st.integers(0, 1), st.just("time-out"), st.integers(0, 1)),
)
#: What happens at most once or twice in a conversation.
RARE = st.one_of(
    st.tuples(st.integers(0, 1), st.just("shutdown"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("close"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("abandon"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("garbage"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("cut"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("plain alert"), st.just(0)),
    st.tuples(st.integers(0, 1), st.just("half a record"), st.just(0)),
)


class Conversation:
    """Two ports, and all that they have said and seen."""

    def __init__(self, ports: Pair) -> None:
        self.ports = ports
        self.seen: list[object] = []
        self.way = [0, 0]  # Plaintext on its way from each.
        self._count = 0

    def do(self, who: int, verb: str, size: int) -> None:
        """Take one step, and note what came of it."""
        port, result = self.ports[who], None
        if (
            verb in {"send", "sendall", "gather"}
            and self.way[who] + size > ROOM
        ):
            return
        try:
            result = getattr(
                self, f"_{verb.replace(' ', '_').replace('-', '_')}"
            )(who, port, size)
        except (tlskit.TLSError, OSError, ValueError) as error:
            result = (type(error), getattr(error, "code", None), str(error))
        self.seen.append((who, verb, size, result, self.states()))
        check_flag(port)

    def states(self) -> list[object]:
        """Tell where both stand."""
        return [
            (port.closed, port._engine.state, port._engine.failure is None)
            for port in self.ports
        ]

    def _data(self, size: int) -> bytes:
        self._count += 1
        return bytes((self._count + at) % 251 for at in range(size))

    def _send(self, who: int, port: SSLPort, size: int) -> object:
        sent = port.send(self._data(size))
        self.way[who] += sent
        return sent

    def _sendall(self, who: int, port: SSLPort, size: int) -> object:
        self.way[who] += size
        return port.sendall(bytearray(self._data(size)))

    def _gather(self, who: int, port: SSLPort, size: int) -> object:
        self.way[who] += size
        return port.output.write(self._data(size))

    def _flush(self, _who: int, port: SSLPort, _size: int) -> object:
        return port.output.flush()

    def _arrived(self, who: int, data: bytes) -> bytes:
        self.way[1 - who] -= len(data)
        return data

    def _recv(self, who: int, port: SSLPort, size: int) -> object:
        with without_waiting(port):
            return self._arrived(who, port.recv(size))

    def _recv_into(self, who: int, port: SSLPort, size: int) -> object:
        buffer = bytearray(size)
        with without_waiting(port):
            got = port.recv_into(buffer)
        return self._arrived(who, bytes(buffer[:got]))

    def _file(self, who: int, port: SSLPort, size: int) -> object:
        with without_waiting(port):
            return self._arrived(who, port.input.read1(size) or b"")

    def _pending(self, _who: int, port: SSLPort, _size: int) -> object:
        return port.pending()

    def _time_out(self, _who: int, port: SSLPort, size: int) -> object:
        return port.settimeout(PATIENCE if size else None)

    def _shutdown(self, _who: int, port: SSLPort, _size: int) -> object:
        return port.shutdown(socket.SHUT_WR)

    def _close(self, _who: int, port: SSLPort, _size: int) -> object:
        return port.close()

    def _abandon(self, _who: int, port: SSLPort, _size: int) -> object:
        return port.abandon()

    def _raw(self, port: SSLPort) -> socket.socket:
        sock: socket.socket = port._driver.transport.sock
        return sock

    def _garbage(self, _who: int, port: SSLPort, _size: int) -> object:
        return self._raw(port).send(b"\x17\x03\x03\x00\x20" + bytes(32))

    def _plain_alert(self, _who: int, port: SSLPort, _size: int) -> object:
        return self._raw(port).send(b"\x15\x03\x03\x00\x02\x02\x28")

    def _half_a_record(self, _who: int, port: SSLPort, _size: int) -> object:
        return self._raw(port).send(b"\x17\x03\x03")

    def _cut(self, _who: int, port: SSLPort, _size: int) -> object:
        return self._raw(port).shutdown(socket.SHUT_WR)


@contextmanager
def without_waiting(port: SSLPort) -> Iterator[None]:
    """Read what is there, and complain if nothing is."""
    before = port.gettimeout()
    port.settimeout(0)
    try:
        yield
    finally:
        port.settimeout(before)


def check_flag(port: SSLPort) -> None:
    """Check that a lane is open in the usual case only."""
    engine = port._engine
    if engine.smooth:
        assert engine.state is State.OPEN
        assert engine.direct is not None
        assert engine.record.settled
        assert engine.record.error is None
        assert not engine._early.size
        assert not engine._ended


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(
    protocol=st.sampled_from(["tls12", "tls13"]),
    first=st.lists(VERBS, max_size=20),
    rare=st.lists(RARE, max_size=2),
    last=st.lists(VERBS, max_size=10),
)
def test_both_ways_are_the_same(protocol, first, rare, last):
    """Whatever two ports do: each byte, state and error is the same."""
    with ExitStack() as stack:
        fast = Conversation(stack.enter_context(joined(protocol)))
        with closed_lane():
            slow = Conversation(stack.enter_context(joined(protocol)))
        assert not slow.ports[0]._driver.has_lane
        for verb in (*first, *rare, *last):
            fast.do(*verb)
            slow.do(*verb)
            assert slow.seen[-1:] == fast.seen[-1:]


def test_the_usual_case_is_express(pair, monkeypatch):
    """A conversation takes the lane, in both directions."""
    client, server = pair
    counted = Counted(monkeypatch, Lane, "read_now", "send_now")
    client.sendall(b"there")
    assert b"there" == server.recv(100)
    assert 4 == server.send(memoryview(b"back"))
    buffer = bytearray(100)

    assert 4 == client.recv_into(buffer)
    assert b"back" == bytes(buffer[:4])
    assert ["send_now", "read_now"] * 2 == counted.taken


def test_what_could_not_be_sent_is_not_forgotten(pair):
    """A write that was cut off leaves the next one failing, even an empty."""
    client, server = pair
    server.close()
    with pytest.raises(ConnectionError):
        while True:
            client.sendall(b"x")

    with pytest.raises(ConnectionError):
        client.send(b"")


@pytest.mark.parametrize("size", [65537, 200000])
def test_much_takes_the_other_way(pair, monkeypatch, size):
    """A large write is encrypted while another thread may read."""
    client, server = pair
    counted = Counted(monkeypatch, Lane, "read_now", "send_now")
    task = Task(client.sendall, bytes(size))

    assert bytes(size) == read_exactly(server, size)
    task.result()
    assert "send_now" not in counted.taken


def test_a_stream_is_read_where_it_is(pair):
    """Who receives much has OpenSSL read it without a copy, and no longer."""
    client, server = pair
    direct = server._engine.direct
    data = bytes(range(250)) * 240

    def through(size: int) -> bytes:
        client.sendall(data)
        got = b""
        while len(got) < len(data):
            got += server.recv(size)
        return got

    assert data == through(65536)
    assert not direct._foreign
    assert data == through(1000)
    assert direct._foreign
    assert direct.lent is None
    talk(client, server)
    assert data == through(65536)
    server._engine.rest()
    assert not direct._foreign
    assert data == through(65536)
    talk(client, server)
    talk(client, server)
    assert not direct._foreign


def test_what_is_lent_is_kept_until_it_is_read(pair):
    """The long way takes over what OpenSSL has not read yet."""
    client, server = pair
    data = bytes(range(250)) * 240
    for _ in range(2):
        client.sendall(data)
        assert data[:1] == server.recv(1)
        got = data[:1]
        while len(got) < len(data) - 20000:
            got += server.recv(10000)
        if server._engine.direct.lent is not None:
            # As a writer does that has no room.
            client.sendall(b"behind")
            with server._driver._reading:
                server._driver._take_in()
            assert not server._engine.direct._foreign
            data += b"behind"
        while len(got) < len(data):
            got += server.recv(3000)
        assert data == got

    talk(client, server)


class Louder(SSLPort):
    """A port that changes what is read and written."""

    def read_plain(self, buffer: memoryview) -> int:
        """Read, and make it louder."""
        size = super().read_plain(buffer)
        buffer[:size] = bytes(buffer[:size]).upper()
        return size


def test_what_is_overridden_is_called():
    """A subclass sees all bytes, as without a lane."""
    context = client_context()
    context.port_class = Louder
    ours, theirs = over_sockets(client=context)
    with ours, theirs:
        theirs.sendall(b"word")
        assert b"WORD" == ours.recv(10)
        theirs.sendall(b"word")

        assert b"WORD" == ours.recv(10)


def test_a_half_record_is_no_whole_one(pair):
    """A record that comes in two parts, with a part of the next, is read."""
    client, server = pair
    sender, receiver = (each._driver.transport.sock for each in pair)
    client.sendall(bytes(100))
    client.sendall(b"next")
    wire = receiver.recv(65536)
    server.settimeout(0)
    got = b""
    for piece in (wire[:50], wire[50:-9], wire[-9:]):
        sender.send(piece)
        with suppress(WantReadError):
            while True:
                got += server.recv(200)

    assert bytes(100) + b"next" == got


@pytest.mark.parametrize("most", [100, 200])
def test_as_much_as_a_record_is_no_whole_one(pair, most):
    """A rest, and as much of the next as that lacks, leave something."""
    client, server = pair
    sender, receiver = (each._driver.transport.sock for each in pair)
    client.sendall(bytes(100))
    client.sendall(bytes(100))
    wire = receiver.recv(65536)
    whole = len(wire) // 2
    server.settimeout(0)
    got = b""
    for piece in (wire[:50], wire[50 : whole + 50], wire[whole + 50 :]):
        sender.send(piece)
        with suppress(WantReadError):
            while True:
                got += server.recv(most)

    assert bytes(200) == got


@pytest.mark.parametrize("part", range(20, 23))
def test_as_many_bytes_as_a_record_adds(part):
    """So few bytes are never taken for an empty record."""
    with joined() as (client, server):
        sender, receiver = (
            each._driver.transport.sock for each in (client, server)
        )
        client.sendall(b"some words")
        wire = receiver.recv(65536)
        server.settimeout(0)
        sender.send(wire[:part])
        with pytest.raises(WantReadError):
            server.recv(100)
        sender.send(wire[part:])

        assert b"some words" == server.recv(100)


def test_less_than_a_record_at_a_time(pair):
    """The rest of a record is there for the next read."""
    client, server = pair
    client.sendall(bytes(range(100)))
    wire = server._driver.transport.sock.recv(65536)
    client._driver.transport.sock.send(wire[:40])
    server.settimeout(0)
    with pytest.raises(WantReadError):
        server.recv(10)
    client._driver.transport.sock.send(wire[40:])
    got = b""
    while len(got) < 100:
        got += server.recv(7)

    assert bytes(range(100)) == got
    with pytest.raises(WantReadError):
        server.recv(7)


@pytest.mark.native
def test_who_asks_for_exactly_what_comes_asks_once(pair, monkeypatch):
    """Such a read is known to leave nothing, without a question."""
    client, server = pair
    for _ in range(3):
        client.sendall(b"some words")
        assert b"some words" == server.recv(10)
    asked = []
    read_into = native.DirectIO.read_into

    def counted(*arguments):
        asked.append(arguments)
        return read_into(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(native.DirectIO, "read_into", counted)
        for _ in range(3):
            client.sendall(b"some words")
            assert b"some words" == server.recv(10)
        # Records of TLS 1.2 add another number of bytes.
        assert bool(asked) is (client._engine.facts.version < 0x0304)


def test_more_and_less_than_was_asked_for(pair):
    """What a read leaves, or what is too long for one, is all read."""
    client, server = pair
    for size in (10, 10, 20, 10, 5, 30, 10, 10):
        client.sendall(bytes(range(size)))
        got = b""
        while len(got) < size:
            got += server.recv(10)
        assert bytes(range(size)) == got
    for size in (10, 20, 10):  # Two at once, and one behind them.
        client.sendall(bytes(size))
    assert bytes(40) == read_exactly(server, 40)
    server.settimeout(0)
    with pytest.raises(WantReadError):
        server.recv(10)


# -- it gives way -----------------------------------------------------------


def test_a_reader_is_not_overtaken(pair):
    """Behind another reader the lane is closed; a writer goes on."""
    client, server = pair
    client.sendall(b"word")
    server._driver._waits = 0
    with server._driver._reading:
        assert server._driver.read_now(9) is None
        assert server._driver.read_soon(9, NEVER) is None
        assert server._driver.send_now(b"x", 1)

    assert b"word" == server._driver.read_now(9)


def test_a_writer_is_not_overtaken(pair):
    """Behind another writer the lane is closed; a reader goes on."""
    client, server = pair
    client.sendall(b"word")
    server._driver._waits = 0
    with server._driver._writing:
        assert server._driver.send_now(b"x", 1) is None
        assert b"word" == server._driver.read_now(9)

    assert server._driver.send_now(b"x", 1)


def test_what_is_left_over_goes_first(pair):
    """After a time-out, what was made is sent before anything new."""
    client, server = pair
    client.settimeout(0.01)
    sent = 0
    with pytest.raises(TimeoutError):
        while True:
            client.sendall(b"x" * 9999)
            sent += 9999
    assert len(client._driver._unsent)
    assert client._driver.send_now(b"y", 1) is None
    client.settimeout(PATIENCE)
    task = Task(client.sendall, b"the end")

    got = b""
    while not got.endswith(b"the end"):
        got += server.recv(65536)
    assert b"x" * (sent + 9999) + b"the end" == got
    task.result()


def test_a_full_socket_is_waited_for(pair):
    """What the lane could not send is sent by the same call."""
    client, server = pair
    sock = client._driver.transport.sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    data = bytes(range(250)) * 4
    writer = Task(lambda: [client.send(data) for _ in range(200)])

    assert data * 200 == read_exactly(server, 200000)
    assert [1000] * 200 == writer.result()


def test_a_hook_is_told_and_no_deadlock():
    """A hook that is called in mid-session can't use the lane."""
    with joined() as (client, _):
        client._engine.record.caller = threading.get_ident()
        try:
            for call in (
                lambda: client.sendall(b"x"),
                lambda: client.recv(1),
                lambda: client.recv_into(bytearray(1)),
            ):
                with pytest.raises(tlskit.ConfigurationError, match="hook"):
                    call()
        finally:
            client._engine.record.caller = None


def test_closed_means_closed(pair):
    """After close and detach nothing is read or sent."""
    client, server = pair
    client.close()
    for call in (
        lambda: client.recv(1),
        lambda: client.recv_into(bytearray(1)),
        lambda: client.sendall(b"x"),
    ):
        with pytest.raises(ClosedError):
            call()
    assert client._driver.read_now(1) is None
    assert client._driver.send_now(b"x", 1) is None
    socket.socket(fileno=server.detach()).close()
    assert server._driver.read_soon(1, NEVER) is None
    with pytest.raises(ClosedError):
        server.sendall(b"x")


def test_close_ends_a_wait(pair):
    """Who waits in the lane learns that another thread has closed."""
    client, _ = pair
    reader = Task(client.recv, 10)
    while client._driver._attending is None:
        assert reader.running
    client.close()

    with pytest.raises(ClosedError):
        reader.result()


def test_a_second_reader_queues(pair):
    """Of two readers one waits in the lane, and both get something."""
    client, server = pair
    readers = [Task(client.recv, 1) for _ in range(2)]
    server.sendall(b"ab")

    assert {b"a", b"b"} == {reader.result() for reader in readers}


def test_a_time_out_in_the_lane(pair):
    """Nobody waits longer than was said; nothing is lost by it."""
    client, server = pair
    client.settimeout(0.01)
    for call in (client.recv, lambda size: client.recv_into(bytearray(size))):
        with pytest.raises(TimeoutError, match="sent nothing"):
            call(10)
    server.sendall(b"late")
    client.settimeout(PATIENCE)

    assert b"late" == client.recv(10)


def test_without_poll(pair, monkeypatch):
    """Where the system has no poll, the driver waits."""
    client, server = pair
    client._driver._poller = None
    monkeypatch.setattr("tlskit.ports.blocking.lane.watching", lambda _: None)
    reader = Task(client.recv, 10)
    server.sendall(b"word")

    assert b"word" == reader.result()


def test_nothing_more_of_a_stream(pair):
    """Who looks for more of a stream in vain keeps the memory for it."""
    client, server = pair
    client.sendall(bytes(60000))
    assert bytes(60000) == read_exactly(server, 60000)
    server._driver._much, server._driver._waits = True, 0
    server.settimeout(0)

    assert server._driver.read_now(1) is None
    with pytest.raises(WantReadError):
        server.recv(1)


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(0, WantReadError), (0.01, TimeoutError)],
)
def test_the_long_way_waits_for_the_lane(pair, seconds, error):
    """Who reads by the long way waits for who waits in the lane."""
    client, server = pair
    deadline = Deadline.after(seconds) if seconds else Deadline.now()
    client._driver._attending = object()
    server.sendall(b"word")
    with pytest.raises(error):
        client._driver.read_slowly(memoryview(bytearray(9)), deadline)
    assert not client._driver._reading.locked()
    with client._driver._reading:
        client._driver._take_in()  # That is who waits there to do.
    assert client._engine.hungry
    client._driver._attending = None

    assert b"word" == client.recv(9)


def test_a_part_is_taken():
    """Of what the socket takes only a part the rest is sent, too."""
    ours, theirs = over_sockets(tcp_pair())
    with ours, theirs:
        talk(ours, theirs)
        ours._driver.transport.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )
        data = bytes(range(250)) * 240
        writer = Task(lambda: [ours.send(data) for _ in range(20)])

        assert data * 20 == read_exactly(theirs, len(data) * 20)
        assert [len(data)] * 20 == writer.result()


def test_a_socket_that_is_full(pair):
    """What the socket takes nothing of is sent by the same call."""
    client, server = pair
    full, other = socket.socketpair()
    with full, other:
        full.setblocking(False)
        with suppress(BlockingIOError):
            while full.send(bytes(65536)):
                pass
        client._driver._give = full.send
        client.sendall(b"word")

    assert b"word" == server.recv(9)


def test_a_write_that_has_to_read_first(pair, monkeypatch):
    """Then the long way does it all, with the same data."""
    client, server = pair
    asked = []
    monkeypatch.setattr(
        native.DirectIO, "encrypt", lambda *_: asked.append(1) or -1
    )
    monkeypatch.setattr(client._engine, "written", lambda _: None)
    assert client._driver.send_now(b"word", 4) is None
    monkeypatch.undo()
    client.sendall(b"word")

    assert [1] == asked
    assert b"word" == server.recv(9)


def test_patience(pair, monkeypatch):
    """Who had to wait asks in vain now and then only, and stops doing so."""
    client, server = pair
    for _ in range(40):
        server.sendall(b"x")
        client._driver._waits = max(client._driver._waits, 2)
        assert b"x" == client.recv(1)
    server.sendall(b"x")
    client._driver._waits = 1
    counted = Counted(monkeypatch, Lane, "read_now", "send_now")
    assert b"x" == client.recv(1)

    assert ["read_now"] == counted.taken
    assert 0 == client._driver._waits


# -- failures ---------------------------------------------------------------


class Interrupt(BaseException):
    """What a handler of a signal's raises."""


def raising(call: Callable[..., Any], error: BaseException) -> Any:
    """Do what was to be done, and be interrupted."""

    def interrupted(*arguments: Any) -> Any:
        call(*arguments)
        raise error

    return interrupted


@pytest.mark.parametrize("error", [Interrupt(), TimeoutError("alarm")])
@pytest.mark.parametrize("name", ["_receive", "_give"])
def test_lost_bytes_are_told(pair, name, error):
    """After an interrupt that loses ciphertext the session is broken."""
    client, server = pair
    server.sendall(b"word")
    driver = client._driver
    setattr(driver, name, raising(getattr(driver, name), error))
    with pytest.raises(type(error)):
        client.recv(4)
        client.sendall(b"x")
    for call in (lambda: client.recv(1), lambda: client.sendall(b"x")):
        with pytest.raises(StreamError) as caught:
            call()
        assert "interrupted" == caught.value.code
    assert not driver._reading.locked()
    assert not driver._writing.locked()
    assert not client._engine.lock.locked()


def test_lost_between_socket_and_openssl(pair, monkeypatch):
    """The same where it comes after what was received."""
    client, server = pair
    server.sendall(b"word")
    exchange = native.DirectIO.exchange
    monkeypatch.setattr(
        native.DirectIO, "exchange", raising(exchange, Interrupt())
    )
    with pytest.raises(Interrupt):
        client.recv(4)

    with pytest.raises(StreamError, match="lost"):
        client.recv(4)


@pytest.mark.parametrize(
    ("error", "failed", "lost"),
    [
        (Interrupt(), False, True),
        (Interrupt(), True, False),
        (LookupError(), False, False),
    ],
)
def test_lost_plaintext_is_told(pair, monkeypatch, error, failed, lost):
    """So is plaintext; what a hook or a cache raises loses nothing."""
    client, server = pair
    server.sendall(bytes(20000))
    read_on = client._engine.read_on

    def interrupted(*arguments):
        read_on(*arguments)
        if failed:
            client._engine.state = State.FAILED
        raise error

    monkeypatch.setattr(client._engine, "read_on", interrupted)
    client._driver._waits = 0
    with pytest.raises(type(error)):
        client.recv(4)

    failure = client._engine.failure
    assert lost is (getattr(failure, "code", None) == "interrupted")


def test_nothing_is_lent_behind_the_rest(pair):
    """What has still to be read is read first."""
    client, server = pair
    client.sendall(b"some words")
    wire = server._driver.transport.sock.recv(65536)
    direct = server._engine.direct
    direct.feed(wire[:20])
    direct.lend(memoryview(bytearray(wire[20:])))
    assert direct.lent is None
    server._engine.hungry = False

    assert b"some words" == server.recv(100)


def test_a_reset_is_told():
    """What breaks the transport is raised as it is; no bytes are missed."""
    ours, theirs = over_sockets(tcp_pair())
    with ours:
        talk(ours, theirs)
        ours._driver._waits = 0
        reset(theirs._driver.transport.sock)
        with pytest.raises(ConnectionResetError):
            ours.recv(1)
        assert State.OPEN is ours._engine.state
        with suppress(OSError):
            theirs.close()


def test_an_alert_before_the_cut(pair):
    """Who can't send any more is told the peer's reason."""
    client, server = pair
    client._driver.transport.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(StreamError):
        server.recv(1)
    server.close()

    with pytest.raises(tlskit.AlertError):
        client.sendall(b"x")


def test_a_peer_that_is_gone(pair):
    """Who vanished without a word is a broken pipe, or truncated."""
    client, server = pair
    server._driver.transport.sock.close()
    with pytest.raises((ConnectionError, TruncatedError)):
        client.sendall(b"x")
    with pytest.raises((ConnectionError, TruncatedError)):
        client.recv(1)


def test_errors_are_given_as_asked(pair):
    """``error=`` of the port is asked in the lane, too."""
    client, _ = pair
    client._driver._error = LookupError
    client._driver.transport.sock.shutdown(socket.SHUT_RD)
    client._driver._give = lambda _: (_ for _ in ()).throw(AssertionError)
    with pytest.raises(LookupError):
        client.recv(1)


# -- memory -----------------------------------------------------------------


def test_few_rooms_are_kept(pair, monkeypatch):
    """However many threads were in the lane at once."""
    client, server = pair
    monkeypatch.setattr(lane, "_rooms", [])
    monkeypatch.setattr(lane, "_KEPT", 0)
    client.sendall(b"word")

    assert b"word" == server.recv(9)
    assert [] == lane._rooms


def test_more_is_owed_than_there_is_room(pair, monkeypatch):
    """What does not fit into the room is sent, too."""
    client, server = pair
    monkeypatch.setattr(lane, "_ROOM", 64)
    monkeypatch.setattr(lane, "_rooms", [])
    data = bytes(range(200))
    client.sendall(data)
    monkeypatch.undo()

    assert data == read_exactly(server, 200)


def test_an_error_borrows_nothing(pair):
    """No frame of an error keeps a memoryview from being released.

    Python before 3.12.7 crashes when it collects one that is borrowed.
    """
    client, server = pair
    client._driver.transport.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(StreamError) as caught:
        server.recv_into(bytearray(SIZE))

    views = [
        value
        for entry in caught.traceback
        for value in entry.frame.f_locals.values()
        if isinstance(value, memoryview) and len(value) == SIZE
    ]
    assert views
    for view in views:
        view.release()
