"""TLS 1.2: a server that renegotiates is judged as in the first handshake."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.engine import verdict
from tlskit.engine.engine import State
from tlskit.policy.settings import Verify
from tlskit.testing import CA, Leaf
from tlskit.verify.chain import pin_of
from tlskit.verify.transparency.logs import Transparency

from ..engines import (
    client_engine,
    move,
    read,
    server_engine,
    shake,
)
from ..publishing import at

HOST = "localhost"
DER = Encoding.DER


class Asking(tlskit.ClientContext):
    """Notes, and perhaps refuses, whom it meets."""

    def __init__(self, protocol: str) -> None:
        super().__init__(protocol)
        self.met: list[object] = []
        self.refused: object = None

    def verify_peer(self, verdict):
        """Refuse one certificate."""
        self.met.append(verdict.peer_certificate)
        if verdict.peer_certificate == self.refused:
            raise LookupError("not this one")


def renewed(client, server, leaf: Leaf) -> bytes:
    """Have the server renegotiate with *leaf*; give what is read then."""
    server._connection.use_certificate(leaf.certificate)
    server._connection.use_privatekey(leaf.key)
    server.reauthenticate(Verify.TRY)
    got = b""
    for _ in range(4):
        move(server, client)
        got += read(client) or b""
        move(client, server)
        if server.reauthenticated():
            break
    server.write(memoryview(b"after"))
    move(server, client)
    return got + (read(client) or b"")


@pytest.fixture
def ca() -> CA:
    """A CA that issues both certificates."""
    return CA()


def meeting(ca: CA, context: tlskit.ClientContext, leaf: Leaf):
    """Shake hands; give both engines."""
    server = tlskit.ServerContext()
    leaf.apply(server)
    ca.trust(context)
    context.set_verify()
    client, other = client_engine(context, HOST), server_engine(server)
    shake(client, other)
    return client, other


def test_facts_and_hook_follow(ca: CA) -> None:
    """The hook is asked again, and the facts are those of today."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = Asking("tls12")
    client, server = meeting(ca, context, first)

    assert b"after" == renewed(client, server, second)
    assert [first.certificate, second.certificate] == context.met
    assert second.certificate == client.facts.peer_certificate
    assert client.facts.peer_verified


def test_a_hook_refuses(ca: CA) -> None:
    """What it raises ends the session, and no data come through."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = Asking("tls12")
    context.refused = second.certificate
    client, server = meeting(ca, context, first)
    with pytest.raises(LookupError):
        renewed(client, server, second)

    assert State.FAILED is client.state
    with pytest.raises(LookupError):
        read(client)


def test_pins_count_again(ca: CA) -> None:
    """A key that is not pinned is refused whenever it comes."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = tlskit.ClientContext("tls12")
    context.set_pins([pin_of(first.certificate)])
    client, server = meeting(ca, context, first)
    with pytest.raises(tlskit.VerificationError):
        renewed(client, server, second)

    assert State.FAILED is client.state


def test_a_pinned_key_stays_welcome(ca: CA) -> None:
    """The same certificate again is no reason to complain."""
    first = ca.issue(HOST)
    context = tlskit.ClientContext("tls12")
    context.set_pins([pin_of(first.certificate)])
    client, server = meeting(ca, context, first)

    assert b"after" == renewed(client, server, first)


def test_another_name_is_refused(ca: CA) -> None:
    """So is a certificate for somebody else, with an alert as ever."""
    first, second = ca.issue(HOST), ca.issue("other.example")
    context = tlskit.ClientContext("tls12")
    context.set_verify_hostname()
    client, server = meeting(ca, context, first)
    with pytest.raises(tlskit.IdentityError):
        renewed(client, server, second)


def test_a_write_judges_too(ca: CA) -> None:
    """OpenSSL may finish the handshake in order to write."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = Asking("tls12")
    context.refused = second.certificate
    client, server = meeting(ca, context, first)
    server._connection.use_certificate(second.certificate)
    server._connection.use_privatekey(second.key)
    server.reauthenticate(Verify.TRY)
    move(server, client)
    read(client)  # The HelloRequest.
    with pytest.raises(LookupError):
        for _ in range(4):
            move(client, server)
            server.reauthenticated()
            move(server, client)
            client.write(memoryview(b"x"))

    assert State.FAILED is client.state
    assert b"" == bytes(client.outgoing())


def test_ticket_does_not_spare_the_certificate(ca: CA) -> None:
    """A server that would resume when it renegotiates shows what it has."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    client, server = meeting(ca, tlskit.ClientContext("tls12"), first)
    connection = server._connection
    connection.use_certificate(second.certificate)
    connection.use_privatekey(second.key)
    connection.renegotiate()
    connection.do_handshake()
    for _ in range(4):
        move(server, client)
        read(client)
        move(client, server)
        with suppress(tlskit.StreamError):
            read(server)

    assert 1 == connection.total_renegotiations()
    assert second.certificate == client.facts.peer_certificate


