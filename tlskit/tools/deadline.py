"""The moment by which a whole operation must be over."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

__all__ = ["LONGEST", "NEVER", "Deadline", "check_timeout"]

#: The longest single wait, in seconds: locks and ``poll`` bear no more than
#: some weeks.
LONGEST = 2_000_000.0

# To write a union of types down makes it each time.
_NUMBER = (int, float)


def check_timeout(seconds: float) -> None:
    """Complain about what can't be a time-out; infinity can be one.

    Raises:
        ValueError: *seconds* is negative, or NaN.
        TypeError: *seconds* is no number.
    """
    if not isinstance(seconds, _NUMBER):
        raise TypeError(f"a time-out is seconds, not {seconds!r}")
    if seconds < 0:
        raise ValueError(f"a time-out can't be negative: {seconds!r}")
    if seconds != seconds:  # noqa: PLR0124 - so is NaN told
        raise ValueError("a time-out can't be NaN")


@dataclass(frozen=True)
class Deadline:
    """A point of the monotonic clock; many waits can share one.

    A time-out restarts with every wait, so a peer that sends one byte a
    second never meets it.  A deadline does not restart.
    """

    #: On ``time.monotonic()``'s clock, in seconds; None is never.
    moment: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """Begin now; None means that there is no deadline.

        Raises:
            ValueError: If *seconds* is negative, or no number.
        """
        if seconds is None:
            return cls()
        check_timeout(seconds)
        return cls(time.monotonic() + seconds)

    @classmethod
    def now(cls) -> Deadline:
        """Look once and don't wait: the deadline of a non-blocking call."""
        return cls(-math.inf)

    @property
    def is_now(self) -> bool:
        """Whether this is the deadline of a non-blocking call."""
        return self.moment == -math.inf

    def left(self) -> float | None:
        """Give the seconds left, 0 to a month; None if there is no end.

        For interfaces that take None as "wait for ever".
        """
        if self.moment is None:
            return None
        return min(max(0.0, self.moment - time.monotonic()), LONGEST)

    def check(self, doing: str) -> None:
        """Raise if the moment has passed.

        Args:
            doing: What was waited for, for the message.

        Raises:
            TimeoutError: The deadline has passed.
        """
        if self.left() == 0.0:
            raise TimeoutError(f"timed out while {doing}")

    def earlier(self, other: Deadline) -> Deadline:
        """Give whichever of the two ends first."""
        if other.moment is None:
            return self
        if self.moment is None or other.moment < self.moment:
            return other
        return self

    def sooner(self, seconds: float) -> Deadline:
        """Give whichever ends first: this one, or *seconds* from now."""
        return self.earlier(Deadline.after(seconds))


#: What has no end.
NEVER = Deadline()
