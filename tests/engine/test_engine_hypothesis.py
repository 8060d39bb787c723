"""Any bytes, and any cuts between them, fed to engines."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tlskit

from ..engines import (
    client_context,
    client_engine,
    move,
    pair,
    read,
    server_context,
    server_engine,
)

LIGHTLY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
ANY_BYTES = st.one_of(
    st.binary(max_size=400),
    # Something that begins like a record.
    st.builds(
        lambda kind, version, body: (
            bytes([kind]) + version + len(body).to_bytes(2, "big") + body
        ),
        st.integers(20, 24),
        st.sampled_from([b"\3\1", b"\3\3", b"\3\4"]),
        st.binary(max_size=300),
    ),
)


@lru_cache
def contexts() -> tuple[tlskit.ClientContext, tlskit.ServerContext]:
    """Make both sides' contexts once."""
    return client_context(), server_context()


def step(engine) -> None:
    """Take the step that the state allows."""
    try:
        if engine.facts is None:
            engine.handshake()
        else:
            read(engine)
    finally:
        engine.outgoing()


@LIGHTLY
@given(side=st.sampled_from(["client", "server"]), pieces=st.lists(ANY_BYTES))
def test_any_bytes_for_a_handshake(side, pieces):
    """Whatever comes instead of a handshake: an error of the tree, or none."""
    ours, theirs = contexts()
    engine = client_engine(ours) if side == "client" else server_engine(theirs)
    try:
        engine.handshake()
        for piece in pieces:
            engine.receive(piece)
            step(engine)
    except tlskit.TLSError as error:
        assert str(error)
        assert error.code


@LIGHTLY
@given(
    pieces=st.lists(ANY_BYTES, min_size=1, max_size=4),
    ended=st.booleans(),
    version=st.sampled_from(["tls12", "tls13"]),
)
def test_any_bytes_for_a_session(pieces, ended, version):
    """Whatever comes in a session: an error of the tree, and no plaintext."""
    client, _ = pair(client_context(version), contexts()[1])
    if ended:
        client.finish()
    try:
        for piece in pieces:
            client.receive(piece)
            assert not read(client)
    except tlskit.TLSError as error:
        assert str(error)


@LIGHTLY
@given(
    place=st.integers(0, 10_000),
    change=st.integers(1, 255),
    flight=st.integers(0, 3),
    version=st.sampled_from(["tls12", "tls13"]),
)
def test_changed_handshake(place, change, flight, version):
    """A handshake with one byte changed fails, or comes to the same end."""
    client = client_engine(client_context(version))
    server = server_engine(contexts()[1])
    try:
        for number in range(8):
            one, other = (
                (client, server) if number % 2 == 0 else (server, client)
            )
            one.handshake()
            data = bytearray(one.outgoing())
            if number == flight and data:
                data[place % len(data)] ^= change
            if data:
                other.receive(data)
    except tlskit.TLSError as error:
        assert str(error)


@LIGHTLY
@given(
    messages=st.lists(st.binary(min_size=1, max_size=3000), max_size=6),
    cuts=st.lists(st.integers(1, 500), max_size=60),
    version=st.sampled_from(["tls12", "tls13"]),
)
def test_any_split(messages, cuts, version):
    """However a stream is cut, the same plaintext comes out."""
    client, server = pair(client_context(version), contexts()[1])
    for message in messages:
        client.write(memoryview(message))
    client.finish()
    stream = client.outgoing()
    got = b""
    ended = False
    for cut in [*cuts, len(stream)]:
        piece, stream = stream[:cut], stream[cut:]
        if piece:
            server.receive(piece)
        while (data := read(server)) is not None:
            ended = data == b""
            got += data
            if ended:
                break

    assert b"".join(messages) == got
    assert ended


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_byte_by_byte(version):
    """A whole conversation, one byte at a time."""
    client = client_engine(client_context(version))
    server = server_engine(contexts()[1])
    for _ in range(6):
        for one, other in ((client, server), (server, client)):
            one.handshake()
            for byte in one.outgoing():
                other.receive(bytes([byte]))
                other.handshake()
    assert client.facts is not None
    assert server.facts is not None
    client.write(memoryview(b"hello"))
    move(client, server)

    assert b"hello" == read(server)
