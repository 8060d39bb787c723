"""The blocking driver: moves ciphertext between an engine and a transport.

**Locks.**  One reader and one writer may be at work at the same time.

=====  ======================================================  ============
Lock   Held over                                               Order
=====  ======================================================  ============
read   filling the engine; serialises readers only             before write
write  encrypt, drain, ``transport.write``: ciphertext leaves  before step
       in the order in which it was made
step   one OpenSSL call (in the engine), never a wait          innermost
=====  ======================================================  ============

A reader may owe bytes (a key update, an alert).  It *tries* the write lock
and never waits for it; the holder sends what is left and looks once more
after releasing.  A writer whose bytes don't fit likewise tries the read lock,
and while it waits for room it takes in what the peer sends.  Otherwise two
peers that both write could wait for each other for ever.

**Closing.**  A TCP socket that is closed with unread input resets the
connection, and the reset destroys what the peer has not read yet: the alert
or the close_notify just sent.  So ``close`` sends, ends its direction, and
then drains for a bounded time and amount.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from ...engine.engine import Engine, State
from ...errors import (
    ConfigurationError,
    TLSError,
    WantReadError,
    WantWriteError,
)
from ...policy.settings import Verify
from ...tools.deadline import Deadline
from ...tools.holding import AT_ONCE, Hold, behind, if_free, take
from ..buffers import spare
from ..closing import FAREWELL as _FAREWELL
from ..closing import LINGER as _LINGER
from ..closing import MOST_DRAINED as _MOST_DRAINED
from ..closing import at_rest
from ..fetching.issuers import run_errand
from ..transport import Transport
from .lane import Lane
from .moving import NOTHING

__all__ = ["Driver"]

T = TypeVar("T")

#: Larger writes go in slices, or one huge write would double its memory.
_SLICE = 262144
#: A port that must not wait takes no more at once.
_PIECE = 65536
#: A read of more than a record's plaintext is one of a stream.
_RECORD = 16384
#: How long, in seconds, a reader waits for who is just writing.
_MOMENT = 0.05
#: A writer takes in no more than this while nobody reads.
_MOST_AHEAD = 1048576
#: Who owes so many bytes to the peer reads no more.
_MOST_OWED = 262144

_TLS_1_3 = 0x0304


def _check_time(deadline: Deadline) -> None:
    """Stop at the deadline, also if the peer never stops sending."""
    if not deadline.is_now:
        deadline.check("waiting for the peer")


class Driver(Lane):
    """Runs an engine over a transport, for threads.

    Args:
        engine: The session.
        transport: What its ciphertext travels on.
        owns_transport: Whether closing closes the transport's stream.
        error: Makes the exception for a failure, from its message, instead
            of the tree's own.
    """

    closed: bool

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        *,
        owns_transport: bool = True,
        error: Callable[[str], BaseException] | None = None,
    ) -> None:
        super().__init__(engine, transport)
        engine.fetches()
        self._owns_transport = owns_transport
        self._error = error
        self._broken: OSError | None = None

    # -- the verbs ----------------------------------------------------------

    def handshake(self, deadline: Deadline) -> None:
        """Shake hands, or raise; harmless when it is done."""
        with self._locked(self._reading, deadline, WantReadError):
            with self._locked(self._writing, deadline, WantWriteError):
                with self._surfacing():
                    self._drive(self.engine.handshake, deadline)
                    self.engine.rest()

    def reauthenticate(self, verify: Verify, deadline: Deadline) -> None:
        """Ask the peer for its certificate, and wait for the answer."""
        with self._locked(self._reading, deadline, WantReadError):
            with self._locked(self._writing, deadline, WantWriteError):
                with self._surfacing():
                    self._pass(deadline)
                    self.engine.reauthenticate(verify)
                    self._drive(self.engine.reauthenticated, deadline)

    def read_into(self, buffer: memoryview, deadline: Deadline) -> int:
        """Read at least a byte; 0 is the end of the file."""
        if self.has_lane:
            most = len(buffer)
            got = self.read_now(most, buffer)
            if got is None:
                got = self.read_soon(most, deadline, buffer)
            if got is not None:
                return got
        return self.read_slowly(buffer, deadline)

    def read_slowly(self, buffer: memoryview, deadline: Deadline) -> int:
        """Do ``read_into``, and leave the lane alone."""
        engine = self.engine
        taken: list[bool] = []
        try:
            taken.extend(map(self._reading.acquire, AT_ONCE))
            if not taken[0]:
                self._queue(self._reading, taken, deadline, WantReadError)
            self._pass(deadline)
            if self._moving_in:
                self._interrupted()
            return self._read_on(buffer, deadline)
        except Exception as error:  # No interrupt.
            if True in taken:
                self._moving_in = False
            if isinstance(error, OSError):
                self._surface(error)
            raise
        finally:
            if True in taken:
                self._reading.release()
            if engine.owes:
                self._offer()

    def _read_on(self, buffer: memoryview, deadline: Deadline) -> int:
        """Read what is there, or else what has still to come."""
        engine = self.engine
        while True:
            if not engine.hungry:
                self._moving_in = True
                size = engine.read_into(buffer)
                self._moving_in = False
                if size is not None:
                    return size
            self._ahead = 0
            if engine.owes or self._unsent:
                self._offer()
                self._settle(deadline)
            data = self._arrived(deadline)
            size = engine.decrypt(data, buffer)
            self._moving_in = False
            spare.give_back(data)
            self._heard = True
            if size is not None:
                self._much = size > _RECORD
                return size
            _check_time(deadline)

    def write(
        self, data: memoryview, deadline: Deadline, *, kept: bool = False
    ) -> int:
        """Send all of *data*.

        After a time-out the ciphertext that was made stays queued, in order;
        it is sent before anything else and never made twice.

        Args:
            data: What to send.
            deadline: When to give up.
            kept: Whether the caller gives *data* again after a failure; they
                count as sent then.
        """
        taken: list[bool] = []
        try:
            taken.extend(map(self._writing.acquire, AT_ONCE))
            if not taken[0]:
                self._queue(self._writing, taken, deadline, WantWriteError)
            if self._unsent or self._moving_out:
                self._flush(deadline)
            size = len(data)
            start = self._claims.claim(data) if self._claims.held else 0
            while start < size:
                piece = data[start : start + _SLICE]
                self._encrypt(piece, deadline)
                try:
                    self._flush(deadline)
                except BaseException:
                    if kept:
                        self._claims.hold(piece, insistent=False)
                    raise
                start += _SLICE
        except OSError as error:
            self._surface(error)
            raise
        finally:
            if True in taken:  # pragma: no branch - else there is an error
                self._writing.release()
        if self.engine.owes:
            self._offer()
        return size

    def write_some(self, data: memoryview) -> int:
        """Send what is taken now, for a port that must not wait.

        What was made into ciphertext counts as sent only when all of it has
        gone: else a caller who now waits for the peer's answer would wait
        for ever, as nobody sends the rest.  Meanwhile the same data is to be
        given again, as OpenSSL wants it too.

        Raises:
            WantWriteError: Nothing is taken now, or not all has gone yet.
            ConfigurationError: This is not what was given before.
        """
        now = Deadline.now()
        with self._locked(self._writing, now, WantWriteError):
            with self._surfacing():
                self._flush(now)
                claimed = self._claims.claim(data)
                if claimed:
                    return claimed
                piece = data[:_PIECE]
                self._encrypt(piece, now)
                try:
                    self._flush(now)
                except WantWriteError:
                    self._claims.hold(piece, insistent=True)
                    raise
        return len(piece)

    def encrypt(self, data: memoryview, deadline: Deadline) -> None:
        """Encrypt *data* behind what was left to send; ``flush_rest`` sends.

        For those who must know whether a call that ran out of time had got
        as far as that.
        """
        with self._locked(self._writing, deadline, WantWriteError):
            with self._surfacing():
                self._flush(deadline)
                self._encrypt(data, deadline)

    def _encrypt(self, piece: memoryview, deadline: Deadline) -> None:
        """Queue *piece* as ciphertext."""
        while True:
            self._moving_out = True
            try:
                made = self.engine.encrypt(piece)
            except Exception:  # No interrupt.
                self._moving_out = False
                with suppress(OSError):
                    self._flush(Deadline.now())
                raise
            if made is not None:
                self._enqueue(made)
                self._moving_out = False
                return
            self._moving_out = False
            # In mid-renegotiation; only the peer's bytes help.
            self._flush(deadline)
            with self._locked(self._reading, deadline, WantReadError):
                self._pass(deadline)
                self._fill(deadline)

    # -- moving ciphertext --------------------------------------------------

    def _drive(self, step: Callable[[], T | None], deadline: Deadline) -> T:
        """Repeat *step* until it yields, moving ciphertext in between."""
        assert self._reading.locked()
        assert self._writing.locked()
        if self._moving_in:
            self._interrupted()
        while True:
            try:
                result = step()
            except BaseException:  # The peer is still owed its alert.
                with suppress(OSError):
                    self._flush(deadline.sooner(_FAREWELL), reading=True)
                raise
            errand = self.engine.errand
            if errand is not None and not errand.over:
                run_errand(errand, deadline)
                continue
            if result is not None and self._only_tickets_left():
                self._pump()
                return result
            try:
                self._flush(deadline, reading=True)
            except ConnectionError as error:
                # The peer is gone, but its reason may still be in our queue.
                self._unsent, self._broken = NOTHING, error
            if result is not None:
                return result
            self._fill(deadline)
            _check_time(deadline)

    def _only_tickets_left(self) -> bool:
        """Say whether nobody is waiting for what is left to send.

        The client has been able to talk since it sent its Finished, and need
        not be reading: tickets that don't fit go out with what comes next.
        """
        facts = self.engine.facts
        return (
            facts is not None
            and self.engine.server_side
            and facts.version >= _TLS_1_3
        )

    def _flush(self, deadline: Deadline, *, reading: bool = False) -> None:
        """Send everything, taking in what the peer sends meanwhile.

        Args:
            deadline: When to give up.
            reading: Whether this thread holds the read lock.
        """
        try:
            while self._pump():
                self._make_room(deadline, reading=reading)
        except ConnectionError as error:
            if not reading:
                self._hear_out(error)
            raise

    def _make_room(self, deadline: Deadline, *, reading: bool) -> None:
        """Wait until the transport takes bytes again."""
        assert self._writing.locked()
        self._check_open()
        # Not with the read lock: a reader may find plaintext in the engine.
        may_read = reading or not (
            self._reading.locked() or self._attending is not None
        )
        ready, _ = self._wait(
            deadline,
            WantWriteError,
            read=may_read
            and not self._input_ended
            and not self.engine.deaf
            and self._ahead < _MOST_AHEAD,
            write=True,
        )
        if not ready:
            return
        if reading:
            self._take_in()
        else:
            if_free(self._reading, self._take_in)

    def _take_in(self) -> None:
        """Feed what is there, for a reader to come."""
        self._pass()
        if self._attending is not None:  # It would wait for these bytes.
            return
        chunk = spare.take()
        size = self._read_in(chunk)
        if size is not None:
            self._ahead += size
            self._feed(chunk[:size])
        spare.give_back(chunk)

    def _settle(self, deadline: Deadline) -> None:
        """Read no more while the answers to what was read can't be sent."""
        while self._owed + self.engine.owed > _MOST_OWED:
            self._check_open()
            self._wait(deadline, WantWriteError, read=False, write=True)
            if not if_free(self._writing, self._pump, _MOMENT):
                deadline.check("waiting for another writer")

    def _offer(self) -> None:
        """Send what is owed if nobody else is sending; never wait."""
        if_free(self._writing, self._pump_if_possible)

    def _pump_if_possible(self) -> None:
        try:
            self._pump()
        except ConnectionError:
            # Nobody will ever get it; who waits for room would get some at
            # once, time and again.
            self._unsent = NOTHING
        except OSError:
            pass

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """Wait as a transport does, for a port that runs over this one."""
        if read and self.engine.pending():
            return True, False
        # What we have not sent yet is what the other port is waiting for.
        ready, room = self.transport.wait(
            read=read, write=write or bool(self._unsent), deadline=deadline
        )
        if room:
            self._offer()
        return ready, room and write and not self._unsent

    def flush_rest(self, deadline: Deadline, *, forget: bool = False) -> None:
        """Send what an earlier call could not send.

        Args:
            deadline: When to give up.
            forget: Whether nobody gives again what was not reported as sent.
        """
        with self._locked(self._writing, deadline, WantWriteError):
            if forget:
                self._claims.forget()
            self._flush(deadline)

    def finish_sending(self, deadline: Deadline) -> None:
        """Send what the lane could not, within *deadline*."""
        with self._locked(self._writing, deadline, WantWriteError):
            with self._surfacing():
                self._flush(deadline)
        if self.engine.owes:
            self._offer()

    def _hear_out(self, error: ConnectionError) -> None:
        """Raise what the peer has said before it cut us off, if it has.

        What it refuses is in an alert, which has come before the reset.
        """
        if_free(self._reading, self._take_rest_in, _LINGER)
        failure = self.engine.failure
        if isinstance(failure, TLSError):
            raise failure.with_traceback(None) from error

    def _take_rest_in(self) -> None:
        with suppress(OSError):
            while self._ahead < _MOST_AHEAD and not self.engine.deaf:
                before = self._ahead
                self._take_in()
                if self._ahead == before:
                    break
        self.engine.hear_out()

    # -- the end ------------------------------------------------------------

    def finish(self, deadline: Deadline) -> None:
        """Send our close_notify; the peer may go on sending."""
        with self._locked(self._writing, deadline, WantWriteError):
            with self._surfacing():
                self.engine.finish()
                self._flush(deadline)

    def close(self, deadline: Deadline, *, notify: bool = True) -> None:
        """Say goodbye and give everything back; never raises OSError.

        Bounded, whatever the peer does: idle, vanished or talking.

        Args:
            deadline: When to give up sending, if that is before 5 seconds.
            notify: Whether to send a close_notify.
        """
        if self.closed:
            return
        try:
            self._farewell(deadline.sooner(_FAREWELL), notify=notify)
        finally:
            self.closed = True
            try:
                self._leave()
            except BaseException:  # An interrupt; no second close comes.
                self.transport.close()
                raise

    def release(self) -> None:
        """Count as closed, and leave the transport as it is."""
        self.closed = True
        # Not even the lane has it any more; a hook of ours is in there.
        if_free(self.engine.lock, lambda: None, _LINGER)

    def _farewell(self, deadline: Deadline, *, notify: bool) -> None:
        with suppress(OSError):
            with self._locked(self._writing, deadline, WantWriteError):
                if notify:
                    self.engine.finish()
                else:
                    self.engine.abandon()
                self._flush(deadline)
        if self._owns_transport:
            with suppress(OSError):
                self.transport.close_write()
            if_free(
                self._reading, lambda: self._drain(Deadline.after(_LINGER))
            )

    def _drain(self, deadline: Deadline) -> None:
        """Read until the peer has nothing more that a reset could avenge.

        For a bounded time and amount, and past a session that is over.
        """
        self._pass()
        if self._attending is not None:  # It hears the peer out.
            return
        chunk, plain = spare.take(), memoryview(bytearray(16384))
        taken = drained = 0
        with suppress(OSError):
            while not self._input_ended and taken < _MOST_DRAINED:
                deadline.check("hearing the peer out")
                size = self._read_in(chunk)
                if size is None:
                    if at_rest(
                        self.engine.facts,
                        server_side=self.engine.server_side,
                        failed=self.engine.state is State.FAILED,
                        heard=self._heard,
                        drained=drained,
                    ):
                        break
                    self._wait(deadline, WantReadError, read=True, write=False)
                    continue
                self._heard = True
                taken += size
                self._feed(chunk[:size])
                while not self.engine.deaf:
                    got = self.engine.read_into(plain)
                    if not got:
                        break
                    drained += got
        spare.give_back(chunk)

    def _leave(self) -> None:
        """Close the transport once no other thread is inside it."""
        with suppress(OSError):
            self.transport.wake()
        locks = self._reading, self._writing, self.engine.lock
        behind(locks, self._close_transport, _LINGER)

    def _close_transport(self) -> None:
        with suppress(OSError):
            self.transport.close()

    # -- who may enter ------------------------------------------------------

    def _locked(
        self,
        lock: threading.Lock,
        deadline: Deadline,
        want: type[WantReadError | WantWriteError],
    ) -> Hold:
        return Hold(
            lock, lambda taken: self._queue(lock, taken, deadline, want)
        )

    def _queue(
        self,
        lock: threading.Lock,
        taken: list[bool],
        deadline: Deadline,
        want: type[WantReadError | WantWriteError],
    ) -> None:
        """Take a lock that another thread has just now."""
        if deadline.is_now:
            raise want("another thread is using this port")
        if not take(lock, taken, deadline.left()):
            raise TimeoutError("timed out while another thread used the port")

    @contextmanager
    def _surfacing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._surface(error)
            raise

    def _surface(self, error: OSError) -> None:
        """Raise what the caller wants to get instead of *error*, if anything.

        That is what ``error=`` of ``ports_to_ssl_ports`` makes of it, or a
        ``ClosedError`` where the transport was closed by our own ``close``.
        """
        if isinstance(
            error, (WantReadError, WantWriteError, ConfigurationError)
        ):
            return
        self._check_open()
        if self._error is None or not isinstance(error, TLSError):
            return
        made = self._error(str(error))
        if not isinstance(made, BaseException):
            raise TypeError(
                f"error() returned {made!r} instead of an exception"
            ) from error
        raise made from error
