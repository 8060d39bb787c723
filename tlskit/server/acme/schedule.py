"""When a certificate is to be renewed, and when a failure is tried again."""

from __future__ import annotations

import random
from datetime import datetime

__all__ = ["after_failure", "renewal_time", "seconds_until"]

#: By which share of the lifetime a certificate is renewed without ARI.
_SHARE = 2 / 3
#: The first and the longest wait after a failure, in seconds.
_FIRST, _LONGEST = 5.0, 6 * 3600.0


def renewal_time(
    not_before: datetime, not_after: datetime, suggested: datetime | None
) -> datetime:
    """Give the moment from which a certificate is to be renewed.

    Args:
        not_before: When the certificate begins to be valid.
        not_after: When it ends.
        suggested: What the ACME server suggests (RFC 9773), or None.
    """
    if suggested is not None:
        return min(suggested, not_after)
    return not_before + (not_after - not_before) * _SHARE


def after_failure(
    failures: int, left: float, retry_after: float | None = None
) -> float:
    """Give the seconds to wait before the next try.

    Args:
        failures: How many tries have failed in a row, from 1.
        left: The seconds that the present certificate is still valid; the
            wait is at most a tenth of that, so that a short-lived one gets
            its tries, too.  0 if there is none.
        retry_after: What the server asked for, in seconds (RFC 8555, section
            6.6); it is kept.

    Returns:
        The wait, with a jitter of a quarter: machines that failed together
        don't come back together.
    """
    wait = min(_FIRST * 2.0 ** min(failures - 1, 30), _LONGEST)
    if left > 0:
        wait = max(_FIRST, min(wait, left / 10))
    jittered = wait * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
    return max(jittered, retry_after or 0.0)


def seconds_until(moment: datetime, now: datetime) -> float:
    """Give the seconds from *now* to *moment*; 0 if that is over."""
    left = (moment - now).total_seconds()
    return left if left > 0 else 0.0
