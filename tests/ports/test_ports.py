"""A port as a socket, as a pair of files, and at its end."""

from __future__ import annotations

import copy
import io
import pickle
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

import tlskit
from tlskit.errors import (
    ClosedError,
    ConfigurationError,
    HandshakeError,
    TruncatedError,
    UnsupportedError,
    VerificationError,
    WantReadError,
    WantWriteError,
)
from tlskit.openssl import native
from tlskit.policy.settings import Verify
from tlskit.ports.opening import endpoints_of, open_port
from tlskit.ports.port import SSLPort
from tlskit.ports.transport import SocketTransport
from tlskit.testing import memory_pair, pipe
from tlskit.tools.deadline import Deadline

from ..engines import (
    authority,
    client_context,
    server_context,
    server_engine,
)
from ..joined import over_sockets, read_exactly, read_to_end, tcp_pair
from ..peers import HOST, PATIENCE, Task, moment

Pair = tuple[SSLPort, SSLPort]


@pytest.fixture(params=["tls12", "tls13", "without native"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client's port and a server's, over a pair of sockets."""
    bare = request.param == "without native"
    context = client_context("auto" if bare else request.param)
    if bare:
        with native.without():
            ports = over_sockets(client=context)
            yield ports
    else:
        ports = over_sockets(client=context)
        yield ports
    for port in ports:
        with suppress(OSError):
            port.close()


@pytest.fixture
def memory() -> Iterator[Pair]:
    """The same, in memory."""
    ports = memory_pair(client_context(), server_context(), timeout=PATIENCE)
    yield ports
    for port in ports:
        with suppress(OSError):
            port.close()


def quit_and_settle(server: SSLPort, client: SSLPort) -> None:
    """Have the client take in the tickets, so that nothing waits for it."""
    server.sendall(b".")
    assert b"." == client.recv(1)


# -- as a socket ------------------------------------------------------------


def test_send_and_recv_count_bytes(pair):
    """Send says how much it took; recv gives no more than asked for."""
    client, server = pair

    assert 5 == client.send(b"hello")
    assert b"hel" == server.recv(3)
    assert b"lo" == server.recv(100)


def test_recv_into_fills_the_buffer(pair):
    """Bytes land in the buffer, at most as many as wanted."""
    client, server = pair
    client.sendall(b"hello")
    buffer = bytearray(5)

    assert 2 == server.recv_into(buffer, 2)
    assert b"he\0\0\0" == buffer
    assert 3 == server.recv_into(buffer)
    assert b"llo" == buffer[:3]


def test_large_data_arrives_intact(pair):
    """Megabytes go through in order."""
    client, server = pair
    data = bytes(range(256)) * 4096
    task = Task(client.sendall, data)

    assert data == read_exactly(server, len(data))
    task.result()


def test_any_buffer_can_be_sent(memory):
    """Buffers of wider items are sent as their bytes."""
    client, server = memory
    client.sendall(memoryview(bytearray(b"abcdefgh")).cast("I"))

    assert b"abcdefgh" == read_exactly(server, 8)


def test_nothing_is_sent_and_read(pair):
    """No bytes are no record, and asking for none doesn't wait."""
    client, server = pair

    assert 0 == client.send(b"")
    client.sendall(b"")
    assert b"" == server.recv(0)
    assert 0 == server.recv_into(bytearray(0))


def test_a_negative_size_is_refused(memory):
    """As a socket does, recv refuses it."""
    with pytest.raises(ValueError, match="negative"):
        memory[0].recv(-1)


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.recv(1, 1),
        lambda port: port.recv_into(bytearray(1), 1, socket.MSG_PEEK),
        lambda port: port.send(b"x", 1),
        lambda port: port.sendall(b"x", socket.MSG_OOB),
    ],
)
def test_flags_are_refused(memory, call):
    """TLS knows no flags; none is ignored silently."""
    with pytest.raises(ValueError, match="no flags"):
        call(memory[0])


def test_non_blocking_recv_wants_to_read(pair):
    """With nothing there, recv raises BlockingIOError; later it works."""
    client, server = pair
    quit_and_settle(server, client)
    client.setblocking(False)
    with pytest.raises(WantReadError) as caught:
        client.recv(1)
    server.sendall(b"x")
    select.select([client], [], [], PATIENCE)

    assert isinstance(caught.value, BlockingIOError)
    assert b"x" == client.recv(1)


def filled(client, data):
    """Send the same again and again until nothing more is taken."""
    client.setblocking(False)
    taken = bytearray()
    with pytest.raises(WantWriteError) as caught:
        while True:
            taken += data[: client.send(data)]
    assert isinstance(caught.value, BlockingIOError)
    return taken


def test_non_blocking_send_wants_to_write(pair):
    """What is not taken is to be sent again; each byte arrives once."""
    client, server = pair
    data = bytes(range(251)) * 400
    taken = filled(client, data)
    reader = Task(read_to_end, server)
    while True:
        _, [room], _ = select.select([], [client], [], PATIENCE)
        with suppress(WantWriteError):
            taken += data[: room.send(data)]
            break
    client.setblocking(True)
    client.shutdown(socket.SHUT_WR)

    assert taken == reader.result()


def test_waiting_for_long_gives_memory_back(pair, monkeypatch):
    """Who waits longer than a moment rests; then all goes on."""
    monkeypatch.setattr("tlskit.ports.blocking.moving._LONG", 0.01)
    client, server = pair
    rested = threading.Event()
    rest = server._engine.rest
    monkeypatch.setattr(server._engine, "rest", lambda: (rest(), rested.set()))
    client.sendall(bytes(100000))
    assert bytes(100000) == server.input.read(100000)
    reader = Task(server.recv, 9)
    assert rested.wait(PATIENCE)
    client.sendall(b"hello")

    assert b"hello" == reader.result()
    server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        server.recv(1)


