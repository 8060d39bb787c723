"""Numbers that have to be whole ones, such as a count."""

from __future__ import annotations

__all__ = ["check_whole"]


def check_whole(value: object, what: str) -> None:
    """Complain about what counts nothing: a fraction, NaN, or no number.

    Args:
        value: What a caller gave.
        what: What it is to be, for the message.

    Raises:
        TypeError: It is no ``int``.
    """
    if not isinstance(value, int):
        raise TypeError(f"{what} is a whole number, not {value!r}")
