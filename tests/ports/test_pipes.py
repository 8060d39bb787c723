"""The pipe that tests are made with: a fake, and so tested itself."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlskit.ports.pipes import PipeEnd, pipe
from tlskit.tools.deadline import Deadline

SOON = Deadline.now()


def read(end: PipeEnd, size: int = 100) -> bytes | None:
    """Read once; None if nothing is there."""
    buffer = memoryview(bytearray(size))
    got = end.read_into(buffer)
    return None if got is None else bytes(buffer[:got])


def test_both_directions():
    """What goes in at one end comes out at the other, and only there."""
    one, two = pipe()
    one.sendall(b"to two")
    two.sendall(b"to one")

    assert b"to one" == one.recv(99)
    assert b"to two" == two.recv(99)
    assert read(one) is None


@given(st.lists(st.binary()), st.integers(1, 9))
def test_order(pieces, size):
    """Bytes arrive whole and in order, however they are cut."""
    one, two = pipe()
    for each in pieces:
        one.sendall(each)
    one.close_write()
    got = b"".join(iter(lambda: two.recv(size), b""))

    assert b"".join(pieces) == got


def test_capacity():
    """A full pipe takes no more than fits, then nothing."""
    one, two = pipe(3)

    assert 3 == one.write(memoryview(b"abcde"))
    assert one.write(memoryview(b"de")) is None
    assert b"a" == read(two, 1)
    assert 1 == one.write(memoryview(b"de"))


def test_end_of_one_direction():
    """After an end the rest can be read; the other direction goes on."""
    one, two = pipe()
    one.sendall(b"last")
    one.close_write()

    assert b"last" == two.recv(99)
    assert b"" == two.recv(99)
    with pytest.raises(BrokenPipeError):
        one.sendall(b"x")
    two.sendall(b"answer")
    assert b"answer" == one.recv(99)


def test_close():
    """A closed end ends both directions, for both ends."""
    one, two = pipe()
    one.close()

    assert one.closed
    assert b"" == one.recv(1) == two.recv(1)
    for end in (one, two):
        with pytest.raises(BrokenPipeError):
            end.sendall(b"x")


def test_close_of_borrowed():
    """An end that is not ours to close is only released."""
    one, two = pipe()
    one.close_streams = False
    one.wake()
    one.close()
    two.sendall(b"still open")

    assert not one.closed
    assert b"still open" == one.recv(99)
    with pytest.raises(TimeoutError):
        one.wait(read=True, write=False, deadline=SOON)


def test_wait():
    """Waiting tells which direction can move, of those asked for."""
    one, two = pipe(1)
    two.sendall(b"x")

    assert (True, True) == one.wait(read=True, write=True, deadline=SOON)
    assert (False, True) == one.wait(read=False, write=True, deadline=SOON)
    assert (True, False) == one.wait(read=True, write=False, deadline=SOON)


@pytest.mark.parametrize(
    ("reading", "writing"), [(True, False), (False, True)]
)
def test_wait_in_vain(reading, writing):
    """If nothing moves until the deadline, it is a time-out."""
    one, _ = pipe(1)
    one.sendall(b"x")

    with pytest.raises(TimeoutError, match="the pipe did not move"):
        one.wait(read=reading, write=writing, deadline=SOON)


def test_wake():
    """Another thread can end a wait, even one without a deadline."""
    one, _ = pipe()
    results = []
    thread = threading.Thread(
        target=lambda: results.append(
            one.wait(read=True, write=False, deadline=Deadline())
        )
    )
    thread.start()
    one.wake()
    thread.join(10)

    assert [(True, False)] == results


def test_timeouts():
    """Its time-out is a socket's, and holds for both directions."""
    one, _ = pipe(1)
    assert one.gettimeout() is None
    one.settimeout(0)

    assert 0 == one.gettimeout()
    with pytest.raises(TimeoutError):
        one.recv(1)
    with pytest.raises(TimeoutError):
        one.sendall(b"too much")


def test_blocking():
    """A reader and a writer wait for each other."""
    one, two = pipe(2)
    one.settimeout(10)
    two.settimeout(10)
    thread = threading.Thread(target=one.sendall, args=(b"x" * 1000,))
    thread.start()
    got = b""
    while len(got) < 1000:
        got += two.recv(7)
    thread.join(10)

    assert b"x" * 1000 == got


def test_no_number():
    """There is nothing that select() could look at."""
    assert [-1, -1] == [each.fileno() for each in pipe()]


def test_nothing_is_asked_for():
    """Reading no bytes takes none, and waits for none."""
    one, other = pipe()
    one.sendall(b"x")

    assert b"" == other.recv(0)
    assert b"x" == other.recv(1)