def test_nothing_is_left_behind(pair):
    """Who sees all sent, and waits for the answer, gets it."""
    client, server = pair
    data = bytes(range(251)) * 4000
    answer = Task(
        lambda: (server.input.read(len(data)), server.sendall(b"done"))
    )
    client.setblocking(False)
    rest = memoryview(data)
    while rest:
        select.select([], [client], [], PATIENCE)
        with suppress(WantWriteError):
            rest = rest[client.send(rest) :]
    while not client.pending():
        [_], _, _ = select.select([client], [], [], PATIENCE)
        with suppress(WantReadError):
            assert b"done" == client.recv(9)
            break

    assert data == answer.result()[0]


def test_non_blocking_send_of_something_else(pair):
    """It is refused, since the former may be on its way; nothing is lost."""
    client, server = pair
    data = bytes(range(251)) * 400
    taken = filled(client, data)
    client.setblocking(True)
    reader = Task(read_to_end, server)
    for call in (client.send, client.sendall):
        with pytest.raises(tlskit.ConfigurationError) as caught:
            call(b"else")
        assert "bad-write-retry" == caught.value.code
    assert 0 == client.send(b"")
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)

    assert taken + data == reader.result()


def test_non_blocking_send_of_less(pair):
    """Part of the same data is claimed, and then the rest of it."""
    client, server = pair
    data = bytes(range(251)) * 400
    taken = filled(client, data)
    client.setblocking(True)
    reader = Task(read_to_end, server)
    rest = memoryview(data)
    while rest:
        rest = rest[client.send(rest[:1000]) :]
    client.shutdown(socket.SHUT_WR)

    assert taken + data == reader.result()


@pytest.mark.parametrize("kind", ["output", "makefile"])
def test_non_blocking_file(memory, kind):
    """A buffered file over a port that must not wait loses nothing."""
    client, server = memory
    client.setblocking(False)
    file = client.output if kind == "output" else client.makefile("wb")
    data = bytes(range(251)) * 4000
    got = bytearray()
    rest = memoryview(data)
    while True:
        try:
            rest = rest[file.write(rest) :] if rest else rest
            file.flush()
        except BlockingIOError as error:
            rest = rest[error.characters_written :]
        if not rest and len(got) == len(data):
            break
        server.settimeout(0)
        with suppress(WantReadError):
            while True:
                got += server.recv(65536)

    assert data == got


@pytest.fixture
def narrow():
    """Two ports with little room between them."""
    ends = memory_pair(client_context(), server_context(), capacity=3000)
    yield ends
    for end in ends:
        end.abandon()


@pytest.mark.parametrize("kind", ["output", "makefile"])
@pytest.mark.parametrize("again", ["flush", "close"])
def test_a_file_after_a_time_out(narrow, kind, again):
    """What could not be sent in time is sent once, not twice."""
    client, server = narrow
    client.settimeout(0.05)
    data = bytes(range(250)) * 40
    file = client.output if kind == "output" else client.makefile("wb")
    file.write(data)
    with pytest.raises(TimeoutError):
        file.flush()
    client.settimeout(PATIENCE)
    reader = Task(read_to_end, server)
    getattr(file, again)()
    file.close()
    client.close()

    assert data == reader.result()


def test_a_file_that_is_given_up(narrow):
    """What it could not send in time is sent; other data come after it."""
    client, server = narrow
    client.settimeout(0.05)
    kept = b"k" * 10000
    with pytest.raises(TimeoutError):
        client.write_plain(memoryview(kept), kept=True)
    client.settimeout(PATIENCE)
    reader = Task(read_to_end, server)
    client.sendall(b"other")
    client.close()

    assert kept + b"other" == reader.result()


def test_read_only_buffer(pair):
    """Bytes are never written into; nothing is read then."""
    client, server = pair
    client.sendall(b"hello")
    fixed = bytes(5)
    for buffer in (fixed, memoryview(fixed)):
        with pytest.raises(TypeError, match="writable"):
            server.recv_into(buffer)

    assert bytes(5) == fixed
    assert b"hello" == server.recv(5)


def test_strided_buffer(pair):
    """A buffer with holes is refused before anything is sent."""
    client, _ = pair
    with pytest.raises(TypeError):
        client.send(memoryview(b"abcdef")[::2])


def test_non_blocking_sendall_repeats(memory):
    """Slices that are taken one by one make the whole."""
    client, server = memory
    client.setblocking(False)
    data = bytes(range(256)) * 4000
    client.sendall(data)

    assert data == read_exactly(server, len(data))


def test_a_silent_peer_meets_the_timeout(pair):
    """Recv gives up at its deadline; the port can be used afterwards."""
    client, server = pair
    quit_and_settle(server, client)
    client.settimeout(0.001)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(PATIENCE)
    server.sendall(b"x")

    assert b"x" == client.recv(1)


def test_timeouts_are_those_of_a_socket(memory):
    """None waits for ever, 0 not at all, and less is refused."""
    client, _ = memory
    client.settimeout(3)
    three = client.gettimeout()
    client.setblocking(True)
    forever = client.gettimeout()
    client.setblocking(False)

    assert (3.0, None, 0.0) == (three, forever, client.gettimeout())
    with pytest.raises(ValueError, match="negative"):
        client.settimeout(-1)


def test_fileno_is_for_selecting():
    """It is the socket's, and -1 when the port is closed."""
    left, right = socket.socketpair()
    client, server = over_sockets((left, right))
    number = left.fileno()
    open_number = client.fileno()
    client.close()

    assert (number, -1) == (open_number, client.fileno())
    server.close()


