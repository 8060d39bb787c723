"""The express lane: a read or a write of the usual case, in one go.

Nearly always a session is open, nothing is owed or left over, and nobody
else is at work on it.  The engine's flag ``smooth`` says so beforehand, and
whatever ends that case clears it.  Then a read is: receive, feed, decrypt;
and a write: encrypt, take, send.  Both are done here at once, with the
*step* lock held and without a wait, or not at all; whoever gets no answer
goes by the driver's way, which is right in every case.

**The lock.**  The step lock alone is taken.  It is entered as such, so an
interrupt finds it held inside the block or not at all; and as nothing inside
waits, no deadline is needed for it.  Who holds *read* or *write* is at work
on the long way, and the lane gives way.  In the other direction, whoever
takes *read* lets the step lock go by once (``_pass``) before it touches the
transport: then nobody is in the lane any more.  Who takes *write* goes
through the engine anyway.

**Interrupts.**  What a signal's handler raises comes between two calls.  Of
ciphertext that was received and not fed, or made and perhaps sent, nobody
could tell later, so the session fails: it never goes on with a gap.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, overload

from ...engine.engine import Engine, State
from ...errors import WantReadError
from ...openssl.native import DirectIO
from ...tools.deadline import Deadline
from ..buffers import spare
from ..transport import Poller, SocketTransport, Transport, watching
from .claims import Claims
from .moving import Mover

__all__ = ["Lane", "closed_lane", "lane_is_open", "raised_by_handler"]

#: Plaintext of one read or write.  A larger write takes the other way, where
#: the socket's work is done while another thread may decrypt.
_MOST = 65536
#: Its ciphertext: a record for every 16 KiB, and what may be owed before.
_ROOM = _MOST + 1024
#: A record's plaintext.
_RECORD = 16384
#: So many rooms are kept.
_KEPT = 8
#: Who waits for longer, in milliseconds, does so the other way.
_LONG = 1000
#: After a wait, so many reads take it that there will be another one.
_PATIENCE = 16

_open = True


@contextmanager
def closed_lane() -> Iterator[None]:
    """Have no new connection take the lane; for tests of the other way."""
    global _open  # noqa: PLW0603 - one switch for the process
    before, _open = _open, False
    try:
        yield
    finally:
        _open = before


def lane_is_open() -> bool:
    """Say whether new connections may take the lane."""
    return _open


class _Room:
    """Memory that whoever is in the lane borrows."""

    __slots__ = ("data", "place", "view")

    def __init__(self, direct: DirectIO) -> None:
        self.data = bytearray(_ROOM)
        self.view = memoryview(self.data)
        self.place: Any = direct.room(self.data)


_rooms: list[_Room] = []


def _borrowed(direct: DirectIO) -> _Room:
    try:
        return _rooms.pop()
    except IndexError:
        return _Room(direct)


def _give_back(room: _Room) -> None:
    if len(_rooms) < _KEPT:
        _rooms.append(room)


def raised_by_handler(error: BaseException) -> bool:
    """Tell what a signal's handler has raised from what a call did."""
    # A call of C adds no frame of its own to ours.
    trace = error.__traceback__
    return (
        not isinstance(error, OSError)
        or trace is None
        or trace.tb_next is not None
    )


