"""Data of an open session: plaintext that is read, and that is written."""

from __future__ import annotations

from typing import TypeVar

from ...errors import (
    AlertError,
    ClosedError,
    StreamError,
    TLSError,
    TruncatedError,
)
from ...errors.copies import Kept, copied
from ...tools.early import Early
from ..states import TABLE, Do, State
from .handshake import Handshaking

__all__ = ["RECORD", "Carrying"]

E = TypeVar("E", bound=BaseException)

# On some Pythons, asking an Enum for a member is slow too.
_OPEN = State.OPEN
#: The most plaintext that a record holds (RFC 8446, section 5.1).
RECORD = 16384
_NOTHING = Early()


class Carrying(Handshaking):
    """Decrypts what is read, and encrypts what is written."""

    # Said once more for type checkers that look at this class alone.
    hungry: bool
    owes: bool
    smooth: bool

    _end_told = False  # To whom reads.

    # There is hardly ever any, and to have room for it takes much.
    _early = _NOTHING

    def _open(self) -> None:
        super()._open()
        self._look_around()

    def _look_around(self) -> None:
        """Find out whether the usual case has begun (again)."""
        record = self.record
        self.smooth = (
            self.state is _OPEN
            and not record.unanswered
            and record.settled
            and self.direct is not None
            and not self._ended
            and not self._early.size
            and record.error is None
            and record.tracer is None
        )

    # -- reading --------------------------------------------------------------

    def read_into(self, buffer: bytearray | memoryview) -> int | None:
        """Decrypt into *buffer* as much as is there and fits.

        Args:
            buffer: Any object of writable bytes.

        Returns:
            How many bytes; 0 after the peer's close_notify (or if *buffer*
            is empty), None for "feed me".

        Raises:
            TruncatedError: The stream ended without close_notify.
            ClosedError: The session was closed before the peer closed it.
            TLSError: The session broke.
        """
        view = _bytes_of(buffer)
        with self._step():
            return self._read(view)

    def decrypt(
        self, data: bytes | bytearray | memoryview, buffer: memoryview
    ) -> int | None:
        """Do ``receive(data)`` and ``read_into(buffer)`` in one step.

        Args:
            data: As for ``receive()``.
            buffer: Writable bytes.

        Returns:
            As ``read_into()``.
        """
        # Without a hook at work there is nothing for _step() to refuse.
        with self.lock if self.record.caller is None else self._step():
            direct = self.direct
            if (
                direct is None
                or self.state is not _OPEN
                or self._early.size
                or self._ended
                or not (len(data) and len(buffer))
            ):
                self._receive(data)
                return self._read(buffer)
            # What nearly always happens needs no more questions than these.
            direct.feed(data)
            size = self._decrypt(buffer)
            return self._end() if size == 0 else size

    def _read(self, buffer: memoryview) -> int | None:
        if self.state is not _OPEN or self._early.size:
            if self._early.size and self.state is State.FAILED:
                return self._early.take(buffer)  # It came before the cut.
            what = self._what("read")
            if self._early.size:
                return self._early.take(buffer)
            if what is Do.END:
                return self._end()
        if not len(buffer):
            return 0
        size = self._decrypt(buffer)
        return self._end() if size == 0 else size

    def read_on(
        self, buffer: memoryview, done: int | None = None
    ) -> int | None:
        """Do ``read_into`` for the express lane, which holds the lock.

        Args:
            buffer: Writable bytes.
            done: What OpenSSL has said to a first call, if that was made.

        Returns:
            As ``read_into()``.
        """
        assert self.lock.locked()
        size = self._decrypt(buffer, done)
        return self._end() if size == 0 else size

    def _decrypt(
        self, buffer: memoryview, done: int | None = None
    ) -> int | None:
        direct = self.direct
        if direct is None:
            size = self._read_publicly(buffer)
        else:
            size, healthy = direct.read_into(buffer, done)
            if healthy:
                if self.record.error is not None:
                    self._check_hooks()
                self.hungry = direct.hungry and not self._ended
                self.owes = self.owes or direct.owes
                size = size or None
            else:
                size = self._read_publicly(buffer, size)
        if not self.record.settled:
            self._judge_again()
        if size:
            self.record.unanswered = False
        if self._resumption is not None:
            self._resumption.look(self._connection)
        if not self.smooth:
            self._look_around()
        return size

    def _read_publicly(self, buffer: memoryview, total: int = 0) -> int | None:
        """Go on after *total* bytes, record by record."""
        while total < len(buffer):
            rest = buffer[total:]
            # More than a record is never returned, and recv_into allocates.
            size = min(len(rest), RECORD)
            try:
                got = self._run(
                    self._connection.recv_into, StreamError, rest, size
                )
            except BaseException:
                # What came before a failure is the caller's, who gets the
                # failure from the next step.
                if total and self.state is State.FAILED:
                    return total
                raise
            self.hungry = got is None
            if not got:
                return total or got
            total += got
        return total

    def _end(self) -> int:
        self._end_told = True
        if self.state is State.CLOSED and not self._got_close_notify:
            raise ClosedError("this port was closed; nothing can be read")
        return 0

    # -- reading ahead --------------------------------------------------------

    def pending(self) -> int:
        """Say how many bytes the next read may give without being fed.

        Drivers feed more than one record at a time, so what came in is
        decrypted here as far as it takes to know.  The end counts as one byte
        until a read has told it, and a failure does for ever.
        """
        with self._step():
            return self._decrypted() or self._look_ahead()

    @property
    def decrypted(self) -> int:
        """How many bytes are decrypted already; nothing is done to know."""
        with self._step():
            return self._decrypted()

    def _decrypted(self) -> int:
        return self._early.size + self._connection.pending()

    def hear_out(self) -> None:
        """Decrypt what is there, for a failure that comes behind it."""
        with self._step():
            while self._decrypt_ahead() and not self._early.full:
                pass
            if self._early.size:
                self.hungry = False  # There is something to read, at last.

    def explains(self, cause: Exception) -> bool:
        """Say whether the peer has told why it cut us off: by an alert.

        Args:
            cause: What the transport says; it becomes the failure's cause.
        """
        if not isinstance(cause, ConnectionError):
            return False
        self.hear_out()
        failure = self.failure
        # A mere end explains nothing, and is for who reads.
        if not isinstance(failure, TLSError) or isinstance(
            failure, TruncatedError
        ):
            return False
        failure.__cause__ = copied(cause)
        return True

    def reason_behind(self, cause: Exception) -> Kept:
        """Give what is to be raised for a connection that has ended.

        Args:
            cause: What the transport says.
        """
        if self.explains(cause) and self.failure is not None:
            return Kept(copied(self.failure))
        return Kept(cause)

    def _decrypt_ahead(self) -> int:
        """Decrypt one record, if there is one, and keep it; give its size."""
        if TABLE[self.state]["read"] is not Do.RUN or self.hungry:
            return 0
        buffer = memoryview(bytearray(RECORD))
        try:
            size = self._decrypt(buffer)
        except BaseException:
            if self.state is not State.FAILED:
                raise
            return 0
        if size:
            self._keep_early(buffer[:size])
        return size or 0

    def _look_ahead(self) -> int:
        if size := self._decrypt_ahead():
            return size
        what = TABLE[self.state]["read"]
        return int(
            what is Do.REPEAT or (what is Do.END and not self._end_told)
        )

    def _keep_early(self, plaintext: memoryview) -> None:
        if self._early is _NOTHING:
            self._early = Early()
        self._early.put(plaintext)
        self.hungry = self.smooth = False

    def _failed(self, error: E) -> E:
        # What came before the stream's end is still read; unless that was to
        # bring another certificate.
        if not (
            self.record.settled
            and isinstance(error, (AlertError, StreamError))
        ):
            self._early = Early()
        return super()._failed(error)

    # -- writing --------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> int | None:
        """Encrypt all of *data*.

        Args:
            data: Any object of bytes.

        Returns:
            Its length, or None for "feed me"; then call with the same data.

        Raises:
            ClosedError: Our close_notify is out.
            TLSError: The session broke.
        """
        view = _bytes_of(data)
        with self._step():
            return self._write(view)

    def encrypt(self, data: bytes | memoryview) -> bytes | bytearray | None:
        """Do ``write(data)`` and ``outgoing()`` in one step.

        Args:
            data: Bytes.

        Returns:
            The ciphertext, or None for "feed me", as ``write``.
        """
        with self.lock if self.record.caller is None else self._step():
            if self._write(data) is None:
                return None
            self.owes = False
            return self._memory.drain()

    def _write(self, data: bytes | memoryview) -> int | None:
        if self.state is not _OPEN:
            self._what("write")
        if not len(data):  # OpenSSL would call that an error.
            return 0
        direct = self.direct
        if direct is None:
            done = self._run(self._connection.send, StreamError, data)
            if not self.record.settled:
                self._judge_again()
            return done
        self.owes = True
        return self.written(direct.write(data))

    def written(self, done: int) -> int | None:
        """Look at what OpenSSL has said to a write; the lock is held.

        Args:
            done: That; how many bytes were encrypted, if it is positive.

        Returns:
            As ``write``, which see.
        """
        assert self.direct is not None
        size: int | None = done
        if done <= 0 or self.record.error is not None:
            size = self._run(self.direct.explain, StreamError, done)
        if not self.record.settled:  # OpenSSL has read in order to write.
            self._judge_again()
        if not self.smooth:
            self._look_around()
        return size


def _bytes_of(buffer: bytes | bytearray | memoryview) -> memoryview:
    """See a buffer as bytes, whatever its items are; no copy is made."""
    if isinstance(buffer, memoryview) and buffer.itemsize == 1:
        return buffer
    return memoryview(buffer).cast("B")
