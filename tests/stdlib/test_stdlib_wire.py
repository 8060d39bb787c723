"""Reads of an adapter's socket take what is due, and files read by it."""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress

import pytest

from tlskit.ports.blocking.lane import closed_lane
from tlskit.stdlib import wire
from tlskit.stdlib.wire import Wire

from ..joined import read_exactly, tcp_pair
from ..libraries import client, server, stdlib_server
from ..peers import PATIENCE, Task, moment

RECORD = 16384
#: What a record of TLS 1.3 takes.
WHOLE = RECORD + 22


@pytest.fixture(params=["lane", "long way"])
def pair(request):
    """Our client's socket, and a server's of ssl's own."""
    left, right = tcp_pair()
    task = Task(lambda: stdlib_server().wrap_socket(right, server_side=True))
    context = client().as_ssl_context()
    if request.param == "lane":
        one = context.wrap_socket(left, server_hostname="localhost")
    else:
        with closed_lane():
            one = context.wrap_socket(left, server_hostname="localhost")
    with one, task.result() as two:
        two.sendall(b"!")
        assert b"!" == one.recv(1)  # Behind all tickets.
        yield one, two


def arrived(sock: ssl.SSLSocket) -> int:
    """Say how much ciphertext waits in the system."""
    try:
        return socket.socket.recv_into(
            sock, bytearray(1 << 18), 0, socket.MSG_PEEK
        )
    except BlockingIOError:
        return 0


def await_bytes(sock: ssl.SSLSocket, size: int) -> None:
    """Wait until so much ciphertext has come."""
    end = moment() + PATIENCE
    while arrived(sock) < size:
        assert moment() < end


@pytest.mark.native
def test_a_large_buffer_is_filled(pair):
    """By as many records as fit, or one by one on the long way."""
    one, two = pair
    several = one._sslobj._driver.has_lane
    two.sendall(b"x" * 4 * RECORD)
    await_bytes(one, 4 * WHOLE)
    buffer = bytearray(3 * RECORD)

    assert (3 if several else 1) * RECORD == one.recv_into(buffer)
    assert (1 if several else 3) * WHOLE == arrived(one)
    rest = (1 if several else 3) * RECORD
    assert b"x" * rest == read_exactly(one, rest)


def test_select_tells_of_what_is_left(pair):
    """No more has left the descriptor than was asked for."""
    one, two = pair
    for _ in range(3):
        two.sendall(b"x" * 2000)
    await_bytes(one, 3 * 2022)
    for _ in range(3):
        assert select.select([one], [], [], PATIENCE)[0]
        assert b"x" * 2000 == one.recv(3000)
        assert 0 == one.pending()


def test_the_end_is_not_taken_along(pair):
    """A close_notify behind data is left for who selects."""
    one, two = pair
    two.sendall(b"x" * 2000)
    task = Task(two.unwrap)  # It waits for ours.
    await_bytes(one, 2022 + 24)
    buffer = bytearray(9000)
    assert 2000 == one.recv_into(buffer)

    assert select.select([one], [], [], PATIENCE)[0]
    assert 0 == one.recv_into(buffer)
    one.unwrap()
    task.result().close()


def test_plain_text_behind_the_end_stays(pair):
    """What follows the peer's close_notify is not ours."""
    one, two = pair
    two.sendall(b"x" * 2000)
    task = Task(two.unwrap)
    assert b"x" * 2000 == read_exactly(one, 2000)
    plain = one.unwrap()
    with task.result() as theirs:
        theirs.sendall(b"plain")

        assert b"plain" == plain.recv(100)


def test_plain_text_in_the_shape_of_a_record_stays(pair):
    """Whatever it is, it comes behind the end, and is not ours."""
    one, two = pair
    text = b"\x17\x03\x03\x08\x00" + bytes(2048)
    two.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):  # It is sent, and ours lacks.
        two.unwrap()
    socket.socket.sendall(two, text)
    await_bytes(one, 24 + len(text))
    assert 0 == one.recv_into(bytearray(9000))

    assert text == read_exactly(one.unwrap(), len(text))


