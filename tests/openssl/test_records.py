"""Ciphertext is counted, record by record."""

from __future__ import annotations

import pytest

from tlskit.openssl.records import Records

ADDS = 17


def record(plain: int, kind: int = 23) -> bytes:
    """Make a record of so many bytes of plaintext."""
    length = plain + ADDS
    return bytes((kind, 3, 3)) + length.to_bytes(2, "big") + bytes(length)


def taken(data: bytes, most: int) -> int:
    """Say how much of *data* is taken for *most* bytes of plaintext."""
    return Records().whole(memoryview(data), len(data), most, ADDS)


@pytest.mark.parametrize("most", [0, 100, 5000])
def test_the_first_is_taken_whole(most):
    """Whether there is room for it or not."""
    first = record(2000)

    assert len(first) == taken(first, most)
    assert len(first) == taken(first + record(10), most)


def test_more_are_taken_while_they_fit():
    """Nothing is left over of any but the first."""
    each = record(2000)
    data = each * 3

    assert [1, 1, 2, 2, 3, 3] == [
        taken(data, most) // len(each)
        for most in (1, 3999, 4000, 5999, 6000, 90000)
    ]


@pytest.mark.parametrize(
    "second",
    [
        record(2, 21),
        record(2),  # As an alert of TLS 1.3 looks.
        record(2000, 22),
        record(2000)[:-1],
        record(2000)[:4],
        b"220 plain text that follows a close_notify\r\n" * 99,
    ],
    ids=["alert", "hidden", "handshake", "part", "header", "plain"],
)
def test_what_may_be_no_data_is_left(second):
    """Only whole records of data are taken along."""
    first = record(2000)

    assert len(first) == taken(first + second, 90000)


@pytest.mark.parametrize("kind", [21, 23])
def test_what_may_be_the_end_is_taken_alone(kind):
    """What follows may be plain text, whatever it looks like."""
    first = record(2, kind)

    assert len(first) == taken(first + record(2000), 90000)


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 2000])
def test_a_part_is_taken(cut):
    """And the rest of it next, alone."""
    first, records = record(2000), Records()
    assert cut == records.whole(memoryview(first[:cut]), cut, 90000, ADDS)
    assert not records.complete

    rest = first[cut:] + record(2000)
    size = 0
    while not records.complete:
        left = memoryview(rest)[size:]
        size += records.whole(left, len(left), 90000, ADDS)
    assert len(first) - cut == size
