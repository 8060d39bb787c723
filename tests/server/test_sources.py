"""How many handshakes a source may have."""

from __future__ import annotations

import pytest

import tlskit
from tlskit.server.sources import Sources, source_of


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_source(host, source):
    """A machine is an IPv4 address, or a /64 in IPv6."""
    assert source == source_of(host)


def test_limit():
    """There is room for so many of each source, and again when one leaves."""
    sources = Sources()
    entered = [sources.enter("2001:db8::1", 2) for _ in range(2)]
    with pytest.raises(tlskit.HandshakeError) as caught:
        sources.enter("2001:db8::2", 2)
    sources.enter("2001:db8:0:1::1", 2)
    sources.leave(entered[0])
    sources.enter("2001:db8::2", 2)

    assert "too-many-handshakes" == caught.value.code
    assert "max_handshakes_per_source" in caught.value.hint


def test_nothing_is_kept():
    """Who has left leaves nothing behind."""
    sources = Sources()
    for number in range(100):
        sources.leave(sources.enter(f"192.0.2.{number}", 1))

    assert not sources._counts
