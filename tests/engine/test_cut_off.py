"""What explains a connection that was cut off, and what it leaves."""

from __future__ import annotations

import pytest

import tlskit

from ..engines import move, pair, read


def test_other_errors_are_not_explained():
    """Only who was cut off by the peer looks for its reason."""
    client, server = pair()
    server.write(memoryview(b"hello"))
    move(server, client)

    assert not client.explains(OSError("no route"))
    assert 0 == client.decrypted


def test_data_explain_nothing_and_are_kept():
    """They are for who reads, although nothing more can come."""
    client, server = pair()
    server.write(memoryview(b"hello"))
    move(server, client)

    assert not client.explains(ConnectionResetError())
    assert not client.hungry
    assert b"hello" == read(client)


def test_a_cut_explains_nothing_and_leaves_what_came_before():
    """It is told behind the data, as a truncated end."""
    client, server = pair()
    server.write(memoryview(b"hello"))
    move(server, client)
    client.receive(b"")
    error = ConnectionResetError()

    assert not client.explains(error)
    assert error.args == client.reason_behind(error).copy.args
    assert b"hello" == read(client)
    with pytest.raises(tlskit.TruncatedError):
        read(client)


@pytest.mark.parametrize("size", [5, 16384, 40_000])
def test_what_came_before_a_refusal_is_read_without_a_gap(size):
    """All of it, in order; and then the alert is told."""
    client, server = pair()
    data = bytes(at % 251 for at in range(size))
    server.write(memoryview(data))
    server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(tlskit.TLSError):
        read(server)
    move(server, client)

    assert client.explains(ConnectionResetError())
    got = b""
    while len(got) < size:
        got += read(client)
    assert data == got
    with pytest.raises(tlskit.AlertError):
        read(client)
