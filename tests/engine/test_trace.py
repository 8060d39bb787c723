"""A handshake told, message by message, and summed up."""

from __future__ import annotations

import logging

import pytest

import tlskit
from tlskit.engine.trace import Tracer
from tlskit.testing import CA, memory_pair

from ..engines import authority, client_context, server_context
from .test_client_hello import FULL

pytestmark = pytest.mark.native


def traced(version="auto", **changes):
    """Shake hands with a trace on both sides; give ports and messages."""
    asking, answering = client_context(version), server_context()
    heard = {}
    for side, context in (("client", asking), ("server", answering)):
        heard[side] = []
        context.set_trace(heard[side].append)
        for name, value in changes.get(side, {}).items():
            getattr(context, name)(value)
    client, server = memory_pair(asking, answering, hostname="localhost")
    return client, server, heard


def test_messages_of_tls13():
    """Each message has its name, its direction and its size, in order."""
    client, server, heard = traced("tls13")
    names = [each.type for each in client.handshake_report.messages]

    assert names == [
        "client_hello",
        "server_hello",
        "encrypted_extensions",
        "certificate",
        "certificate_verify",
        "finished",
        "finished",
    ]
    assert names == [e.type for e in server.handshake_report.messages][:7]
    first = heard["client"][0]
    assert first.sent
    assert not heard["server"][0].sent
    assert first.size == heard["server"][0].size > 100
    assert "localhost" in first.summary
    assert "ecdsa_secp256r1_sha256" in str(heard["client"][4])
    assert 0 <= first.at <= heard["client"][-1].at


@pytest.mark.parametrize(("version", "trips"), [("tls12", 2), ("tls13", 1)])
def test_report(version, trips):
    """Both sides sum up alike."""
    client, server, _ = traced(version)
    ours, theirs = client.handshake_report, server.handshake_report

    assert trips == ours.round_trips == theirs.round_trips
    assert not ours.hello_retry
    assert ours.bytes_received > 500
    assert ours.bytes_sent == theirs.bytes_received
    assert ours.seconds > 0
    assert "ecdsa_secp256r1_sha256" == ours.peer_signature_algorithm
    assert "ecdsa_secp256r1_sha256" == theirs.signature_algorithm
    assert ours.signature_algorithm is None
    assert client.peer_signature_algorithm == server.signature_algorithm


@pytest.mark.skipif(
    not tlskit.capabilities()["groups"], reason="no choice of groups"
)
def test_hello_retry():
    """A HelloRetryRequest costs a round trip, and shows."""
    client, _, _ = traced(
        client={"set_groups": ["X25519", "P-384"]},
        server={"set_groups": ["P-384"]},
    )
    report = client.handshake_report

    assert report.hello_retry
    assert 2 == report.round_trips
    assert "hello_retry_request" == report.messages[1].type


def test_alert_is_told():
    """A handshake that fails is told up to the alert, with its sender."""
    heard = []
    asking = tlskit.ClientContext("auto")
    asking.set_verify()
    asking.set_trace(heard.append)
    with pytest.raises(tlskit.VerificationError):
        memory_pair(asking, server_context(), hostname="localhost")

    assert "alert" == heard[-1].type
    assert heard[-1].sent
    assert "fatal unknown_ca" == heard[-1].summary


def test_no_trace_no_report():
    """Off, there is nothing, and the schemes still follow from the keys."""
    client, server = memory_pair(client_context(), server_context())

    assert client.handshake_report is None
    assert "ecdsa_secp256r1_sha256" == client.peer_signature_algorithm
    assert "ecdsa_secp256r1_sha256" == server.signature_algorithm
    assert client.signature_algorithm is None
    assert server.peer_signature_algorithm is None


KINDS = ("ecdsa", "ecdsa-p384", "ed25519", "ed448", "rsa", "rsa-pss")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("narrow", [False, True])
def test_what_follows_is_what_was_used(kind, narrow):
    """Without a trace the answer is the trace's, or none."""
    ca = CA()
    leaf = ca.issue("localhost", key_type=kind)
    found = []
    for trace in (True, False):
        asking, answering = client_context(), tlskit.ServerContext()
        ca.trust(asking)
        leaf.apply(answering)
        if narrow:
            asking.set_signature_algorithms(
                [
                    "rsa_pss_rsae_sha384",
                    "rsa_pss_pss_sha384",
                    "ed25519",
                    "ed448",
                    "ecdsa_secp384r1_sha384",
                    "ecdsa_secp256r1_sha256",
                ]
            )
        if trace:
            for each in (asking, answering):
                each.set_trace(lambda _: None)
        client, server = memory_pair(asking, answering, hostname="localhost")
        found.append(
            (client.peer_signature_algorithm, server.signature_algorithm)
        )
    (told, ours), (followed, ours_followed) = found

    assert told == ours == ours_followed
    assert told is not None
    ambiguous = kind.startswith("rsa") and not narrow
    assert followed == (None if ambiguous else told)


def test_nothing_follows_before_tls13():
    """In TLS 1.2 a key may sign with any hash; only a trace can tell."""
    client, server = memory_pair(client_context("tls12"), server_context())

    assert client.peer_signature_algorithm is None
    assert server.signature_algorithm is None


