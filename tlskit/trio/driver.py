"""The trio driver: moves ciphertext between an engine and a carrier.

It makes the same moves as the blocking driver, and three things follow from
trio.

**Every wait may be cancelled,** so nothing is taken before a wait that is
needed after it.  A read that is cancelled has lost no byte; what ``write``
took is encrypted once, and its ciphertext stays here until it was sent.

**There are no callbacks.**  What was written leaves when somebody waits:
in ``drain``, in a read that has to wait, or at the end.  ``push`` sends what
goes without waiting.

**Whoever waits to send also listens,** if nobody else does: two peers that
both write more than the network holds would else wait for each other for
ever.  A reader that comes along takes the listening over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import trio

from ..engine.engine import Engine, State
from ..errors import ClosedError
from ..errors.copies import Kept, is_copy
from ..policy.settings import Verify
from ..ports.buffers import buffer, scratch
from ..ports.closing import FAREWELL, LINGER, MOST_DRAINED, at_rest
from ..tools.deadline import Deadline
from .choosing import go_on
from .sending import Sender
from .waiting import Waits, beside

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .carriers import Carrier

__all__ = ["TrioDriver"]

T = TypeVar("T")

#: Who waits to send listens no further when so many bytes wait for a reader.
_MOST_AHEAD = 262144
#: Who owes more bytes to the peer reads no more; of our own data less waits.
_MOST_OWED = 786432
#: So many gathered bytes are sent as far as there is room.
_PROMPT = 65536

#: So much is taken in at once where there may be no data in it.
_FEW = 16384
_TLS_1_3 = 0x0304
_SILENT = "timed out: the peer sent nothing"
_SLOW = "timed out: the peer takes no more bytes"


class TrioDriver(Sender, Waits):
    """Runs an engine over a carrier.

    Args:
        engine: The session.
        carrier: What carries its ciphertext; the driver takes it over.
    """

    def __init__(self, engine: Engine, carrier: Carrier) -> None:
        Sender.__init__(self, engine, carrier)
        Waits.__init__(self)
        engine.can_suspend = True
        engine.fetches()
        self._delayed = False  # Only tickets wait to be sent.
        self._held = 0  # Ciphertext fed since the engine last ran dry.
        self._input_ended = False
        self._barren = False  # What was read last has given nothing.
        self._heard = False  # Bytes came in after the handshake.
        self._drained = 0  # Bytes that came in too late.
        self._deaf: Kept | None = None  # For who reads.
        self._aside: trio.CancelScope | None = None
        # Who may wait for the carrier; trio lets one do so in each direction.
        self._to_read = trio.Lock()
        self._to_send = trio.Lock()
        self._fed = trio.lowlevel.ParkingLot()
        self.reading: bool = False

    # -- the verbs ----------------------------------------------------------

    async def handshake(self, deadline: Deadline) -> None:
        """Shake hands, or raise; harmless when it is done."""
        self.check_reader()
        await self._drive(self.engine.handshake, deadline)
        self.engine.rest()

    async def reauthenticate(self, verify: Verify, deadline: Deadline) -> None:
        """Ask the peer for its certificate, and wait for the answer."""
        self.check_reader()
        await self.drain(deadline)
        self.engine.reauthenticate(verify)
        await self._drive(self.engine.reauthenticated, deadline)

    async def _drive(
        self, step: Callable[[], T | None], deadline: Deadline
    ) -> T:
        """Repeat *step* until it yields, moving ciphertext in between."""
        await trio.lowlevel.checkpoint()
        self.reading = True
        waited = False
        try:
            while True:
                try:
                    if self.engine.suspended:
                        await go_on(self.engine, deadline)
                    result = step()
                except Exception:  # The peer is still owed its alert.
                    self._collect()
                    with suppress(OSError):
                        await self.drain(deadline.sooner(FAREWELL))
                    raise
                except BaseException:
                    self._collect()
                    self._push_quietly()
                    raise
                self._collect()
                if result is not None:
                    await self._send_rest(deadline)
                    return result
                if self.engine.suspended:
                    continue
                if waited:
                    deadline.check("waiting for the peer")
                await self.fill(deadline)
                waited = True
        finally:
            self.reading = False

    async def _send_rest(self, deadline: Deadline) -> None:
        """Send what a step has left, but tickets over a foreign stream.

        A stream may block until its peer reads, which a client need not do
        now: a server's tickets then go with its first data.
        """
        engine = self.engine
        version = engine.version
        self._delayed = (
            not self.carrier.only_waits
            and engine.server_side
            and version is not None
            and version >= _TLS_1_3
        )
        if self._delayed:
            self.push()
            await trio.lowlevel.checkpoint()
        else:
            await self.drain(deadline)

    def read_now(self, buffer: memoryview) -> int | None:
        """Read what is there; 0 is the end of the file, None nothing."""
        engine = self.engine
        if engine.hungry:
            return None
        try:
            size = engine.read_into(buffer)
        except BaseException:  # The peer is still owed its alert.
            self._collect()
            self._push_quietly()
            raise
        self._barren = size is None
        if size is None:
            self._held = 0
        return size

    async def read_into(self, buffer: memoryview, deadline: Deadline) -> int:
        """Read at least a byte; 0 is the end of the file."""
        self.check_reader()
        self.reading = True
        try:
            if not self.engine.hungry:
                await trio.lowlevel.checkpoint()
                self.check_open()
            waited = False
            while (size := self.read_now(buffer)) is None:
                if waited:  # A peer that never stops sending meets it, too.
                    deadline.check("waiting for the peer")
                await self.fill(deadline)
                waited = True
            return size
        finally:
            self.reading = False

    def write(self, data: Buffer) -> None:
        """Take all of *data*.

        Raises:
            ClosedError: The output was closed.
            TLSError: The session broke, or has not begun.
        """
        self.check_output()
        self._outbox.put(data)
        if self._outbox.size >= _PROMPT:
            self.push()

    async def drain(self, deadline: Deadline) -> None:
        """Send all that was written.

        Raises:
            OSError: The stream broke, or the session; the peer's reason, if
                it gave one.
        """
        self._delayed = False
        try:
            if self.push():
                await trio.lowlevel.checkpoint()
                return
            async with self._turn(self._to_send, deadline, _SLOW):
                while not self.push():
                    await self._wait_to_send(deadline)
                    self.check_open()
        except OSError as error:
            broken = self._broken
            if broken is not None and is_copy(error, broken.copy):
                self._look_for_reason(error)
            raise

    def _look_for_reason(self, cause: OSError) -> None:
        """Raise what the peer said before its reset, if it did."""
        with suppress(OSError):
            while self._may_listen() and self.pull():
                pass
        if self.engine.explains(cause):
            raise self.engine.again() from cause

    async def wait_room(self, deadline: Deadline) -> None:
        """Wait until more could be sent."""
        if self.carrier.only_waits:
            await self.drain(deadline)
        async with self._turn(self._to_send, deadline, _SLOW):
            await self._waiting(self.carrier.wait_room, deadline, _SLOW)

    async def write_eof(self, deadline: Deadline) -> None:
        """Send our close_notify after what was written."""
        self._ending = True
        await self.drain(deadline)

    # -- listening ----------------------------------------------------------

    def pull(self) -> bool:
        """Feed what has come; say whether anything has.

        Raises:
            OSError: The stream broke.
        """
        if self._deaf is not None:
            raise self._deaf.again()
        # OpenSSL goes through all changes of keys that it finds: where those
        # before have held no data, it gets few at a time.
        view = buffer("cipher")[: _FEW if self._barren else None]
        try:
            size = self.carrier.read_into(view)
        except OSError as error:
            self._deaf = Kept(error)
            self._tell()
            raise
        if size is None:
            return False
        self._held += size
        if self.engine.state is State.FAILED:
            self._drained += size  # It is of no use any more.
        else:
            self.engine.receive(view[:size])
        self._input_ended = self._input_ended or not size
        self._heard = self._heard or self.engine.version is not None
        self._tell()
        return True

    def _tell(self) -> None:
        """Wake who waits for the engine to be fed."""
        self._fed.unpark_all()

    async def fill(self, deadline: Deadline) -> None:
        """Wait for ciphertext, with nothing left unsaid."""
        self._push_quietly()
        self.check_open()
        if self._unsent > _MOST_OWED:
            await self.drain(deadline)
            return
        if self.pull():
            await trio.lowlevel.checkpoint()
            self.check_open()
            return
        if (
            self._owing
            and not self._delayed
            and not self.carrier.only_waits
            and not self._to_send.locked()
        ):
            await self.drain(deadline)
            return
        if self._aside is not None:
            self._aside.cancel()
        async with self._turn(self._to_read, deadline, _SILENT):
            await self._wait_to_read(deadline)
        self.check_open()
        self.pull()

    async def _wait_to_read(self, deadline: Deadline) -> None:
        """Wait for the peer; with bytes to send, for room, too."""
        if not self._unsent or self._to_send.locked():
            await self._waiting(self.carrier.wait_read, deadline, _SILENT)
            return

        async def room() -> None:
            async with self._to_send:
                with suppress(OSError):
                    await self.carrier.wait_write()
            scope.cancel()

        async def peer() -> None:
            with scope:
                await self._waiting(self.carrier.wait_read, deadline, _SILENT)

        scope = trio.CancelScope()
        await beside(peer, room)

    async def _wait_to_send(self, deadline: Deadline) -> None:
        """Wait for room, or to be fed; listen meanwhile."""
        if self._stalled and not self._owing:
            await self._wait_to_be_fed(deadline)
            return

        async def room() -> None:
            await self._waiting(self.carrier.wait_write, deadline, _SLOW)

        if self._to_read.locked() or not self._may_listen():
            await room()
        else:
            await beside(room, self._listen)

    async def _wait_to_be_fed(self, deadline: Deadline) -> None:
        if self._to_read.locked():
            await self._waiting(self._fed.park, deadline, _SILENT)
        else:
            async with self._to_read:
                await self._waiting(self.carrier.wait_read, deadline, _SILENT)
            self.pull()

    def _may_listen(self) -> bool:
        return (
            not self._input_ended
            and self._deaf is None
            and self._held < _MOST_AHEAD
        )

    async def _listen(self) -> None:
        """Feed what comes, until somebody reads."""
        with trio.CancelScope() as scope:
            async with self._to_read:
                self._aside = scope
                try:
                    while self._may_listen():
                        with suppress(OSError):
                            await self.carrier.wait_read()
                            self.pull()
                finally:
                    self._aside = None

    # -- the end ------------------------------------------------------------

    async def close(self, deadline: Deadline, *, notify: bool = True) -> None:
        """Say goodbye and give everything back; never raises OSError.

        Bounded, whatever the peer does: idle, vanished or talking.

        Args:
            deadline: When to give up sending, if that is before 5 seconds.
            notify: Whether to send a close_notify.
        """
        if self.closed:
            await trio.lowlevel.checkpoint()
            return
        self.shut()
        try:
            await self._farewell(deadline.sooner(FAREWELL), notify)
        except OSError:
            pass
        finally:
            # It closes at once if we are cancelled.
            self._forget()
            with suppress(OSError):
                await self.carrier.aclose()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        self.shut()
        self.engine.abandon()
        self._forget()
        self.carrier.abort()

    async def _farewell(self, deadline: Deadline, notify: bool) -> None:
        async with self._turn(self._to_send, deadline, _SLOW):
            self._ending = self._ending or notify
            if not notify:
                await self._sent(deadline)
                self.engine.abandon()
            await self._sent(deadline)
            await self.carrier.send_eof()
        linger = Deadline.after(LINGER)
        async with self._turn(self._to_read, linger, _SILENT):
            await self._hear_out(linger)

    async def _sent(self, deadline: Deadline) -> None:
        """Send what is left; a session that failed has only its alert."""
        while True:
            try:
                if self.push():
                    return
            except Exception:
                if self._broken is not None:
                    raise
                continue
            await self._waiting(self.carrier.wait_write, deadline, _SLOW)

    async def _hear_out(self, deadline: Deadline) -> None:
        """Read until the peer has nothing more that a reset could avenge."""
        engine = self.engine
        while self._drained < MOST_DRAINED:
            plain = scratch()
            while engine.state is not State.FAILED:
                size = self.read_now(plain)
                if not size:
                    break
                self._drained += size
            if self._input_ended or at_rest(
                engine.version,
                server_side=engine.server_side,
                failed=engine.state is State.FAILED,
                heard=self._heard,
                drained=self._drained,
            ):
                return
            # Bytes that hold no data, as changes of keys, never end it.
            deadline.check("hearing the peer out")
            if self.pull():
                await trio.lowlevel.checkpoint()
            else:
                await self._waiting(self.carrier.wait_read, deadline, _SILENT)

    # -- who may enter ------------------------------------------------------

    def check_reader(self) -> None:
        """Let one task read at a time.

        Raises:
            BusyResourceError: Another one is reading.
        """
        if self.reading:
            raise trio.BusyResourceError(
                "another task is reading from this port already"
            )

    def check_output(self) -> None:
        """Refuse to take what can't be sent.

        Raises:
            ClosedError: The output was closed.
            TLSError: The session broke, or has not begun.
            OSError: The stream broke.
        """
        self.check_open()
        if self._ending:
            raise ClosedError("this port's output is closed")
        if self.engine.state is not State.OPEN:
            self.engine.write(memoryview(b""))  # It knows what to raise.
        if self._broken is not None:
            raise self._broken.again()
