"""Plaintext in and out of a blocking port: recv, send, and their time-outs.

Nearly all bytes take the express lane (``blocking.lane``).  It is asked for
here at once, without the layers in between: an empty call costs as much as
the rest of a short read.  That is right while no file has gathered bytes and
no subclass has overridden what bytes go through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ..tools.deadline import NEVER, Deadline, check_timeout
from .blocking.driver import Driver
from .closing import FAREWELL
from .files import InputFile, OutputFile, bytes_of
from .view import Endpoints, SessionView

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Plaintext"]


class Plaintext(SessionView):
    """Reads and writes what a session protects, as a socket does.

    Args:
        driver: What moves the bytes.
        timeout: The deadline of each call, in seconds; None for ever.
        endpoints: Where the two ends are, over TCP.
    """

    _driver: Driver

    def __init__(
        self,
        driver: Driver,
        *,
        timeout: float | None,
        endpoints: Endpoints | None,
    ) -> None:
        self._driver = driver
        self._engine = driver.engine
        self._endpoints = endpoints
        self._timeout = timeout
        self._input: InputFile | None = None
        self._output: OutputFile | None = None
        self._closing = False
        # Whether bytes may go past all that stands between this and the
        # driver, unless a file gathers some: nothing is overridden.
        self._plain = driver.has_lane and _has_no_override(type(self))

    # -- waiting ------------------------------------------------------------

    def settimeout(self, seconds: float | None) -> None:
        """Set the deadline of later calls.

        Args:
            seconds: How long a whole call may take, in seconds; None for
                ever, 0 not to wait at all.

        Raises:
            ValueError: It is negative.
        """
        if seconds is not None:
            check_timeout(seconds)
        self._timeout = None if seconds is None else float(seconds)

    def gettimeout(self) -> float | None:
        """Give the time-out in seconds, or None."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or not at all.

        Args:
            flag: Whether to wait.
        """
        self.settimeout(None if flag else 0.0)

    def fileno(self) -> int:
        """Give the descriptor to select on; -1 once closed.

        A port may have data while its descriptor has none: look at
        ``pending()`` first.
        """
        return -1 if self.closed else self._driver.transport.fileno()

    def _deadline(self) -> Deadline:
        if self._closing:
            return Deadline.after(self._timeout or None).sooner(FAREWELL)
        if self._timeout is None:
            return NEVER
        if self._timeout == 0:
            return Deadline.now()
        return Deadline.after(self._timeout)

    # -- reading ------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Read what is there, at least a byte; ``b""`` after close_notify.

        Args:
            bufsize: The most bytes to read.
            flags: Only 0; TLS knows none.

        Raises:
            TruncatedError: The stream ended without close_notify.
            TimeoutError: The port's time-out passed.
            WantReadError: The port is non-blocking, and nothing is there.
            OSError: The transport broke.

        Source: ``tls-socket-recv``.
        """
        if (
            self._plain
            and self._input is None
            and self._output is None
            and bufsize > 0
            and not flags
        ):
            try:
                data = self._driver.read_now(bufsize)
                return self._recv_later(bufsize) if data is None else data
            except Exception as error:
                self._locate(error, "read")
                raise
        buffer = bytearray(min(bufsize, 65536) if bufsize > 0 else bufsize)
        size = self.recv_into(buffer, 0, flags)
        return bytes(memoryview(buffer)[:size])

    def _recv_later(self, bufsize: int) -> bytes:
        """Do ``recv`` where the express lane has just given way."""
        deadline = self._deadline()
        data = self._driver.read_soon(bufsize, deadline)
        if data is not None:
            return data
        if self._driver.closed:
            self._driver._check_open()
        buffer = memoryview(bytearray(min(bufsize, 65536)))
        size = self._driver.read_slowly(buffer, deadline)
        return bytes(buffer[:size])

    def recv_into(
        self, buffer: Buffer, nbytes: int = 0, flags: int = 0
    ) -> int:
        """Read into *buffer*, at least a byte; 0 after close_notify.

        Args:
            buffer: Where to.
            nbytes: The most bytes to read; 0 fills the buffer.
            flags: Only 0; TLS knows none.

        Raises:
            OSError: As ``recv``.
            TypeError: *buffer* can't be written to.
        """
        if flags:
            _refuse_flags(flags)
        view = bytes_of(buffer)
        if view.readonly:
            raise TypeError(
                f"a buffer to read into has to be writable, {buffer!r:.40} "
                "is not: use a bytearray"
            )
        if nbytes:
            view = view[:nbytes]
        if self._input is None or self._input.closed:
            if self._plain and self._output is None and len(view):
                return self._read_now(view)
            return self.read_plain(view)
        # Part of the stream may be in the file's buffer.
        try:
            size = self._input.readinto1(view)
        except ValueError:  # Another thread has just closed it.
            if not self._input.closed:
                raise
            size = None
        if size is None:
            return self.read_plain(view)
        return size

    def _read_now(self, view: memoryview) -> int:
        """Do ``read_plain`` by the express lane, if that is open."""
        driver, most = self._driver, len(view)
        try:
            size = driver.read_now(most, view)
            if size is None:
                deadline = self._deadline()
                size = driver.read_soon(most, deadline, view)
                if size is None:
                    if driver.closed:
                        driver._check_open()
                    size = driver.read_slowly(view, deadline)
        except Exception as error:
            self._locate(error, "read")
            raise
        return size

    def read_plain(self, buffer: memoryview) -> int:
        """Read past the input file's buffer; for the files themselves.

        Args:
            buffer: Where to.

        Returns:
            How many bytes; 0 after close_notify.

        Raises:
            ClosedError: The port was closed.
            OSError: As ``recv``.
        """
        if self._output is not None:
            self._output.flush_if_idle()
        try:
            if self._driver.closed:
                self._driver._check_open()
            if not len(buffer):
                return 0
            return self._driver.read_into(buffer, self._deadline())
        except Exception as error:
            self._locate(error, "read")
            raise

    def pending(self) -> int:
        """Say how many bytes can be read without waiting for the peer.

        About a record's worth is counted at most.  An end that ``recv``
        would tell at once counts as one byte until it is told, and so does
        an error.  Wait for the descriptor only while this is 0: what has
        come already does not make it readable.  What the file ``input`` has
        read ahead is not counted.

        Source: ``tls-socket-pending?``.
        """
        return 0 if self.closed else self._engine.pending()

    # -- writing ------------------------------------------------------------

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send *data*, and say how much was taken.

        A blocking port takes all of it.  After a ``WantWriteError``, wait
        until the descriptor is writable, and give the same data again.

        Args:
            data: The bytes.
            flags: Only 0; TLS knows none.

        Returns:
            How many bytes were taken.

        Raises:
            ClosedError: The output was closed.
            TimeoutError: The port's time-out passed.
            WantWriteError: The port is non-blocking and takes nothing now.
            ConfigurationError: After that error, other data were given.
            OSError: The transport broke.

        Source: ``tls-socket-send``.
        """
        if flags:
            _refuse_flags(flags)
        if self._plain and self._output is None and self._timeout != 0:
            size = self._send_now(data)
            if size:
                return size
        return self._send(bytes_of(data), kept=False)

    def _send_now(self, data: Buffer) -> int:
        """Send *data* by the express lane; 0 if it is closed."""
        if type(data) is not bytes:
            data = bytes_of(data)
        size = len(data)
        if not size:
            return 0
        try:
            sent = self._driver.send_now(data, size)
            if sent is None:
                return 0
            if not sent:
                self._driver.finish_sending(self._deadline())
        except Exception as error:
            self._locate(error, "write")
            raise
        return size

    def _send(self, data: memoryview, *, kept: bool) -> int:
        """Do ``send`` for a file; *kept* is as for ``write_plain``."""
        if self._output is not None:
            self._send_gathered()
        return self.write_plain(data, kept=kept)

    def _send_gathered(self) -> None:
        if self._output is not None:
            self._output.flush_if_open()

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send all of *data*.

        Args:
            data: The bytes.
            flags: Only 0; TLS knows none.

        Raises:
            OSError: As ``send``.  After a time-out, what was encrypted is
                still sent, before anything else.
        """
        if flags:
            _refuse_flags(flags)
        if (
            self._plain
            and self._output is None
            and self._timeout != 0
            and self._send_now(data)
        ):
            return
        if self._output is not None:
            self._send_gathered()
        view = bytes_of(data)
        while True:
            sent = self.write_plain(view)
            if sent == len(view):
                return
            view = view[sent:]

    def write_plain(self, data: memoryview, *, kept: bool = False) -> int:
        """Write past the output file's buffer; for the files themselves.

        Args:
            data: The bytes.
            kept: Whether the caller keeps them if this fails, and gives them
                again.

        Returns:
            How many were taken.

        Raises:
            ClosedError: The port was closed.
            OSError: As ``send``.
        """
        try:
            if self._driver.closed:
                self._driver._check_open()
            if self._timeout == 0 and not self._closing:
                return self._driver.write_some(data)
            return self._driver.write(data, self._deadline(), kept=kept)
        except Exception as error:
            self._locate(error, "write")
            raise


def _has_no_override(kind: type[Plaintext]) -> bool:
    """Say whether a class leaves alone what all bytes go through."""
    return (
        kind.recv_into is Plaintext.recv_into
        and kind.read_plain is Plaintext.read_plain
        and kind.write_plain is Plaintext.write_plain
        and kind._send is Plaintext._send
    )


def _refuse_flags(flags: int) -> NoReturn:
    raise ValueError(f"TLS knows no flags, found {flags!r}")
