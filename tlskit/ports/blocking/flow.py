"""Both directions at once: who may enter, and bytes until they are gone.

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

"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ...engine.engine import Engine
from ...errors import (
    ConfigurationError,
    TLSError,
    WantReadError,
    WantWriteError,
)
from ...tools.deadline import Deadline
from ...tools.holding import Hold, if_free, take
from ...tools.instead import Instead
from ..buffers import spare
from ..closing import FAREWELL as _FAREWELL
from ..closing import LINGER as _LINGER
from ..fetching.issuers import run_errand
from ..transport import Transport
from .lane import Lane
from .moving import NOTHING

__all__ = ["MOMENT", "Flow", "check_time"]

T = TypeVar("T")

#: How long, in seconds, a reader waits for who is just writing, or a writer
#: for who is just reading.
MOMENT = 0.05
#: A writer takes in no more than this while nobody reads.
_MOST_AHEAD = 1048576
#: Who owes so many bytes to the peer reads no more.
_MOST_OWED = 262144

_TLS_1_3 = 0x0304


def check_time(deadline: Deadline) -> None:
    """Stop at the deadline, also if the peer never stops sending."""
    if not deadline.is_now:
        deadline.check("waiting for the peer")


class Flow(Lane):
    """Moves ciphertext both ways until a step is done, or a deadline over.

    Args:
        engine: The session.
        transport: What its ciphertext travels on.
        error: Makes the exception for a failure, from its message, instead
            of the tree's own.
    """

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        error: Callable[[str], BaseException] | None = None,
    ) -> None:
        super().__init__(engine, transport)
        engine.fetches()
        self._error = error

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
            except ConnectionError:
                # The peer is gone, but its reason may still be in our queue.
                self._unsent = NOTHING
            if result is not None:
                return result
            self._fill(deadline)
            check_time(deadline)

    def _only_tickets_left(self) -> bool:
        """Say whether nobody is waiting for what is left to send.

        The client has been able to talk since it sent its Finished, and need
        not be reading: tickets that don't fit go out with what comes next.
        """
        version = self.engine.version
        return (
            version is not None
            and self.engine.server_side
            and version >= _TLS_1_3
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
            if not if_free(self._writing, self._pump, MOMENT):
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

    def _hear_out(self, error: ConnectionError) -> None:
        """Raise what the peer has said before it cut us off, if it has.

        What it refuses is in an alert, which has come before the reset.
        """
        if_free(self._reading, self._take_rest_in, _LINGER)
        if self.engine.explains(error):
            raise self.engine.again() from error

    def _take_rest_in(self) -> None:
        with suppress(OSError):
            while self._ahead < _MOST_AHEAD and not self.engine.deaf:
                before = self._ahead
                self._take_in()
                if self._ahead == before:
                    break

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

    def _surfacing(self) -> Instead[OSError]:
        return Instead(OSError, self._surface)

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
        raise _made(self._error, error) from error


def _made(
    make: Callable[[str], BaseException], error: TLSError
) -> BaseException:
    made = make(str(error))
    if isinstance(made, BaseException):
        return made
    return TypeError(f"error() returned {made!r} instead of an exception")
