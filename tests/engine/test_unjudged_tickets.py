"""No ticket leaves for a client that was asked in mid-session and is refused.

OpenSSL makes tickets as soon as it has accepted a certificate, whoever reads
then; but pins and others have not judged yet.
"""

from __future__ import annotations

import pytest

import tlskit
from tlskit.engine.engine import Engine
from tlskit.policy.settings import Verify
from tlskit.verify.chain import pin_of

from ..engines import (
    authority,
    client_context,
    client_engine,
    move,
    server_context,
    server_engine,
    shake,
)

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not tlskit.capabilities()["post-handshake-authentication"],
        reason="nobody can be asked later",
    ),
]


def asked(*, pinned: bool) -> tuple[Engine, Engine]:
    """Have a server ask a client, whose key it has pinned, or has not."""
    leaf = authority().issue("client.example")
    other = authority().issue("client.example")
    asking, context = client_context("tls13"), server_context()
    leaf.apply(asking)
    authority().trust(context)
    context.set_pins([pin_of((leaf if pinned else other).certificate)])
    client, server = client_engine(asking), server_engine(context)
    shake(client, server)
    move(server, client)
    assert client.read_into(bytearray(100)) is None
    server.reauthenticate(Verify.REQUIRE)
    assert server.read_into(bytearray(100)) is None  # It has not answered.
    assert move(server, client)
    assert client.read_into(bytearray(100)) is None
    assert client.owes
    return client, server


def test_whoever_reads_judges() -> None:
    """A reader that meets the answer refuses it, and sends no ticket."""
    client, server = asked(pinned=False)
    move(client, server)
    with pytest.raises(tlskit.VerificationError) as caught:
        server.read_into(bytearray(100))

    assert "pin-mismatch" == caught.value.code
    assert b"" == bytes(server.outgoing())
    with pytest.raises(tlskit.VerificationError):
        server.reauthenticated()


def test_who_is_accepted_gets_tickets() -> None:
    """Then they go out, and the verdict is there for who has asked."""
    client, server = asked(pinned=True)
    move(client, server)
    assert server.read_into(bytearray(100)) is None

    assert server.outgoing()
    assert server.reauthenticated()
    assert server.facts is not None
    assert server.facts.peer_verified


def test_a_failure_behind_the_answer() -> None:
    """Who sends rubbish behind his certificate gets no ticket by that."""
    client, server = asked(pinned=False)
    answer = bytes(client.outgoing())
    server.receive(answer + b"\x17\3\3\0\x20" + bytes(32))
    with pytest.raises(tlskit.TLSError):
        server.read_into(bytearray(100))

    assert b"" == bytes(server.outgoing())