def test_parts_of_records_make_a_whole():
    """However the bytes come, they are all there in the end."""
    left, right = tcp_pair()
    near, far = tcp_pair()
    task = Task(lambda: stdlib_server().wrap_socket(right, server_side=True))

    def dribble(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(1000):
            for start in range(0, len(data), 333):
                target.sendall(data[start : start + 333])
        with suppress(OSError):  # It has gone already.
            target.shutdown(socket.SHUT_WR)

    with left, far:
        ways = Task(dribble, left, far), Task(dribble, far, left)
        with (
            client()
            .as_ssl_context()
            .wrap_socket(near, server_hostname="localhost") as one,
            task.result() as two,
        ):
            data = bytes(range(256)) * 300
            sender = Task(two.sendall, data)
            assert data == read_exactly(one, len(data))
            sender.result()
        for way in ways:
            way.result()


def test_tls_1_2_reads_several_records_too():
    """Its records add other numbers of bytes."""
    left, right = tcp_pair()
    theirs = stdlib_server()
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    task = Task(lambda: theirs.wrap_socket(right, server_side=True))
    with (
        client()
        .as_ssl_context()
        .wrap_socket(left, server_hostname="localhost") as one,
        task.result() as two,
    ):
        assert "TLSv1.2" == one.version()
        data = bytes(range(256)) * 400
        sender = Task(two.sendall, data)
        got, buffer = b"", bytearray(5 * RECORD)
        while len(got) < len(data):
            got += buffer[: one.recv_into(buffer)]
        assert data == got
        sender.result()


def test_an_error_behind_the_first_half_of_a_record(monkeypatch):
    """What came before it is read first."""
    left, right = socket.socketpair()
    with left, right:
        transport = Wire(left)
        right.sendall(b"\x17\x03\x03\x00\x05")
        buffer = memoryview(bytearray(40000))
        assert 5 == transport.read_into(buffer)

        right.close()
        assert 0 == transport.read_into(buffer)


class Interrupt(BaseException):
    """What a handler of a signal's raises."""


@pytest.mark.native
@pytest.mark.parametrize("name", ["_receive", "_send"])
def test_lost_bytes_are_told(pair, monkeypatch, name):
    """After an interrupt that loses ciphertext the session is broken."""
    one, two = pair
    two.sendall(b"word")
    await_bytes(one, 26)
    call = getattr(wire, name)

    def interrupted(*arguments):
        done = call(*arguments)
        if arguments[-1] != socket.MSG_PEEK:
            raise Interrupt
        return done

    monkeypatch.setattr(wire, name, interrupted)
    with pytest.raises(Interrupt):
        one.recv(4)
        one.sendall(b"x")
    monkeypatch.undo()
    again = {
        "_receive": lambda: one.recv(1),
        "_send": lambda: one.sendall(b"x"),
    }
    with pytest.raises(ssl.SSLError, match="INTERRUPTED"):
        again[name]()


def test_a_reset_is_one(pair):
    """Failures of the transport stay what they are."""
    one, two = pair
    two.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    two.close()
    assert select.select([one], [], [], PATIENCE)[0]

    with pytest.raises(ConnectionResetError):
        one.recv(1)


def test_who_cut_the_connection_finds_its_end(pair):
    """It is no error for a buffer either."""
    one, _ = pair
    one.shutdown(socket.SHUT_RDWR)

    assert 0 == one.recv_into(bytearray(9))


def test_no_more_is_read_than_asked_for(pair):
    """The rest of a record is read next."""
    one, two = pair
    two.sendall(b"word")
    buffer = bytearray(9)
    assert 3 == one.recv_into(buffer, 3)

    assert (b"wor" + bytes(6), b"d") == (bytes(buffer), one.recv(9))


# -- files ------------------------------------------------------------------


@pytest.mark.parametrize("buffering", [(), (-1,), (0,), (512,)])
def test_a_file_reads(pair, buffering):
    """Lines, a body, and the end, whatever its buffer."""
    one, two = pair
    body = b"y" * 40000
    with one.makefile("rb", *buffering) as file:
        sender = Task(two.sendall, b"a line\n" + body)
        assert b"a line\n" == file.readline()
        got = b""
        while len(got) < len(body):
            got += file.read(len(body) - len(got))
        assert body == got
        sender.result()
        two.shutdown(socket.SHUT_WR)
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def test_a_file_keeps_the_socket_open(pair):
    """Until it is closed, too, as with any socket's."""
    one, two = pair
    file = one.makefile("rb")
    one.close()
    two.sendall(b"still there")
    assert b"still there" == file.read(11)

    file.close()
    assert -1 == one.fileno()


def test_a_file_meets_the_time_out(pair):
    """And can't be read from after that."""
    one, _ = pair
    with one.makefile("rb") as file:
        one.settimeout(0.01)
        with pytest.raises(TimeoutError):
            file.read(1)
        one.settimeout(PATIENCE)
        with pytest.raises(OSError, match="timed out object"):
            file.read(1)


def test_a_file_never_waits_where_nothing_may(pair):
    """It raises what ssl's own does."""
    one, two = pair
    with one.makefile("rb") as file:
        one.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            file.read(1)
        one.settimeout(PATIENCE)
        two.sendall(b"x")

        assert b"x" == file.read(1)


def test_a_file_goes_on_after_tls():
    """When the socket is plain again."""
    left, right = tcp_pair()
    task = Task(
        lambda: server().as_ssl_context().wrap_socket(right, server_side=True)
    )
    one = (
        client()
        .as_ssl_context()
        .wrap_socket(left, server_hostname="localhost")
    )
    with one, task.result() as two, one.makefile("rb") as file:
        ours = Task(one.unwrap)
        plain = two.unwrap()
        ours.result()
        plain.sendall(b"plain\n")

        assert b"plain\n" == file.readline()


def test_a_cut_stream_is_an_error_for_a_file(pair):
    """As for the socket: the context decides."""
    one, two = pair
    with one.makefile("rb") as file:
        two.close()
        with pytest.raises(ssl.SSLEOFError):
            file.read(1)


@pytest.mark.parametrize("timeout", [None, PATIENCE, 0.0])
def test_nothing_is_sent_and_read(pair, timeout):
    """No byte makes no record, and no room takes no byte."""
    one, two = pair
    one.settimeout(timeout)
    assert 0 == one.send(b"")
    one.sendall(b"")
    two.sendall(b"x")
    await_bytes(one, 23)
    assert b"" == one.recv(0)
    assert b"x" == one.recv(5)
    one.sendall(b"y")
    assert b"y" == two.recv(5)


@pytest.mark.parametrize("timeout", [PATIENCE, 0.0])
def test_who_has_no_room_waits_for_nobody(pair, timeout):
    """As with ssl, nothing is read at once, also where nothing has come."""
    one, _ = pair
    one.settimeout(timeout)

    assert b"" == one.recv(0)
    assert 0 == one.recv_into(bytearray())
    with one.makefile("rb") as file:
        assert 0 == file.readinto(bytearray())


def test_who_reads_into_constant_bytes_is_refused(pair):
    """It is a mistake in types, as with ssl, and costs no data."""
    one, two = pair
    two.sendall(b"data")
    with pytest.raises(TypeError, match="writable"):
        one.recv_into(b"room")

    assert b"data" == one.recv(9)


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_much_is_sent_to_who_reads_late(pair, timeout):
    """What does not fit waits for room; all of it arrives, in order."""
    one, two = pair
    one.settimeout(timeout)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    data = bytes(range(256)) * 4000
    pieces = [data[at : at + 50000] for at in range(0, len(data), 50000)]

    def send():
        for piece in pieces:
            one.sendall(piece)

    sender = Task(send)
    assert data == read_exactly(two, len(data))
    sender.result()