def test_targets(tmp_path, caplog):
    """A path gets lines, a logger entries, None nothing."""
    path = tmp_path / "trace.txt"
    context = client_context()
    context.set_trace(path)
    memory_pair(context, server_context())
    before = path.read_text("utf-8")
    assert "-> client_hello" in before
    context.set_trace(logging.getLogger("tests.trace"))
    with caplog.at_level(logging.DEBUG, "tests.trace"):
        memory_pair(context, server_context())
    assert "<- server_hello" in caplog.text
    context.set_trace(None)
    memory_pair(context, server_context())

    assert before == path.read_text("utf-8")


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    """It is the directory that counts in which the path was given."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    context = client_context()
    monkeypatch.chdir(here)
    context.set_trace("trace.txt")
    monkeypatch.chdir(there)
    memory_pair(context, server_context())

    assert "-> client_hello" in (here / "trace.txt").read_text("utf-8")
    assert [] == list(there.iterdir())


def test_bad_targets(tmp_path):
    """What can't be written, or is no target, is told at once."""
    context = client_context()
    with pytest.raises(tlskit.ConfigurationError, match="can't write"):
        context.set_trace(tmp_path)
    with pytest.raises(tlskit.ConfigurationError, match="can't write"):
        context.set_trace("a\0b")
    with pytest.raises(tlskit.ConfigurationError, match="several lines"):
        context.set_trace("a\nb")
    with pytest.raises(TypeError, match="is wanted"):
        context.set_trace(5)


def test_failing_target():
    """What the function raises fails its own connection."""

    def fail(message):
        raise KeyError(message.type)

    context = client_context()
    context.set_trace(fail)
    with pytest.raises(KeyError):
        memory_pair(context, server_context())


def test_no_secret_is_told():
    """Of keys and signatures only kinds and sizes are told."""
    client, _, heard = traced()
    text = "".join(map(str, heard["client"]))

    assert client.peer_certificate.signature.hex() not in text
    assert FULL.hex() not in text


def test_odd_messages():
    """Unknown and cut messages are told as far as they go."""
    heard = []
    tracer = Tracer(heard.append, server_side=True)
    assert 0.0 == tracer.report().seconds
    for kind, data in (
        (20, b"\1"),
        (21, b"\1\xfe"),
        (21, b"\1"),
        (22, b"\1"),
        (22, b"\2\0\0\0"),
        (22, b"\1\0\0\0"),
        (22, b"\x63\0\0\0"),
        (22, b"\x0c\0\0\1\3"),
        (22, b"\x0c\0\0\1\1"),
        (256, b"\x16"),
        *[(22, b"\x18\0\0\0")] * 70,
    ):
        tracer.heard(False, kind, data)

    assert [each.summary for each in heard[:4]] == [
        "warning 254",
        "TLS_NULL_WITH_NULL_NULL",
        "malformed",
        "",
    ]
    assert "message 99" == heard[3].type
    assert "warning 254" in str(heard[0])
    assert not str(heard[3]).endswith(": ")
    assert 64 == len(tracer.report().messages)


def test_what_a_server_answers():
    """Version, suite and group, and what it wants in a second ClientHello."""
    context, heard = server_context(), []
    context.enable_ecdhe("secp384r1")
    asking = client_context()
    asking.set_trace(heard.append)
    client, server = memory_pair(asking, context, hostname="localhost")
    answers = {each.type: each.summary for each in heard}
    client.close()
    server.close()

    assert answers["server_hello"].startswith("TLS_")
    assert answers["server_hello"].endswith("; TLS 1.3; key share secp384r1")
    assert answers["hello_retry_request"].endswith(
        "; TLS 1.3; wants a key share of secp384r1"
    )


def test_what_an_older_server_answers():
    """In TLS 1.2 the group comes with the signature."""
    context, heard = server_context("tls12"), []
    asking = client_context()
    asking.set_trace(heard.append)
    client, server = memory_pair(asking, context, hostname="localhost")
    answers = {each.type: each.summary for each in heard}
    client.close()
    server.close()

    assert answers["server_hello"].endswith("; TLS 1.2")
    assert answers["server_key_exchange"].endswith("; ecdsa_secp256r1_sha256")


def test_what_proves_a_key():
    """A server that has accepted a pre-shared key says so."""
    key = bytes(range(16))
    context, heard = tlskit.ServerContext(), []
    context.set_psk_server({"me": key})
    asking = client_context()
    asking.set_psk_client(("me", key))
    asking.set_trace(heard.append)
    client, server = memory_pair(asking, context, hostname="localhost")
    client.close()
    server.close()

    assert heard[1].summary.endswith("; a pre-shared key or ticket")


@pytest.mark.parametrize("hook", ["choose_for", "verify_peer"])
def test_our_own_alerts_are_told(hook):
    """Also those that OpenSSL knows nothing of: what a hook refuses."""
    heard = []

    def refuse(_self, _):
        raise PermissionError

    kind = type("Refusing", (tlskit.ServerContext,), {hook: refuse})
    context = kind()
    authority().issue("localhost").apply(context)
    context.set_trace(heard.append)
    with pytest.raises((PermissionError, tlskit.TLSError)):
        memory_pair(client_context(), context, hostname="localhost")

    assert heard[-1].sent
    assert "alert" == heard[-1].type
    assert heard[-1].summary.startswith("fatal ")
