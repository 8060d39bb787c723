"""What a peer sends without end is neither kept nor waited for."""

from __future__ import annotations

import math

import pytest

from tlskit.openssl.records import Backlog
from tlskit.tools.deadline import LONGEST, Deadline
from tlskit.tools.early import MOST_EARLY, Early


def test_a_time_out_is_no_nan():
    """NaN compares with nothing, so it would never pass."""
    with pytest.raises(ValueError, match="NaN"):
        Deadline.after(math.nan)


def test_an_endless_time_out_can_be_waited_for():
    """What the system is given is a number that it bears."""
    left = Deadline.after(math.inf).left()

    assert left == LONGEST


def test_early_plaintext_keeps_its_order():
    """Pieces are given in order, in parts if need be."""
    early = Early()
    early.put(memoryview(b"abc"))
    early.put(memoryview(b"de"))
    buffer = memoryview(bytearray(2))

    assert early.take(buffer) == 2
    assert bytes(buffer) == b"ab"
    assert early.take(buffer) == 1
    assert early.size == 2


def test_early_plaintext_is_full_at_its_limit():
    """No more than a mebibyte is kept."""
    early = Early()
    early.put(memoryview(bytes(MOST_EARLY)))

    assert early.full


def test_a_backlog_is_given_record_by_record():
    """A record at a time, and at the end what there is of the next."""
    backlog = Backlog()
    backlog.put(b"\x17\x03\x03\x00\x02ab\x17\x03\x03\x00\x09c")

    assert backlog.take() == b"\x17\x03\x03\x00\x02ab"
    assert backlog.take() == b"\x17\x03\x03\x00\x09c"
    assert backlog.take() == b""
    backlog.put(b"rest")
    assert len(backlog) == 4
    assert backlog.rest() == b"rest"