def test_addresses_of_tcp():
    """Both ends know each other's address, also after close."""
    left, right = tcp_pair()
    ours, theirs = left.getsockname(), left.getpeername()
    client, server = over_sockets((left, right))
    client.close()
    server.close()

    assert (ours, theirs) == (client.getsockname(), client.getpeername())
    assert (theirs, ours) == (server.getsockname(), server.getpeername())
    assert (theirs[0], ours[0]) == server.addresses()
    assert (*ours, *theirs) == client.addresses(port_numbers=True)
    assert (HOST, *theirs) == client.info_values()


@pytest.mark.parametrize(
    "call", ["getpeername", "getsockname", "addresses", "info_values"]
)
def test_addresses_need_tcp(memory, call):
    """What has no addresses says so."""
    with pytest.raises(UnsupportedError, match="TCP"):
        getattr(memory[0], call)()


def test_endpoints_are_those_of_tcp_only():
    """Other families have no host and port."""
    left, right = socket.socketpair()
    with left, right:
        assert endpoints_of(left) is None


def test_pending_is_what_needs_no_waiting(pair):
    """The rest of a record can be read at once; a closed port has none."""
    client, server = pair
    client.sendall(b"hello")
    server.recv(1)
    rest = server.pending()
    server.close()

    assert (4, 0) == (rest, server.pending())


def test_detach_gives_the_descriptor(pair):
    """The port counts as closed, and the socket stays open."""
    client, server = pair
    number = client.detach()

    assert client.closed
    with socket.socket(fileno=number) as plain:
        plain.sendall(b"")
        assert number == plain.fileno()
    server.close()


@pytest.mark.parametrize("call", ["detach", "unwrap"])
def test_only_a_socket_can_be_given_back(memory, call):
    """A port over another stream refuses."""
    with pytest.raises(UnsupportedError, match="socket"):
        getattr(memory[0], call)()


def test_unwrap_gives_the_plain_socket_back(pair):
    """After both close_notifys, plain bytes travel both ways."""
    client, server = pair
    task = Task(server.unwrap)
    left = client.unwrap()
    right = task.result()
    with left, right:
        left.sendall(b"plain")
        right.sendall(b"words")

        assert b"plain" == read_exactly(right, 5)
        assert b"words" == read_exactly(left, 5)
        assert PATIENCE == left.gettimeout()
    assert client.closed
    assert server.closed


def test_unwrap_flushes_first(pair):
    """What was gathered goes out before the close_notify."""
    client, server = pair
    client.output.write(b"last words")
    task = Task(client.unwrap)

    assert b"last words" == read_to_end(server)
    server.unwrap().close()
    task.result().close()


def test_unwrap_skips_what_nobody_has_read(pair):
    """Unread data does not spill over into the plain stream."""
    client, server = pair
    server.sendall(b"unread")
    task = Task(server.unwrap)
    left = client.unwrap()
    with left, task.result() as right:
        right.sendall(b"plain")

        assert b"plain" == read_exactly(left, 5)


def unwrapped(pair, plain: bytes) -> socket.socket:
    """Unwrap a client whose peer says this in one segment with its end."""
    client, server = pair
    engine = server._driver.engine
    engine.finish()
    server._driver.transport.write(
        memoryview(bytes(engine.outgoing()) + plain)
    )
    return client.unwrap()


def test_unwrap_hands_over_plaintext(pair):
    """Plaintext right behind the close_notify is read first, byte by byte."""
    peer = pair[1]._driver.transport.sock
    with unwrapped(pair, b"one two three") as sock:
        assert b"" == pair[1].recv(1)
        peer.settimeout(PATIENCE)
        peer.sendall(b" four")
        buffer = bytearray(4)

        assert b"one" == sock.recv(3, socket.MSG_PEEK)
        assert b"one" == sock.recv(3)
        assert 4 == sock.recv_into(buffer)
        assert b" two" == bytes(buffer)
        assert (b" t", None) == sock.recvfrom(2)
        assert (2, None) == sock.recvfrom_into(buffer, 2)
        assert b"hr" == bytes(buffer[:2])
        with sock.makefile("rb") as file:
            assert b"ee four" == file.read(7)
        sock.sendall(b"back")
        assert b"back" == read_exactly(peer, 4)
        assert PATIENCE == sock.gettimeout()


def test_what_was_read_ahead_goes_with_no_descriptor(pair):
    """Detaching would lose it, and is refused until it is read."""
    with unwrapped(pair, b"plain") as sock:
        with pytest.raises(tlskit.StreamError, match="5 bytes") as caught:
            sock.detach()
        assert "plaintext-behind-end" == caught.value.code
        assert b"plain" == sock.recv(9)
        socket.socket(fileno=sock.detach()).close()


# -- makefile ---------------------------------------------------------------


def test_makefile_reads_and_writes_text(pair):
    """Modes r and w make text files, with their encoding."""
    client, server = pair
    with client.makefile("w", encoding="utf-8", newline="\n") as writer:
        writer.write("grüße\nzwei\n")
    with server.makefile("r", encoding="utf-8") as reader:
        assert "grüße\n" == reader.readline()
        assert "zwei\n" == reader.readline()


def test_makefile_does_both_directions(pair):
    """Mode rwb reads and writes."""
    client, server = pair
    with client.makefile("rwb") as file, server.makefile("rwb", 100) as other:
        file.write(b"question\n")
        file.flush()
        assert b"question\n" == other.readline()
        other.write(b"answer\n")
        other.flush()

        assert b"answer\n" == file.readline()


