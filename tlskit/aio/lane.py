"""The express lane of asyncio: a message of the usual case, in one go.

As for blocking sockets (``ports.blocking.lane``), a lane is the long way with
the questions answered beforehand.  Two flags say that this is the usual case:
the engine's ``smooth``, and ``sailing`` here, which whatever ends the
connection clears for good.  Without both, everything goes by the driver's
way, which is right in every case.

**In.**  The transport has received into the thread's own memory; the engine
takes it from there.  Whoever waits for it is run at once, within the same
callback: that saves a turn of the loop, with its system call.  Nothing runs
before its read, so that one step takes what came in and decrypts it.  What it
writes leaves when it waits again, or at the callback's end.

**A read** decrypts as much as it would by the long way.  If it has to wait,
then for the one ``Waiter`` that the connection keeps, under the one timer
that goes with it.

**Out.**  What was gathered is encrypted and drained into the thread's memory
and given to the socket from there; only what it does not take is copied.

The step lock is held over OpenSSL's calls, as everywhere.
"""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ..engine.engine import Engine
from ..openssl.native import DirectIO
from ..ports.buffers import CHUNK, buffer, scratch
from ..ports.outbox import Outbox
from .signal import News, Signal

if TYPE_CHECKING:
    from ..server.tally import Meter

__all__ = ["MOST_AHEAD", "PROMPT", "Lane", "Room", "new_room", "rooms"]

#: The transport is paused when so many bytes wait for a reader.
MOST_AHEAD = 262144
#: Nobody waits for more to come in while so many bytes wait to be sent: of
#: our own data less does, and what was read has made answers.
_MOST_OWED = 786432
#: More ciphertext than this is more than one record.
_RECORD = 16640
#: So much is taken in at once where there may be no data in it.
_FEW = 16384
#: So many gathered bytes don't wait for the loop's next turn.
PROMPT = 65536
#: So much ciphertext is sent at once.
_DRAINED = CHUNK


class Room:
    """A thread's memory, and where it is for OpenSSL.

    Args:
        direct: Who knows.
    """

    __slots__ = ("cipher", "cipher_place", "plain", "plain_place")

    def __init__(self, direct: DirectIO) -> None:
        self.cipher: memoryview = buffer("cipher")
        self.plain: memoryview = scratch()
        # Borrowed from what is below the views: Python before 3.12.7 dies
        # when it collects a view that somebody still borrows.
        self.cipher_place: Any = direct.room(_beneath(self.cipher))
        self.plain_place: Any = direct.room(_beneath(self.plain))


def _beneath(view: memoryview) -> bytearray:
    """Give what a view of all of it shows."""
    found = view.obj
    assert isinstance(found, bytearray)
    return found


class _Rooms(threading.local):
    """This thread's memory; ``new_room`` makes it."""

    mine: Room | None = None


rooms = _Rooms()


def new_room(direct: DirectIO) -> Room:
    """Make this thread's memory."""
    rooms.mine = made = Room(direct)
    return made


