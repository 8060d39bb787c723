"""``TrioSSLPort``: a TLS connection for trio, and one of its streams."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

import trio

from ..engine.engine import Engine
from ..errors import ClosedError
from ..ports.coroutines import Coroutines
from ..ports.view import Endpoints
from ..tools.deadline import Deadline
from ..tools.instead import Instead
from .driver import TrioDriver

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["IncompleteReadError", "LimitOverrunError", "TrioSSLPort"]

#: What ``receive_some`` gives at most unless told otherwise.
_CHUNK = 65536


class IncompleteReadError(EOFError):
    """The stream ended before all that was wanted."""

    def __init__(self, partial: bytes, expected: int | None) -> None:
        wanted = "more" if expected is None else f"{expected} bytes"
        super().__init__(
            f"expected {wanted}, but the stream ended after {len(partial)}"
        )
        #: What there was.
        self.partial = partial
        #: How many bytes were wanted; None if nobody can know.
        self.expected = expected


class LimitOverrunError(ValueError):
    """There is no separator in as many bytes as were allowed."""

    def __init__(self, message: str, consumed: int) -> None:
        super().__init__(message)
        #: How many bytes have none, and can still be read.
        self.consumed = consumed


class TrioSSLPort(Coroutines, trio.abc.HalfCloseableStream):
    """A TLS connection for tasks of trio.

    It has two faces.  The verbs of ``tlskit.aio`` raise tlskit's errors.  As
    a ``trio.abc.HalfCloseableStream`` it is whatever takes a stream of
    trio's: ``send_all``, ``receive_some`` and their like raise
    ``trio.BrokenResourceError`` and ``trio.ClosedResourceError`` with
    tlskit's error as the cause.

    One task may read while another one writes.  Every wait ends after
    *timeout* seconds, or else after the port's own ``timeout``; with neither
    it does not end.  After a time-out, and after a cancellation, the port is
    as good as before: no byte is lost, and none is sent twice.  Only over a
    foreign stream a send that is cancelled in its middle ends the output.

    Ports come from ``open_connection``, ``serve`` and ``start_tls``.
    """

    _driver: TrioDriver

    def __init__(
        self,
        driver: TrioDriver,
        *,
        timeout: float | None = None,
        shutdown_on_close: bool = True,
        endpoints: Endpoints | None = None,
    ) -> None:
        self.timeout = timeout
        self._driver = driver
        self._engine: Engine = driver.engine
        self._endpoints = endpoints
        self._notify = shutdown_on_close
        self._ahead = bytearray()  # Decrypted, and not read yet.
        self._latest: Deadline | None = None  # Of the latest wait to read.
        self._sending = False  # A task is in send_all() or its like.

    def _incomplete(self, partial: bytes, expected: int | None) -> EOFError:
        return IncompleteReadError(partial, expected)

    def _overrun(self, message: str, consumed: int) -> Exception:
        return LimitOverrunError(message, consumed)

    # -- writing ------------------------------------------------------------

    def write(self, data: Buffer) -> None:
        """Take all of *data*; never waits.

        It leaves with ``flush()``, ``drain()``, a read that waits, or the
        end; and from 64 KiB on as far as there is room.

        Args:
            data: Any buffer; it may be changed afterwards.

        Raises:
            ClosedError: The output was closed.
            StreamError: The handshake is not done, or the session broke.
            OSError: The transport broke.
        """
        with self._during("write"):
            self._driver.write(data)

    def flush(self) -> None:
        """Send now what was written, as far as there is room; never waits.

        Raises:
            OSError: As ``write``.
        """
        with self._during("write"):
            self._driver.check_open()
            self._driver.push()

    async def drain(self, *, timeout: float | None = None) -> None:
        """Send all that was written.

        Args:
            timeout: How long it may take, in seconds.

        Raises:
            TimeoutError: The time is over; what was written is still sent
                with the next call.
            OSError: What was written can't be sent, as ``write``.
        """
        with self._during("write"):
            self._driver.check_open()
            await self._driver.drain(self._deadline(timeout))

    def can_write_eof(self) -> bool:
        """Say yes: TLS can close one direction."""
        return True

    async def write_eof(self, *, timeout: float | None = None) -> None:
        """Send our close_notify after what was written.

        The peer may go on sending.  A second call is harmless.

        Args:
            timeout: How long it may take, in seconds.

        Raises:
            OSError: As ``drain``.
        """
        with self._during("close"):
            self._driver.check_open()
            await self._driver.write_eof(self._deadline(timeout))

    # -- a stream of trio's -------------------------------------------------

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of *data*; see ``trio.abc.SendStream``.

        Args:
            data: What to send.  If it is cancelled meanwhile, the rest
                follows with the next call.

        Raises:
            trio.BusyResourceError: Another task is sending.
            trio.ClosedResourceError: The output was closed.
            trio.BrokenResourceError: The session or the transport broke.
        """
        with _Sender(self):
            await trio.lowlevel.checkpoint()
            self._driver.write(data)
            await self._driver.drain(self._deadline(None))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room; see ``trio.abc.SendStream``.

        Raises:
            trio.BusyResourceError: Another task is sending.
            trio.ClosedResourceError: The output was closed.
            trio.BrokenResourceError: The session or the transport broke.
        """
        with _Sender(self):
            await trio.lowlevel.checkpoint_if_cancelled()
            self._driver.check_output()
            await self._driver.wait_room(self._deadline(None))

    async def send_eof(self) -> None:
        """Send our close_notify; see ``trio.abc.HalfCloseableStream``.

        Raises:
            trio.BusyResourceError: Another task is sending.
            trio.ClosedResourceError: The port was closed.
            trio.BrokenResourceError: The session or the transport broke.
        """
        with _Sender(self):
            self._driver.check_open()
            await self._driver.write_eof(self._deadline(None))

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Read what is there, at least a byte; see ``trio.abc.ReceiveStream``.

        Args:
            max_bytes: The most bytes to read; None leaves it to the port.

        Returns:
            ``b""`` after the peer's close_notify.

        Raises:
            ValueError: *max_bytes* is less than 1.
            TypeError: *max_bytes* is no number.
            trio.BusyResourceError: Another task is reading.
            trio.ClosedResourceError: The port was closed.
            trio.BrokenResourceError: The session or the transport broke, or
                the stream ended without close_notify.
        """
        if max_bytes is not None:
            if not isinstance(max_bytes, int):
                raise TypeError(f"max_bytes is a number, not {max_bytes!r}")
            if max_bytes < 1:
                raise ValueError(f"max_bytes is 1 or more, not {max_bytes!r}")
        with self._trios("read"):
            if self._ahead:
                await trio.lowlevel.checkpoint()
                self._driver.check_open()
            return await self.read(_CHUNK if max_bytes is None else max_bytes)

    def _trios(self, phase: str) -> Instead[Exception]:
        """Raise what trio wants, because of what tlskit has raised."""
        return Instead(Exception, partial(self._translate, phase))

    def _translate(self, phase: str, error: Exception) -> None:
        self._locate(error, phase)
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise self._in_trios_terms(error, phase) from error

    def _in_trios_terms(self, error: OSError, phase: str) -> Exception:
        kind: type[Exception] = trio.BrokenResourceError
        if isinstance(error, ClosedError):
            kind = trio.ClosedResourceError
        made = kind(str(error))
        self._locate(made, phase)
        return made


class _Sender:
    """Lets one task send at a time, and raises what trio wants."""

    def __init__(self, port: TrioSSLPort) -> None:
        self._port = port

    def __enter__(self) -> None:
        if self._port._sending:
            raise trio.BusyResourceError(
                "another task is sending over this port already"
            )
        self._port._sending = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._port._sending = False
        if isinstance(error, Exception):
            self._port._translate("write", error)
