"""Files and file-like objects as transports."""

from __future__ import annotations

import gzip
import io
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tlskit.ports.streams import FileTransport, ThreadTransport, descriptor_of
from tlskit.ports.transport import Transport
from tlskit.tools.deadline import Deadline

from ..peers import PATIENCE, Task

Opened = tuple[FileTransport, Any, Any]


def soon() -> Deadline:
    """Give the deadline of a wait that is expected to succeed."""
    return Deadline.after(PATIENCE)


def take(transport: Transport, size: int = 100) -> bytes:
    """Wait for input, and read it."""
    buffer = memoryview(bytearray(size))
    while True:
        got = transport.read_into(buffer)
        if got is not None:
            return bytes(buffer[:got])
        transport.wait(read=True, write=False, deadline=soon())


def put(transport: Transport, data: bytes) -> None:
    """Write *data*, waiting for room."""
    rest = memoryview(data)
    while rest:
        sent = transport.write(rest)
        if sent is None:
            transport.wait(read=False, write=True, deadline=soon())
        else:
            rest = rest[sent:]


class Line(io.RawIOBase):
    """A serial line as pySerial has it.

    Args:
        pieces: What arrives; none means that a time-out passes.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.asked: list[int] = []

    @property
    def in_waiting(self) -> int:
        """How much there is to read."""
        return len(self.pieces[0])

    def read(self, size: int = 1) -> bytes:
        """Wait for as much; give less only if the time-out passes."""
        self.asked.append(size)
        return self.pieces.pop(0)

    def write(self, data: Any) -> int:
        """Take it."""
        return len(data)


# -- which streams have a descriptor ----------------------------------------


def test_pipes_and_sockets_have_a_descriptor():
    """The operating system can wait for them."""
    one, two = os.pipe()
    left, right = socket.socketpair()
    with os.fdopen(one, "rb") as reader, os.fdopen(two, "wb", 0) as writer:
        assert one == descriptor_of(reader)
        assert two == descriptor_of(writer)
        assert one == descriptor_of(reader.raw)
    with left, right, left.makefile("rb") as file:
        assert left.fileno() == descriptor_of(left) == descriptor_of(file)
        with left.makefile("rb", 0) as raw:
            assert left.fileno() == descriptor_of(raw)


def test_other_objects_have_none(tmp_path):
    """Files on disk never wait, and compressed bytes aren't what is read."""
    path = tmp_path / "file.gz"
    with gzip.open(path, "wb") as packed:
        assert descriptor_of(packed) is None
    with path.open("rb") as file:
        assert descriptor_of(file) is None

        class Mine(io.BufferedReader):
            pass

        with Mine(os.fdopen(os.dup(file.fileno()), "rb", 0)) as mine:
            assert descriptor_of(mine) is None
    assert descriptor_of(io.BytesIO()) is None
    assert descriptor_of(object()) is None


# -- files with descriptors -------------------------------------------------


