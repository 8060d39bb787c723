"""A certificate that comes later is judged as if it had come at first.

The session may have begun with a pre-shared key, or with a ticket: neither
says anything of a certificate that is asked for in mid-session (TLS 1.3).
And what was tolerated once is not found good by a ticket.
"""

from __future__ import annotations

import pytest

import tlskit
from tlskit.engine.engine import Engine
from tlskit.policy.settings import Verify
from tlskit.testing import CA, Leaf
from tlskit.verify.chain import pin_of

from ..engines import (
    authority,
    client_context,
    client_engine,
    move,
    read,
    server_context,
    server_engine,
    shake,
)

pytestmark = pytest.mark.native
later = pytest.mark.skipif(
    not tlskit.capabilities()["post-handshake-authentication"],
    reason="nobody can be asked later",
)
KEY = bytes(range(32))
VERSIONS = ("tls12", "tls13")


def asked(client: Engine, server: Engine, verify: Verify) -> tlskit.Facts:
    """Have the server ask for a certificate; give what it finds."""
    server.reauthenticate(verify)
    for _ in range(5):
        move(server, client)
        read(client)
        move(client, server)
        if server.reauthenticated():
            break
    assert server.facts is not None
    return server.facts


def by_key(leaf: Leaf, **rules: object) -> tuple[Engine, Engine]:
    """Begin with a key, as a client that has a certificate besides."""
    context, asking = server_context("tls13"), client_context("tls13")
    authority().trust(context)
    context.set_psk_server({"me": KEY})
    if "pins" in rules:
        context.set_pins(rules["pins"])  # type: ignore[arg-type]
    asking.set_psk_client(("me", KEY))
    leaf.apply(asking)
    client, server = client_engine(asking), server_engine(context)
    shake(client, server)
    read(client)
    assert server.facts is not None
    assert "me" == server.facts.psk_identity
    return client, server


@later
def test_after_a_key_a_stranger_is_tolerated_and_told() -> None:
    """The key proves nothing of the certificate."""
    facts = asked(*by_key(CA("x").issue("eve")), Verify.TRY)

    assert not facts.peer_verified
    assert facts.verify_error is not None
    assert facts.peer_certificate is not None


@later
def test_after_a_key_a_good_certificate_is_verified() -> None:
    """As without a key; and the key is not forgotten."""
    facts = asked(*by_key(authority().issue("bob")), Verify.REQUIRE)

    assert facts.peer_verified
    assert facts.verified_chain
    assert "me" == facts.psk_identity


@later
def test_after_a_key_pins_count() -> None:
    """A certificate of the right CA with another key is refused."""
    pins = [pin_of(authority().issue("bob").certificate)]
    ends = by_key(authority().issue("bob"), pins=pins)
    with pytest.raises(tlskit.VerificationError, match="pinned"):
        asked(*ends, Verify.REQUIRE)


def helped(version: str) -> tuple[tlskit.ServerContext, Leaf]:
    """Make a server that knows a client's CA, and trusts another one."""
    helper = CA("strange root").intermediate("helper")
    context = server_context(version)
    authority().trust(context)
    context.set_partial_chain()
    context.load_intermediates(helper.certificate)
    return context, helper.issue("mallory")


@later
@pytest.mark.parametrize("resumed", [False, True])
def test_a_helper_is_no_root_in_a_resumed_session(resumed: bool) -> None:
    """An intermediate that is only known ends no chain, then or now."""
    context, leaf = helped("tls13")
    context.set_verify(False)
    asking = client_context("tls13")
    leaf.apply(asking)
    client, server = client_engine(asking), server_engine(context)
    shake(client, server)
    server.write(memoryview(b"x"))
    move(server, client)
    read(client)
    if resumed:
        kept = client.resumable()
        assert kept is not None
        client, server = client_engine(asking), server_engine(context)
        assert client.resume(kept)
        shake(client, server)
        read(client)
    assert server.facts is not None
    assert resumed == server.facts.session_reused
    with pytest.raises(tlskit.VerificationError) as caught:
        asked(client, server, Verify.REQUIRE)

    assert "unknown-issuer" == caught.value.code


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_tolerated_is_not_good_by_a_ticket(version: str) -> None:
    """OpenSSL found that chain good, and we did not."""
    context, leaf = helped(version)
    context.try_verify()
    asking = client_context(version)
    leaf.apply(asking)
    kept = None
    for _ in range(2):
        client, server = client_engine(asking), server_engine(context)
        if kept is not None:
            client.resume(kept)
        shake(client, server)
        server.write(memoryview(b"x"))
        move(server, client)
        read(client)
        kept = client.resumable()
        assert server.facts is not None
        assert not server.facts.peer_verified
        assert server.facts.verify_error is not None
        assert "unknown-issuer" == server.facts.verify_error.code


def test_a_session_that_carries_a_fault_is_refused_where_none_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever let it be resumed: what it carries is looked at."""
    context, asking = server_context("tls13"), client_context("tls13")
    authority().trust(context)
    context.set_verify()
    authority().issue("bob").apply(asking)
    client, server = client_engine(asking), server_engine(context)
    shake(client, server)
    server.write(memoryview(b"x"))
    move(server, client)
    read(client)
    kept = client.resumable()
    assert kept is not None
    monkeypatch.setattr(
        "tlskit.engine.verdict.native.verify_result", lambda _: 18
    )
    client, server = client_engine(asking), server_engine(context)
    assert client.resume(kept)
    with pytest.raises(tlskit.VerificationError) as caught:
        shake(client, server)

    assert "self-signed" == caught.value.code


def test_nobody_is_anchored_nowhere() -> None:
    """A client without a certificate is tolerated, helpers or not."""
    context, _ = helped("tls13")
    context.try_verify()
    client, server = client_engine(client_context()), server_engine(context)
    shake(client, server)

    assert server.facts is not None
    assert not server.facts.peer_verified
