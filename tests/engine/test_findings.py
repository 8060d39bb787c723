"""Facts are written down when somebody wants them; they are the same."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.engine.engine import Engine, State
from tlskit.engine.session import handshake
from tlskit.policy.settings import Verify
from tlskit.testing import CA, Leaf
from tlskit.verify.evidence import shared_path

from ..engines import (
    authority,
    client_context,
    client_engine,
    exchange,
    move,
    pair,
    read,
    server_context,
    server_engine,
    shake,
)

VERSIONS = ("tls12", "tls13")
later = pytest.mark.skipif(
    not tlskit.capabilities()["post-handshake-authentication"],
    reason="nobody can be asked later",
)
tracing = pytest.mark.skipif(
    not tlskit.capabilities()["messages"], reason="nobody can listen"
)


def told(engine: Engine) -> tlskit.Facts:
    """Ask for what must be there."""
    facts = engine.facts
    assert facts is not None
    return facts


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_known_before_the_end(version: str) -> None:
    """Facts and version come with the handshake's end."""
    client, server = client_engine(client_context(version)), server_engine()
    client.handshake()
    move(client, server)
    server.handshake()

    assert client.facts is server.facts is None
    assert client.version is server.version is None

    shake(client, server)
    assert client.version == told(client).version
    assert server.version == told(server).version


@pytest.mark.parametrize("version", VERSIONS)
def test_asked_late_is_asked_early(version: str) -> None:
    """Data and both ends' close_notify change nothing of the facts."""
    context, other = client_context(version), server_context()
    early = [told(each) for each in pair(context, other)]
    client, server = pair(context, other)
    exchange(server, client, b"tickets, too")
    for one, peer in ((client, server), (server, client)):
        one.finish()
        move(one, peer)
        read(peer)
    late = [told(client), told(server)]

    assert State.CLOSED is client.state is server.state
    for before, after in zip(early, late, strict=True):
        assert before.cipher == after.cipher is not None
        assert before.peer_ders == after.peer_ders
        assert before.verified_ders == after.verified_ders
        assert before.group == after.group
        assert before.server_name == after.server_name == "localhost"
        assert before.certificate_der == after.certificate_der
        assert before.peer_verified is after.peer_verified


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broken_session_still_tells(version: str) -> None:
    """A failure comes too late to change who was met."""
    client, _ = pair(client_context(version))
    client.receive(b"garbage that is no record of any kind")
    with pytest.raises(tlskit.TLSError):
        read(client)

    assert State.FAILED is client.state
    assert told(client).peer_verified
    assert told(client).cipher is not None
    assert told(client) is told(client)


def test_a_hook_may_ask() -> None:
    """Its own step holds the lock already."""
    client, _ = pair()
    with client.lock, client.record.calling():
        facts = client.facts

    assert facts is not None
    assert facts is client.facts


def test_a_signal_in_the_middle_of_a_step_may_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its handler can't wait for the step in which it came."""
    monkeypatch.setattr(handshake, "_STEP", 0.001)
    client, _ = pair(client_context("tls13"), server_context("tls13"))
    with client.lock:
        assert told(client).peer_verified
        assert client.lock.locked()

    server = pair(client_context("tls13"), server_context("tls13"))[1]
    assert not told(server).peer_verified
    assert not server.lock.locked()


@tracing
@pytest.mark.native
def test_a_listener_may_ask() -> None:
    """It is called in the middle of a step, when tickets come in."""
    seen: list[tlskit.Facts | None] = []
    context = client_context("tls13")
    context.set_trace(lambda *_: seen.append(client.facts))
    client, server = client_engine(context), server_engine()
    shake(client, server)
    before = len(seen)
    exchange(server, client, b"tickets, too")

    assert {None} == set(seen[:before])
    assert [told(client)] * (len(seen) - before) == seen[before:]
    assert len(seen) > before


@later
@pytest.mark.native
@pytest.mark.parametrize("asks_first", [True, False])
def test_who_is_asked_again_is_the_one_of_before(asks_first: bool) -> None:
    """Until the answer is in, the facts are those of the handshake."""
    context, asking = server_context("tls13"), client_context("tls13")
    authority().trust(context)
    authority().issue("me").apply(asking)
    client, server = pair(asking, context)
    if asks_first:
        assert told(server).peer_certificate is None
    server.reauthenticate(Verify.REQUIRE)

    assert told(server).peer_certificate is None
    assert not told(server).peer_verified

    for _ in range(5):
        move(server, client)
        read(client)
        move(client, server)
        if server.reauthenticated():
            break
    assert told(server).peer_certificate is not None
    assert told(server).peer_verified


def test_a_path_is_kept_once() -> None:
    """Many meet the same few; what is large is read anew each time."""
    ca = CA("many names")
    names = [f"host-number-{number}.example.org" for number in range(300)]
    small, large = ca.issue("a.example"), ca.issue(*names)

    assert shared_path(path_of(small)) is shared_path(path_of(small))
    assert path_of(large) == shared_path(path_of(large))
    assert shared_path(path_of(large)) is not shared_path(path_of(large))


def path_of(leaf: Leaf) -> tuple[bytes, ...]:
    """Give its own certificate in a path of fresh bytes."""
    der = leaf.certificate.public_bytes(Encoding.DER)
    return (bytes(bytearray(der)),)
