"""Results that are kept while there is room."""

from __future__ import annotations

from tlskit.tools.bounded import Bounded


def test_kept():
    """What was put there is given back, and nothing else."""
    kept = Bounded[str, int](2)
    kept.put("a", 1)

    assert (1, None) == (kept.get("a"), kept.get("b"))


def test_the_oldest_goes_first():
    """No more is kept than there is room for."""
    kept = Bounded[str, int](2)
    for number, name in enumerate(("a", "b", "c")):
        kept.put(name, number)

    assert [None, 1, 2] == [kept.get(each) for each in ("a", "b", "c")]
    assert 2 == len(kept)
