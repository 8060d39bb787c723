"""Ciphertext in memory by pyOpenSSL's public methods, record by record.

What ``native.DirectIO`` does where OpenSSL's own functions can't be called.
Both have the same methods for ciphertext.
"""

from __future__ import annotations

from .gate import SSL
from .records import Backlog

__all__ = ["Memory"]

#: The answer to a key update takes about so many bytes.
_ANSWER = 32


class Memory:
    """The ciphertext of one connection, on its way in and out.

    Args:
        connection: OpenSSL's session.
    """

    #: The number of the peer's fatal alert is not known this way.
    alert: int | None = None

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self._backlog = Backlog()
        self._ended = False  # The peer's end of file was fed ...
        self._shut = False  # ... and OpenSSL was told.
        self._answers = 0  # Bytes that reading may have made.

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take ciphertext."""
        self._backlog.put(data)

    def end(self) -> None:
        """Take the end of the peer's file."""
        self._ended = True

    def feed_on(self, *, again: bool) -> bool:
        """Give OpenSSL one more record.

        Args:
            again: Whether that of before has given no plaintext.

        Returns:
            Whether a step is worth taking again.
        """
        self._answers += _ANSWER if again else 0
        if piece := self._backlog.take():
            self._connection.bio_write(piece)
            return True
        if self._ended and not self._shut:
            self._shut = True
            self._connection.bio_shutdown()
            return True
        return False

    @property
    def owed(self) -> int:
        """About how many bytes wait to go out."""
        return self._answers

    def drain(self) -> bytes:
        """Take all ciphertext that waits to go out."""
        self._answers = 0
        pieces = []
        try:
            while True:
                pieces.append(self._connection.bio_read(65536))
        except SSL.WantReadError:
            return b"".join(pieces)

    def leftover(self) -> bytes:
        """Take back what was fed and not used."""
        return self._backlog.rest()

    def forget(self) -> None:
        """Forget what was fed and not used, for good."""
        self._backlog = Backlog()

    def handshake(self) -> int:
        """Go on with the handshake; raise what pyOpenSSL does.

        Returns:
            1, as it is done.
        """
        self._connection.do_handshake()
        return 1

    def rest(self) -> None:
        """Keep what is there: it can't be given back this way."""
