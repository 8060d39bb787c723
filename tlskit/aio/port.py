"""``AsyncSSLPort``: a TLS connection for coroutines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..engine.engine import Engine
from ..ports.coroutines import Coroutines
from ..ports.view import Endpoints
from ..tools.deadline import Deadline
from .driver import AsyncDriver

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["AsyncSSLPort"]


class AsyncSSLPort(Coroutines):
    """A TLS connection for coroutines of one event loop.

    One coroutine may read while others write.  Every wait ends after
    *timeout* seconds, or else after the port's own ``timeout``; with neither
    it does not end.  After a time-out, and after a cancellation, the port is
    as good as before: no byte is lost, and none is sent twice.

    Ports come from ``open_connection``, ``start_server`` and ``start_tls``.
    """

    _driver: AsyncDriver

    def __init__(
        self,
        driver: AsyncDriver,
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
        self._lane = driver if driver.has_lane else None
        self._ahead = bytearray()  # Decrypted, and not read yet.
        self._latest: Deadline | None = None  # Of the latest wait to read.

    # -- reading ------------------------------------------------------------

    def _incomplete(self, partial: bytes, expected: int | None) -> EOFError:
        return asyncio.IncompleteReadError(partial, expected)

    def _overrun(self, message: str, consumed: int) -> Exception:
        return asyncio.LimitOverrunError(message, consumed)

    def __aiter__(self) -> Self:
        """Give the lines of the stream."""
        return self

    async def __anext__(self) -> bytes:
        """Give the next line."""
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    # -- writing ------------------------------------------------------------

    def write(self, data: Buffer) -> None:
        """Take all of *data*; never waits.

        Small writes are gathered until the loop's next turn, ``flush()``, a
        read that waits, or 64 KiB.  Without ``drain()`` nothing holds back a
        writer who is faster than the peer.

        Args:
            data: Any buffer; it may be changed afterwards.

        Raises:
            ClosedError: The output was closed.
            StreamError: The handshake is not done, or the session broke.
            OSError: The transport broke.
        """
        try:
            self._driver.write(data)
        except Exception as error:
            self._locate(error, "write")
            raise

    def flush(self) -> None:
        """Send now what was written, as far as there is room; never waits.

        Raises:
            OSError: As ``write``.
        """
        with self._during("write"):
            self._driver.check_open()
            self._driver.flush()

    async def drain(self, *, timeout: float | None = None) -> None:
        """Wait while the peer takes no more.

        Less than 64 KiB may stay gathered until the loop's next turn.

        Args:
            timeout: How long to wait, in seconds.

        Raises:
            TimeoutError: The time is over; what was written is still sent.
            OSError: What was written can't be sent, as ``write``.
        """
        if timeout is None and self._driver.ready:
            return
        with self._during("write"):
            await self._driver.drain(self._deadline(timeout))

    def can_write_eof(self) -> bool:
        """Say yes: TLS can close one direction."""
        return True

    def write_eof(self) -> None:
        """Send our close_notify after what was written.

        The peer may go on sending.  A second call is harmless.

        Raises:
            OSError: As ``write``.
        """
        with self._during("close"):
            self._driver.check_open()
            self._driver.write_eof()
