"""The asyncio driver: moves ciphertext between an engine and a transport.

It makes the same moves as the blocking driver.  Three things are different.

**The transport pushes.**  Ciphertext that comes in is fed to the engine at
once, from one buffer that all connections of a thread share, and stays
encrypted until somebody reads: then many records are decrypted in one step,
into the reader's own buffer.  If nobody reads, the transport is paused at
256 KiB.

**Nothing waits but coroutines,** each for a ``Signal``, and before it takes
anything.  So a cancelled read has lost no byte, and a cancelled ``drain`` has
lost or doubled no ciphertext: what ``write`` took is on its way.

**Writes are gathered** until the loop's next turn, ``flush``, a read that
waits, 64 KiB, or the end; then the whole is encrypted in one step, and only
while the transport has room, so what a slow peer holds up is bounded.

There are no locks: everything runs in the thread of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

from ..engine.engine import Engine, State
from ..errors import ClosedError
from ..errors.copies import Kept
from ..policy.settings import Verify
from ..ports.buffers import buffer, scratch
from ..ports.closing import FAREWELL as _FAREWELL
from ..ports.closing import LINGER as _LINGER
from ..ports.closing import MOST_DRAINED as _MOST_DRAINED
from ..ports.closing import at_rest
from ..tools.deadline import Deadline
from .choosing import go_on
from .lane import MOST_AHEAD, PROMPT, Lane
from .signal import Signal

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["AsyncDriver"]

T = TypeVar("T")

#: We are paused when so many bytes wait to be sent.
_HIGH = 262144
_LOW = 65536


class AsyncDriver(Lane):
    """Runs an engine over a transport of the running event loop.

    Args:
        engine: The session.
    """

    closed: bool
    sailing: bool
    transport: asyncio.Transport

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        engine.can_suspend = True
        engine.fetches()
        self._gone = Signal(
            self.loop, "timed out: the transport does not close"
        )
        self._ending = False  # Our close_notify follows what was written.
        self._silent = False  # The transport's output is closed.
        self._input_ended = False
        self._drained = 0  # Bytes that came in too late.
        self._lost = False
        self._previous: asyncio.BaseProtocol | None = None
        self._kept: object = None
        self._broken: Kept | None = None

    # -- what the transport calls -------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; see ``asyncio.BaseProtocol``."""
        # Of what uvloop makes, isinstance() does not know that it is one.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(_HIGH, _LOW)

    def get_buffer(
        self,
        sizehint: int,  # noqa: ARG002 - ours is large
    ) -> memoryview:
        """Give room for ciphertext; see ``asyncio.BufferedProtocol``."""
        return self.room_for(buffer("cipher"))

    def buffer_updated(self, nbytes: int) -> None:
        """Take ciphertext; see ``asyncio.BufferedProtocol``."""
        self.feed(buffer("cipher")[:nbytes])

    def feed(self, data: bytes | memoryview) -> None:
        """Take ciphertext, or its end, from wherever it comes."""
        self._held += len(data)
        if self.meter is not None:
            self.meter.received += len(data)
        if self.engine.state is State.FAILED:
            self._drained += len(data)  # It is of no use any more.
        else:
            self.engine.receive(data)
        self._heard = self._heard or self.engine.version is not None
        if self._stalled:
            self._pump_quietly()
            self.room.set()
        if self._held >= MOST_AHEAD and not self.news.awaited:
            self._paused = True
            self.transport.pause_reading()
        self.news.set()

    def eof_received(self) -> bool:
        """Take the end; what we have to say can still be sent."""
        self._input_ended = True
        self.feed(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody that the transport is no more."""
        self._lost = True
        self.sailing = False
        self.news.waiter.rest()
        self._broken = None if exc is None else self.engine.reason_behind(exc)
        self._full = False
        self._outbox.clear()
        if exc is None and not self.closed:
            self.engine.receive(b"")
        for signal in (self._gone, self.room, self.news):
            signal.set()
        if self._previous is not None:
            self._previous.connection_lost(exc)

    def take_over(
        self,
        transport: asyncio.Transport,
        *,
        kept: object = None,
        previous: asyncio.BaseProtocol | None = None,
    ) -> None:
        """Begin on a transport that served another protocol until now.

        Args:
            transport: Its own methods are the only ones it hears from now on.
            kept: What must live as long as the transport.
            previous: Who wants to know of the transport's end.
        """
        self._kept = kept
        self._previous = previous
        transport.set_protocol(self)
        self.connection_made(transport)

    def pause_writing(self) -> None:
        """Encrypt no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """Encrypt what waits."""
        self._full = False
        self._pump_quietly()
        if not self._full:
            self.room.set()

    # -- the verbs ----------------------------------------------------------

    async def handshake(self, deadline: Deadline) -> None:
        """Shake hands, or raise; harmless when it is done."""
        self.check_reader()
        await self._drive(self.engine.handshake, deadline)
        self.engine.rest()

    async def reauthenticate(self, verify: Verify, deadline: Deadline) -> None:
        """Ask the peer for its certificate, and wait for the answer."""
        self.check_reader()
        self._pump()
        self.engine.reauthenticate(verify)
        await self._drive(self.engine.reauthenticated, deadline)

    async def _drive(
        self, step: Callable[[], T | None], deadline: Deadline
    ) -> T:
        """Repeat *step* until it yields, moving ciphertext in between."""
        waited = False
        while True:
            try:
                if self.engine.suspended:
                    await go_on(self.engine, deadline)
                result = step()
            except BaseException:  # The peer is still owed its alert.
                self._send()
                with suppress(OSError):
                    await self._sent(deadline.sooner(_FAREWELL))
                raise
            self._send()
            if result is not None:
                return result
            if self.engine.suspended:
                continue
            if waited:
                deadline.check("waiting for the peer")
            await self._fill(deadline)
            waited = True

    def read_now(self, buffer: memoryview) -> int | None:
        """Read what is there; 0 is the end of the file, None nothing."""
        engine = self.engine
        if engine.hungry:
            return None
        try:
            size = engine.read_into(buffer)
            self.barren: bool = size is None
            return size
        finally:  # Answers, or the alert that the peer is owed.
            self._send()

    async def read_into(self, buffer: memoryview, deadline: Deadline) -> int:
        """Read at least a byte; 0 is the end of the file."""
        waited = False
        while (size := self.read_now(buffer)) is None:
            if waited:  # A peer that never stops sending meets it, too.
                deadline.check("waiting for the peer")
            await self._fill(deadline)
            waited = True
        return size

    def write(self, data: Buffer) -> None:
        """Take all of *data*; it leaves at the loop's next turn at latest.

        Raises:
            ClosedError: The output was closed.
            TLSError: The session broke, or has not begun.
        """
        if not (self.sailing and self.engine.smooth):
            self._check_output()
        outbox = self._outbox
        if (
            type(data) is bytes
            and len(data) >= PROMPT
            and self._sent_at_once(data)
        ):
            return
        outbox.put(data)
        if outbox.size >= PROMPT:
            self._pump()
        elif not self._ticking:
            self._ticking = True
            self.loop.call_soon(self._tick)

    async def drain(self, deadline: Deadline) -> None:
        """Wait while there is no room for more."""
        while self._full or self._outbox.size >= PROMPT:
            await self.room.wait(deadline)
        self._check_sent()

    def flush(self) -> None:
        """Send what was written, as far as there is room; never wait."""
        self._pump()

    @property
    def blocked(self) -> bool:
        """Whether there is no room for more now."""
        return self._full or self._outbox.size > 0

    @property
    def backlog(self) -> int:
        """How many bytes were written and have not left yet."""
        if self.transport.is_closing():
            return 0
        return self._outbox.size + self.transport.get_write_buffer_size()

    def write_eof(self) -> None:
        """Send our close_notify after what was written."""
        self._ending = True
        self.sailing = False
        self._pump()

    # -- moving ciphertext --------------------------------------------------

    def _tick(self) -> None:
        self._ticking = False
        self._pump_quietly()

    def _pump_quietly(self) -> bool:
        """Encrypt what waits, where nobody could catch an error.

        A failed session raises its error again from the next call.
        """
        try:
            return self._pump()
        except Exception:  # noqa: BLE001 - a hook raises anything
            self.room.set()
            return True

    def _pump(self) -> bool:
        """Encrypt what waits, as long as the transport has room.

        Returns:
            Whether the engine has nothing left to be sent.
        """
        outbox = self._outbox
        sent = False
        while outbox.size and not self._full:
            piece = outbox.head()
            sent = True
            try:
                gone = self.send_now(piece)
                made = b"" if gone else self.engine.encrypt(piece)
            except BaseException:
                outbox.clear()
                self._send()
                raise
            self._stalled = made is None
            if made is None:  # In mid-renegotiation; see feed().
                self._send()
                return sent
            if made:
                self._hand_over(made)
            outbox.drop()
        if self._ending and not outbox.size:
            self.engine.finish()
            self._send()
            sent = True
        return sent

    def _send(self) -> None:
        """Hand over what the engine has made."""
        if self.engine.owes:
            self._hand_over(self.engine.outgoing())

    def _hand_over(self, data: bytes | bytearray) -> None:
        if data and not (self._silent or self.transport.is_closing()):
            if self.meter is not None:
                self.meter.sent += len(data)
            self.transport.write(data)

    async def _fill(self, deadline: Deadline) -> None:
        """Wait for ciphertext, with nothing left unsaid."""
        if not self._pump_quietly():
            self._send()
        self.check_alive()
        await self._listen(deadline)
        while self.owes_much:
            await self.room.wait(deadline)
        self.check_open()

    async def _listen(self, deadline: Deadline) -> None:
        self.listen_again()
        await self.news.wait(deadline)

    def listen_again(self) -> None:
        """Let ciphertext come in: what came has been read."""
        self._held = 0
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    async def _sent(self, deadline: Deadline) -> None:
        """Wait until the transport has sent everything."""
        transport = self.transport
        if transport.is_closing():
            return
        transport.set_write_buffer_limits(0)
        while not self._lost and transport.get_write_buffer_size():
            await self.room.wait(deadline)
        if not transport.is_closing():
            transport.set_write_buffer_limits(_HIGH, _LOW)

    # -- the end ------------------------------------------------------------

    async def close(self, deadline: Deadline, *, notify: bool = True) -> None:
        """Say goodbye in bounded time, give all back; never raises OSError.

        Args:
            deadline: When to give up sending, if that is before 5 seconds.
            notify: Whether to send a close_notify.
        """
        try:
            if not self.closed:
                self.closed = True
                self.sailing = False
                self.news.set()  # Whoever reads is told.
                await self._farewell(deadline.sooner(_FAREWELL), notify)
                self.transport.close()
            while not self._lost:
                await self._gone.wait(Deadline.after(_FAREWELL))
        except OSError:
            self.abort()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        self.closed = True
        self.sailing = False
        self._outbox.clear()
        self.engine.abandon()
        self.transport.abort()
        self.news.set()

    async def _farewell(self, deadline: Deadline, notify: bool) -> None:
        self._pump_quietly()
        while self._outbox.size:
            await self.room.wait(deadline)
        with suppress(OSError):
            if notify:
                self.engine.finish()
            else:
                self.engine.abandon()
            self._send()
        await self._sent(deadline)
        with suppress(OSError):
            transport = self.transport
            if not transport.is_closing() and transport.can_write_eof():
                self._silent = True  # Answers would come too late.
                transport.write_eof()
            await self._hear_out(Deadline.after(_LINGER))

    async def _hear_out(self, deadline: Deadline) -> None:
        """Read until the peer has nothing more that a reset could avenge."""
        engine = self.engine
        while self._drained < _MOST_DRAINED:
            plain = scratch()
            while engine.state is not State.FAILED:
                size = self.read_now(plain)
                if not size:
                    break
                self._drained += size
            if self._input_ended or self._lost:
                return
            if at_rest(
                engine.version,
                server_side=engine.server_side,
                failed=engine.state is State.FAILED,
                heard=self._heard,
                drained=self._drained,
            ):
                return
            # Bytes that hold no data, as changes of keys, never end it.
            deadline.check("hearing the peer out")
            await self._listen(deadline)

    # -- who may enter ------------------------------------------------------

    def check_reader(self) -> None:
        """Let one coroutine read at a time.

        Raises:
            RuntimeError: Another one is reading.
        """
        if self.news.awaited:
            raise RuntimeError(
                "another coroutine is reading from this port already"
            )

    def check_open(self) -> None:
        """Refuse what comes after the end.

        Raises:
            ClosedError: The port was closed.
        """
        if self.closed:
            raise ClosedError("this port was closed")

    def check_alive(self) -> None:
        """Refuse to wait for what can't come any more.

        Raises:
            ClosedError: The port was closed.
            OSError: The transport broke.
        """
        self.check_open()
        if self._broken is not None:
            raise self._broken.again()

    def _check_output(self) -> None:
        self.check_open()
        if self._ending:
            raise ClosedError("this port's output is closed")
        self._check_sent()
        if self.engine.state is not State.OPEN:
            self.engine.write(memoryview(b""))  # It knows what to raise.

    def _check_sent(self) -> None:
        """Raise if what was written can't have been sent."""
        if self._broken is not None:
            self.check_alive()
        if self.engine.state is State.FAILED:
            self.engine.write(memoryview(b""))
        self.check_alive()
        if self._lost:
            raise BrokenPipeError("the connection is gone")