@pytest.mark.native
def test_nothing_to_resume_before_the_verdict(ca: CA) -> None:
    """A session of whom nobody has judged yet gets no other's verdict."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    client, server = meeting(ca, tlskit.ClientContext("tls12"), first)
    connection = server._connection
    connection.use_certificate(second.certificate)
    connection.use_privatekey(second.key)
    connection.renegotiate()
    connection.do_handshake()
    move(server, client)
    read(client)
    move(client, server)
    with suppress(tlskit.StreamError):
        read(server)
    shown = second.certificate.public_bytes(Encoding.DER)
    waiting = 0
    for byte in bytes(server.outgoing()):
        client.receive(bytes((byte,)))
        read(client)
        kept = client.resumable()
        assert kept is None or kept.session.peer_chain[0] != shown
        waiting += not client.record.settled

    assert waiting


# -- what an earlier handshake of the connection's brought is over -----------


def resumed(ca: CA, context: tlskit.ClientContext, leaf: Leaf):
    """Shake hands twice, the second time to resume; give both engines."""
    server = tlskit.ServerContext("tls12")
    leaf.apply(server)
    ca.trust(context)
    context.set_verify()
    first, other = client_engine(context, HOST), server_engine(server)
    shake(first, other)
    kept = first.resumable()
    assert kept is not None
    client, other = client_engine(context, HOST), server_engine(server)
    client.resume(kept)
    shake(client, other)
    assert client.facts is not None
    assert client.facts.session_reused
    return client, other


@pytest.mark.native
def test_a_resumed_server_comes_as_another(ca: CA) -> None:
    """Hook and facts tell of the certificate that came now."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = Asking("tls12")
    client, server = resumed(ca, context, first)
    context.met.clear()

    assert b"after" == renewed(client, server, second)
    assert [second.certificate] == context.met
    facts = client.facts
    assert not facts.session_reused
    assert facts.peer_verified
    assert second.certificate == facts.peer_certificate
    assert (second.certificate, ca.certificate) == facts.verified_chain
    assert second.certificate == facts.peer_chain[0]


@pytest.mark.native
def test_a_hook_refuses_whom_a_resumed_server_became(ca: CA) -> None:
    """It is not shown the certificate of the earlier session."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = Asking("tls12")
    context.refused = second.certificate
    client, server = resumed(ca, context, first)
    with pytest.raises(LookupError):
        renewed(client, server, second)

    assert State.FAILED is client.state


@pytest.mark.native
def test_the_second_verifier_sees_the_new_chain(
    ca: CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strictness is about the certificate that came now."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = tlskit.ClientContext("tls12")
    context.set_strict()
    client, server = resumed(ca, context, first)
    seen: list[bytes] = []
    judge = verdict.second_opinion

    def noting(chain, *rest, **more):
        seen.append(chain[0])
        return judge(chain, *rest, **more)

    monkeypatch.setattr(verdict, "second_opinion", noting)

    assert b"after" == renewed(client, server, second)
    assert [second.certificate.public_bytes(DER)] == seen


@pytest.mark.native
def test_logs_vouch_for_the_new_certificate(ca: CA) -> None:
    """Timestamps are asked for again, after a session was resumed."""
    first, second = ca.issue(HOST), ca.issue(HOST)
    context = tlskit.ClientContext("tls12")
    client, server = resumed(ca, context, first)
    # As if logs had vouched for the first one.
    rules = Transparency((), 1)
    client.record.settings = replace(
        client.record.settings, transparency=rules
    )
    with pytest.raises(tlskit.VerificationError) as caught:
        renewed(client, server, second)

    assert "no-transparency" == caught.value.code


def completed(ca: CA, context: tlskit.ClientContext, leaf: Leaf, middle: CA):
    """Shake hands with a server whose issuer is fetched; give both."""
    server = tlskit.ServerContext("tls12")
    server.load_certificate_chain(leaf.certificate)
    server.load_private_key(leaf.key)
    ca.trust(context)
    context.set_verify()
    context.set_intermediate_fetching(allow_private=True)
    client, other = client_engine(context, HOST), server_engine(server)
    client.fetches()
    for _ in range(20):
        for one, peer in ((client, other), (other, client)):
            one.handshake()
            if one.errand is not None and not one.errand.over:
                one.errand.run(lambda _: middle.certificate.public_bytes(DER))
                one.handshake()
            move(one, peer)
    return client, other


@pytest.mark.parametrize(
    ("rule", "code"), [("pins", "pin-mismatch"), ("strict", "second-verifier")]
)
def test_rules_outlive_a_path_that_was_completed(
    ca: CA, rule: str, code: str
) -> None:
    """That an issuer was fetched once frees no later certificate."""
    middle = ca.intermediate("middle")
    url = at("http://ca.example/middle.cer")
    first = middle.issue(HOST, extensions=[(url, False)])
    second = ca.issue(HOST, common_name="among no names")
    context = tlskit.ClientContext("tls12")
    if rule == "pins":
        context.set_pins([pin_of(first.certificate)])
    else:
        context.set_strict()
    client, server = completed(ca, context, first, middle)
    assert client.facts is not None
    assert 3 == len(client.facts.verified_ders)
    with pytest.raises(tlskit.VerificationError) as caught:
        renewed(client, server, second)

    assert code == caught.value.code
    assert State.FAILED is client.state
