"""The end of a connection: our close_notify, what is still there, goodbye.

A TCP socket that is closed with unread input resets the connection, and the
reset destroys what the peer has not read yet: the alert or the close_notify
just sent.  So ``close`` sends, ends its direction, and then drains for a
bounded time and amount.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ...engine.engine import Engine, State
from ...errors import WantReadError, WantWriteError
from ...tools.deadline import Deadline
from ...tools.holding import behind, if_free
from ..buffers import spare
from ..closing import FAREWELL as _FAREWELL
from ..closing import LINGER as _LINGER
from ..closing import MOST_DRAINED as _MOST_DRAINED
from ..closing import at_rest
from ..transport import Transport
from .flow import Flow

__all__ = ["Farewell"]


class Farewell(Flow):
    """Ends a session and gives back what it ran over.

    Args:
        engine: The session.
        transport: What its ciphertext travels on.
        owns_transport: Whether closing closes the transport's stream.
        error: As for ``Flow``.
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
        super().__init__(engine, transport, error)
        self._owns_transport = owns_transport

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
                        self.engine.version,
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
