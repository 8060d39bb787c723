"""Bytes on their way between a transport and an engine, for one driver.

What a signal's handler raises, as Ctrl-C does, may come between any two
instructions.  It finds a lock held inside its block or not at all
(``tools.holding``), and while somebody waits it does no harm.  But if bytes
are just on their way between transport, engine and queue, nobody can say
afterwards how far they came.  A mark is set around that; who finds it later
says so, rather than going on with a stream that has a hole.
"""

from __future__ import annotations

import threading

from ...engine.engine import Engine
from ...errors import ClosedError, WantReadError, WantWriteError
from ...tools.deadline import Deadline
from ..buffers import spare
from ..transport import Transport

__all__ = ["NOTHING", "Mover"]

#: Who waits for so long, in seconds, gives memory back.
_LONG = 1.0
#: No bytes.
NOTHING = memoryview(b"")


class Mover:
    """Moves ciphertext, and decides nothing.

    Args:
        engine: The session.
        transport: What its ciphertext travels on.
    """

    def __init__(self, engine: Engine, transport: Transport) -> None:
        self.engine = engine
        self.transport = transport
        self.closed: bool = False
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._unsent = NOTHING
        self._owed = 0  # How many of those answer what was read.
        self._ahead = 0  # Ciphertext fed by writers since the last read.
        self._input_ended = False
        # Whether bytes are on their way in, or out; under the read lock, and
        # under the write lock.
        self._moving_in = self._moving_out = False

    # -- in -----------------------------------------------------------------

    def _fill(self, deadline: Deadline) -> None:
        """Wait for ciphertext and feed it."""
        data = self._arrived(deadline)
        self.engine.receive(data)
        self._moving_in = False
        spare.give_back(data)

    def _arrived(self, deadline: Deadline) -> memoryview:
        """Wait for ciphertext; to be given back to the spare chunks.

        It is on its way, until the caller has fed it.
        """
        if self.closed:
            self._check_open()
        chunk = spare.take()
        size = self._read_in(chunk)
        if size is None:
            try:
                size = self._awaited(chunk, deadline)
            except BaseException:  # Nothing comes often: keep the memory.
                spare.give_back(chunk)
                raise
        if not size:
            self._input_ended = True
        return chunk[:size]

    def _awaited(self, chunk: memoryview, deadline: Deadline) -> int:
        """Read what is not there yet."""
        assert self._reading.locked()
        moment = deadline.sooner(_LONG)
        while True:
            try:
                _, room = self._wait(
                    moment,
                    WantReadError,
                    read=True,
                    write=bool(self._unsent),
                )
            except TimeoutError:
                if moment is deadline:
                    raise
                self.engine.rest()
                moment = deadline
            else:
                if room:
                    self._offer()
            self._check_open()
            size = self._read_in(chunk)
            if size is not None:
                return size

    def _read_in(self, chunk: memoryview) -> int | None:
        """Read what is there; from then on it is on its way."""
        if self._moving_in:
            self._interrupted()
        self._moving_in = True
        try:
            size = self.transport.read_into(chunk)
        except OSError:
            self._moving_in = False
            raise
        if size is None:
            self._moving_in = False
        return size

    def _feed(self, data: memoryview) -> None:
        if not len(data):
            self._input_ended = True
        self.engine.receive(data)
        self._moving_in = False

    # -- out ----------------------------------------------------------------

    def _pump(self) -> bool:
        """Send what fits now; say whether something is left."""
        if self._moving_out:
            self._interrupted()
        if self.engine.owes:
            self._moving_out = True
            answers = self.engine.outgoing()
            self._owed += len(answers)
            self._enqueue(answers)
            self._moving_out = False
        while self._unsent:
            self._moving_out = True
            try:
                sent = self.transport.write(self._unsent)
            except OSError:
                self._moving_out = False
                raise
            if sent is None:
                self._moving_out = False
                return True
            self._unsent = (
                self._unsent[sent:] if sent < len(self._unsent) else NOTHING
            )
            self._moving_out = False
        self._owed = 0
        return False

    def _interrupted(self) -> None:
        """Say that an interrupt came while bytes were on their way."""
        with self.engine.lock:
            self.engine.lose()
        raise self.engine.again()

    def _enqueue(self, fresh: bytes | bytearray) -> None:
        if self._unsent:
            fresh = bytes(self._unsent) + fresh
        self._unsent = memoryview(fresh)

    def _offer(self) -> None:
        """Send what is owed, if nobody else does; the driver's."""

    # -- both ---------------------------------------------------------------

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError("this port was closed")

    def _wait(
        self,
        deadline: Deadline,
        want: type[WantReadError | WantWriteError],
        *,
        read: bool,
        write: bool,
    ) -> tuple[bool, bool]:
        try:
            return self.transport.wait(
                read=read, write=write, deadline=deadline
            )
        except TimeoutError:
            if not deadline.is_now:
                raise
            doing = "read" if want is WantReadError else "sent"
            raise want(f"nothing can be {doing} now") from None
