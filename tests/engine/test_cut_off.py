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
