"""A forked child and its parent, each as the other one knows it.

A line runs between them.  The child tells what it has counted, twice a second
if there is something new, and at its end; the parent tells when to end, and
when files were read again.  The
end of the line is the end of whoever was there: a child without a parent lets
its handlers finish, shortly, and ends.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...tools.deadline import Deadline
from ...tools.followed import follow
from ..metrics import ListenerStatistics
from .ending import HURRY, Ending

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["MARGIN", "Child", "Parent", "total"]

#: How often, in seconds, a child tells what it has counted.
_TELL = 0.5
#: No message is longer, in bytes.
_MOST = 1 << 20
#: How long, in seconds, the end of a child may take after its deadline; who
#: is not done then hangs in something.
MARGIN = 8.0

_NUMBERS = tuple(
    each.name
    for each in fields(ListenerStatistics)
    if each.name
    not in {"address", "refused", "handshake_counts", "generation"}
)


def total(
    address: str, parts: Iterable[ListenerStatistics]
) -> ListenerStatistics:
    """Add up what several processes have counted."""
    parts = tuple(parts)
    refused: dict[str, int] = {}
    for part in parts:
        for reason, count in part.refused.items():
            refused[reason] = refused.get(reason, 0) + count
    return ListenerStatistics(
        address,
        refused=MappingProxyType(refused),
        **{
            name: sum(getattr(part, name) for part in parts)
            for name in _NUMBERS
        },
        handshake_counts=tuple(
            map(
                sum,
                zip(*(each.handshake_counts for each in parts), strict=True),
            )
        ),
        generation=min(
            (each.generation for each in parts if each.generation), default=0
        ),
    )


class Child:
    """A child, as its parent knows it.

    Args:
        pid: Its number.
        line: The parent's end of the line; it is taken over.
        address: Where it listens.
        again: When another one may take its place.
        known: The generations when it was born.
    """

    def __init__(
        self,
        pid: int,
        line: Connection,
        address: str,
        again: Deadline,
        known: dict[int, int] | None = None,
    ) -> None:
        self.pid = pid
        self.line = line
        self.again = again
        #: What it has counted, as far as it has told.
        self.counts = ListenerStatistics(address)
        #: How many clients it had to cut off.
        self.cut_off = 0
        #: Whether it has ended.
        self.ended = False
        #: Its exit status, or the signal that ended it, below 0; None while
        #: that is unknown.
        self.status: int | None = None
        self._told: Deadline | None = None
        self._known = known or {}

    def follow(self, wanted: dict[int, int]) -> None:
        """Have it renew what was renewed here since it was born or told."""
        known = self._known
        news = {
            number: generation
            for number, generation in wanted.items()
            if known.get(number, generation) != generation
        }
        if not news:
            return
        known.update(news)
        with suppress(OSError):  # It has ended already.
            self.line.send_bytes(json.dumps(news).encode())

    def tell(self, deadline: Deadline) -> None:
        """Have it end, until *deadline*."""
        if deadline != self._told:
            self._told = deadline
            with suppress(OSError):  # It has ended already.
                self.line.send_bytes(json.dumps(deadline.moment).encode())

    def look(self, *, heard: bool) -> bool:
        """Find out whether it lives.

        Args:
            heard: Whether it has said something, which is then taken.
        """
        self._reap(os.WNOHANG)
        try:
            # Of a dead one, all that it has said.
            while heard or (self.ended and self.line.poll()):
                self._hear()
                heard = False
        except (EOFError, OSError, ValueError):
            # The end of the line, or nonsense: it is no use any more.
            self.kill()
        return not self.ended

    def _hear(self) -> None:
        said = json.loads(self.line.recv_bytes(_MOST))
        counts = said["counts"]
        spread = counts.pop("handshake_counts", self.counts.handshake_counts)
        self.counts = replace(
            self.counts, handshake_counts=tuple(spread), **counts
        )
        self.cut_off = said["cut_off"]

    def kill(self) -> None:
        """End it now, if it has not ended; nobody can put that off."""
        self._reap(os.WNOHANG)
        if not self.ended:
            with suppress(ProcessLookupError):  # Somebody has waited for it.
                os.kill(self.pid, signal.SIGKILL)
            self._reap(0)

    def _reap(self, options: int) -> None:
        if self.ended:
            return
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:  # Somebody else has waited for it.
            self.ended = True
            return
        if pid:
            self.ended = True
            self.status = os.waitstatus_to_exitcode(status)

    def legacy(self) -> ListenerStatistics:
        """Give what it has counted for good; nothing of it goes on."""
        return replace(self.counts, handshakes=0, active=0, generation=0)


class Parent:
    """The parent, as a child knows it.

    Args:
        line: The child's end of the line.
        mask: The signals that were blocked before they all were, to be born
            in peace.
        terminable: Whether SIGTERM is to end the child.
    """

    def __init__(
        self, line: Connection, mask: Iterable[int], *, terminable: bool
    ) -> None:
        self._line = line
        self._mask = mask
        self._terminable = terminable
        self._lock = threading.Lock()
        self._last: dict[str, object] = {}
        self._over = False

    @contextmanager
    def attended(
        self,
        service: Ending,
        ring: Callable[[], None],
        counts: Callable[[], ListenerStatistics],
    ) -> Iterator[None]:
        """Heed the parent and tell it things, while *service* goes on.

        Args:
            service: What is to end when the parent says so.
            ring: Has *service* look up.
            counts: Gives what there is to tell.
        """

        def drain(deadline: Deadline) -> None:
            service.drain(deadline)
            ring()

        def tell() -> None:
            self._tell(counts(), service.cut_off)

        # Ctrl-C reaches all processes of a terminal; the parent decides.  To
        # have it ignored would go on in what handlers start.
        signal.signal(signal.SIGINT, lambda *_: None)
        if self._terminable:
            signal.signal(
                signal.SIGTERM, lambda *_: drain(Deadline.after(HURRY))
            )
        # While signals are blocked, so that they come to the main thread.
        threading.Thread(
            target=self._attend,
            args=(drain, tell),
            name="tlskit-parent",
            daemon=True,
        ).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        try:
            yield
        finally:
            with suppress(OSError):  # It may have gone first.
                tell()
            with self._lock:
                self._over = True

    def _attend(
        self, drain: Callable[[Deadline], None], tell: Callable[[], None]
    ) -> None:
        try:
            while True:
                if self._line.poll(_TELL):
                    said = json.loads(self._line.recv_bytes(_MOST))
                    if isinstance(said, dict):
                        follow({int(name): said[name] for name in said})
                    else:
                        drain(Deadline(said))
                tell()
        except (EOFError, OSError):
            drain(Deadline.after(HURRY))
        # Whoever is still here then has waited in vain.
        threading.Event().wait(HURRY + MARGIN)
        os._exit(1)

    def _tell(self, counts: ListenerStatistics, cut_off: int) -> None:
        numbers = {name: getattr(counts, name) for name in _NUMBERS}
        said: dict[str, object] = {
            "counts": {
                **numbers,
                "refused": dict(counts.refused),
                "handshake_counts": counts.handshake_counts,
                "generation": counts.generation,
            },
            "cut_off": cut_off,
        }
        with self._lock:
            if said != self._last and not self._over:
                self._last = said
                self._line.send_bytes(json.dumps(said).encode())
