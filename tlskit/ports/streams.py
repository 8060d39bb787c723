"""Transports over files and file-like objects.

Files that the operating system can wait for (pipes, terminals, sockets) are
read and written by their descriptors, without changing their blocking mode:
it may be shared with other processes.  Any other object is served by two
helper threads, since only a thread can wait for it with a deadline.
"""

from __future__ import annotations

import io
import os
import select
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..tools.deadline import Deadline
from .transport import poll

__all__ = ["FileTransport", "ThreadTransport", "descriptor_of"]

_CHUNK = 65536
#: How long, in seconds, a close waits for a helper thread to write.
_FAREWELL = 5.0
#: How long, in seconds, until who had nothing to read is asked again.
_PAUSE = 0.005


def descriptor_of(stream: Any) -> int | None:
    """Give the descriptor behind *stream*, if nothing transforms its bytes.

    A compressed file has a descriptor, too, but what is in there is not what
    one reads; so only classes that are known to pass bytes on are trusted.
    """
    raw = getattr(stream, "raw", stream)
    plain = type(raw) in (io.FileIO, socket.SocketIO)
    if not plain and not isinstance(stream, socket.socket):
        return None
    if type(stream) not in (
        io.BufferedReader,
        io.BufferedWriter,
        io.BufferedRandom,
        io.FileIO,
        socket.SocketIO,
    ) and not isinstance(stream, socket.socket):
        return None
    number = stream.fileno()
    mode = os.fstat(number).st_mode
    return None if stat.S_ISREG(mode) else int(number)


