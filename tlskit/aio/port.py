"""``AsyncSSLPort``: a TLS connection for coroutines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..engine.engine import Engine
from ..policy.settings import Verify
from ..ports.view import Endpoints, SessionView
from ..tools.deadline import Deadline
from .buffers import scratch
from .driver import AsyncDriver

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer, Self

__all__ = ["AsyncSSLPort"]

#: A read takes at least so much from the engine, the size of a record.
_RECORD = 16384
#: The longest line, in bytes, unless told otherwise.
_LIMIT = 65536
_NEVER = Deadline()


class AsyncSSLPort(SessionView):
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
        #: Seconds that a call may take which is not told; None is for ever.
        self.timeout = timeout
        self._driver = driver
        self._engine: Engine = driver.engine
        self._endpoints = endpoints
        self._notify = shutdown_on_close
        self._ahead = bytearray()  # Decrypted, and not read yet.
        self._latest: Deadline | None = None  # Of the latest wait to read.

    def _deadline(self, timeout: float | None) -> Deadline:
        seconds = self.timeout if timeout is None else timeout
        return _NEVER if seconds is None else Deadline.after(seconds)

    # -- the session --------------------------------------------------------

    async def handshake(self, timeout: float | None = None) -> None:
        """Shake hands, if that has not been done; else harmless.

        Args:
            timeout: How long it may take, in seconds.

        Raises:
            HandshakeError: There is no session.
            TimeoutError: The time is over; call again to go on.
            OSError: The transport broke.
        """
        self._driver.check_open()
        await self._driver.handshake(self._deadline(timeout))

    async def set_verify(
        self, on: bool = True, *, timeout: float | None = None
    ) -> None:
        """Demand the peer's certificate now; see ``SSLPort.set_verify``.

        Args:
            on: False demands nothing from now on.
            timeout: How long it may take, in seconds.

        Raises:
            VerificationError: There is no certificate, or a bad one.
            UnsupportedError: This peer can't be asked now.
            TimeoutError: The time is over.
        """
        await self._ask(Verify.REQUIRE if on else Verify.NONE, timeout)
        if on and self._facts is not None:
            self._insist()

    async def try_verify(
        self, on: bool = True, *, timeout: float | None = None
    ) -> None:
        """Ask for the peer's certificate now; tolerate what is wrong.

        Args:
            on: False asks for nothing from now on.
            timeout: How long it may take, in seconds.

        Raises:
            UnsupportedError: This peer can't be asked now.
            TimeoutError: The time is over.
        """
        await self._ask(Verify.TRY if on else Verify.NONE, timeout)

    async def _ask(self, verify: Verify, timeout: float | None) -> None:
        self._driver.check_open()
        if self._facts is None:
            self._engine.expect(verify)
        elif self._engine.server_side and verify is not Verify.NONE:
            await self._driver.reauthenticate(verify, self._deadline(timeout))

    # -- reading ------------------------------------------------------------

    async def read(
        self, n: int = -1, *, timeout: float | None = None
    ) -> bytes:
        """Read what is there, at least a byte; ``b""`` after close_notify.

        Args:
            n: The most bytes to read; -1 reads to the end.
            timeout: How long to wait, in seconds.

        Raises:
            TruncatedError: The stream ended without close_notify.
            ClosedError: The port was closed.
            TimeoutError: The time is over; what came is read next time.
            RuntimeError: Another coroutine is reading.
            OSError: The transport broke.
        """
        self._driver.check_reader()
        if n < 0:
            return await self._read_all(self._deadline(timeout))
        if self._ahead or n == 0:
            return self._take(n)
        view = scratch()[: max(n, _RECORD)]
        size = await self._driver.read_into(view, self._deadline(timeout))
        if size > n:
            self._ahead += view[n:size]
            size = n
        return bytes(view[:size])

    async def readinto(
        self, buffer: Buffer, *, timeout: float | None = None
    ) -> int:
        """Read into *buffer*, at least a byte; 0 after close_notify.

        It is decrypted where it belongs, without a copy.

        Args:
            buffer: Where to; it must not change its size meanwhile.
            timeout: How long to wait, in seconds.

        Raises:
            OSError: As ``read``.
        """
        self._driver.check_reader()
        view = memoryview(buffer).cast("B")
        if self._ahead or not len(view):
            taken = self._take(len(view))
            view[: len(taken)] = taken
            return len(taken)
        return await self._driver.read_into(view, self._deadline(timeout))

    async def readexactly(
        self, n: int, *, timeout: float | None = None
    ) -> bytes:
        """Read *n* bytes.

        Args:
            n: How many.
            timeout: How long to wait for all of them, in seconds.

        Raises:
            asyncio.IncompleteReadError: close_notify came first; its
                ``partial`` holds what there was.
            ValueError: *n* is negative.
            OSError: As ``read``.
        """
        if n < 0:
            raise ValueError(f"n is a number of bytes, not {n!r}")
        self._driver.check_reader()
        deadline = self._deadline(timeout)
        while len(self._ahead) < n:
            if not await self._more(deadline):
                raise asyncio.IncompleteReadError(self._take(n), n)
        return self._take(n)

    async def readline(
        self, *, limit: int = _LIMIT, timeout: float | None = None
    ) -> bytes:
        """Read to the next newline, which is included.

        At the end of the stream it gives what is left, without a newline.

        Args:
            limit: The longest line, in bytes.
            timeout: How long to wait for all of it, in seconds.

        Raises:
            asyncio.LimitOverrunError: The line is longer.
            OSError: As ``read``.
        """
        try:
            return await self.readuntil(limit=limit, timeout=timeout)
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def readuntil(
        self,
        separator: bytes = b"\n",
        *,
        limit: int = _LIMIT,
        timeout: float | None = None,
    ) -> bytes:
        """Read to the next *separator*, which is included.

        Args:
            separator: What to look for; at least a byte.
            limit: The most bytes before it.
            timeout: How long to wait for all of it, in seconds.

        Raises:
            asyncio.IncompleteReadError: close_notify came first; its
                ``partial`` holds what there was.
            asyncio.LimitOverrunError: There are more than *limit* bytes
                before it; they can still be read.
            ValueError: *separator* is empty.
            OSError: As ``read``.
        """
        if not separator:
            raise ValueError("a separator has at least a byte")
        self._driver.check_reader()
        deadline = self._deadline(timeout)
        start = 0
        while (found := self._ahead.find(separator, start)) < 0:
            # Its first bytes may be there.
            start = max(0, len(self._ahead) - len(separator) + 1)
            if start > limit:
                break
            if not await self._more(deadline):
                raise asyncio.IncompleteReadError(self._take_all(), None)
        if found > limit or found < 0:
            raise asyncio.LimitOverrunError(
                f"there is no {separator!r} in {limit} bytes",
                start if found < 0 else found,
            )
        return self._take(found + len(separator))

    def __aiter__(self) -> Self:
        """Give the lines of the stream."""
        return self

    async def __anext__(self) -> bytes:
        """Give the next line."""
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def _read_all(self, deadline: Deadline) -> bytes:
        while await self._more(deadline):
            pass
        return self._take_all()

    async def _more(self, deadline: Deadline) -> int:
        """Decrypt ahead; what a cancelled reader leaves is for the next."""
        if deadline is self._latest:  # Not the first time for this reader.
            deadline.check("waiting for the peer")
        self._latest = deadline
        view = scratch()
        size = await self._driver.read_into(view, deadline)
        self._ahead += view[:size]
        return size

    def _take_all(self) -> bytes:
        return self._take(len(self._ahead))

    def _take(self, n: int) -> bytes:
        taken = bytes(memoryview(self._ahead)[:n])
        del self._ahead[:n]
        return taken

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
        self._driver.write(data)

    def flush(self) -> None:
        """Send now what was written, as far as there is room; never waits.

        Raises:
            OSError: As ``write``.
        """
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
        self._driver.check_open()
        self._driver.write_eof()

    # -- the end ------------------------------------------------------------

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Send what is left and close_notify, and close the transport.

        It takes 5.5 seconds at most, whatever the peer does; the peer's own
        close_notify is not waited for.  If it is cancelled, the transport is
        closed at once.  A second call is harmless.

        Args:
            timeout: How long what is left may take to go out, in seconds, if
                that is less than 5.

        Source: ``tls-socket-close``.
        """
        await self._driver.close(self._deadline(timeout), notify=self._notify)

    def abort(self) -> None:
        """Close at once, without a close_notify; what waits is lost."""
        self._driver.abort()

    async def __aenter__(self) -> Self:
        """Give the port."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the port; at once, if the coroutine was cancelled."""
        if kind is not None and not issubclass(kind, Exception):
            self.abort()
            return
        await self.aclose()
