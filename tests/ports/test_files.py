"""Files over a port: what is gathered, what is sent, who learns of the end."""

from __future__ import annotations

import io
import threading

import pytest

from tlskit.errors import ClosedError
from tlskit.ports.files import InputFile, OutputFile, RawInput, RawOutput

from ..peers import PATIENCE, Task


class FakePort:
    """Keeps what is written, and gives what it was told to give."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.written: list[bytes] = []
        self.ended: list[str] = []
        self.blocks = False
        self.closing = False

    def read_plain(self, buffer: memoryview) -> int:
        """Give the next piece."""
        if self.blocks:
            raise BlockingIOError
        piece = self.pieces.pop(0) if self.pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)

    def write_plain(self, data: memoryview, *, kept: bool = False) -> int:
        """Take a piece."""
        # The file gives again what its own buffer holds, and only that.
        assert kept == (len(data) <= 65536)
        if self.blocks:
            raise BlockingIOError
        self.written.append(bytes(data))
        return len(data)

    def fileno(self) -> int:
        """Give a number."""
        return 99

    def input(self) -> InputFile:
        """Make the input file."""
        return InputFile(RawInput(self, lambda: self.ended.append("input")))

    def output(self) -> OutputFile:
        """Make the output file."""
        return OutputFile(
            RawOutput(self, lambda: self.ended.append("output")),
            lambda: self.ended.append("abandon"),
            self.check,
        )

    def check(self) -> None:
        """Refuse what would never go out."""
        if self.closing:
            raise ClosedError("closing")


def test_input_is_a_buffered_binary_file():
    """Pieces become one stream; an empty piece is its end."""
    file = FakePort(b"one\ntw", b"o\n").input()

    assert isinstance(file, io.BufferedReader)
    assert [b"one\n", b"two\n"] == list(file)
    assert b"" == file.read()


def test_input_without_data_gives_none():
    """On a non-blocking port, nothing there is None and not the end."""
    port = FakePort()
    port.blocks = True

    assert port.input().read(5) is None


def test_small_writes_are_gathered():
    """Many small writes become one, which goes out with flush."""
    port = FakePort()
    file = port.output()
    for letter in (b"a", b"b", b"c"):
        assert 1 == file.write(letter)
    before = list(port.written)
    file.flush()

    assert ([], [b"abc"]) == (before, port.written)


def test_a_large_write_needs_no_flush():
    """What exceeds four records' worth is sent at once."""
    port = FakePort()
    file = port.output()
    file.write(bytes(70000))

    assert 70000 == sum(map(len, port.written))
    file.close()


def test_flush_if_idle_sends_once():
    """It sends what was gathered, and then there is nothing to send."""
    port = FakePort()
    file = port.output()
    file.flush_if_idle()
    file.write(b"abc")
    file.flush_if_idle()
    file.flush_if_idle()

    assert [b"abc"] == port.written


def test_flush_if_idle_never_waits_for_a_writer():
    """A reader isn't held up by a writer that waits for its peer."""
    port = FakePort()
    file = port.output()
    inside, leave = threading.Event(), threading.Event()

    def slow(data: memoryview, *, kept: bool) -> int:
        assert kept
        inside.set()
        assert leave.wait(PATIENCE)
        return len(data)

    port.write_plain = slow
    file.write(b"abc")
    task = Task(file.flush)
    assert inside.wait(PATIENCE)
    file.flush_if_idle()

    assert task.running
    leave.set()
    task.result()


def test_output_that_takes_nothing_keeps_it():
    """On a non-blocking port, what isn't taken stays gathered, in order."""
    port = FakePort()
    file = port.output()
    port.blocks = True
    file.write(b"abc")
    with pytest.raises(BlockingIOError):
        file.flush()
    port.blocks = False
    file.flush()

    assert [b"abc"] == port.written


def test_close_sends_and_tells_the_port_once():
    """Gathered bytes go out before the port hears of the end."""
    port = FakePort()
    file = port.output()
    file.write(b"abc")
    file.close()
    file.close()
    file.raw.close()

    assert ([b"abc"], ["output"]) == (port.written, port.ended)


def test_closing_the_input_tells_the_port_once():
    """A second close is harmless."""
    port = FakePort()
    file = port.input()
    file.close()
    file.close()
    file.raw.close()

    assert ["input"] == port.ended


def test_abandon_speaks_before_it_closes():
    """The port must know before the end that no close_notify is wanted."""
    port = FakePort()
    file = port.output()
    file.write(b"abc")
    file.abandon()

    assert ([b"abc"], ["abandon", "output"]) == (port.written, port.ended)


def test_abandon_of_an_input_is_close():
    """An input has nothing to leave out."""
    port = FakePort()
    file = port.input()
    file.abandon()

    assert file.closed
    assert ["input"] == port.ended


def test_one_file_reads_and_the_other_writes():
    """Each knows what it is for, and both know the descriptor."""
    port = FakePort()
    reader, writer = port.input(), port.output()

    assert (True, False) == (reader.readable(), reader.writable())
    assert (False, True) == (writer.readable(), writer.writable())
    assert 99 == reader.fileno() == writer.fileno()
    writer.close()


def test_nothing_is_gathered_for_a_port_that_closes():
    """It would never go out, so it is refused at once."""
    port = FakePort()
    file = port.output()
    port.closing = True
    with pytest.raises(ClosedError):
        file.write(b"late")
    port.closing = False
    file.close()

    assert [] == port.written


def test_flush_of_a_closed_file():
    """Reading from a port flushes; a closed file is nothing to flush."""
    port = FakePort()
    file = port.output()
    file.write(b"one")
    file.flush_if_open()
    assert [b"one"] == port.written
    file.write(b"two")
    broken, port.write_plain = port.write_plain, None
    with pytest.raises(TypeError):
        file.close()
    port.write_plain = broken
    assert file.closed
    file.flush_if_open()
    file.flush_if_idle()

    assert [b"one"] == port.written
    with pytest.raises(ValueError, match="closed"):
        file.flush()


def test_other_complaints_of_a_flush():
    """What is wrong with an open file is raised."""

    class Odd(FakePort):
        def write_plain(self, data, *, kept=False):
            raise ValueError("odd")

    file = Odd().output()
    file.write(b"one")
    for flush in (file.flush_if_idle, file.flush_if_open):
        with pytest.raises(ValueError, match="odd"):
            flush()
    with pytest.raises(ValueError, match="odd"):
        file.close()
