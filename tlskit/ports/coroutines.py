"""What ports for coroutines share, of whatever event loop they are."""

from __future__ import annotations

from abc import abstractmethod
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ..policy.settings import Verify
from ..tools.deadline import NEVER, Deadline, check_timeout
from .buffers import CHUNK, scratch
from .view import SessionView

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer, Self

__all__ = ["Coroutines", "shaken"]

#: A read takes at least so much from the engine, the size of a record.
_RECORD = 16384
#: The longest line, in bytes, unless told otherwise.
_LIMIT = 65536


class Coroutines(SessionView):
    """The verbs that shake hands, read and close.

    What a reader needs to wait for comes from its driver, whose ``read_into``
    awaits nothing between decrypting and returning.
    """

    #: Seconds that a call may take which is not told; None is for ever.
    timeout: float | None

    _driver: Any
    _notify: bool  # Whether closing sends a close_notify.
    #: A driver that has an express lane, or had one; see ``aio.lane``.
    _lane: Any = None
    _ahead: bytearray  # Decrypted, and not read yet.
    _latest: Deadline | None  # Of the latest wait to read.

    @abstractmethod
    def _incomplete(self, partial: bytes, expected: int | None) -> EOFError:
        """Make the error for an end that comes too early."""

    @abstractmethod
    def _overrun(self, message: str, consumed: int) -> Exception:
        """Make the error for what is too long."""

    def _deadline(self, timeout: float | None) -> Deadline:
        seconds = self.timeout if timeout is None else timeout
        return NEVER if seconds is None else Deadline.after(seconds)

    def _moment(self, timeout: float | None) -> float | None:
        """Give the moment of what ``_deadline`` gives; that is quicker."""
        seconds = self.timeout if timeout is None else timeout
        if seconds is None:
            return None
        if not seconds >= 0:
            check_timeout(seconds)
        return monotonic() + seconds

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
        with self._during("handshake"):
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
            SealedError: Before the handshake: that is less than a sealed
                client's context demands.
            TimeoutError: The time is over.
        """
        with self._during("handshake"):
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
        with self._during("handshake"):
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
        try:
            lane = self._lane
            if lane is not None and n > 0 and not self._ahead:
                moment = self._moment(timeout)
                most = min(max(n, _RECORD), CHUNK)
                size = lane.take_now(most)
                if size is None:
                    size = await lane.take_soon(most, moment)
                if size is not None:
                    return self._decrypted(size, n)
                deadline = Deadline(moment)
            else:
                deadline = self._deadline(timeout)
            self._driver.check_reader()
            if n < 0:
                return await self._read_all(deadline)
            if self._ahead or n == 0:
                return self._take(n)
            view = scratch()[: max(n, _RECORD)]
            size = await self._driver.read_into(view, deadline)
        except Exception as error:
            self._locate(error, "read")
            raise
        return self._decrypted(size, n)

    def _decrypted(self, size: int, n: int) -> bytes:
        """Take *n* of *size* bytes in the scratch, and keep the others."""
        plain = scratch()
        if size > n:
            self._ahead += plain[n:size]
            size = n
        return bytes(plain[:size])

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
        try:
            view = memoryview(buffer)
            if type(buffer) is not bytearray:
                view = view.cast("B")
            lane, moment = self._lane, self._moment(timeout)
            if lane is not None and len(view) and not self._ahead:
                got: int | None = lane.take_now(len(view), view)
                if got is None:
                    got = await lane.take_soon(len(view), moment, view)
                if got is not None:
                    return got
            self._driver.check_reader()
            if self._ahead or not len(view):
                taken = self._take(len(view))
                view[: len(taken)] = taken
                return len(taken)
            size: int = await self._driver.read_into(view, Deadline(moment))
        except Exception as error:
            self._locate(error, "read")
            raise
        return size

    async def readexactly(
        self, n: int, *, timeout: float | None = None
    ) -> bytes:
        """Read *n* bytes.

        Args:
            n: How many.
            timeout: How long to wait for all of them, in seconds.

        Raises:
            EOFError: close_notify came first; it is an
                ``IncompleteReadError`` of asyncio's, or of ``tlskit.trio``,
                and its ``partial`` holds what there was.
            ValueError: *n* is negative.
            OSError: As ``read``.
        """
        if n < 0:
            raise ValueError(f"n is a number of bytes, not {n!r}")
        try:
            moment = self._moment(timeout)
            lane, deadline = self._lane, None
            if lane is not None and n and not self._ahead:
                size = lane.take_now(CHUNK)
                if size is None:
                    size = await lane.take_soon(CHUNK, moment)
                if size:
                    if size >= n:
                        return self._decrypted(size, n)
                    self._ahead += scratch()[:size]
                    deadline = self._latest = Deadline(moment)
            self._driver.check_reader()
            deadline = deadline or Deadline(moment)
            while len(self._ahead) < n and await self._more(deadline):
                pass
            taken = self._take(n)
            if len(taken) < n:
                raise self._incomplete(taken, n)  # noqa: TRY301 - located
        except Exception as error:
            self._locate(error, "read")
            raise
        return taken

    async def readline(
        self, *, limit: int = _LIMIT, timeout: float | None = None
    ) -> bytes:
        """Read to the next newline, which is included.

        At the end of the stream it gives what is left, without a newline.

        Args:
            limit: The longest line, in bytes.
            timeout: How long to wait for all of it, in seconds.

        Raises:
            Exception: As ``readuntil`` for a line that is longer.
            OSError: As ``read``.
        """
        with self._during("read"):
            line, _ = await self._until(b"\n", limit, timeout)
        return line

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
            EOFError: As ``readexactly``, with None for ``expected``.
            Exception: There are more than *limit* bytes before it:
                ``LimitOverrunError`` of asyncio's, or of ``tlskit.trio``.
                They can still be read.
            ValueError: *separator* is empty.
            OSError: As ``read``.
        """
        if not separator:
            raise ValueError("a separator has at least a byte")
        with self._during("read"):
            found, complete = await self._until(separator, limit, timeout)
            if not complete:
                raise self._incomplete(found, None)
        return found

    async def _until(
        self, separator: bytes, limit: int, timeout: float | None
    ) -> tuple[bytes, bool]:
        """Give what there is to the separator, or else to the end."""
        self._driver.check_reader()
        deadline = self._deadline(timeout)
        start = 0
        while (found := self._ahead.find(separator, start)) < 0:
            # Its first bytes may be there.
            start = max(0, len(self._ahead) - len(separator) + 1)
            if start > limit:
                break
            if not await self._more(deadline):
                return self._take_all(), False
        if found > limit or found < 0:
            raise self._overrun(
                f"there is no {separator!r} in {limit} bytes",
                start if found < 0 else found,
            )
        return self._take(found + len(separator)), True

    async def _read_all(self, deadline: Deadline) -> bytes:
        while await self._more(deadline):
            pass
        return self._take_all()

    async def _more(self, deadline: Deadline) -> int:
        """Decrypt ahead; what a cancelled reader leaves is for the next."""
        if deadline is self._latest:  # Not the first time for this reader.
            deadline.check("waiting for the peer")
        self._latest = deadline
        size: int | None = None
        lane = self._lane
        if lane is not None:
            size = lane.take_now(CHUNK)
            if size is None:
                size = await lane.take_soon(CHUNK, deadline.moment)
        view = scratch()
        if size is None:
            read: int = await self._driver.read_into(view, deadline)
            size = read
        self._ahead += view[:size]
        return size

    def _take_all(self) -> bytes:
        return self._take(len(self._ahead))

    def _take(self, n: int) -> bytes:
        taken = bytes(memoryview(self._ahead)[:n])
        del self._ahead[:n]
        return taken

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
        """Close the port; at once, if the task was cancelled."""
        if kind is not None and not issubclass(kind, Exception):
            self.abort()
            return
        await self.aclose()


P = TypeVar("P", bound=Coroutines)


async def shaken(port: P, deadline: Deadline) -> P:
    """Shake hands; a port that fails is closed, and its alert sent."""
    try:
        with port._during("handshake"):
            await port._driver.handshake(deadline)
    except Exception:
        await port.aclose()
        raise
    except BaseException:
        port.abort()
        raise
    return port