class FileTransport:
    """A pair of streams with descriptors.

    Args:
        source: The stream to read.
        sink: The stream to write.
        close: Whether closing the transport closes both.
    """

    def __init__(self, source: Any, sink: Any, *, close: bool) -> None:
        self.close_streams = close
        self._source, self._sink = source, sink
        self._in: int = source.fileno()
        self._out: int = sink.fileno()
        self._pending = _buffered(source, self._in)
        if hasattr(sink, "flush"):
            sink.flush()
        self._socket = _as_socket(self._out)
        # Lets another thread's wait() end.
        self._bell, self._ringer = os.pipe()
        self._closed = False

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Transport``."""
        if self._pending:
            size = min(len(buffer), len(self._pending))
            buffer[:size] = self._pending[:size]
            self._pending = self._pending[size:]
            return size
        if not self._ready(self._in, write=False):
            return None
        return os.readv(self._in, [buffer])

    def write(self, data: memoryview) -> int | None:
        """See ``Transport``."""
        if self._socket is not None:
            try:
                return self._socket.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
        if not self._ready(self._out, write=True):
            return None
        # As much as a pipe that is ready takes without blocking.
        return os.write(self._out, data[: select.PIPE_BUF])

    def _ready(self, number: int, *, write: bool) -> bool:
        try:
            poll(
                [] if write else [number],
                [number] if write else [],
                Deadline.now(),
            )
        except TimeoutError:
            return False
        return True

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """See ``Transport``."""
        if read and self._pending:
            return True, False
        return poll(
            [self._in, self._bell] if read else [self._bell],
            [self._out] if write else [],
            deadline,
        )

    def close_write(self) -> None:
        """Close the sink, if closing is ours; that is how a pipe ends."""
        if self.close_streams and self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        elif self.close_streams and self._sink is not self._source:
            self._sink.close()

    def wake(self) -> None:
        """See ``Transport``."""
        os.write(self._ringer, b"!")

    def close(self) -> None:
        """Close both streams, if that is ours to do."""
        if self._closed:
            return
        self._closed = True
        os.close(self._bell)
        os.close(self._ringer)
        if self._socket is not None:
            self._socket.close()
        if self.close_streams:
            self._source.close()
            self._sink.close()

    def fileno(self) -> int:
        """See ``Transport``."""
        return self._in


def _buffered(source: Any, number: int) -> bytes:
    """Take what a buffered reader has read ahead of its descriptor."""
    if not isinstance(source, (io.BufferedReader, io.BufferedRandom)):
        return b""
    blocking = os.get_blocking(number)
    os.set_blocking(number, False)
    try:
        return source.read(len(source.peek()))
    finally:
        os.set_blocking(number, blocking)


def _as_socket(number: int) -> socket.socket | None:
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return None
    return socket.socket(fileno=os.dup(number))


class ThreadTransport:
    """A pair of streams that nobody can select on.

    Args:
        source: An object with ``read1``, ``recv`` or ``read``.
        sink: An object with ``write`` or ``sendall``.
        close: Whether closing the transport closes both.
    """

    def __init__(self, source: Any, sink: Any, *, close: bool) -> None:
        self.close_streams = close
        self._source, self._sink = source, sink
        self._read, self._write = _reader(source), _writer(sink)
        self._change = threading.Condition()
        self._asked = False  # A read is wanted, or under way.
        self._got: memoryview | None = None
        self._to_write: bytes | None = None
        self._read_error: BaseException | None = None
        self._write_error: BaseException | None = None
        self._closed = False
        self._woken = False
        self._threads_started = False

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Transport``."""
        with self._change:
            if self._got is not None:
                size = min(len(buffer), len(self._got))
                buffer[:size] = self._got[:size]
                rest = self._got[size:]
                # An empty piece is the end of the file, and stays.
                if size and not len(rest):
                    self._got = None
                elif size:
                    self._got = rest
                return size
            if self._read_error is not None:
                raise self._read_error
            self._start()
            self._asked = True
            self._change.notify_all()
            return None

    def write(self, data: memoryview) -> int | None:
        """See ``Transport``."""
        with self._change:
            if self._write_error is not None:
                raise self._write_error
            if self._to_write is not None:
                return None
            self._start()
            self._to_write = bytes(data[:_CHUNK])
            self._change.notify_all()
            return len(self._to_write)

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """See ``Transport``."""

        def readable() -> bool:
            return self._got is not None or self._read_error is not None

        def writable() -> bool:
            return self._to_write is None

        with self._change:
            if read and not readable():
                self._start()
                self._asked = True
                self._change.notify_all()
            self._change.wait_for(
                lambda: (
                    self._woken
                    or (read and readable())
                    or (write and writable())
                ),
                deadline.left(),
            )
            if self._woken:
                return read, write
            ready = (read and readable(), write and writable())
        if not any(ready):
            raise TimeoutError("timed out: the stream did not move")
        return ready

    def close_write(self) -> None:
        """Close the sink, if closing is ours and the source is another."""
        self._wait_for_writer()
        if self.close_streams and self._sink is not self._source:
            self._sink.close()

    def wake(self) -> None:
        """See ``Transport``."""
        with self._change:
            self._woken = True
            self._change.notify_all()

    def close(self) -> None:
        """Let the last bytes go; close both, if that is ours to do."""
        self._wait_for_writer()
        with self._change:
            self._closed = True
            self._change.notify_all()
        if self.close_streams:
            self._source.close()
            self._sink.close()

    def _wait_for_writer(self) -> None:
        with self._change:
            self._change.wait_for(
                lambda: self._to_write is None or self._closed, _FAREWELL
            )

    def fileno(self) -> int:
        """Say that there is nothing to select on."""
        return -1

    # -- the helper threads -------------------------------------------------

    def _start(self) -> None:
        if not self._threads_started:
            self._threads_started = True
            for run in (self._run_reader, self._run_writer):
                threading.Thread(target=run, daemon=True).start()

    def _run_reader(self) -> None:
        pause = threading.Event()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._asked or self._closed)
                if self._closed:
                    return
            error = None
            try:
                piece = self._read()
            except BaseException as raised:  # Raised by read_into() instead.
                piece, error = b"", raised
            if piece is None:  # Who asks again sees whether it is closed.
                pause.wait(_PAUSE)
                continue
            with self._change:
                self._asked = False
                if error is None:
                    self._got = memoryview(piece)
                else:
                    self._read_error = error
                self._change.notify_all()
                if error is not None or not piece:
                    return

    def _run_writer(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(
                    lambda: self._to_write is not None or self._closed
                )
                piece = self._to_write
                if piece is None:
                    return
            error = None
            try:
                self._write(piece)
            except BaseException as raised:  # Raised by write() instead.
                error = raised
            with self._change:
                self._to_write = None
                self._write_error = error
                self._change.notify_all()
                if error is not None:
                    return


def _reader(source: Any) -> Callable[[], bytes | None]:
    """Find a read that returns what is there, instead of waiting for more.

    It gives None for "not yet".
    """
    if isinstance(source, io.TextIOBase):
        raise TypeError(
            f"TLS needs a stream of bytes, not of text: {source!r}"
        )
    if hasattr(source, "read1"):
        return lambda: bytes(source.read1(_CHUNK))
    if hasattr(source, "recv"):
        return lambda: bytes(source.recv(_CHUNK))
    if hasattr(source, "in_waiting"):
        return partial(_of_line, source)
    if isinstance(source, io.RawIOBase):
        return partial(source.read, _CHUNK)
    if hasattr(source, "read"):
        # It may wait until it has all that was asked for.
        return lambda: bytes(source.read(1))
    raise TypeError(f"nothing can be read from {source!r}")


def _of_line(line: Any) -> bytes | None:
    """Read from a serial line of pySerial's.

    It waits until it has all that was asked for; and no bytes mean that its
    time-out has passed, since a line has no end.
    """
    piece = line.read(max(1, min(line.in_waiting, _CHUNK)))
    return bytes(piece) or None


def _writer(sink: Any) -> Callable[[bytes], None]:
    if isinstance(sink, io.TextIOBase):
        raise TypeError(f"TLS needs a stream of bytes, not of text: {sink!r}")
    if hasattr(sink, "sendall"):
        send: Callable[[bytes], None] = sink.sendall
        return send
    if not hasattr(sink, "write"):
        raise TypeError(f"nothing can be written to {sink!r}")

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            # A raw file takes what it likes, a buffered one everything.
            taken = sink.write(rest)
            rest = rest[len(rest) if taken is None else taken :]
        if hasattr(sink, "flush"):
            sink.flush()

    return write
