"""``Context.new_engine``: the session without I/O as a stranger sees it."""

from __future__ import annotations

import array

import pytest

import tlskit
from tlskit import ConfigurationError, Identity, State, StreamError

from ..engines import client_context, move, server_context, shake


def two() -> tuple[tlskit.Engine, tlskit.Engine]:
    """A client's engine, and a server's."""
    return (
        client_context().new_engine(hostname="localhost"),
        server_context().new_engine(),
    )


def test_a_whole_session() -> None:
    """Each step does what the table of states says."""
    ours, theirs = two()

    assert State.HANDSHAKE is ours.state
    assert ours.facts is None
    assert ours.handshake() is None
    shake(ours, theirs)
    assert State.OPEN is ours.state
    assert ours.facts is not None
    assert ours.facts.peer_verified

    assert 5 == ours.write(b"hello")
    move(ours, theirs)
    buffer = bytearray(10)
    assert 5 == theirs.read_into(buffer)
    assert b"hello" == buffer[:5]
    assert theirs.read_into(buffer) is None

    ours.finish()
    assert State.OUTPUT_ENDED is ours.state
    move(ours, theirs)
    assert 0 == theirs.read_into(buffer)
    assert State.INPUT_ENDED is theirs.state
    theirs.finish()
    move(theirs, ours)
    assert 0 == ours.read_into(buffer)
    assert State.CLOSED is ours.state
    assert State.CLOSED is theirs.state


def test_buffers_of_any_kind() -> None:
    """What has bytes can be written, and what takes bytes can be read to."""
    ours, theirs = two()
    shake(ours, theirs)
    numbers = array.array("I", [1, 2, 3])
    for data in (b"bytes", bytearray(b"array"), memoryview(numbers)):
        assert memoryview(data).nbytes == ours.write(data)
    move(ours, theirs)
    # More than one record, into what is no memoryview of bytes.
    found = array.array("I", [0] * 100)
    size = theirs.read_into(memoryview(found))
    assert size is not None
    size += theirs.read_into(bytearray(100)) or 0

    assert 10 + 12 == size


def test_more_than_a_record() -> None:
    """A large write comes out whole, also into a bytearray."""
    ours, theirs = two()
    shake(ours, theirs)
    data = bytes(range(256)) * 400
    assert len(data) == ours.write(data)
    move(ours, theirs)
    buffer, got = bytearray(len(data)), 0
    while got < len(data):
        view = memoryview(buffer)[got:]
        size = theirs.read_into(view)
        assert size
        got += size

    assert data == buffer


def test_a_bytearray_is_filled() -> None:
    """One call fills a bytearray with as many records as there are."""
    ours, theirs = two()
    shake(ours, theirs)
    data = bytes(range(256)) * 300
    ours.write(data)
    move(ours, theirs)
    buffer, got = bytearray(), b""
    while len(got) < len(data):
        buffer = bytearray(50000)
        size = theirs.read_into(buffer)
        assert size
        got += buffer[:size]

    assert data == got


def test_a_failure_leaves_an_alert() -> None:
    """After a step that raised, the alert is there to be sent."""
    ours = client_context().new_engine(hostname="other.example")
    theirs = server_context().new_engine()

    with pytest.raises(tlskit.IdentityError):
        shake(ours, theirs)
    assert State.FAILED is ours.state
    assert move(ours, theirs) > 0
    with pytest.raises(tlskit.AlertError):
        theirs.handshake()
    with pytest.raises(tlskit.IdentityError):
        ours.write(b"anyway")


def test_the_end_of_the_file() -> None:
    """``receive(b"")`` is the end; in mid-session it is a truncation."""
    ours, theirs = two()
    shake(ours, theirs)
    ours.receive(b"")

    with pytest.raises(tlskit.TruncatedError):
        ours.read_into(bytearray(1))


def test_nothing_before_the_handshake() -> None:
    """Data are refused until the peer is accepted."""
    ours, _ = two()

    with pytest.raises(StreamError) as caught:
        ours.write(b"early")
    assert "no-session" == caught.value.code


def test_an_identity() -> None:
    """An identity is proved in place of a host name."""
    ours = client_context().new_engine(identity=Identity.host("localhost"))
    shake(ours, server_context().new_engine())

    assert State.OPEN is ours.state


def test_protocols_to_offer() -> None:
    """A client offers protocols; a server has them in its context."""
    context = server_context()
    context.set_alpn(["h2"])
    ours = client_context().new_engine(hostname="localhost", alpn=["h2"])
    shake(ours, context.new_engine())

    assert ours.facts is not None
    assert "h2" == ours.facts.alpn
    with pytest.raises(ConfigurationError, match="client only"):
        context.new_engine(alpn=["h2"])


def test_a_host_name_is_needed() -> None:
    """A context that checks names needs one, before a byte is made."""
    with pytest.raises(ConfigurationError) as caught:
        client_context().new_engine()

    assert "no-hostname" == caught.value.code
