"""What was sent for a call that failed, and so did not say that it was sent.

Plaintext is made into ciphertext as a whole, and that goes out later even if
the call that gave it runs out of time.  Who gives the same data again is told
that they were sent; they are never sent twice.
"""

from __future__ import annotations

from ...errors import ConfigurationError

__all__ = ["Claims"]


class Claims:
    """The data of the last call that failed, until somebody claims them."""

    def __init__(self) -> None:
        self.held: bytes = b""
        self._insistent = True

    def hold(self, data: memoryview, *, insistent: bool) -> None:
        """Keep what was made into ciphertext and not reported.

        Args:
            data: The plaintext.
            insistent: Whether it is a mistake to give other data next.
        """
        self.held = bytes(data)
        self._insistent = insistent

    def claim(self, data: memoryview) -> int:
        """Say how many of the first bytes of *data* were sent already.

        Raises:
            ConfigurationError: These are other data.
        """
        size = min(len(self.held), len(data))
        if data[:size] == self.held[:size]:
            self.held = self.held[size:]
            return size
        if not self._insistent:  # The file that had them was given up.
            self.forget()
            return 0
        raise ConfigurationError(
            "after WantWriteError the same data is to be sent again: "
            f"{len(self.held)} bytes of it are on their way",
            code="bad-write-retry",
            hint="keep what send() did not take, and give it again",
        )

    def forget(self) -> None:
        """Nobody will give these data again."""
        self.held = b""
