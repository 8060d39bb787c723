"""Several processes that serve one port, and the parent that minds them.

The children are forked when all is ready, so they share the listening socket
and the keys of the context's tickets.  One socket for all rather than one for
each (``SO_REUSEPORT``): who waits in the backlog is then served by whoever
has time, and is not lost with a child that dies.  All children hear of a new
client, and those that come too late find nobody, which costs them one system
call; processes are few, so that is no herd.

The parent serves nobody.  It replaces children that die, adds up what they
have counted, and ends them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import starmap
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from ...errors import ConfigurationError, UnsupportedError
from ...tools.deadline import Deadline
from ...tools.followed import generations, heard
from ..events import Events
from ..metrics import ListenerStatistics
from .children import MARGIN, Child, Parent, total
from .ending import HURRY, Ending

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Crew", "check_processes"]

#: How often, in seconds, the parent looks up; and how long a place stays
#: empty at least, counted from when it was last filled.
_BEAT = 1.0


def check_processes(processes: int) -> None:
    """Complain about a number of processes that can't be had.

    Raises:
        ConfigurationError: It is below 1.
        UnsupportedError: It is above 1, and this platform can't fork.
    """
    if processes < 1:
        raise ConfigurationError(
            f"processes is a number from 1 on, not {processes!r}",
            hint="os.cpu_count() is a good number; 1 does not fork",
        )
    if processes > 1 and not hasattr(os, "fork"):
        raise UnsupportedError(
            "this platform can't fork, which several processes need",
            hint="serve with processes=1, and start several servers behind "
            "a proxy",
        )


class Crew(Ending):
    """Children at work; made by the thread that minds them.

    Args:
        work: Serves, in a child, until the service ends.
        events: Hears of children that die.
        address: Where they listen.
        processes: How many children there are.
    """

    def __init__(
        self,
        work: Callable[[Parent], None],
        events: Events,
        address: str,
        *,
        processes: int,
    ) -> None:
        super().__init__(MARGIN + 2 * _BEAT)
        self._work = work
        self._events = events
        self._address = address
        self._children: list[Child] = []
        # When the places that are empty may be filled.
        self._empty = [Deadline.now()] * processes
        self._past = ListenerStatistics(address)
        self._terminable = self._terminated = False
        self._bell = self._ringer = -1

    def drain(self, deadline: Deadline) -> None:
        """See ``Ending``."""
        super().drain(deadline)
        with self._change:
            self._ring()

    def _ring(self) -> None:
        """Have the parent look up; a signal's handler may."""
        if self._ringer != -1:
            with suppress(OSError):  # It rings already, or is gone.
                os.write(self._ringer, b"!")

    def total(self, own: ListenerStatistics) -> ListenerStatistics:
        """See ``Ending``."""
        with self._change:
            living = [child.counts for child in self._children]
            # What the parent has read is not what anybody is served.
            own = replace(own, generation=0)
            return total(self._address, [own, self._past, *living])

    def run(self, stop_listening: Callable[[], None]) -> None:
        """Mind children until the service ends; none is left then.

        Args:
            stop_listening: Closes the parent's own copy of the socket.
        """
        others = threading.active_count() - 1
        if others:
            self._events.forks_beside(others)
        with self._until_terminated(), self._bell_hung(), heard(self._ring):
            try:
                self._events.state("serving", processes=len(self._empty))
                while self._deadline is None:
                    self._fill()
                    wanted = generations()
                    for child in self._children:
                        child.follow(wanted)
                    self._turn(Deadline.after(_BEAT))
            except BaseException:
                self.drain(Deadline.after(HURRY))
                raise
            finally:
                try:
                    self._finish(stop_listening)
                except BaseException:  # Wherever it was interrupted.
                    self._kill()
                    raise

    @contextmanager
    def _bell_hung(self) -> Iterator[None]:
        """Have something that ``drain`` can wake this thread by."""
        self._bell, ringer = os.pipe()
        try:
            os.set_blocking(self._bell, False)
            os.set_blocking(ringer, False)
            self._ringer = ringer
            yield
        finally:
            with self._change:
                self._ringer = -1
            os.close(ringer)
            os.close(self._bell)

    @contextmanager
    def _until_terminated(self) -> Iterator[None]:
        """Have SIGTERM end the children first, unless others heed it."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        ):
            yield
            return
        self._terminable = True
        signal.signal(signal.SIGTERM, self._terminate)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if self._terminated:
                signal.raise_signal(signal.SIGTERM)

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._terminated = True
        self.drain(Deadline.after(HURRY))

    # -- being born ---------------------------------------------------------

    def _fill(self) -> None:
        """Fill the empty places, each at most once a beat."""
        waiting = []
        for moment in self._empty:
            if moment.left():
                waiting.append(moment)
                continue
            again = Deadline.after(_BEAT)
            try:
                self._fork(again)
            except OSError as error:
                self._events.cannot_fork(error)
                waiting.append(again)
        self._empty = waiting

    def _fork(self, again: Deadline) -> None:
        """Have a child; its place may be filled again then."""
        from multiprocessing.connection import Pipe

        _flush()
        known = generations()  # What is renewed from now on is told.
        ours, theirs = Pipe()
        # A signal's handler could find the child half made.
        mask = _mask()
        made: list[int] = []
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            # A handler may run here all the same, if another thread has got
            # the signal; but not between the child and its place in a list.
            made.extend(starmap(os.fork, ((),)))
            if 0 in made:  # pragma: no cover - in the child
                self._live(ours, theirs, mask)
            child = Child(made[0], ours, self._address, again, known)
            with self._change:
                self._children.append(child)
        except BaseException:
            self._disown(made, ours)
            raise
        finally:
            try:
                theirs.close()
                _unblock(mask)
            except BaseException:  # pragma: no cover - in processes of tests
                _unblock(mask)  # It was not reached, or has done its work.
                raise

    def _disown(self, made: list[int], ours: Connection) -> None:
        """End a child that nobody knows yet."""
        if made and made[0] in [child.pid for child in self._children]:
            return  # pragma: no cover - in processes of tests
        for pid in made:  # pragma: no cover - the same
            Child(pid, ours, self._address, Deadline.now()).kill()
        ours.close()

    def _live(
        self, ours: Connection, theirs: Connection, mask: Iterable[int]
    ) -> NoReturn:
        """Be a child, from the first moment to the last.

        Args:
            ours: The parent's end of the line.
            theirs: The child's end.
            mask: The signals that were blocked before.
        """
        status = 1
        try:
            # Bytes for the parent's signals are not for us; nor are lines
            # to others, which would outlive the parent in here.
            signal.set_wakeup_fd(-1)
            for line in (ours, *(child.line for child in self._children)):
                line.close()
            os.close(self._bell)
            os.close(self._ringer)
            self._work(Parent(theirs, mask, terminable=self._terminable))
            status = 0
        except BaseException as error:
            self._events.broke(error)
        finally:
            # What the parent has begun is not ours to finish.
            try:
                _flush()
            finally:
                os._exit(status)

    # -- being minded -------------------------------------------------------

    def _turn(self, deadline: Deadline) -> None:
        """Wait for news until *deadline*, and act on it."""
        from multiprocessing.connection import wait

        lines: list[int | Connection] = [
            child.line for child in self._children
        ]
        ready = wait([self._bell, *lines], deadline.left())
        if self._bell in ready:
            os.read(self._bell, 4096)
        for child in list(self._children):
            if not child.look(heard=child.line in ready):
                self._bury(child)

    def _bury(self, child: Child) -> None:
        with self._change:
            self._children.remove(child)
            self._past = total(self._address, [self._past, child.legacy()])
            if self._deadline is not None:  # Else it is long past.
                self.cut_off += child.cut_off
        child.line.close()
        self._empty.append(child.again)
        self._events.ended(
            child.pid, child.status, wanted=self._deadline is not None
        )

    def _finish(self, stop_listening: Callable[[], None]) -> None:
        """Have the children end, and those who don't be ended."""
        try:
            self._events.state("draining")
            # The last of the children then closes the port.
            stop_listening()
            # Whoever was to say so may have been cut off.
            if self._deadline is None:  # pragma: no cover - the same
                self.drain(Deadline.after(HURRY))
            self._await()
        finally:
            mask = _mask()
            try:
                try:
                    signal.pthread_sigmask(
                        signal.SIG_BLOCK, signal.valid_signals()
                    )
                finally:  # It may block them and raise, all the same.
                    self._kill()
                _unblock(mask)
            except BaseException:  # pragma: no cover - as in _fork()
                _unblock(mask)
                raise
            self._events.state("ended", cut_off=self.cut_off)

    def _await(self) -> None:
        """Wait for the children, as long as they may take."""
        while self._children:
            assert self._deadline is not None
            moment = self._deadline.moment
            if moment is not None and not Deadline(moment + MARGIN).left():
                return
            for child in self._children:
                child.tell(self._deadline)
            self._turn(Deadline.after(_BEAT))

    def _kill(self) -> None:
        for child in list(self._children):
            child.kill()
            child.cut_off = max(child.cut_off, child.counts.active)
            self._bury(child)
        self.end()


def _mask() -> set[int]:
    """Read which signals are blocked.

    What blocks them also runs handlers that are due; one that raises would
    take the old mask with it.
    """
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _unblock(mask: set[int]) -> None:
    """Block these signals, and no others."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _flush() -> None:
    """Leave nothing in buffers that parent and child would both write."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
