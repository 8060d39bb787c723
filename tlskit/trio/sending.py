"""What goes out: plaintext that waits, ciphertext that waits, no waiting."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from ..engine.engine import Engine
from ..errors import TLSError
from ..errors.copies import Kept
from ..ports.outbox import Outbox

if TYPE_CHECKING:
    from .carriers import Carrier

__all__ = ["Sender"]

#: So much ciphertext is made ahead of the network.
_MOST_PENDING = 262144


class Sender:
    """Encrypts what was written, once, and sends it in order.

    Args:
        engine: The session.
        carrier: What carries its ciphertext.
    """

    def __init__(self, engine: Engine, carrier: Carrier) -> None:
        self.engine = engine
        self.carrier = carrier
        self._outbox = Outbox()  # Plaintext.
        self._pending: deque[memoryview] = deque()  # Ciphertext.
        self._unsent = 0  # Bytes of it.
        self._stalled = False  # The engine wants to be fed before it writes.
        self._ending = False  # Our close_notify follows what was written.
        self._broken: Kept | None = None

    @property
    def backlog(self) -> int:
        """How many bytes were written and have not left yet."""
        return self._outbox.size + self._owing

    @property
    def _owing(self) -> int:
        """How many bytes of ciphertext have not left yet."""
        return self._unsent + self.carrier.unsent

    def push(self) -> bool:
        """Send what can be sent without waiting; say whether that is all.

        Raises:
            OSError: The stream broke, or the session.
        """
        if self._broken is not None:
            raise self._broken.again()
        while True:
            self._encrypt()
            if not self._send_now():
                return False
            if self._stalled:
                return False
            if not self._outbox.size and not self._unsent:
                return not self.carrier.unsent

    def _push_quietly(self) -> None:
        """Send where nobody could use an error.

        A failed session raises its error again from the next call, and a
        reader may still find the peer's reason.
        """
        with suppress(Exception):
            self.push()

    def _encrypt(self) -> None:
        """Encrypt what waits, as far ahead as we may."""
        outbox = self._outbox
        while outbox.size and self._unsent < _MOST_PENDING:
            piece = outbox.head()
            try:
                made = self.engine.encrypt(piece)
            except BaseException:
                outbox.clear()
                self._collect()
                self._send_quietly()
                raise
            self._stalled = made is None
            if made is None:  # In mid-renegotiation.
                self._collect()
                return
            self._append(made)
            outbox.drop()
        if not outbox.size:
            self._stalled = False
            if self._ending:
                with suppress(TLSError):
                    self.engine.finish()
        self._collect()

    def _collect(self) -> None:
        """Take what the engine has made besides."""
        if self.engine.owes:
            self._append(self.engine.outgoing())

    def _append(self, data: bytes | bytearray) -> None:
        if data:
            self._pending.append(memoryview(data))
            self._unsent += len(data)

    def _send_now(self) -> bool:
        """Send what goes without waiting; say whether that is all."""
        while self._pending:
            view = self._pending[0]
            try:
                size = self.carrier.write(view)
            except OSError as error:
                self._forget()
                self._broken = Kept(error)
                raise
            if size is None:
                return False
            self._unsent -= size
            if size == len(view):
                self._pending.popleft()
            else:
                self._pending[0] = view[size:]
        return True

    def _send_quietly(self) -> None:
        with suppress(OSError):
            self._send_now()

    def _forget(self) -> None:
        self._outbox.clear()
        self._pending.clear()
        self._unsent = 0