def test_makefile_rw_is_text(pair):
    """So does rw, in text."""
    client, server = pair
    with client.makefile("rw", encoding="ascii") as file:
        file.write("question\n")
        file.flush()
        assert b"question\n" == read_exactly(server, 9)
        server.sendall(b"answer\n")

        assert "answer\n" == file.readline()


def test_unbuffered_makefile_sends_at_once(pair):
    """Buffering 0 gives the raw file."""
    client, server = pair
    with client.makefile("wb", 0) as file:
        assert isinstance(file, io.RawIOBase)
        assert client.fileno() == file.fileno()
        assert 3 == file.write(b"abc")
        assert b"abc" == read_exactly(server, 3)
        file.close()
        file.close()
    client.close()

    assert client.closed


def test_unbuffered_makefile_of_a_non_blocking_port(pair):
    """Nothing there, and no room, are None."""
    client, server = pair
    quit_and_settle(server, client)
    client.setblocking(False)
    with client.makefile("rwb", 0) as file:
        assert file.read(1) is None
        while file.write(bytes(65536)) is not None:
            pass
    # The client's close would give the last bytes 5 seconds.
    server.close()


def test_makefile_refuses_what_it_does_not_know(memory):
    """Unknown modes, none, and unbuffered text are refused."""
    for mode in ("a", "b", "", "r+"):
        with pytest.raises(ValueError, match="mode"):
            memory[0].makefile(mode)
    with pytest.raises(ValueError, match="unbuffered"):
        memory[0].makefile("r", 0)
    memory[0].close()

    assert memory[0].closed


def test_open_files_defer_closing(pair):
    """The port closes when its last file does."""
    client, server = pair
    reader, writer = client.makefile("rb"), client.makefile("wb")
    client.close()
    writer.write(b"still here")
    writer.close()
    one_open = client.closed
    assert b"still here" == read_exactly(server, 10)
    server.sendall(b"and here")
    assert b"and here" == reader.read(8)
    reader.close()
    reader.close()

    assert (False, True) == (one_open, client.closed)
    assert b"" == server.recv(1)


def test_closing_a_file_leaves_the_port_open(pair):
    """Only close() closes the port."""
    client, server = pair
    client.makefile("rb").close()
    client.sendall(b"x")

    assert b"x" == server.recv(1)


# -- input and output -------------------------------------------------------


def test_a_port_unpacks_into_its_files(pair):
    """``input, output = port``; the files are always the same."""
    client, server = pair
    client_in, client_out = client
    server_in, server_out = server
    client_out.write(b"question\n")
    client_out.flush()
    question = server_in.readline()
    server_out.write(b"answer\n")
    server_out.flush()

    assert (b"question\n", b"answer\n") == (question, client_in.readline())
    assert (client_in, client_out) == (client.input, client.output)


def test_small_writes_make_one_record(pair):
    """What was gathered before a flush arrives in one piece."""
    client, server = pair
    for letter in (b"a", b"b", b"c"):
        client.output.write(letter)
    client.output.flush()

    assert b"abc" == server.recv(100)


def test_reading_sends_what_was_gathered(pair):
    """A question needs no flush before its answer is read."""
    client, server = pair
    client.output.write(b"question")
    task = Task(client.recv, 10)
    assert b"question" == read_exactly(server, 8)
    server.sendall(b"answer")

    assert b"answer" == task.result()


def test_send_keeps_the_order_with_the_output_file(pair):
    """Gathered bytes go before the bytes of a later send."""
    client, server = pair
    client.output.write(b"first ")
    client.send(b"second")

    assert b"first second" == read_exactly(server, 12)


def test_recv_keeps_the_order_with_the_input_file(pair):
    """What the file has read ahead comes first."""
    client, server = pair
    client.sendall(b"line\nrest")
    line = server.input.readline()
    rest = server.recv(100)
    client.sendall(b"more")

    assert (b"line\n", b"rest") == (line, rest)
    assert b"more" == server.recv(100)


def test_recv_of_a_non_blocking_port_with_an_input_file(pair):
    """Having a file changes nothing: it raises WantReadError."""
    client, server = pair
    quit_and_settle(server, client)
    assert not client.input.closed
    client.setblocking(False)
    with pytest.raises(WantReadError):
        client.recv(1)


def test_recv_of_nothing_with_an_input_file(memory):
    """Asking for no bytes doesn't wait."""
    client, _ = memory
    assert not client.input.closed

    assert b"" == client.recv(0)


def test_closing_the_output_ends_the_stream(pair):
    """The peer reads the end, and what it sends is still read."""
    client, server = pair
    client.output.write(b"all")
    client.output.close()
    assert b"all" == read_to_end(server)
    server.sendall(b"answer")

    assert b"answer" == read_exactly(client, 6)
    assert not client.closed
    with pytest.raises(ClosedError):
        client.write_plain(memoryview(b"x"))


@pytest.mark.parametrize("order", [("input", "output"), ("output", "input")])
def test_closing_both_files_closes_the_port(pair, order):
    """Whichever is first, the second one closes; the peer gets the end."""
    client, server = pair
    getattr(client, order[0]).close()
    half = client.closed
    getattr(client, order[1]).close()

    assert (False, True) == (half, client.closed)
    assert b"" == server.recv(1)


def test_a_closed_input_leaves_the_output_alone(pair):
    """Writing goes on after the input was closed."""
    client, server = pair
    client.input.close()
    client.output.write(b"x")
    client.output.flush()

    assert b"x" == server.recv(1)


def test_closing_sends_what_was_gathered(pair):
    """No byte is lost by close; the stream ends in order."""
    client, server = pair
    client.output.write(b"last words")
    assert client.input is not None
    client.close()

    assert b"last words" == read_to_end(server)
    assert client.input.closed
    assert client.output.closed


