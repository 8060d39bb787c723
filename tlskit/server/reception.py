"""Receives TCP clients, and brings them through their handshakes.

No client can keep another one waiting, because nobody waits for a client:
all handshakes go on at once, in whatever thread takes a turn, each by as much
as its bytes allow.

A client for whom there is no room is not accepted: it waits in the system's
backlog, and costs us nothing.
"""

from __future__ import annotations

import errno
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from ..context.following import failures_of, generation_of
from ..errors import ClosedError
from ..ports.port import SSLPort
from ..ports.transport import tune
from ..tools.deadline import Deadline
from ..tools.holding import if_free, take
from .acme.renewing import Renewal
from .events import Events
from .handshakes import Handshake
from .local import is_local, place_of
from .metrics import ListenerStatistics
from .rules import Rules
from .sources import Sources
from .tally import Tally

__all__ = ["Reception"]

T = TypeVar("T")

# Linux reports here what became of the connection meanwhile.
_GONE = (
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EPERM,
    errno.EPROTO,
)
# What the system lacks; it helps to wait until others have closed theirs ...
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: ... for so long, in seconds.
_REST = 0.5
#: How long, in seconds, closing waits for a thread to look up.
_PATIENCE = 5.0
#: The same for a thread that is not quite at work yet, or not any more.
_MOMENT = 0.2


@contextmanager
def _signals_ring(ringer: socket.socket) -> Iterator[None]:
    """Have a signal ring too, if its handler runs in this thread.

    A signal that arrives when Python has looked for one, but is not waiting
    yet, would else be handled only after the next client has come: Ctrl-C
    on an idle server might do nothing.
    """
    installed = False
    try:
        with suppress(ValueError):  # Not the main thread: none is handled.
            installed = True
            before = signal.set_wakeup_fd(
                ringer.fileno(), warn_on_full_buffer=False
            )
            if before not in (-1, ringer.fileno()):
                # An event loop's; it lives by what it is told there.
                signal.set_wakeup_fd(before, warn_on_full_buffer=False)
                installed = False
        yield
    finally:
        if installed:
            with suppress(ValueError):
                signal.set_wakeup_fd(-1)


def _stop_ringing(ringer: socket.socket) -> None:
    """Have no signal write to what is about to be closed.

    An interrupt in just the wrong moment has left it where it was.
    """
    with suppress(ValueError):  # Not the main thread: we can't look.
        present = signal.set_wakeup_fd(-1)
        if present not in (-1, ringer.fileno()):
            signal.set_wakeup_fd(present, warn_on_full_buffer=False)


