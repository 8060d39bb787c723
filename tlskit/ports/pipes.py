"""Two connected ends in memory, of any capacity, for tests."""

from __future__ import annotations

import threading

from ..tools.deadline import Deadline

__all__ = ["PipeEnd", "pipe"]


class _Lane:
    """Bytes on their way in one direction."""

    def __init__(self) -> None:
        self.data: bytearray = bytearray()
        self.ended = False


class PipeEnd:
    """One end; a transport (see ``transport``), and a bit of a socket."""

    def __init__(
        self,
        change: threading.Condition,
        incoming: _Lane,
        outgoing: _Lane,
        capacity: int | None,
    ) -> None:
        self._change = change
        self._incoming = incoming
        self._outgoing = outgoing
        self._capacity = capacity
        self._timeout: float | None = None
        self._woken = False
        self.closed: bool = False
        self.close_streams = True

    # -- a transport --------------------------------------------------------

    def read_into(self, buffer: memoryview) -> int | None:
        """Take what is there; 0 at the end, None if nothing is there."""
        with self._change:
            lane = self._incoming
            size = min(len(buffer), len(lane.data))
            if size == 0:
                return 0 if lane.ended or self.closed else None
            buffer[:size] = lane.data[:size]
            del lane.data[:size]
            self._change.notify_all()
            return size

    def write(self, data: memoryview) -> int | None:
        """Put in what fits; None if nothing does."""
        with self._change:
            lane = self._outgoing
            if lane.ended or self.closed:
                raise BrokenPipeError("this pipe is closed")
            size = self._room(len(data))
            if size == 0:
                return None
            lane.data += data[:size]
            self._change.notify_all()
            return size

    def _room(self, wanted: int) -> int:
        if self._capacity is None:
            return wanted
        return min(wanted, self._capacity - len(self._outgoing.data))

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """Wait until one of the directions asked for can move."""

        def readable() -> bool:
            lane = self._incoming
            return bool(lane.data) or lane.ended or self.closed

        def writable() -> bool:
            return self._room(1) > 0 or self._outgoing.ended or self.closed

        with self._change:
            self._change.wait_for(
                lambda: (
                    self._woken
                    or (read and readable())
                    or (write and writable())
                ),
                deadline.left(),
            )
            if self._woken:
                return read, write
            ready = (read and readable(), write and writable())
        if not any(ready):
            raise TimeoutError("timed out: the pipe did not move")
        return ready

    def close_write(self) -> None:
        """End our direction."""
        with self._change:
            self._outgoing.ended = True
            self._change.notify_all()

    def wake(self) -> None:
        """Make a ``wait`` in another thread return."""
        with self._change:
            self._woken = True
            self._change.notify_all()

    def close(self) -> None:
        """End both directions, unless that is not ours to do."""
        if not self.close_streams:
            self._woken = False
            return
        with self._change:
            self.closed = True
            self._outgoing.ended = True
            self._incoming.ended = True
            self._change.notify_all()

    def fileno(self) -> int:
        """Say that there is nothing to select on."""
        return -1

    # -- a socket -----------------------------------------------------------

    def settimeout(self, seconds: float | None) -> None:
        """Set the time-out in seconds."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """Give the time-out in seconds."""
        return self._timeout

    def recv(self, size: int) -> bytes:
        """Read at most *size* bytes, at least one; none at the end."""
        if not size:
            return b""
        buffer = memoryview(bytearray(size))
        deadline = Deadline.after(self._timeout)
        while (got := self.read_into(buffer)) is None:
            self.wait(read=True, write=False, deadline=deadline)
        return bytes(buffer[:got])

    def sendall(self, data: bytes) -> None:
        """Write all of *data*."""
        rest = memoryview(data)
        deadline = Deadline.after(self._timeout)
        while rest:
            put = self.write(rest)
            if put is None:
                self.wait(read=False, write=True, deadline=deadline)
            else:
                rest = rest[put:]


def pipe(capacity: int | None = None) -> tuple[PipeEnd, PipeEnd]:
    """Make two connected ends.

    Args:
        capacity: How many bytes fit into each direction; None is no limit.
    """
    change = threading.Condition()
    one, two = _Lane(), _Lane()
    return (
        PipeEnd(change, one, two, capacity),
        PipeEnd(change, two, one, capacity),
    )