def test_an_abandoned_output_sends_no_close_notify(pair):
    """What was written arrives; then the end of the port is a cut."""
    client, server = pair
    client.output.write(b"last words")
    client.output.abandon()
    assert b"last words" == read_exactly(server, 10)
    server.sendall(b"answer")
    assert b"answer" == read_exactly(client, 6)
    client.input.close()

    with pytest.raises(TruncatedError):
        server.recv(1)
    assert client.closed


# -- closing ----------------------------------------------------------------


def test_close_is_the_end_of_the_file(pair):
    """The peer reads b"" and never an error."""
    client, server = pair
    client.close()

    assert b"" == server.recv(1)
    assert b"" == server.recv(1)


def test_abandon_is_a_truncation(pair):
    """Without close_notify the peer gets what was written, then an error."""
    client, server = pair
    client.output.write(b"half")
    client.abandon()

    assert b"half" == read_exactly(server, 4)
    with pytest.raises(TruncatedError):
        server.recv(1)


def test_truncation_can_be_allowed():
    """A context may read a cut as the end."""
    client, server = over_sockets(server=server_context(allow_truncation=True))
    client.abandon()

    assert b"" == server.recv(1)
    server.close()


def test_close_twice_is_harmless(pair):
    """The second close, and an abandon after it, do nothing."""
    client, server = pair
    client.close()
    client.close()
    client.abandon()

    assert b"" == server.recv(1)


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.recv(1),
        lambda port: port.recv_into(bytearray(1)),
        lambda port: port.recv(0),
        lambda port: port.send(b"x"),
        lambda port: port.sendall(b"x"),
        lambda port: port.set_verify(),
        lambda port: port.try_verify(),
    ],
)
def test_a_closed_port_refuses(pair, call):
    """Every use of a closed port is a ClosedError."""
    pair[0].close()

    with pytest.raises(ClosedError, match="closed"):
        call(pair[0])


def test_facts_outlive_the_port(pair):
    """What the handshake found stays readable."""
    client, _ = pair
    version = client.version
    client.close()

    assert version is not None
    assert version == client.version
    assert client.peer_verified


def test_half_close_by_shutdown(pair):
    """After SHUT_WR the peer reads the end, and may still send."""
    client, server = pair
    client.output.write(b"all")
    client.shutdown(socket.SHUT_WR)
    assert b"all" == read_to_end(server)
    server.sendall(b"answer")

    assert b"answer" == read_exactly(client, 6)
    with pytest.raises(ClosedError):
        client.send(b"x")


def test_shutdown_of_the_input_closes_the_file(pair):
    """SHUT_RD ends reading only."""
    client, server = pair
    client.shutdown(socket.SHUT_RD)
    client.sendall(b"x")

    assert b"x" == server.recv(1)
    assert client.input.closed


def test_shutdown_of_both(pair):
    """SHUT_RDWR does both."""
    client, server = pair
    client.shutdown(socket.SHUT_RDWR)

    assert b"" == server.recv(1)
    assert client.input.closed


def test_shutdown_after_the_output_was_closed(pair):
    """It is harmless."""
    client, server = pair
    client.output.close()
    client.shutdown(socket.SHUT_WR)

    assert b"" == server.recv(1)


def test_leaving_the_block_closes(pair):
    """The end of a with statement sends the close_notify."""
    client, server = pair
    with client as same:
        same.sendall(b"x")

    assert b"x" == read_to_end(server)
    assert client.closed


def test_leaving_the_block_hides_no_exception(pair):
    """The exception comes out, even when the last bytes can't be sent."""
    client, server = pair
    server.abandon()

    def work() -> None:
        with client:
            client.output.write(b"never sent")
            client._driver.transport.sock.shutdown(socket.SHUT_RDWR)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        work()
    assert client.closed


def test_close_reports_what_could_not_be_sent(pair):
    """Gathered bytes that are lost are an error; the port is closed."""
    client, server = pair
    client.output.write(b"never sent")
    client._driver.transport.sock.shutdown(socket.SHUT_RDWR)

    with pytest.raises(OSError, match=r"."):
        client.close()
    assert client.closed
    server.close()


def test_close_of_a_non_blocking_port_still_says_goodbye(pair):
    """The gathered bytes and the close_notify get their moment."""
    client, server = pair
    client.output.write(b"last words")
    client.setblocking(False)
    client.close()

    assert b"last words" == read_to_end(server)


# -- repr -------------------------------------------------------------------


def test_repr_tells_side_version_and_state(memory):
    """It helps to tell ports apart, in every state."""
    client, server = memory
    before = repr(client)
    client.close()

    assert "<SSLPort client TLS_1_3 open>" == before
    assert "<SSLPort server TLS_1_3 open>" == repr(server)
    assert "<SSLPort client TLS_1_3 closed>" == repr(client)


def test_repr_tells_the_peer_and_a_handshake():
    """Over TCP it names the peer; before the handshake no version."""
    left, right = tcp_pair()
    with right:
        number = left.getpeername()[1]
        port = open_port(
            client_context(),
            SocketTransport(left),
            server_side=False,
            hostname=HOST,
            endpoints=endpoints_of(left, HOST),
        )
        text = repr(port)
        port.close()

    assert f"<SSLPort client localhost:{number} handshake>" == text.replace(
        "127.0.0.1", "localhost"
    )


# -- the handshake ----------------------------------------------------------


def deferred() -> Pair:
    """Make two ports whose handshake has not begun."""
    left, right = pipe()
    return (
        open_port(
            client_context(),
            left,
            server_side=False,
            hostname=HOST,
            timeout=PATIENCE,
        ),
        open_port(server_context(), right, server_side=True, timeout=PATIENCE),
    )