class Reception:
    """A listening socket with its handshakes; for one thread at a time.

    Args:
        sock: A listening socket; it is taken over.
        rules: What to go by.
        name: Where it listens, for counts and logs.
    """

    def __init__(self, sock: socket.socket, rules: Rules, name: str) -> None:
        sock.setblocking(False)
        self.closed = False
        self.handshakes: dict[int, Handshake] = {}
        self.done: deque[SSLPort | BaseException] = deque()
        # Readable while something is in done, after close(), and when room
        # may have come about.
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._waiting_for_room = False
        self.tally = Tally(self._freed)
        self.events = Events(name, self.tally)
        self._name = name
        self._sock = sock
        self._rules = rules
        self._sources = Sources()
        self._rest = Deadline.now()
        self._lock = threading.Lock()
        self._renewal = Renewal()
        self._inside: int | None = None  # Which thread takes its turn.
        self.selector = selectors.DefaultSelector()
        self.selector.register(self._bell, selectors.EVENT_READ)
        self.selector.register(sock, selectors.EVENT_READ)

    # -- whose turn it is ---------------------------------------------------

    def within(self, deadline: Deadline, work: Callable[[], T]) -> T:
        """Do *work* with the reception to oneself; give what it gives.

        Raises:
            TimeoutError: Another thread had it until the deadline.
        """
        taken: list[bool] = []
        try:
            if not take(self._lock, taken, deadline.left()):
                raise TimeoutError("timed out while another thread accepted")
            self._inside = threading.get_ident()
            with _signals_ring(self._ringer):
                return work()
        finally:
            if True in taken:
                self._inside = None
                self._lock.release()
            if self.closed:  # By whoever could not enter meanwhile.
                self._leave(0)

    def close(self) -> None:
        """Accept no more, and drop clients that were not given away.

        From any thread, also from a signal's handler in the middle of
        another call; that call then ends, and does the rest.
        """
        self.closed = True
        self.ring()
        if self._inside != threading.get_ident():
            self._leave(_PATIENCE)

    def _leave(self, seconds: float) -> None:
        if self._inside is None:
            # Else a signal's handler that has come just after the lock was
            # taken would wait for its own thread.
            seconds = min(seconds, _MOMENT)
        if_free(self._lock, self._release, seconds)

    def _release(self) -> None:
        """Give everything back; a second call is harmless."""
        self._renewal.end()
        if self._bell.fileno() == -1:
            return
        for each in self.handshakes.values():
            if not each.refused:
                self.events.dropped(each.peer)
            each.leave()
            each.abort()
        for outcome in self.done:
            if isinstance(outcome, SSLPort):
                outcome.close()
        self.handshakes.clear()
        self.done.clear()
        self.selector.close()
        _stop_ringing(self._ringer)
        # The bell comes last: an interrupt before it leaves all this to the
        # next call.
        for sock in (self._sock, self._ringer, self._bell):
            sock.close()

    @property
    def resting(self) -> bool:
        """Whether the system had no room for another client just now."""
        return bool(self._rest.left())

    @property
    def statistics(self) -> ListenerStatistics:
        """What was counted so far."""
        return self.tally.statistics(
            self._name,
            len(self.handshakes),
            generation_of(self._rules.context),
            failures_of(self._rules.context),
        )

    def check_open(self) -> None:
        """Complain if it is closed."""
        if self.closed:
            raise ClosedError("this listener was closed")

    # -- one turn of the wheel ----------------------------------------------

    def turn(
        self, deadline: Deadline, *, shake: bool = True, accept: bool = True
    ) -> bool:
        """Wait for something to happen, and have it happen.

        Args:
            deadline: When to give up.
            shake: Whether to shake hands with those who come now.
            accept: Whether to accept those who come now.

        Returns:
            Whether a TCP client is pending.

        Raises:
            TimeoutError: Nothing has happened.
            OSError: The system can't accept a client.
        """
        assert self._lock.locked()
        self.check_open()
        self._renewal.begin(self._rules.context)
        self._admit()
        pending = False
        for key, _ in self.selector.select(self._next_moment(deadline)):
            if key.fileobj is self._sock:
                pending = True
            elif key.fileobj is self._bell:
                self._hush()
            else:
                self._advance(key.data)
        self.check_open()
        if pending and accept:
            self._take(shake=shake)
        for each in list(self.handshakes.values()):
            if each.deadline.left() == 0:
                self._advance(each)
        # Busy clients are no reason to stay longer than was asked for.
        if not self.done and (accept or not pending):
            deadline.check("waiting for a client")
        return pending

    def look_out(self, deadline: Deadline) -> None:
        """Wait until a client is pending, or one is done."""
        while not self.done:
            if self.turn(deadline, accept=False):
                return

    def _next_moment(self, deadline: Deadline) -> float | None:
        for each in self.handshakes.values():
            deadline = deadline.earlier(each.deadline)
        if self.resting:
            deadline = deadline.earlier(self._rest)
        return deadline.left()

    def _admit(self) -> None:
        """Listen for clients only while there is room for them."""
        if self._sock.fileno() == -1:
            return
        room = self._has_room()
        if not room:
            # First say so, then look: somebody may close in between.
            self._waiting_for_room = True
            room = self._has_room()
        if room:
            self._waiting_for_room = False
        listening = self._sock.fileno() in self.selector.get_map()
        if room and not listening:
            self.selector.register(self._sock, selectors.EVENT_READ)
        elif listening and not room:
            self.selector.unregister(self._sock)

    def _has_room(self) -> bool:
        most = self._rules.max_connections
        return (
            not self.resting
            and len(self.handshakes) < self._rules.max_handshakes
            and (most is None or self.tally.open < most)
        )

    def _freed(self) -> None:
        if self._waiting_for_room:
            self.ring()

    def _take(self, *, shake: bool) -> bool:
        """Accept a client, if there is one."""
        try:
            sock, address = self._sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # It has gone again.
        except OSError as error:
            if error.errno in _GONE:
                return False
            if error.errno in _SCARCE:
                self._rest = Deadline.after(_REST)
            raise
        meter = self.tally.meter()
        # A client on a socket of the file system rarely has a name.
        peer = (self._name, 0) if is_local(sock) else place_of(address)
        self.events.accepted(peer)
        try:
            tune(sock)
            made = Handshake(
                sock,
                peer,
                self._rules,
                self._sources,
                meter,
                shake=shake,
            )
        except BaseException as error:
            sock.close()
            meter.stop()
            if not isinstance(error, OSError):
                raise
            self._finish(error, peer, 0.0)
            return True
        self.handshakes[made.number] = made
        self.selector.register(sock, selectors.EVENT_READ, made)
        self._advance(made)
        return True

    def _advance(self, handshake: Handshake) -> None:
        """Let one handshake go on, and act on what came of it."""
        outcome = handshake.advance()
        if outcome is not None:
            seconds = time.monotonic() - handshake.since
            self._finish(outcome, handshake.peer, seconds)
        # An error's frames were called from here; they would hold it.
        del outcome
        if handshake.over:
            self._forget(handshake)
        else:
            self.selector.modify(handshake.sock, handshake.interest, handshake)

    def _forget(self, handshake: Handshake) -> None:
        del self.handshakes[handshake.number]
        self.selector.unregister(handshake.sock)
        handshake.leave()

    def _finish(
        self,
        outcome: SSLPort | BaseException,
        peer: tuple[str, int],
        seconds: float,
    ) -> None:
        if not isinstance(outcome, SSLPort):
            self.events.refused(outcome, peer)
        elif outcome.version is not None:
            self.events.handshaken(outcome, seconds)
        self.done.append(outcome)
        self.ring()

    # -- what came of it ----------------------------------------------------

    def pop(self) -> SSLPort | BaseException | None:
        """Give the next client that is done, or why it failed."""
        if not self.done:
            return None
        outcome = self.done.popleft()
        if not self.done:
            self._hush()
        return outcome

    def pop_port(self, raise_error: bool) -> SSLPort | None:
        """Give the next port that is done; raise why a client failed.

        Args:
            raise_error: Whether to raise that; interrupts always are.
        """
        outcome = None
        try:
            while (outcome := self.pop()) is not None:
                if isinstance(outcome, SSLPort):
                    return outcome
                if raise_error or not isinstance(outcome, Exception):
                    raise outcome
            return None
        finally:
            del outcome  # An error holds this frame, which would hold it.

    def ring(self) -> None:
        """Have whoever waits look up; from any thread."""
        with suppress(OSError):
            self._ringer.send(b"!")

    def _hush(self) -> None:
        if self.done:
            return
        with suppress(BlockingIOError):
            while self._bell.recv(64):
                pass

    # -- the end of a service -----------------------------------------------

    def stop_listening(self) -> None:
        """Accept those who are in the backlog, and nobody after them."""
        assert self._lock.locked()
        if self._sock.fileno() == -1:
            return
        with suppress(OSError):
            # Bounded, since more may be coming all the time.
            for _ in range(self._rules.max_handshakes):
                if not (self._has_room() and self._take(shake=True)):
                    break
        with suppress(KeyError):  # It is out while there is no room.
            self.selector.unregister(self._sock)
        self._sock.close()

    def drop_silent(self) -> None:
        """Drop clients that have not begun to speak."""
        assert self._lock.locked()
        for each in list(self.handshakes.values()):
            if not each.begun and not each.refused:
                self.events.dropped(each.peer)
                self._forget(each)
                each.abort()
