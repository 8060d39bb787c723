"""What is counted, and how Prometheus is told."""

from __future__ import annotations

import os
import re
from types import MappingProxyType

import pytest

import tlskit
from tlskit.server.metrics import ListenerStatistics, prometheus_text
from tlskit.server.tally import Meter, MeteredTransport, Tally, reason_of

from ..joined import tcp_pair

SAMPLE = re.compile(r"(\w+)\{((?:\w+=\"(?:\\.|[^\"\\])*\",?)+)\} (\d+)")


def samples(text):
    """Read the format back: values by name and labels."""
    found = {}
    kinds = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            assert match[1] in kinds
            found[match[1], match[2]] = int(match[3])
    for name, kind in kinds.items():
        assert ("counter" if name.endswith("_total") else "gauge") == kind
    return found


def test_text():
    """Every count has its line, each reason one of its own."""
    text = prometheus_text(
        ListenerStatistics(
            "[::1]:443",
            accepted=9,
            handshaken=8,
            refused={"expired": 2, "timed-out": 3},
            handshakes=4,
            active=5,
            received=6,
            sent=7,
            failed_handlers=1,
            failed_renewals=3,
        )
    )
    where = 'listener="[::1]:443"'

    assert {
        ("tlskit_connections_accepted_total", where): 9,
        ("tlskit_handshakes_completed_total", where): 8,
        ("tlskit_connections_refused_total", f'{where},reason="expired"'): 2,
        ("tlskit_connections_refused_total", f'{where},reason="timed-out"'): 3,
        ("tlskit_handshakes_active", where): 4,
        ("tlskit_connections_active", where): 5,
        ("tlskit_received_bytes_total", where): 6,
        ("tlskit_sent_bytes_total", where): 7,
        ("tlskit_handlers_failed_total", where): 1,
        ("tlskit_renewals_failed_total", where): 3,
    } == samples(text)
    assert text.endswith("\n")


def test_a_generation_where_there_is_one():
    """Who follows no files has none; others have a line for it."""
    found = samples(
        prometheus_text(
            ListenerStatistics("a:1", generation=3), ListenerStatistics("b:2")
        )
    )
    wanted = {("tlskit_generation", 'listener="a:1"'): 3}

    assert wanted == {
        key: value
        for key, value in found.items()
        if key[0] == "tlskit_generation"
    }


def test_several_listeners():
    """Several listeners share the head of each metric."""
    found = samples(
        prometheus_text(
            ListenerStatistics("a:1", sent=1), ListenerStatistics("b:2")
        )
    )

    assert 1 == found["tlskit_sent_bytes_total", 'listener="a:1"']
    assert 0 == found["tlskit_sent_bytes_total", 'listener="b:2"']


def test_escaping():
    """No reason can break out of its quotes."""
    text = prometheus_text(ListenerStatistics("a:1", refused={'x"\\\ny': 1}))

    assert 'reason="x\\"\\\\\\ny"' in text
    assert 'reason="x' in next(
        labels for _, labels in samples(text) if "reason" in labels
    )


def test_value_is_frozen():
    """A snapshot stays as it was taken."""
    tally = Tally(lambda: None)
    tally.refuse("a")
    before = tally.statistics("a:1", 0)
    tally.refuse("a")

    assert {"a": 1} == before.refused
    assert isinstance(before.refused, MappingProxyType)
    with pytest.raises(AttributeError):
        before.accepted = 3


def test_meters():
    """Bytes are counted while a connection is open, and kept afterwards."""
    freed = []
    tally = Tally(lambda: freed.append(1))
    one, two = tally.meter(), tally.meter()
    one.received, two.sent = 5, 7

    found = tally.statistics("a:1", 1)
    assert (2, 1, 5, 7) == (
        found.accepted,
        found.active,
        found.received,
        found.sent,
    )
    one.stop()
    one.stop()
    assert 1 == tally.open
    assert [1] == freed
    two.stop()
    assert tally.statistics("a:1", 0) == ListenerStatistics(
        "a:1", accepted=2, received=5, sent=7
    )


def test_nothing_is_kept():
    """Connections that have ended are summed up when others come."""
    tally = Tally(lambda: None)
    for _ in range(100):
        tally.meter().stop()

    assert 1 == len(tally._open) == len(tally._stopped)


def test_metered_transport():
    """What goes through a socket is counted."""
    ended = []
    ours, theirs = tcp_pair()
    meter = Meter(ended.append)
    with theirs:
        transport = MeteredTransport(ours, meter)
        buffer = memoryview(bytearray(10))
        assert transport.read_into(buffer) is None
        assert 5 == transport.write(memoryview(b"hello"))
        assert b"hello" == theirs.recv(10)
        theirs.sendall(b"you")
        while transport.read_into(buffer) is None:
            pass
        while transport.write(memoryview(bytes(1 << 16))) is not None:
            pass
        assert 3 == meter.received
        assert 5 < meter.sent
        assert [] == ended
        transport.close()
    assert ended == [meter]


@pytest.mark.parametrize("way", ["detach", "give_back", "forget"])
def test_metered_transport_ends(way):
    """A connection ends for us also if its socket lives on."""
    ended = []
    ours, theirs = tcp_pair()
    with ours, theirs:
        copy = ours.dup()
        transport = MeteredTransport(copy, Meter(ended.append))
        if way == "detach":
            os.close(transport.detach())
        elif way == "give_back":
            assert copy is transport.give_back(3.0)
            assert 3.0 == copy.gettimeout()
        assert (way == "forget") == (not ended)
        del transport
        copy.close()

    assert ended


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (tlskit.NotTLSError(code="plain-http"), "plain-http"),
        (tlskit.AlertError(), "peer-refused"),
        (TimeoutError(), "timed-out"),
        (ConnectionResetError(), "connection-lost"),
        (OSError(), "system-error"),
        (LookupError(), "hook-failed"),
    ],
)
def test_reasons(error, reason):
    """Every refusal has a slug."""
    assert reason == reason_of(error)