def test_a_deferred_handshake_comes_once():
    """It is done when asked for; a second call is harmless."""
    client, server = deferred()
    task = Task(server.handshake)
    client.handshake()
    task.result()
    client.handshake()
    client.sendall(b"x")

    assert b"x" == server.recv(1)


def test_no_facts_before_the_handshake():
    """What the handshake decides can't be asked for before it."""
    client, _ = deferred()

    with pytest.raises(tlskit.StreamError) as caught:
        client.export_keying_material("EXPORTER-label", 16)
    assert "no-session" == caught.value.code


@pytest.mark.parametrize(
    "call", [lambda port: port.recv(1), lambda port: port.send(b"x")]
)
def test_nothing_moves_before_the_handshake(call):
    """Reading or writing before it is a mistake that is named."""
    client, _ = deferred()

    with pytest.raises(OSError, match="handshake"):
        call(client)


def test_a_handshake_can_time_out_and_go_on():
    """After a time-out, another call continues where it stopped."""
    client, server = deferred()
    client.settimeout(0.001)
    with pytest.raises(TimeoutError):
        client.handshake()
    client.settimeout(PATIENCE)
    task = Task(server.handshake)
    client.handshake()
    task.result()

    assert client.peer_verified


def test_the_wrong_context_is_refused():
    """Before a byte is sent, by its name."""
    left, _ = pipe()

    with pytest.raises(ConfigurationError, match="needs a ServerContext"):
        open_port(client_context(), left, server_side=True)
    with pytest.raises(ConfigurationError, match="needs a ClientContext"):
        open_port(server_context(), left, server_side=False)
    with pytest.raises(ConfigurationError, match="not object"):
        open_port(object(), left, server_side=False)


# -- start_tls --------------------------------------------------------------


def test_start_tls_upgrades_after_plain_words():
    """Plain bytes first, TLS after; the time-out is the socket's."""
    left, right = tcp_pair()
    left.sendall(b"STARTTLS\n")
    assert b"STARTTLS\n" == read_exactly(right, 9)
    client, server = over_sockets((left, right))
    client.sendall(b"secret")

    assert b"secret" == read_exactly(server, 6)
    assert PATIENCE == client.gettimeout()
    client.close()
    server.close()


def test_start_tls_takes_pending_bytes():
    """Bytes of the handshake that were read already are not lost."""
    left, right = socket.socketpair()
    left.settimeout(PATIENCE)
    right.settimeout(PATIENCE)
    task = Task(
        lambda: SSLPort.start_tls(left, client_context(), hostname=HOST)
    )
    pending = read_exactly(right, 20)
    server = SSLPort.start_tls(
        right, server_context(), server_side=True, pending=pending
    )
    client = task.result()
    client.sendall(b"x")

    assert b"x" == server.recv(1)
    client.close()
    server.close()


def test_start_tls_leaves_another_port_alone():
    """TLS in TLS has a way of its own; the port stays as it was."""
    client, server = memory_pair(client_context(), server_context())
    with client, server:
        with pytest.raises(TypeError, match="ports_to_ssl_ports"):
            tlskit.SSLPort.start_tls(client, client_context())
        client.sendall(b"still open")

        assert b"still open" == server.recv(100)


def test_start_tls_closes_the_socket_on_a_wrong_context():
    """A port that can't be made leaves no socket behind."""
    left, right = socket.socketpair()
    with right:
        with pytest.raises(ConfigurationError):
            SSLPort.start_tls(left, server_context())

        assert -1 == left.fileno()


def test_start_tls_closes_the_socket_on_a_failed_handshake():
    """Neither does a handshake that fails."""
    left, right = socket.socketpair()
    left.settimeout(PATIENCE)
    with right:
        right.sendall(b"220 this is not TLS, but a mail server\r\n")
        with pytest.raises(HandshakeError):
            SSLPort.start_tls(left, client_context(), hostname=HOST)

        assert -1 == left.fileno()


def test_start_tls_obeys_the_timeout():
    """A silent peer meets the socket's time-out."""
    left, right = socket.socketpair()
    left.settimeout(0.001)
    with right:
        with pytest.raises(TimeoutError):
            SSLPort.start_tls(left, client_context(), hostname=HOST)

        assert -1 == left.fileno()


# -- asking for the peer's certificate --------------------------------------


def test_a_client_has_its_verdict_already(pair):
    """On a client's port, set_verify looks at what was found."""
    client, _ = pair
    client.set_verify()
    client.try_verify()
    client.set_verify(False)
    client.try_verify(False)

    assert client.peer_verified


def test_a_bad_verdict_is_raised_when_it_is_demanded():
    """A client that let an untrusted server pass may still insist."""
    context = tlskit.ClientContext("auto")
    client, server = over_sockets(client=context)

    assert client.verify_error is not None
    with pytest.raises(VerificationError):
        client.set_verify()
    client.close()
    server.close()


def test_a_demand_before_the_handshake_is_remembered():
    """Then the handshake itself fails without a certificate."""
    client, server = deferred()
    server.set_verify()
    task = Task(server.handshake)
    client.handshake()

    assert isinstance(task.settle(), VerificationError)
    client.close()
    server.close()


def test_a_wish_before_the_handshake_is_tolerant():
    """A client without a certificate passes, unverified."""
    client, server = deferred()
    server.try_verify()
    task = Task(server.handshake)
    client.handshake()
    task.result()

    assert not server.peer_verified


