"""A port, or one of its directions, as a binary file."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = [
    "InputFile",
    "OutputFile",
    "Plain",
    "RawBoth",
    "RawInput",
    "RawOutput",
    "bytes_of",
]

#: A record holds at most 16 KiB of plaintext (RFC 8446, section 5.1).
_RECORD = 16384
#: Four at a time: sending costs as much as encrypting one does.
_GATHERED = 4 * _RECORD

#: To look for it by super() costs as much as to gather.
_gather = io.BufferedWriter.write


def bytes_of(data: Buffer) -> memoryview:
    """Give a view of *data* as plain bytes."""
    view = memoryview(data)
    plain = view.format == "B" and view.ndim == 1 and view.c_contiguous
    return view if plain else view.cast("B")


class Plain(Protocol):
    """What a file needs of its port."""

    def read_plain(self, buffer: memoryview) -> int:
        """Read into *buffer*; ``BlockingIOError`` for "nothing there"."""
        ...

    def write_plain(self, data: memoryview, *, kept: bool = False) -> int:
        """Write *data* and say how much of it was taken.

        If it fails, data that were *kept* are given again.
        """
        ...

    def fileno(self) -> int:
        """Give the descriptor to select on."""
        ...


class _Raw(io.RawIOBase):
    """One direction of a port.

    Args:
        port: Where from, or where to.
        on_close: Called once, when the file is closed.
    """

    def __init__(self, port: Plain, on_close: Callable[[], None]) -> None:
        super().__init__()
        self.port = port
        self._on_close = on_close

    def fileno(self) -> int:
        """Give the descriptor of the transport."""
        return self.port.fileno()

    def close(self) -> None:
        """End this direction."""
        if not self.closed:
            super().close()
            self._on_close()


class RawInput(_Raw):
    """Reads decrypted bytes."""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        """Read what is there, at least a byte; 0 is the end of the file."""
        try:
            return self.port.read_plain(bytes_of(buffer))
        except BlockingIOError:
            return None


class RawOutput(_Raw):
    """Encrypts and sends."""

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Buffer) -> int | None:
        """Send *data*."""
        view = bytes_of(data)
        try:
            # More than the buffer holds is not kept there.
            return self.port.write_plain(view, kept=len(view) <= _GATHERED)
        except BlockingIOError:
            return None


class Writing(Protocol):
    """Sends data, and says how much of them was taken."""

    def __call__(self, data: memoryview, /, *, kept: bool) -> int:
        """Send *data*; if it fails, data that were *kept* come again."""
        ...


class RawBoth(io.RawIOBase):
    """Both directions of a port as one raw file, for ``makefile``.

    Args:
        mode: Which directions: ``"r"``, ``"w"``, or both.
        read_into: Reads into a buffer.
        write: Sends.
        fileno: Gives the descriptor to select on.
        on_close: Called once, when the file is closed.
        kept: How many bytes the buffer before this file holds.
    """

    def __init__(
        self,
        mode: str,
        read_into: Callable[[Buffer], int],
        write: Writing,
        fileno: Callable[[], int],
        *,
        on_close: Callable[[], None],
        kept: int,
    ) -> None:
        super().__init__()
        self._mode = mode
        self._read_into = read_into
        self._write = write
        self._fileno = fileno
        self._on_close = on_close
        self._kept = kept

    def readable(self) -> bool:
        """Say whether it was opened for that."""
        return "r" in self._mode

    def writable(self) -> bool:
        """Say whether it was opened for that."""
        return "w" in self._mode

    def readinto(self, buffer: Buffer) -> int | None:
        """Read what is there, at least a byte; 0 is the end of the file."""
        try:
            return self._read_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data: Buffer) -> int | None:
        """Send *data*."""
        view = bytes_of(data)
        try:
            return self._write(view, kept=len(view) <= self._kept)
        except BlockingIOError:
            return None

    def fileno(self) -> int:
        """Give the descriptor of the transport."""
        return self._fileno()

    def close(self) -> None:
        """Tell that it is closed; the port stays open."""
        if not self.closed:
            super().close()
            self._on_close()


class InputFile(io.BufferedReader):
    """The port's input as a buffered binary file."""

    def __init__(self, raw: RawInput) -> None:
        super().__init__(raw, _RECORD)

    def abandon(self) -> None:
        """Close; for an input there is nothing that could be left out.

        Source: ``ssl-abandon-port``.
        """
        self.close()


class OutputFile(io.BufferedWriter):
    """The port's output as a buffered binary file.

    Small writes are gathered, up to 64 KiB.  What was gathered goes out
    with ``flush()``, with ``close()``, and before the port is read.

    Args:
        raw: Where to.
        on_abandon: Called before ``abandon`` closes.
        check: Raises if the port is being closed; what is gathered then
            would never go out.
    """

    def __init__(
        self,
        raw: RawOutput,
        on_abandon: Callable[[], None],
        check: Callable[[], None],
    ) -> None:
        super().__init__(raw, _GATHERED)
        self._on_abandon = on_abandon
        self._check = check
        self._gathered = False
        self._busy = threading.Lock()

    def write(self, data: Any) -> int:
        """Gather *data*, and send when it gets much."""
        with self._busy:
            self._check()
            self._gathered = True
            return _gather(self, data)

    def flush(self) -> None:
        """Send what was gathered."""
        with self._busy:
            self._send()

    def flush_if_open(self) -> None:
        """Send what was gathered, unless the file is closed."""
        with self._busy:
            self._send_if_open()

    def flush_if_idle(self) -> None:
        """Send what was gathered, unless a writer is at work right now."""
        if self._gathered and self._busy.acquire(blocking=False):
            try:
                self._send_if_open()
            finally:
                self._busy.release()

    def _send_if_open(self) -> None:
        try:
            self._send()
        except ValueError:  # Perhaps another thread has just closed it.
            if not self.closed:
                raise

    def _send(self) -> None:
        super().flush()
        self._gathered = False

    def abandon(self) -> None:
        """Send what was written, and end without a close_notify.

        Source: ``ssl-abandon-port``.
        """
        self._on_abandon()
        self.close()
