"""How long a certificate may live, and when it is to be renewed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

__all__ = ["most_days", "renewal_of", "too_long"]

_UTC = timezone.utc
#: Who begins then, or later, may live for so many days (the CA/Browser
#: Forum's Baseline Requirements, section 6.3.2).
_LIMITS = (
    (datetime(2029, 3, 15, tzinfo=_UTC), 47),
    (datetime(2027, 3, 15, tzinfo=_UTC), 100),
    (datetime(2026, 3, 15, tzinfo=_UTC), 200),
    (datetime(2020, 9, 1, tzinfo=_UTC), 398),
)
_BEFORE = 825


def most_days(begin: datetime) -> int:
    """Give the days that a public CA's certificate for servers may live.

    Args:
        begin: When it begins to be valid.
    """
    return next((most for day, most in _LIMITS if begin >= day), _BEFORE)


def too_long(begin: datetime, end: datetime) -> bool:
    """Say whether it lives longer; the last second counts, too."""
    life = end - begin + timedelta(seconds=1)
    return life > timedelta(days=most_days(begin))


def renewal_of(begin: datetime, end: datetime) -> datetime:
    """Give the moment when two thirds of the lifetime are over."""
    return (begin + (end - begin) * 2 / 3).replace(microsecond=0)