@pytest.fixture(params=[True, False], ids=["close", "keep"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """A transport over two pipes, and the far ends: source, sink."""
    one_in, one_out = os.pipe()
    two_in, two_out = os.pipe()
    with (
        os.fdopen(one_in, "rb") as source,
        os.fdopen(two_out, "wb") as sink,
        os.fdopen(two_in, "rb", 0) as in_far,
        os.fdopen(one_out, "wb", 0) as out_far,
    ):
        transport = FileTransport(source, sink, close=request.param)
        yield transport, in_far, out_far
        transport.close()


def test_files_are_transports(opened):
    """The interface is that of a transport."""
    assert isinstance(opened[0], Transport)


def test_a_pipe_is_read_without_waiting(opened):
    """None is "nothing yet"; 0 is the end."""
    transport, _, far = opened
    buffer = memoryview(bytearray(10))
    before = transport.read_into(buffer)
    far.write(b"abc")
    there = transport.read_into(buffer)
    far.close()

    assert (None, 3, b"abc") == (before, there, bytes(buffer[:3]))
    assert 0 == transport.read_into(buffer)


def test_a_pipe_is_written_without_waiting(opened):
    """A full pipe takes nothing, and then waiting meets the deadline."""
    transport, far, _ = opened
    total = 0
    while (size := transport.write(memoryview(bytes(10000)))) is not None:
        total += size

    with pytest.raises(TimeoutError):
        transport.wait(read=False, write=True, deadline=Deadline.after(0))
    assert total == len(far.read(total))
    ready = transport.wait(read=False, write=True, deadline=soon())
    assert (False, True) == ready


def test_the_blocking_mode_is_left_alone(opened):
    """Another process may share the descriptors."""
    transport, _, far = opened
    far.write(b"abc")
    take(transport)

    assert os.get_blocking(transport.fileno())


def test_bytes_that_were_read_ahead_are_not_lost():
    """What a buffered reader holds comes first, piece by piece."""
    one, two = os.pipe()
    left, right = socket.socketpair()
    with (
        os.fdopen(one, "rb") as source,
        os.fdopen(two, "wb", 0) as far,
        left,
        right,
    ):
        far.write(b"line\nahead")
        line = source.readline()
        transport = FileTransport(source, left, close=False)
        ready = transport.wait(read=True, write=False, deadline=soon())
        far.write(b" and later")
        pieces = take(transport, 3), take(transport, 9), take(transport)
        transport.close()

    assert (b"line\n", (True, False)) == (line, ready)
    assert (b"ahe", b"ad", b" and later") == pieces


def test_bytes_that_were_gathered_go_first():
    """A buffered writer is flushed before its descriptor is used."""
    one, two = os.pipe()
    three, four = os.pipe()
    with (
        os.fdopen(one, "rb", 0) as far,
        os.fdopen(two, "wb") as sink,
        os.fdopen(three, "rb", 0) as source,
        os.fdopen(four, "wb", 0),
    ):
        sink.write(b"before ")
        transport = FileTransport(source, sink, close=False)
        put(transport, b"after")
        transport.close()

        assert b"before after" == far.read(100)


def test_a_sink_that_is_a_socket_does_not_block():
    """Its blocking mode is not changed, and yet a write never waits."""
    left, right = socket.socketpair()
    with left, right:
        transport = FileTransport(left, left, close=False)
        while transport.write(memoryview(bytes(65536))) is not None:
            pass
        mode = left.gettimeout()
        transport.close()

        assert mode is None


def test_closing_is_ours_or_not(opened):
    """Streams are closed exactly if that was asked for; twice is harmless."""
    transport, far, _ = opened
    ours = transport.close_streams
    transport.close_write()
    assert ours is transport._sink.closed
    transport.close()
    transport.close()

    assert ours is transport._source.closed
    assert ours is transport._sink.closed
    if ours:
        assert b"" == far.read()


@pytest.mark.parametrize("close", [True, False])
def test_closing_the_output_of_a_socket(close):
    """A socket's other end reads the end of the file at once."""
    left, right = socket.socketpair()
    right.settimeout(PATIENCE)
    with left, right:
        transport = FileTransport(left, left, close=close)
        transport.close_write()
        if close:
            assert b"" == right.recv(1)
        transport.close()
        if not close:
            left.sendall(b"x")
            assert b"x" == right.recv(1)

        assert close is (left.fileno() == -1)


def test_one_file_for_both_directions_is_not_closed_early(tmp_path):
    """Closing the output would close the input, too, so it stays open."""
    os.mkfifo(tmp_path / "both")
    number = os.open(tmp_path / "both", os.O_RDWR)
    with os.fdopen(number, "rb+", 0) as both:
        transport = FileTransport(both, both, close=True)
        transport.close_write()

        assert not both.closed
        transport.close()
        assert both.closed


def test_wake_ends_a_wait(opened):
    """A thread that waits for ever returns, as if it could read."""
    transport = opened[0]
    begun = threading.Event()

    def wait():
        begun.set()
        return transport.wait(read=True, write=False, deadline=Deadline())

    task = Task(wait)
    assert begun.wait(PATIENCE)
    transport.wake()

    assert (True, False) == task.result()


def test_wake_ends_a_wait_for_room(opened):
    """So does one that waits to write."""
    transport = opened[0]
    while transport.write(memoryview(bytes(10000))) is not None:
        pass
    task = Task(
        lambda: transport.wait(read=False, write=True, deadline=Deadline())
    )
    transport.wake()

    task.result()


# -- objects without ---------------------------------------------------------


class Bare:
    """An object with read and write, and nothing else."""

    def __init__(self, data: bytes = b"") -> None:
        self._stream = io.BytesIO(data)
        self.written = bytearray()

    def read(self, size: int) -> bytes:
        """Read."""
        return self._stream.read(size)

    def write(self, data: bytes) -> int:
        """Write."""
        self.written += data
        return len(data)


class Raw(io.RawIOBase):
    """A raw file that takes little, and now and then says "not yet"."""

    def __init__(self, *pieces: bytes | None) -> None:
        super().__init__()
        self.pieces = list(pieces)
        self.written = bytearray()

    def readable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Give the next piece."""
        piece = self.pieces.pop(0) if self.pieces else b""
        if piece is None:
            return None
        buffer[: len(piece)] = piece
        return len(piece)

    def write(self, data: Any) -> int:
        """Take two bytes."""
        self.written += data[:2]
        return min(2, len(data))


class Slow(Bare):
    """An object that reads and writes when it is told to."""

    def __init__(self) -> None:
        super().__init__(b"late")
        self.go = threading.Event()
        self.closed = False

    def read(self, size: int) -> bytes:
        """Wait, then read."""
        assert self.go.wait(PATIENCE)
        return super().read(size)

    def write(self, data: bytes) -> int:
        """Wait, then write."""
        assert self.go.wait(PATIENCE)
        return super().write(data)

    def close(self) -> None:
        """Close."""
        self.closed = True


class Broken:
    """An object that fails."""

    def read(self, size: int) -> bytes:
        """Fail."""
        raise OSError("the disk is on fire")

    def write(self, data: bytes) -> int:
        """Fail."""
        raise OSError("the printer is on fire")


def test_a_bytesio_is_read_to_its_end():
    """In pieces as small as one likes; the end stays the end."""
    transport = ThreadTransport(io.BytesIO(b"abc"), Bare(), close=False)

    assert isinstance(transport, Transport)
    assert (b"ab", b"c") == (take(transport, 2), take(transport, 2))
    assert (b"", b"") == (take(transport), take(transport))
    assert -1 == transport.fileno()
    transport.close()


def test_an_object_with_only_read_is_read():
    """It is asked for one byte, since it might wait for more."""
    transport = ThreadTransport(Bare(b"ab"), Bare(), close=False)

    assert (b"a", b"b", b"") == tuple(take(transport) for _ in range(3))
    transport.close()


def test_a_raw_file_may_say_not_yet():
    """None isn't the end; it is asked again."""
    transport = ThreadTransport(Raw(b"a", None, b"b"), Bare(), close=False)

    assert (b"a", b"b", b"") == tuple(take(transport) for _ in range(3))
    transport.close()


def test_a_raw_file_may_take_little():
    """All is written in the end, in order."""
    sink = Raw()
    transport = ThreadTransport(Bare(), sink, close=False)
    put(transport, b"abcde")
    put(transport, b"fgh")
    transport.close()

    assert b"abcdefgh" == sink.written


def test_an_object_with_recv_and_sendall_will_do():
    """Like a socket, but no socket."""

    class Like:
        def __init__(self) -> None:
            self.sent = bytearray()

        def recv(self, size: int) -> bytes:
            return b"abc"

        def sendall(self, data: bytes) -> None:
            self.sent += data

    like = Like()
    transport = ThreadTransport(like, like, close=False)
    put(transport, b"xyz")

    assert b"abc" == take(transport)
    transport.close()
    assert b"xyz" == like.sent


def test_a_write_that_says_nothing_took_everything():
    """As do writers that return None, and are flushed."""

    class Quiet:
        written = b""
        flushed = False

        def write(self, data: bytes) -> None:
            self.written += bytes(data)

        def flush(self) -> None:
            self.flushed = True

    sink = Quiet()
    transport = ThreadTransport(Bare(), sink, close=False)
    put(transport, b"abc")
    transport.close()

    assert (b"abc", True) == (sink.written, sink.flushed)


@pytest.mark.parametrize("which", ["read", "written"])
def test_what_is_no_stream_is_refused(which):
    """The message tells which of the two can't be used."""
    good = Bare()
    pair = (object(), good) if which == "read" else (good, object())

    with pytest.raises(TypeError, match=f"nothing can be {which}"):
        ThreadTransport(*pair, close=False)


def test_a_slow_object_is_waited_for_with_a_deadline():
    """Its own read would never end; ours does, and goes on later."""
    slow = Slow()
    transport = ThreadTransport(slow, slow, close=False)
    with pytest.raises(TimeoutError, match="did not move"):
        transport.wait(read=True, write=False, deadline=Deadline.after(0))
    slow.go.set()

    assert b"l" == take(transport)
    transport.close()


def test_a_second_write_waits_for_the_first():
    """While the object is writing, nothing more is taken."""
    slow = Slow()
    transport = ThreadTransport(slow, slow, close=True)

    assert 3 == transport.write(memoryview(b"abc"))
    assert transport.write(memoryview(b"def")) is None
    with pytest.raises(TimeoutError, match="did not move"):
        transport.wait(read=False, write=True, deadline=Deadline.after(0))
    slow.go.set()
    put(transport, b"def")
    transport.close()
    assert b"abcdef" == slow.written
    assert slow.closed


def test_errors_of_the_object_come_out():
    """They are raised by the next call, and stay."""
    transport = ThreadTransport(Broken(), Broken(), close=False)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            take(transport)
    with pytest.raises(OSError, match="printer"):
        put(transport, bytes(200000))
    transport.close()


def test_wake_ends_a_wait_for_an_object():
    """A thread that waits for ever returns."""
    slow = Slow()
    transport = ThreadTransport(slow, slow, close=False)
    task = Task(
        lambda: transport.wait(read=True, write=False, deadline=Deadline())
    )
    transport.wake()

    assert (True, False) == task.result()
    slow.go.set()
    transport.close()


@pytest.mark.parametrize("close", [True, False])
def test_closing_objects_is_ours_or_not(close):
    """Both are closed exactly if that was asked for."""
    source, sink = Slow(), Slow()
    transport = ThreadTransport(source, sink, close=close)
    transport.close_write()
    early = (source.closed, sink.closed)
    transport.close()

    assert (False, close) == early
    assert (close, close) == (source.closed, sink.closed)


def test_one_object_for_both_directions_is_not_closed_early():
    """Closing its output would close its input."""
    both = Slow()
    transport = ThreadTransport(both, both, close=True)
    transport.close_write()
    early = both.closed
    transport.close()

    assert (False, True) == (early, both.closed)


def test_a_serial_line_is_asked_for_what_is_there():
    """A whole buffer would take for ever; a silent line has no end."""
    line = Line(b"", b"abc")
    transport = ThreadTransport(line, line, close=False)

    assert b"abc" == take(transport)
    assert [1, 3] == line.asked
    transport.close()


def test_a_silent_line_is_left_alone_afterwards():
    """Whoever had TLS on it reads the rest, and no thread does."""

    class Silent(Line):
        in_waiting = 0

        def read(self, size: int = 1) -> bytes:
            asked.release()
            return b""

    asked, line = threading.Semaphore(0), Silent()
    before = set(threading.enumerate())
    transport = ThreadTransport(line, line, close=False)
    assert transport.read_into(memoryview(bytearray(1))) is None
    for _ in range(2):
        assert asked.acquire(timeout=PATIENCE)
    threads = set(threading.enumerate()) - before
    transport.close()

    for each in threads:
        each.join(PATIENCE)
    assert not any(each.is_alive() for each in threads)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_text_is_refused(side):
    """A stream of text is named as the mistake that it is."""
    streams = {"source": io.BytesIO(), "sink": io.BytesIO()}
    streams[side] = io.StringIO()

    with pytest.raises(TypeError, match="not of text"):
        ThreadTransport(**streams, close=False)
