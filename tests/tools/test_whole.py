"""Numbers that have to be whole ones; tests for ``tools.whole``."""

from __future__ import annotations

import math

import pytest

from tlskit.tools.whole import check_whole


@pytest.mark.parametrize("value", [0, -1, 2**70, True])
def test_whole(value):
    """An ``int`` is one, whatever its size; its range is another matter."""
    check_whole(value, "a count")


@pytest.mark.parametrize("value", [1.0, math.nan, "1", None])
def test_not_whole(value):
    """Anything else is refused, by the name that it was to have."""
    with pytest.raises(TypeError, match=r"^a count is a whole number, not "):
        check_whole(value, "a count")
