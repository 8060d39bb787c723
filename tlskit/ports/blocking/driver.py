"""The blocking driver: what can be done with a session, for threads.

It stands on layers, each a module: ``moving`` has bytes and marks, ``lane``
the usual case in one go, ``flow`` the locks, the deadlines and both
directions at once, ``farewell`` the end.  Here are the verbs.
"""

from __future__ import annotations

from contextlib import suppress

from ...errors import WantReadError, WantWriteError
from ...policy.settings import Verify
from ...tools.deadline import Deadline
from ...tools.holding import AT_ONCE, if_free
from ..buffers import spare
from .farewell import Farewell
from .flow import MOMENT, check_time

__all__ = ["Driver"]

#: Larger writes go in slices, or one huge write would double its memory.
_SLICE = 262144
#: A port that must not wait takes no more at once.
_PIECE = 65536
#: A read of more than a record's plaintext is one of a stream.
_RECORD = 16384


class Driver(Farewell):
    """Runs an engine over a transport, for threads; see the layers below."""

    # -- the session --------------------------------------------------------

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

    # -- reading ------------------------------------------------------------

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
            check_time(deadline)

    # -- writing ------------------------------------------------------------

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
            self._hear(deadline)

    def _hear(self, deadline: Deadline) -> None:
        """Take in what the peer sends, or give who reads a moment to do so.

        What it answers then is ours to send: so nobody may wait for it here.
        """

        def hear() -> None:
            self._pass(deadline)
            self._fill(deadline)

        if if_free(self._reading, hear, 0.0 if deadline.is_now else MOMENT):
            return
        if deadline.is_now:
            raise WantReadError("another thread is using this port")
        deadline.check("waiting for another thread that reads")