class Lane(asyncio.BufferedProtocol):
    """What a driver and its lane share, and the lane.

    Args:
        engine: The session.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.closed: bool = False
        #: Ciphertext came in, or its end.
        self.news: News = News(loop, "timed out: the peer sent nothing")
        #: There is room to send.
        self.room: Signal = Signal(
            loop, "timed out: the peer takes no more bytes"
        )
        self.transport: asyncio.Transport
        #: Whether there is a lane: over a transport of our own.
        self.has_lane: bool = False
        #: Whether nothing has ended yet, of what there is a lane for.
        self.sailing: bool = False
        self._outbox = Outbox()
        self._ticking = False  # A turn's flush is on its way.
        self._full = False  # The transport wants no more now.
        self._stalled = False  # The engine wants to be fed before it writes.
        self._held = 0  # Ciphertext fed since the engine last ran dry.
        self._taken = 0  # The same, or more, for who decrypts it.
        # Of what has come, what is not the engine's yet: only while somebody
        # is woken, who takes it in the same step as the first of its records.
        self._fresh = 0
        self._paused = False
        self._heard = False  # Bytes came in after the handshake.
        #: Whether what was read last has given nothing; see ``room_for``.
        self.barren: bool = False
        #: Counts bytes, for a server.
        self.meter: Meter | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """Take ciphertext; the driver's."""

    @abstractmethod
    def _pump_quietly(self) -> bool:
        """Send what waits; the driver's."""

    def _send(self) -> None:
        """Hand over what the engine has made; the driver's."""

    # -- what comes in ------------------------------------------------------

    def room_for(self, cipher: memoryview) -> memoryview:
        """Say how much to take in at once.

        OpenSSL goes through all changes of keys that it finds, ten thousand
        in a buffer of ours.  Where those before have held no data, it gets
        so few at a time that the loop is not held up.
        """
        if not self.barren:
            return cipher
        self.barren = False
        return cipher[:_FEW]

    def arrived(self, place: Room, size: int) -> None:
        """Take ciphertext from the thread's memory, and run who waits."""
        engine = self.engine
        if (
            not engine.smooth
            or self._stalled
            or engine.record.caller is not None
        ):
            self.feed(place.cipher[:size])
            return
        news = self.news
        if engine.hungry:
            engine.hungry = False
            self._taken = size
        else:
            self._taken += size
        self._fresh = size
        self._heard = True
        self._held += size
        if self.meter is not None:
            self.meter.received += size
        if not news.attended:
            self._feed_fresh(place)
            if self._held >= MOST_AHEAD and not news.awaited:
                self._paused = True
                self.transport.pause_reading()
            news.set()
            return
        # What is written now leaves at the end of this.
        ticking, self._ticking = self._ticking, True
        try:
            news.waiter.wake()
        finally:
            if self._fresh:  # Who was woken has not come this way.
                self._feed_fresh(place)
                news.set()
            # In a nested loop the turn's flush may have come already.
            self._ticking = ticking and self._ticking
            if not self._ticking and self._outbox.size:
                self._pump_quietly()

    def _feed_fresh(self, place: Room) -> None:
        """Have the engine take what is in the thread's memory."""
        engine = self.engine
        direct = engine.direct
        assert direct is not None
        size, self._fresh = self._fresh, 0
        with engine.lock:
            direct.take(place.cipher_place, size)

    def take_now(
        self, most: int, buffer: memoryview | None = None
    ) -> int | None:
        """Read what is there, if that is the usual case.

        Args:
            most: How many bytes at most, and at least one.
            buffer: Where to, of *most* bytes; None for the thread's scratch.

        Returns:
            How many bytes; 0 at the end of the file.  None to take the other
            way, for whatever reason.

        Raises:
            OSError: As ``Engine.read_into``.
        """
        engine = self.engine
        news = self.news
        if (
            engine.hungry
            or not engine.smooth
            or engine.record.caller is not None
            or news.attended
            or news.waiters  # Another one reads.
        ):
            return None
        direct = engine.direct
        assert direct is not None
        done: int | None = None
        fresh, self._fresh = self._fresh, 0
        try:
            with engine.lock:
                place = rooms.mine or new_room(direct)
                if fresh:
                    direct.take(place.cipher_place, fresh)
                if self._taken <= _RECORD:
                    # No frame of an error may borrow from a memoryview.
                    done, whole = direct.read_one(
                        place.plain_place
                        if buffer is None
                        else direct.room(buffer),
                        most,
                        self._taken,
                    )
                    if whole:
                        engine.hungry = True
                        return done
                size = engine.read_on(
                    place.plain[:most] if buffer is None else buffer, done
                )
                if size is None:
                    self.barren = True
                return size
        finally:
            if engine.owes:
                self._send()

    async def take_soon(
        self, most: int, moment: float | None, buffer: memoryview | None = None
    ) -> int | None:
        """Wait for the peer, after ``take_now`` in vain, and do it again.

        Args:
            most: See there.
            moment: Until when, on the monotonic clock; None for ever.
            buffer: See there.

        Returns:
            See there.

        Raises:
            TimeoutError: The moment has come.
            OSError: See there.
        """
        news = self.news
        size: int | None = None
        while size is None and self._may_wait():
            if moment is not None:
                news.waiter.ring_at(moment)
            news.attended = True
            try:
                await news.waiter
            finally:
                news.attended = False
            size = self.take_now(most, buffer)
        return size

    def _may_wait(self) -> bool:
        """Say whether to wait for ciphertext, with nothing left unsaid."""
        engine = self.engine
        if self._outbox.size:
            self._pump_quietly()
        if engine.owes:
            self._send()
        if (
            not (engine.smooth and engine.hungry and self.sailing)
            or engine.record.caller is not None
            or self.news.attended
            or self.news.waiters
            or (self._full and self.owes_much)
        ):
            return False
        self._held = 0
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return True

    @property
    def owes_much(self) -> bool:
        """Whether to take in nothing until something was sent."""
        return self.transport.get_write_buffer_size() > _MOST_OWED

    # -- what goes out ------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether ``drain`` has nothing to wait for, nor to raise."""
        return (
            self.sailing
            and self.engine.smooth
            and not self._full
            and self._outbox.size < PROMPT
        )

    def _sent_at_once(self, data: bytes) -> bool:
        """Send what need not be gathered; say whether that was done."""
        if self._outbox.size or self._full or len(data) > CHUNK:
            return False
        try:
            return self.send_now(data)
        except BaseException:  # The peer is still owed its alert.
            self._send()
            raise

    def send_now(self, data: bytes | memoryview) -> bool:
        """Encrypt and send all of *data*, if that is the usual case.

        Returns:
            False to take the other way, with the same data.

        Raises:
            OSError: As ``Engine.encrypt``.
        """
        engine = self.engine
        if (
            not (engine.smooth and self.sailing)
            or engine.record.caller is not None
        ):
            return False
        direct = engine.direct
        assert direct is not None
        place = rooms.mine or new_room(direct)
        size = len(data)
        with engine.lock:
            engine.owes = True
            done = direct.encrypt(data, size)
            record = engine.record
            if (
                done != size or record.error is not None or not record.settled
            ) and engine.written(done) is None:
                return False
            made = direct.drain_into(place.cipher_place, _DRAINED)
            engine.owes = made == _DRAINED  # There may be more.
        if self.meter is not None:
            self.meter.sent += made
        self.transport.write(place.cipher[:made])
        if engine.owes:
            self._send()
        return True
