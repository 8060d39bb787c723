"""Plaintext that waits: in order, whatever its pieces are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlskit.ports.outbox import Outbox

SIZES = st.sampled_from([0, 1, 100, 16383, 16384, 70_000, 262_144, 600_000])
PIECES = st.lists(st.tuples(SIZES, st.sampled_from([bytes, bytearray])))


def emptied(outbox: Outbox) -> bytes:
    """Take all, as drivers do."""
    got = bytearray()
    while outbox.size:
        head = outbox.head()
        assert head
        assert len(head) <= 262_144
        again = outbox.head()  # As after a write that could not go on.
        assert again is head
        got += head
        outbox.drop()
    return bytes(got)


@given(st.lists(PIECES, min_size=1, max_size=3))
def test_what_is_put_comes_out(rounds):
    """Every byte in order, in pieces of a bounded size."""
    outbox = Outbox()
    number = 0
    for pieces in rounds:
        want = bytearray()
        for size, kind in pieces:
            number += 1
            data = kind(bytes([number % 251]) * size)
            outbox.put(data)
            want += data
            if kind is bytearray:
                data[:] = bytes(size)  # The caller's again.
        assert len(want) == outbox.size

        assert bytes(want) == emptied(outbox)


def test_what_was_given_stays_where_it_is():
    """What comes meanwhile is behind it."""
    outbox = Outbox()
    outbox.put(b"first")
    head = outbox.head()
    outbox.put(b"second")
    assert head is outbox.head()
    outbox.drop()

    assert b"second" == outbox.head()


@pytest.mark.parametrize(("size", "heads"), [(2, 1), (400, 4)])
def test_many_tiny_pieces(size, heads):
    """They become one, or a few of a good size; and few objects wait."""
    outbox = Outbox()
    pieces = [bytes([number % 251]) * size for number in range(1000)]
    for piece in pieces:
        outbox.put(piece)
        assert len(outbox._fresh) < 256
    got = []
    while outbox.size:
        got.append(bytes(outbox.head()))
        outbox.drop()

    assert b"".join(pieces) == b"".join(got)
    assert heads == len(got)


@pytest.mark.parametrize("count", [1, 3])
def test_cleared(count):
    """Nothing is left, and what comes then is alone."""
    outbox = Outbox()
    for _ in range(count):
        outbox.put(b"something")
    outbox.clear()
    assert 0 == outbox.size
    outbox.put(b"new")

    assert b"new" == emptied(outbox)