@pytest.mark.native
def test_a_server_asks_in_mid_session():
    """A client without a certificate, asked while it reads, is refused."""
    client, server = over_sockets(client=client_context("tls12"))
    task = Task(client.recv, 1)
    with pytest.raises(VerificationError):
        server.set_verify()
    server.close()

    task.settle()
    client.close()


@pytest.mark.native
@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_a_client_answers_in_mid_session(protocol):
    """One with a certificate is verified from then on."""
    ours, theirs = client_context(protocol), server_context()
    authority().issue("client.example").apply(ours)
    authority().trust(theirs)
    client, server = over_sockets(client=ours, server=theirs)
    task = Task(client.recv, 1)
    before = server.peer_verified
    server.set_verify()
    server.sendall(b"x")

    assert b"x" == task.result()
    assert (False, True) == (before, server.peer_verified)
    client.close()
    server.close()


def test_a_missing_certificate_is_an_error_of_its_own(monkeypatch, memory):
    """Neither verified nor refused: there was no certificate."""
    client, _ = memory
    monkeypatch.setattr(
        type(client), "verify_error", property(lambda self: None)
    )
    monkeypatch.setattr(
        type(client), "peer_verified", property(lambda self: False)
    )

    with pytest.raises(VerificationError, match="no certificate"):
        client.set_verify()


# -- two threads ------------------------------------------------------------


@pytest.mark.parametrize(
    ("lock", "call", "want"),
    [
        ("_reading", lambda port: port.recv(1), WantReadError),
        ("_writing", lambda port: port.send(b"x"), WantWriteError),
    ],
)
def test_a_port_in_use_is_waited_for(memory, lock, call, want):
    """A second thread waits until its time is over, or not at all."""
    port = memory[0]
    with getattr(port._driver, lock):
        port.settimeout(0)
        with pytest.raises(want, match="another thread"):
            call(port)
        port.settimeout(0.01)
        with pytest.raises(TimeoutError, match="another thread"):
            call(port)


class Renegotiating:
    """A client's port, and a server that has asked it for a certificate."""

    def __init__(self) -> None:
        left, self.right = pipe()
        theirs = server_context()
        authority().trust(theirs)
        self.server = server_engine(theirs)
        asking = client_context("tls12")
        authority().issue("alice@example.com").apply(asking)
        self.client = open_port(asking, left, server_side=False, hostname=HOST)
        self.right.settimeout(PATIENCE)
        task = Task(self.client.handshake)
        self.shuttle(self.server.handshake)
        task.result()
        self.server.reauthenticate(Verify.REQUIRE)
        self.right.sendall(self.server.outgoing())
        self.client.settimeout(0)
        with pytest.raises(WantReadError):  # Its answer is a ClientHello.
            self.client.recv(1)
        self.client.settimeout(PATIENCE)

    def shuttle(self, step):
        """Repeat *step* of the server's until it gives something."""
        while (found := step()) is None:
            if data := self.server.outgoing():
                self.right.sendall(data)
            self.server.receive(self.right.recv(65536))
        if data := self.server.outgoing():
            self.right.sendall(data)
        return found

    def read(self) -> bytes:
        """Read what has come for the server."""
        buffer = memoryview(bytearray(16))
        size = self.shuttle(lambda: self.server.read_into(buffer))
        return bytes(buffer[:size])


def test_a_write_waits_for_a_renegotiation():
    """What is written in mid-renegotiation is sent when that is over."""
    both = Renegotiating()
    task = Task(both.client.sendall, b"later")
    assert both.shuttle(both.server.reauthenticated)
    read = both.read()
    task.result()

    assert b"later" == read
    assert both.server.facts.peer_verified
    both.client.close()


def test_a_write_sends_what_a_reader_answers_to_a_renegotiation():
    """Neither of both waits for the other one."""
    both = Renegotiating()
    driver = both.client._driver
    reader = Task(both.client.recv, 9)
    end = moment() + PATIENCE
    while not (driver._reading.locked() or driver._attending):
        assert moment() < end
    writer = Task(both.client.sendall, b"later")
    while not driver._writing.locked():
        assert moment() < end
    assert both.shuttle(both.server.reauthenticated)
    read = both.read()
    writer.result()
    both.server.write(b"reply")
    both.right.sendall(both.server.outgoing())

    assert (b"later", b"reply") == (read, reader.result())
    both.client.close()


def test_a_write_in_a_renegotiation_waits_no_longer_than_it_may():
    """Another thread that reads is waited for until the time is over."""
    both = Renegotiating()
    with both.client._driver._reading:
        both.client.settimeout(0)
        with pytest.raises(WantReadError, match="another thread"):
            both.client.send(b"later")
        both.client.settimeout(0.01)
        with pytest.raises(TimeoutError, match="another thread"):
            both.client.send(b"later")
    both.client.settimeout(PATIENCE)
    task = Task(both.client.sendall, b"later")
    assert both.shuttle(both.server.reauthenticated)

    assert b"later" == both.read()
    task.result()
    both.client.close()


def test_a_second_close_of_the_driver_is_harmless(memory):
    """A handshake that fails while the port closes ends it once more."""
    driver = memory[0]._driver
    driver.close(Deadline.now())
    driver.close(Deadline.now())

    assert memory[0].closed


def test_closing_is_the_reason_for_what_breaks_then(memory, monkeypatch):
    """What the transport says of our own close() stays its own business."""
    driver = memory[0]._driver

    def cut(buffer):
        driver.closed = True
        raise TruncatedError("the port below was closed")

    monkeypatch.setattr(driver.transport, "read_into", cut)
    with pytest.raises(ClosedError):
        memory[0].recv(1)


