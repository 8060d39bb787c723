"""A socket as a transport: it never waits, except where it says so."""

from __future__ import annotations

import errno
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tlskit.ports.transport import (
    SocketTransport,
    Transport,
    poll,
    tune,
    watching,
)
from tlskit.testing import pipe
from tlskit.tools.deadline import Deadline

from ..joined import tcp_pair
from ..peers import PATIENCE, Task


@pytest.fixture
def pair() -> Iterator[tuple[SocketTransport, socket.socket]]:
    """A transport, and the plain socket at its other end."""
    left, right = socket.socketpair()
    right.settimeout(PATIENCE)
    with left, right:
        yield SocketTransport(left), right


def soon() -> Deadline:
    """Give the deadline of a wait that is expected to succeed."""
    return Deadline.after(PATIENCE)


def fill(transport: SocketTransport) -> None:
    """Write until nothing fits any more."""
    while transport.write(memoryview(bytes(65536))) is not None:
        pass


def test_both_kinds_are_transports(pair):
    """The interface is recognised by its methods, for sockets and pipes."""
    assert isinstance(pair[0], Transport)
    assert isinstance(pipe()[0], Transport)
    assert not isinstance(pair[1], Transport)


def test_read_tells_nothing_there_from_the_end(pair):
    """None means "nothing yet", 0 that the other end has finished."""
    transport, other = pair
    buffer = memoryview(bytearray(10))

    assert transport.read_into(buffer) is None

    other.sendall(b"abc")
    assert (3, b"abc") == (transport.read_into(buffer), bytes(buffer[:3]))

    other.close()
    assert 0 == transport.read_into(buffer)


def test_write_takes_what_fits(pair):
    """A write says how much it took, and None once nothing fits."""
    transport, _ = pair

    assert 3 == transport.write(memoryview(b"abc"))

    fill(transport)
    assert transport.write(memoryview(b"x")) is None


def test_a_broken_socket_is_an_oserror(pair):
    """A peer that is gone shows in the next write."""
    transport, other = pair
    other.close()

    with pytest.raises(BrokenPipeError):
        transport.write(memoryview(b"x"))


@pytest.mark.parametrize(
    ("read", "write", "expected"),
    [
        (True, False, (True, False)),
        (False, True, (False, True)),
        (True, True, (True, True)),
    ],
)
def test_wait_tells_which_direction_moves(pair, read, write, expected):
    """Only a direction that was asked for is reported."""
    transport, other = pair
    other.sendall(b"x")

    assert expected == transport.wait(read=read, write=write, deadline=soon())


def test_wait_for_input_ends_with_the_deadline(pair):
    """A silent peer meets the deadline, and the message says so."""
    with pytest.raises(TimeoutError, match="the peer sent nothing"):
        pair[0].wait(read=True, write=False, deadline=Deadline.after(0))


def test_wait_for_room_ends_with_the_deadline(pair):
    """So does a peer that doesn't read."""
    fill(pair[0])

    with pytest.raises(TimeoutError, match="takes no more bytes"):
        pair[0].wait(read=False, write=True, deadline=Deadline.after(0))


def test_wait_without_deadline_ends_when_something_comes(pair):
    """Without a deadline, it waits until the peer moves."""
    transport, other = pair
    task = Task(
        lambda: transport.wait(read=True, write=False, deadline=Deadline())
    )
    other.sendall(b"x")

    assert (True, False) == task.result()


def test_a_hang_up_counts_as_ready(pair):
    """The next call finds out what happened."""
    pair[1].close()

    assert pair[0].wait(read=True, write=True, deadline=soon()) == (True, True)


def test_waiting_for_a_closed_descriptor_is_an_error():
    """Whoever closed the socket under us gets an OSError, not a hang."""
    with pytest.raises(OSError, match="closed") as caught:
        poll([-1], [], Deadline())

    assert errno.EBADF == caught.value.errno


def test_close_write_ends_only_our_direction(pair):
    """The other end reads the end of the file, and still can write."""
    transport, other = pair
    transport.close_write()

    assert b"" == other.recv(1)

    other.sendall(b"x")
    assert transport.read_into(memoryview(bytearray(1))) == 1


def test_close_write_of_a_gone_socket_is_harmless(pair):
    """The peer may be gone before us, and the socket closed."""
    pair[0].sock.close()

    pair[0].close_write()


def test_close_write_reports_what_is_no_hang_up(pair):
    """An error that has nothing to do with a gone peer is raised."""
    transport, _ = pair

    class Stubborn:
        def shutdown(self, how):
            raise OSError(errno.ENOTSOCK, "not a socket")

    real, transport.sock = transport.sock, Stubborn()
    with pytest.raises(OSError, match="not a socket"):
        transport.close_write()
    transport.sock = real


def test_wake_ends_a_wait_in_another_thread(pair):
    """A thread that waits for ever returns when the port is closed."""
    transport, _ = pair
    begun = threading.Event()

    def wait():
        begun.set()
        return transport.wait(read=True, write=False, deadline=Deadline())

    task = Task(wait)
    assert begun.wait(PATIENCE)
    transport.wake()

    assert (True, False) == task.result()


def test_wake_leaves_a_lent_socket_alone():
    """A socket that is to be given back isn't shut down."""
    left, right = socket.socketpair()
    with left, right:
        transport = SocketTransport(left, close=False)
        transport.wake()
        transport.close()
        left.sendall(b"x")

        assert b"x" == right.recv(1)


@pytest.mark.parametrize("timeout", [None, 3.0, 0.0])
def test_a_lent_socket_gets_its_timeout_back(timeout):
    """While in use it does not block; afterwards it is as it was."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(timeout)
        transport = SocketTransport(left, close=False)
        during = left.gettimeout()
        transport.close()

        assert (0.0, timeout) == (during, left.gettimeout())


def test_a_lent_socket_may_have_been_closed():
    """Its owner may close it first; giving it back is harmless."""
    left, right = socket.socketpair()
    with right:
        transport = SocketTransport(left, close=False)
        left.close()

        transport.close()


def test_an_owned_socket_is_closed_once(pair):
    """A second close is harmless; there is no descriptor any more."""
    pair[0].close()
    pair[0].close()

    assert -1 == pair[0].fileno()


def test_give_back_sets_the_timeout(pair):
    """The socket is given away with the time-out asked for."""
    transport, _ = pair

    assert transport.sock is transport.give_back(7.0)
    assert 7.0 == transport.sock.gettimeout()
    assert transport.sock.fileno() == transport.fileno()


def test_tune_sends_small_records_at_once():
    """Nagle's algorithm is off on TCP; other sockets have none."""
    ours, theirs = tcp_pair()
    with ours, theirs:
        tune(ours)

        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    left, right = socket.socketpair()
    with left, right, suppress(OSError):
        tune(left)


def test_what_came_ahead_is_read_first(pair):
    """A socket that is given back goes on with what the system has."""
    transport, other = pair
    with transport.give_back(PATIENCE, b"ab") as sock:
        other.send(b"c")

        assert [b"a", b"b", b"c"] == [sock.recv(1) for _ in range(3)]


def test_nobody_watches_without_poll(monkeypatch):
    """Where a system, or a library, has none there is another way."""
    monkeypatch.delattr(select, "poll", raising=False)

    assert watching(0) is None
