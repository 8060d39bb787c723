"""A wire between two ports that does what networks and attackers do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tlskit.tools.deadline import Deadline

__all__ = ["FAULTS", "Fault", "Lane", "WireEnd", "wire"]

FAULTS = ("cut", "delay", "duplicate", "corrupt", "reorder")


@dataclass(frozen=True)
class Fault:
    """What happens, once, to the bytes in one direction.

    ``cut`` ends the stream there, ``delay`` holds back what follows until
    nothing else moves, ``duplicate`` gives *size* bytes twice, ``corrupt``
    changes one byte by *mask*, ``reorder`` swaps two runs of *size* bytes.
    """

    kind: str
    #: In bytes from the stream's beginning.
    place: int
    size: int = 1
    mask: int = 1

    def span(self) -> int:
        """Say how many bytes it needs to see."""
        return {"reorder": 2 * self.size, "duplicate": self.size}.get(
            self.kind, 1
        )

    def apply(self, data: bytes) -> bytes:
        """Do it to the bytes of its span, or to fewer at the end."""
        if self.kind == "duplicate":
            return data + data
        if self.kind == "reorder":
            return data[self.size :] + data[: self.size]
        return bytes([data[0] ^ self.mask]) + data[1:]


class Lane:
    """One direction; counts what was sent, and does one fault."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault = fault
        #: How many bytes were sent.
        self.sent = 0
        #: What can be read.
        self.ready = bytearray()
        self.ended = False
        #: Whether the fault has changed anything: a swap of equal bytes does
        #: not, nor does a delay.
        self.harmed = False
        self._held = bytearray()  # From the fault's place on.
        self._done = fault is None

    def send(self, data: bytes) -> None:
        """Take bytes from the sender."""
        self.sent += len(data)
        if self._done:
            if not self.ended:
                self.ready += data
            return
        assert self.fault is not None
        self._held += data
        before = self.sent - len(self._held)
        room = max(0, self.fault.place - before)
        self.ready += self._held[:room]
        del self._held[:room]
        if len(self._held) < self.fault.span() or self.fault.kind == "delay":
            return
        self.release()

    def release(self) -> bool:
        """Do the fault with what there is; say whether anything came of it."""
        if self._done or not self._held:
            return False
        assert self.fault is not None
        self._done = True
        held, self._held = bytes(self._held), bytearray()
        if self.fault.kind == "cut":
            self.ended = self.harmed = True
        elif self.fault.kind == "delay":
            self.ready += held
        else:
            span = self.fault.span()
            seen = self.fault.apply(held[:span])
            self.harmed = seen != held[:span]
            self.ready += seen + held[span:]
        return True

    def end(self) -> None:
        """The sender sends no more."""
        self.release()
        self.ended = True


class WireEnd:
    """One end: a transport for a single thread, which never really waits.

    A wait finds nothing and is over: what could come would have to come from
    the same thread.
    """

    close_streams = True

    def __init__(self, incoming: Lane, outgoing: Lane) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self.waits: deque[Deadline] = deque(maxlen=1)

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Transport``."""
        data = self.incoming.ready
        size = min(len(buffer), len(data))
        if not size:
            return 0 if self.incoming.ended else None
        buffer[:size] = data[:size]
        del data[:size]
        return size

    def write(self, data: memoryview) -> int:
        """See ``Transport``."""
        self.outgoing.send(bytes(data))
        return len(data)

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """Find out now whether something can move."""
        self.waits.append(deadline)
        ready = read and bool(self.incoming.ready or self.incoming.ended)
        if not (ready or write):
            assert deadline.left() is not None, "a wait without a deadline"
            raise TimeoutError("nothing moves")
        return ready, write

    def close_write(self) -> None:
        """See ``Transport``."""
        self.outgoing.end()

    def wake(self) -> None:
        """See ``Transport``."""

    def close(self) -> None:
        """See ``Transport``."""
        self.outgoing.end()

    def fileno(self) -> int:
        """See ``Transport``."""
        return -1


def wire(
    to_server: Fault | None = None, to_client: Fault | None = None
) -> tuple[WireEnd, WireEnd]:
    """Make the client's end and the server's."""
    there, back = Lane(to_server), Lane(to_client)
    return WireEnd(back, there), WireEnd(there, back)