def test_a_peer_that_never_stops_sending_meets_the_deadline(
    memory, monkeypatch
):
    """Bytes that never make a record do not put the deadline off."""
    client, server = memory
    server.sendall(bytes(16384))
    driver = client._driver
    record = memoryview(bytearray(16384))
    size = driver.transport.read_into(record)
    given = []

    def dribble(buffer):
        """Give one byte of the record at a time."""
        buffer[:1] = record[len(given) : len(given) + 1]
        given.append(1)
        return 1

    monkeypatch.setattr(driver.transport, "read_into", dribble)
    client.settimeout(1e-9)
    with pytest.raises(TimeoutError, match="waiting for the peer"):
        client.recv(1)

    assert 1 == len(given) < size


def test_what_a_reader_owes_is_sent_by_the_writer(memory, monkeypatch):
    """Who wrote while a reader had to answer looks once more."""
    engine = memory[0]._driver.engine
    looks = []

    class Lock:
        """Has an answer come up while it is being released."""

        def acquire(self, *_):
            return True

        def release(self):
            looks.append(engine.owes)
            engine.owes = len(looks) == 1

        locked = acquire

    monkeypatch.setattr(memory[0]._driver, "_writing", Lock())
    memory[0].sendall(b"x")

    assert [False, False] == looks
    assert not engine.owes


def test_what_is_decrypted_needs_no_waiting(memory):
    """Who waits for a port to be readable sees what it holds already."""
    client, server = memory
    server.sendall(b"ab")
    client.recv(1)

    assert (True, False) == client._driver.wait(
        read=True, write=False, deadline=Deadline.now()
    )


class _Torn:
    """An input file that another thread closes in the middle of a read."""

    def __init__(self, *, ends: bool):
        self.closed = False
        self._ends = ends

    def readinto1(self, view):
        """Fail as CPython's buffers do then."""
        self.closed = self._ends
        raise ValueError("info->buf must not be NULL")


def test_input_closed_in_the_middle_of_recv(monkeypatch):
    """A file that is closed meanwhile is passed by; other faults are told."""
    ours, other = over_sockets()
    with ours, other:
        other.sendall(b"hello")
        monkeypatch.setattr(ours, "_input", _Torn(ends=False))
        with pytest.raises(ValueError, match="NULL"):
            ours.recv(10)
        monkeypatch.setattr(ours, "_input", _Torn(ends=True))
        assert b"hello" == ours.recv(10)
        monkeypatch.undo()


def test_output_of_a_closed_port():
    """What would never go out is refused, and nothing is printed later."""
    ours, other = over_sockets()
    ours.close()
    other.close()

    with pytest.raises(tlskit.ClosedError):
        ours.output.write(b"late")


def test_send_after_the_output_was_closed():
    """The port says so itself, not its file."""
    ours, other = over_sockets()
    with ours, other:
        ours.output.write(b"hello")
        ours.output.close()
        with pytest.raises(tlskit.ClosedError):
            ours.sendall(b"late")
        assert b"hello" == other.recv(10)


def test_two_threads_make_the_files():
    """Both get the same file; none is collected, which would end it."""
    for _ in range(20):
        ours, other = over_sockets()
        with ours, other:
            tasks = [Task(tuple, ours) for _ in range(4)]
            assert 1 == len({task.result() for task in tasks})
            ours.output.write(b"hello")
            ours.output.flush()
            assert b"hello" == other.recv(10)


# -- arguments that make no sense -------------------------------------------


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_port_is_not_copied(memory, copied):
    """Its session has one owner; a second one would end it."""
    with pytest.raises(TypeError, match="copied or pickled"):
        copied(memory[0])


@pytest.mark.parametrize("how", [3, -1, "both", None])
def test_another_way_to_shut_down(memory, how):
    """A number that names no direction is refused, not passed over."""
    client, server = memory
    with pytest.raises(ValueError, match="how is SHUT_RD"):
        client.shutdown(how)

    client.sendall(b"still open")
    assert b"still open" == read_exactly(server, 10)


@pytest.mark.parametrize("sock", [None, 3, "socket"])
def test_start_tls_wants_a_socket(sock):
    """Anything else is refused by a word about what is wanted."""
    with pytest.raises(TypeError, match="a socket is wanted"):
        SSLPort.start_tls(sock, client_context(), hostname=HOST)


def test_start_tls_wants_a_plain_socket(memory):
    """Over a port there is another function, which the error names."""
    with pytest.raises(TypeError, match=r"ports_to_ssl_ports\(\)"):
        SSLPort.start_tls(memory[0], client_context(), hostname=HOST)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((None, 8), TypeError),
        (([], 8), TypeError),
        (("EXPERIMENTAL", 1.5), TypeError),
        (("EXPERIMENTAL", 0), ValueError),
        (("EXPERIMENTAL", 65536), ValueError),
        (("EXPERIMENTAL", 2**70), ValueError),
        (("EXPERIMENTAL", 8, "context"), TypeError),
    ],
)
def test_keying_material_of_nonsense(memory, arguments, error):
    """It is refused in our words, not in those of the binding."""
    with pytest.raises(error, match="not "):
        memory[0].export_keying_material(*arguments)


@pytest.mark.parametrize("name", ["", "a b", "\0", ".localhost", "x" * 300])
def test_what_can_be_no_host_name(memory, name):
    """No certificate is for such a name, so the answer is no."""
    client, server = memory

    assert client.peer_check_hostname(name) is False
    assert server.peer_check_hostname(name) is False


@pytest.mark.parametrize("name", [None, 3, b"localhost"])
def test_a_host_name_is_text(memory, name):
    """Anything else is a mistake in the program."""
    with pytest.raises(TypeError, match="a host name is a str"):
        memory[0].peer_check_hostname(name)
