"""The two halves of a port: its files, and how one or both are closed."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from ..errors import ClosedError
from .blocking.driver import Driver
from .files import InputFile, OutputFile, RawBoth, RawInput, RawOutput
from .plaintext import Plaintext
from .view import Endpoints

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Halves"]


class Halves(Plaintext):
    """An input and an output, each of which may be a file and may end first.

    Args:
        driver: As for ``Plaintext``; so are the others.
        timeout: See there.
        endpoints: See there.
        shutdown_on_close: Whether closing sends a close_notify.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        timeout: float | None,
        endpoints: Endpoints | None,
        shutdown_on_close: bool,
    ) -> None:
        super().__init__(driver, timeout=timeout, endpoints=endpoints)
        self._notify = shutdown_on_close
        self._making = threading.Lock()  # Around making the two files.
        self._close_wanted = False  # Perhaps while files are still open.
        self._files = 0  # Made by makefile(), and still open.
        self._halves = {"input", "output"}  # Not yet closed.

    # -- the files ----------------------------------------------------------

    @property
    def input(self) -> InputFile:
        """The decrypted stream as a buffered binary file."""
        # Of two files one would be collected, and so end its direction.
        with self._making:
            if self._input is None:
                self._input = InputFile(
                    RawInput(self, lambda: self._close_half("input"))
                )
            return self._input

    @property
    def output(self) -> OutputFile:
        """The stream to the peer as a buffered binary file.

        Small writes are gathered until ``flush()``, ``close()``, or until
        the port is read.
        """
        with self._making:
            if self._output is None:
                self._output = OutputFile(
                    RawOutput(self, lambda: self._close_half("output")),
                    self._keep_quiet,
                    self._check_not_closing,
                )
            return self._output

    def __iter__(self) -> Iterator[InputFile | OutputFile]:
        """Unpack as ``input, output = port``."""
        yield self.input
        yield self.output

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Make a file of the port, as ``socket.makefile`` does.

        Closing the file leaves the port open; closing the port takes effect
        when its files are closed, too.

        Args:
            mode: ``"r"``, ``"w"`` or ``"rw"``, for text; with a ``"b"`` for
                bytes.
            buffering: The size of its buffer in bytes; 0 is none, None is
                16 KiB.
            encoding: Of text, as for ``open``; so are the others.
            errors: See there.
            newline: See there.

        Returns:
            The file.

        Raises:
            ValueError: There is no such mode, or text without a buffer.
        """
        if not set(mode) <= set("rwb") or not set(mode) & set("rw"):
            raise ValueError(
                f"the mode is 'r', 'w', 'rw' or 'b', not {mode!r}"
            )
        self._files += 1
        size = 16384 if buffering is None or buffering < 0 else buffering
        raw = RawBoth(
            mode,
            self.recv_into,
            self._send,
            self.fileno,
            on_close=self._file_closed,
            kept=size,
        )
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("only a binary file can be unbuffered")
            return raw  # type: ignore[return-value]
        file: Any
        if "r" in mode and "w" in mode:
            file = io.BufferedRWPair(raw, raw, size)
        elif "r" in mode:
            file = io.BufferedReader(raw, size)
        else:
            file = io.BufferedWriter(raw, size)
        if "b" in mode:
            return file  # type: ignore[no-any-return]
        return io.TextIOWrapper(file, encoding, errors, newline)

    def _file_closed(self) -> None:
        self._files -= 1
        if self._close_wanted and self._files == 0:
            self.close()

    # -- closing ------------------------------------------------------------

    def close(self) -> None:
        """Send what was gathered and a close_notify, and close.

        The peer's close_notify is not waited for, and whatever the peer
        does, this ends within seconds.  A second call is harmless.

        Raises:
            OSError: What was gathered in ``output`` could not be sent.  The
                port is closed all the same.

        Source: ``tls-socket-close``.
        """
        self._close_wanted = True
        if self.closed or self._closing or self._files > 0:
            return
        self._closing = True
        try:
            self._close_files()
        finally:
            self._closing = False  # After an interrupt, close() goes on.

    def _close_files(self) -> None:
        with self._making:
            pass  # Whoever makes a file now finds that it is too late.
        try:
            if self._output is not None and "output" in self._halves:
                self._output.close()
        finally:
            if self._input is not None and "input" in self._halves:
                self._input.close()
            self._driver.close(self._deadline(), notify=self._notify)

    def abandon(self) -> None:
        """Send what was written, and close without a close_notify.

        Source: ``ssl-abandon-port``.
        """
        self._keep_quiet()
        self.close()

    def shutdown(self, how: int) -> None:
        """End one direction or both; ``socket.SHUT_RD``, ``_WR``, ``_RDWR``.

        Ending the output sends a close_notify; the peer may go on sending.

        Args:
            how: Which; reading, writing or both.

        Raises:
            OSError: As ``send``.
            ValueError: *how* is none of them.

        Source: RFC 8446, section 6.1.
        """
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise ValueError(
                f"how is SHUT_RD, SHUT_WR or SHUT_RDWR, not {how!r}"
            )
        if how != socket.SHUT_RD:
            self._end_output()
        if how != socket.SHUT_WR:
            self.input.close()

    def _end_output(self) -> None:
        with self._during("close"):
            self._send_gathered()
            self._driver.finish(self._deadline())

    def _check_not_closing(self) -> None:
        if self._closing or self._driver.closed:
            with self._during("write"):
                raise ClosedError("this port was closed")

    def _keep_quiet(self) -> None:
        self._notify = False

    def _close_half(self, half: str) -> None:
        self._halves.discard(half)
        if self.closed or self._closing:
            return
        if half == "output":
            with self._during("close"):
                if self._notify:
                    self._driver.finish(self._deadline())
                else:
                    self._engine.abandon()
        if not self._halves:
            self.close()

    def __enter__(self) -> Self:
        """Give the port."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the port; after an exception, without hiding it."""
        if kind is None:
            self.close()
            return
        with suppress(OSError):
            self.close()