class Lane(Mover):
    """What a driver and its lane share, and the lane.

    Args:
        engine: The session.
        transport: What its ciphertext travels on.
    """

    #: Who has received more at once is about to receive a stream.
    _stream = _RECORD

    def __init__(self, engine: Engine, transport: Transport) -> None:
        super().__init__(engine, transport)
        #: Whether there is a lane: for a plain socket, and where OpenSSL's
        #: own functions can be called.
        self.has_lane: bool = False
        if (
            _open
            and type(transport) is SocketTransport
            and engine.direct is not None
        ):
            self.has_lane = True
            self._receive = transport.sock.recv_into
            self._give = transport.sock.send
        self._claims = Claims()
        self._heard = False  # Bytes came in after the handshake.
        self._much = False  # Came in by the last read.
        # Who had to wait will have to again, and asks in vain only now and
        # then: for how many reads not to.
        self._waits = 0
        # Who waits for ciphertext in the lane; nobody else takes it then.
        self._attending: object = None
        self._turn: threading.Event | None = None  # Of who waits for that.
        self._poller: Poller | None = None

    def _surface(self, error: OSError) -> None:
        """Raise what the caller wants instead, if anything; the driver's."""

    def _hear_out(self, error: ConnectionError) -> None:
        """Raise what the peer said before it cut us off; the driver's."""

    # -- reading ------------------------------------------------------------

    @overload
    def read_now(self, most: int) -> bytes | None: ...
    @overload
    def read_now(self, most: int, buffer: memoryview) -> int | None: ...

    def read_now(  # noqa: C901, PLR0912, PLR0915 - calls would cost
        self, most: int, buffer: memoryview | None = None
    ) -> bytes | int | None:
        """Read what is there, at least a byte, if that is the usual case.

        Args:
            most: How many bytes at most, and at least one.
            buffer: Where to, if there is a place; of *most* bytes.

        Returns:
            The bytes, or without a place how many; nothing at the end of the
            file.  None to take the other way, for whatever reason.

        Raises:
            OSError: As ``Driver.read_into``.
        """
        engine = self.engine
        if not engine.smooth or engine.record.caller is not None:
            return None
        if engine.hungry and self._waits > 1:
            self._waits -= 1
            return None
        direct = engine.direct
        assert direct is not None
        room = _borrowed(direct)
        try:
            with engine.lock:
                if (
                    not engine.smooth
                    or engine.owes
                    or self.closed
                    or self._reading.locked()
                    or self._moving_in
                    or len(self._unsent)
                ):
                    return None
                if buffer is None:
                    target, most = room.place, min(most, _MOST)
                else:
                    target = direct.room(buffer)
                done: int | None = None
                whole = False
                if engine.hungry:
                    much = self._much
                    chunk = spare.take() if much else room.view
                    size = self._received(chunk, most)
                    if not size:
                        if much:
                            spare.give_back(chunk)
                        return None
                    self._much = size > self._stream
                    engine.hungry = False
                    try:
                        if much:
                            direct.lend(chunk[:size])
                        else:
                            done, whole = direct.exchange(
                                room.place, size, target, most
                            )
                    except BaseException:
                        engine.lose()
                        raise
                try:
                    if whole:
                        engine.hungry = True
                    else:
                        self._ahead = 0
                        done = engine.read_on(
                            room.view[:most] if buffer is None else buffer,
                            done,
                        )
                        if direct.lent is not None and engine.hungry:
                            chunk, direct.lent = direct.lent, None
                            spare.give_back(chunk)
                    if done is None or buffer is not None:
                        return done
                    return direct.copied(room.place, done)
                except Exception:
                    raise
                except BaseException:  # Of an interrupt, or of a hook.
                    if engine.state is not State.FAILED:
                        engine.lose()
                    raise
        except OSError as error:
            self._surface(error)
            raise
        finally:
            # The frames of an error live on.  Python before 3.12.7 crashes
            # when it collects a memoryview whose bytes are still borrowed
            # (CPython's issue 77894).
            target = None
            _give_back(room)
            if engine.owes:
                self._offer()

    def _received(self, chunk: memoryview, most: int) -> int:  # noqa: ARG002
        """Receive what is there; 0 for nothing, or the end of the file.

        Args:
            chunk: Where to.
            most: How much plaintext the reader has room for; for those who
                receive no more than is read.
        """
        try:
            size = self._receive(chunk)
        except BaseException as error:
            if raised_by_handler(error):
                self.engine.lose()
            elif isinstance(error, BlockingIOError):
                self._waits = 0
                return 0
            raise
        self._heard = True
        self._waits = 0
        return size

    def _pass(self, deadline: Deadline | None = None) -> None:
        """Wait until nobody is in the lane, whose entry is closed now.

        Args:
            deadline: Until when to wait for who waits there; None not to.

        Raises:
            WantReadError: The deadline is now.
            TimeoutError: It has passed.
        """
        assert self._reading.locked()
        if not self.has_lane:
            return
        while deadline is not None and self._attending is not None:
            if deadline.is_now:
                raise WantReadError("another thread is using this port")
            turn = self._turn = threading.Event()
            # Who has left in between has not seen it.
            if self._attending is not None and not turn.wait(deadline.left()):
                raise TimeoutError(
                    "timed out while another thread used the port"
                )
        with self.engine.lock:
            pass

    @overload
    def read_soon(self, most: int, deadline: Deadline) -> bytes | None: ...
    @overload
    def read_soon(
        self, most: int, deadline: Deadline, buffer: memoryview
    ) -> int | None: ...

    def read_soon(
        self, most: int, deadline: Deadline, buffer: memoryview | None = None
    ) -> bytes | int | None:
        """Wait for the peer, a moment at most, and do ``read_now``.

        Args:
            most: See there.
            deadline: Until when to wait; for a second at most.
            buffer: See there.

        Returns:
            See there; None also if nothing has come.

        Raises:
            OSError: As ``Driver.read_into``.
        """
        if deadline.is_now or not self._await(deadline):
            return None
        before, self._waits = self._waits, 0
        try:
            if buffer is None:
                return self.read_now(most)
            return self.read_now(most, buffer)
        finally:
            self._waits = before or _PATIENCE

    def _await(self, deadline: Deadline) -> bool:
        """Wait for ciphertext; False to take the other way.

        No lock is held: a closed socket ends the wait at once, and if its
        number is another's by then, the worst is a second's delay.
        """
        engine = self.engine
        if (
            not engine.smooth
            or not self.has_lane
            or engine.record.caller is not None
        ):
            return False
        me = object()
        try:
            with engine.lock:
                if (
                    not (engine.smooth and engine.hungry)
                    or engine.owes
                    or self.closed
                    or self._reading.locked()
                    or self._moving_in
                    or len(self._unsent)
                    or self._attending is not None
                ):
                    return False
                self._attending = me
                poller = self._poller
                if poller is None:
                    poller = self._poller = watching(self.transport.fileno())
            if poller is None:
                return False
            left = deadline.left()
            return bool(
                poller.poll(_LONG if left is None else min(left * 1000, _LONG))
            )
        finally:
            if self._attending is me:
                self._attending = None
                if self._turn is not None:
                    self._turn.set()
                    self._turn = None

    # -- writing ------------------------------------------------------------

    def send_now(self, data: bytes | memoryview, size: int) -> bool | None:
        """Send all of *data*, if that is the usual case.

        Args:
            data: The plaintext.
            size: How many bytes of it; at least one.

        Returns:
            True if they are sent.  False if they are made into ciphertext,
            and ``finish_sending`` is to be called.  None to take the other
            way: nothing was done.

        Raises:
            OSError: As ``Driver.write``.
        """
        engine = self.engine
        if (
            not engine.smooth
            or size > _MOST
            or engine.record.caller is not None
        ):
            return None
        direct = engine.direct
        assert direct is not None
        room = _borrowed(direct)
        cut = False
        try:
            with engine.lock:
                if (
                    not engine.smooth
                    or self.closed
                    or self._writing.locked()
                    or self._moving_out
                    or len(self._unsent)
                    or self._claims.held
                ):
                    return None
                engine.owes = True
                done = direct.encrypt(data, size)
                record = engine.record
                if (
                    done != size
                    or record.error is not None
                    or not record.settled
                ) and engine.written(done) is None:
                    return None
                return self._sent(direct, room)
        except ConnectionError as error:
            cut = True  # What is unsent stays so: later writes fail as well.
            self._cut_off(error)
            raise
        except OSError as error:
            self._surface(error)
            raise
        finally:
            _give_back(room)
            if engine.owes and not cut:
                self._offer()

    def _sent(self, direct: DirectIO, room: _Room) -> bool:
        """Send what was encrypted; say whether that was all."""
        engine = self.engine
        made = 0
        try:
            made = direct.drain_into(room.place, _ROOM)
            engine.owes = made == _ROOM  # There may be more.
            sent = self._give(room.view[:made])
        except BaseException as error:
            if raised_by_handler(error):
                engine.lose()
                raise
            self._unsent = memoryview(bytes(room.view[:made]))
            if isinstance(error, BlockingIOError):
                return False
            raise
        if sent != made:
            self._unsent = memoryview(bytes(room.view[sent:made]))
            return False
        return not engine.owes

    def _cut_off(self, error: ConnectionError) -> None:
        """Raise the best reason for a connection that is gone."""
        try:
            self._hear_out(error)
        except OSError as better:
            self._surface(better)
            raise
        self._surface(error)
