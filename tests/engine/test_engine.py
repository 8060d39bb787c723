"""Tests for ``tlskit.engine.engine``: bytes between two engines."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.engine.engine import Engine, State
from tlskit.openssl import native
from tlskit.policy.settings import Verify

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


@pytest.fixture(params=["with", "without"], autouse=True)
def capabilities(request):
    """Run everything with and without the capabilities of ``_native``."""
    if request.param == "with":
        yield
        return
    with native.without():
        yield


# -- the handshake ----------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_handshake(version):
    """Both sides reach OPEN and know the facts."""
    client, server = pair(client_context(version))

    assert State.OPEN is client.state is server.state
    assert client.facts.peer_verified
    assert client.facts.version == server.facts.version
    assert "localhost" == server.facts.server_name
    assert authority().certificate == client.facts.verified_chain[-1]
    assert client.facts.peer_certificate == server.facts.certificate


def test_second_handshake_is_harmless():
    """A finished handshake is finished."""
    client, _ = pair()

    assert client.handshake()


def test_wants_food():
    """Without bytes from the peer there is no progress, and no error."""
    client = client_engine()

    assert client.handshake() is None
    assert client.outgoing()
    assert client.handshake() is None
    assert b"" == client.outgoing()


def test_name_is_needed():
    """A context that checks names refuses to do without one."""
    with pytest.raises(tlskit.ConfigurationError) as caught:
        client_engine(hostname=None)

    assert "no-hostname" == caught.value.code


def test_no_name_without_check():
    """A context that checks no name needs none."""
    context = client_context()
    context.set_verify_hostname(False)
    client = client_engine(context, hostname=None)
    server = server_engine()
    shake(client, server)

    assert client.facts.peer_verified
    assert server.facts.server_name is None


@pytest.mark.parametrize("version", VERSIONS)
def test_wrong_name(version):
    """A trusted stranger is refused; the server learns it by an alert."""
    client = client_engine(client_context(version), "wrong.example")
    server = server_engine()

    with pytest.raises(tlskit.IdentityError) as caught:
        shake(client, server)
    assert State.FAILED is client.state
    assert "wrong.example" == caught.value.expected
    assert ("localhost", "127.0.0.1") == caught.value.presented
    move(client, server)
    with pytest.raises(tlskit.AlertError):
        server.handshake()


def test_wrong_address():
    """An address is checked against addresses."""
    client = client_engine(client_context(), "127.0.0.2")

    with pytest.raises(tlskit.IdentityError):
        shake(client, server_engine())


def test_name_alone_is_checked():
    """Without verification, the name still has to fit."""
    context = client_context()
    context.set_verify(False)

    with pytest.raises(tlskit.IdentityError):
        shake(client_engine(context, "wrong.example"), server_engine())
    shake(client_engine(context), server_engine())


@pytest.mark.parametrize("side", ["client", "server"])
def test_end_in_handshake(side):
    """An end of file in mid-handshake is told as that."""
    engine = client_engine() if side == "client" else server_engine()
    engine.handshake()
    engine.receive(b"")

    with pytest.raises(tlskit.HandshakeError) as caught:
        engine.handshake()
    assert "closed-in-handshake" == caught.value.code
    assert "syscall" == caught.value.status


def test_close_notify_in_handshake():
    """A peer that says goodbye in mid-handshake has refused."""
    client = client_engine()
    client.handshake()
    client.receive(b"\x15\x03\x03\x00\x02\x01\x00")

    with pytest.raises(tlskit.HandshakeError) as caught:
        client.handshake()
    assert "closed-in-handshake" == caught.value.code


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "plain-http"),
        (b"HTTP/1.1 400 Bad Request\r\n", "plain-http"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not-tls"),
        (b"220 mail.example ESMTP\r\n", "not-tls"),
        (b"\x00" * 64, "not-tls"),
    ],
)
def test_not_tls(first, code):
    """Who speaks something else is told apart."""
    engine = client_engine()
    engine.handshake()
    engine.receive(first)

    with pytest.raises(tlskit.NotTLSError) as caught:
        engine.handshake()
    assert code == caught.value.code
    assert caught.value.hint


def test_first_error_again():
    """What failed stays failed, with the same error."""
    server = server_engine()
    server.receive(b"garbage!" * 10)
    with pytest.raises(tlskit.TLSError) as first:
        server.handshake()

    for step in (
        server.handshake,
        lambda: read(server),
        lambda: server.write(memoryview(b"x")),
    ):
        with pytest.raises(tlskit.TLSError) as again:
            step()
        assert first.value is again.value
    server.finish()
    assert State.FAILED is server.state


# -- the table of states ----------------------------------------------------


def test_nothing_before_the_handshake():
    """OpenSSL would shake hands inside a read or a write; we don't."""
    client = client_engine()

    for step in (
        lambda: read(client),
        lambda: client.write(memoryview(b"x")),
        lambda: client.export(b"label", 8, None),
    ):
        with pytest.raises(tlskit.StreamError):
            step()
    client.finish()
    assert State.CLOSED is client.state
    assert b"" == client.outgoing()
    assert client.handshake()
    with pytest.raises(tlskit.ClosedError):
        read(client)
    with pytest.raises(tlskit.ClosedError):
        client.write(memoryview(b"x"))
    client.finish()


@pytest.mark.parametrize("version", VERSIONS)
def test_data(version):
    """What goes in comes out."""
    client, server = pair(client_context(version))

    assert b"ping" == exchange(client, server, b"ping")
    assert b"pong" == exchange(server, client, b"pong")
    assert read(client) is None
    assert 0 == client.write(memoryview(b""))
    assert 0 == client.read_into(memoryview(bytearray()))


@pytest.mark.parametrize("version", VERSIONS)
def test_closing_one_after_the_other(version):
    """Each direction ends by itself; both ends make CLOSED."""
    client, server = pair(client_context(version))
    client.finish()
    assert State.OUTPUT_ENDED is client.state
    with pytest.raises(tlskit.ClosedError):
        client.write(memoryview(b"x"))
    client.finish()
    move(client, server)
    assert b"" == read(server)
    assert State.INPUT_ENDED is server.state
    assert b"" == read(server)

    assert b"still here" == exchange(server, client, b"still here")
    server.finish()
    assert State.CLOSED is server.state
    move(server, client)
    assert b"" == read(client)
    assert State.CLOSED is client.state
    assert b"" == read(client)
    assert client.handshake()


def test_abandon():
    """An abandoned output sends nothing."""
    client, _ = pair()
    client.outgoing()
    client.abandon()

    assert State.OUTPUT_ENDED is client.state
    assert b"" == client.outgoing()
    client.abandon()
    assert State.OUTPUT_ENDED is client.state


def test_truncation_is_not_eof():
    """A transport that just ends raises; only close_notify reads as b''."""
    client, _ = pair()
    client.receive(b"")
    client.receive(b"ignored after the end")

    with pytest.raises(tlskit.TruncatedError) as caught:
        read(client)
    assert "syscall" == caught.value.status
    assert State.FAILED is client.state


def test_truncation_allowed():
    """A context may read a bare end as an end."""
    client, _ = pair(client_context(allow_truncation=True))
    client.receive(b"")

    assert b"" == read(client)
    assert State.INPUT_ENDED is client.state


def test_damaged_record():
    """A record that was changed on its way ends the session."""
    client, server = pair()
    client.write(memoryview(b"secret"))
    record = bytearray(client.outgoing())
    record[-1] ^= 1
    server.receive(record)

    with pytest.raises(tlskit.StreamError):
        read(server)
    assert server.outgoing(), "the alert"


def test_data_before_damage():
    """What came before a damaged record is given before the failure."""
    client, server = pair()
    client.write(memoryview(b"good"))
    good = bytes(client.outgoing())
    client.write(memoryview(b"bad"))
    bad = bytearray(client.outgoing())
    bad[-1] ^= 1
    server.receive(good + bad)

    assert b"good" == read(server)
    with pytest.raises(tlskit.StreamError):
        read(server)


def test_hook_that_failed_during_a_read():
    """What a hook raised inside a read is raised by that read."""
    client, server = pair()
    client.write(memoryview(b"data"))
    move(client, server)
    server.record.refuse(ZeroDivisionError("of the hook's"))

    with pytest.raises(ZeroDivisionError):
        read(server)


def test_callbacks_that_come_again():
    """OpenSSL may complain or ask twice; both times count as one."""
    context = server_context()
    context.set_alpn(["h2"])
    certificate = authority().certificate.public_bytes(Encoding.DER)
    record = server_engine(context).record
    for _ in range(2):
        record.judge((certificate,), 10, 1, ok=False)
        assert b"h2" == record.alpn_arrived([b"h2"])
        context.set_alpn(["other"])

    assert 1 == len(record.faults)


def test_pending():
    """What was decrypted and not read is counted."""
    client, server = pair()
    client.write(memoryview(b"12345678"))
    move(client, server)
    assert b"123" == read(server, 3)

    assert 5 == server.decrypted == server.pending()


def test_pending_looks_ahead():
    """Records that were fed and not read yet are counted, as far as fits."""
    client, server = pair()
    for text in (b"one", b"three", bytes(16384)):
        client.write(memoryview(text))
    move(client, server)

    assert 0 == server.decrypted
    assert 16384 == server.pending()
    # The rest of the record that did not fit is there as well.
    assert 16392 == server.decrypted == server.pending()
    assert b"o" == read(server, 1)
    assert 16391 == server.pending()
    assert b"nethree" == read(server, 20000)[:7]
    assert 8 == server.pending()
    assert bytes(8) == read(server, 20000)
    assert (0, None) == (server.pending(), read(server, 9))


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_rest_gives_memory_back(version):
    """After much was moved, OpenSSL gets new memory; nothing else changes."""
    client, server = pair(client_context(version), server_context(version))
    big = bytes(range(256)) * 1000
    seen = []
    for turn in range(6):
        for one, other in ((client, server), (server, client)):
            one.write(memoryview(big))
            one.rest()  # Something is still to go out: nothing happens.
            other.receive(one.outgoing())
            other.rest()  # Something is still to be read.
            assert big == read(other, len(big) + 1)
            seen.append(other._connection._into_ssl)
            if turn % 2:
                one.rest()
                other.rest()
                now = other._connection._into_ssl
                if other.direct is None:  # Then there is no way.
                    assert seen[-1] == now
                else:
                    assert seen[-1] != now == other.direct._into
    client.finish()
    server.receive(client.outgoing())
    server.rest()

    assert b"" == read(server, 1)


def test_rest_at_the_end():
    """An end that was fed is not lost, nor is anything before the session."""
    client, server = pair()
    client.write(memoryview(bytes(5000)))
    move(client, server)
    assert bytes(5000) == read(server, 9999)
    server.receive(b"")
    server.rest()

    with pytest.raises(tlskit.TruncatedError):
        read(server, 1)
    early = client_engine()
    early.handshake()
    early.rest()
    assert early.outgoing()


def test_pending_end():
    """The end counts until it is told; then nothing does."""
    client, server = pair()
    client.write(memoryview(b"x"))
    client.finish()
    move(client, server)

    assert (1, b"x") == (server.pending(), read(server, 9))
    assert 1 == server.pending() == server.pending()
    assert (b"", 0, b"") == (
        read(server, 9),
        server.pending(),
        read(server, 9),
    )


def test_pending_failure():
    """What the next read raises counts as well, and is raised there."""
    _, server = pair()
    server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))

    assert (1, 1) == (server.pending(), server.pending())
    with pytest.raises(tlskit.TLSError) as caught:
        read(server, 9)
    assert "bad-record" == caught.value.code
    assert 1 == server.pending()


def test_pending_before_the_handshake():
    """There is nothing to look at yet."""
    assert 0 == client_engine().pending()


def test_pending_is_interrupted(monkeypatch):
    """Ctrl-C while looking ahead is no failure of the session."""
    client, server = pair()
    client.write(memoryview(b"x"))
    move(client, server)

    def interrupt(_buffer):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(server, "_decrypt", interrupt)
        with pytest.raises(KeyboardInterrupt):
            server.pending()

    assert (1, b"x") == (server.pending(), read(server, 9))


def test_cipher():
    """Suite, protocol and bits; nothing before the handshake."""
    assert client_engine().cipher() is None
    client, server = pair()
    name, protocol, bits = client.cipher()

    assert client.facts.cipher == name
    assert "TLSv1.3" == protocol
    assert bits in (128, 256)
    assert client.cipher() == server.cipher()


def test_export():
    """Both ends derive the same secret; label and context matter."""
    client, server = pair()

    ours = client.export(b"label", 16, b"context")
    assert ours == server.export(b"label", 16, b"context")
    assert ours != server.export(b"other", 16, b"context")


# -- asking again -----------------------------------------------------------


def asking(version: str, known: bool) -> tuple[Engine, Engine]:
    """Make a pair whose client may have a certificate."""
    ours = client_context(version)
    if known:
        authority().issue("alice@example.com").apply(ours)
    theirs = server_context()
    authority().trust(theirs)
    return pair(ours, theirs)


def ask(client: Engine, server: Engine, verify: Verify) -> None:
    """Have the server ask, and the client answer."""
    server.reauthenticate(verify)
    for _ in range(10):
        move(server, client)
        read(client)
        move(client, server)
        if server.reauthenticated():
            return
    raise AssertionError("no answer in 10 rounds")


@pytest.mark.parametrize("verify", [Verify.TRY, Verify.REQUIRE])
@pytest.mark.parametrize("version", VERSIONS)
def test_ask_again(version, verify):
    """A client with a certificate shows it; data meanwhile is kept."""
    if version == "tls13" and not native.has("post-handshake-authentication"):
        pytest.skip("this needs a capability")
    client, server = asking(version, known=True)
    assert server.facts.peer_certificate is None
    if version == "tls13":
        client.write(memoryview(b"meanwhile"))
        move(client, server)
    ask(client, server, verify)

    assert server.facts.peer_verified
    move(server, client)
    assert read(client) is None
    if version == "tls13":
        assert b"mean" == read(server, 4)
        assert len(b"while") == server.pending()
        assert b"while" == read(server)
    assert b"go on" == exchange(client, server, b"go on")


def test_answer_that_came_with_data():
    """A read may have met the answer before anybody asked for it."""
    client, server = asking("tls12", known=True)
    server.reauthenticate(Verify.REQUIRE)
    for _ in range(5):
        move(server, client)
        assert read(client) is None
        move(client, server)
        assert read(server) is None

    assert server.reauthenticated()
    assert server.facts.peer_verified


def test_ask_one_without_certificate():
    """A client that has none fails a demand, and passes a question."""
    client, server = asking("tls12", known=False)
    ask(client, server, Verify.TRY)
    assert not server.facts.peer_verified
    assert tlskit.VerifyReason.NO_CERTIFICATE is (
        server.facts.verify_error.reason
    )

    with pytest.raises(tlskit.VerificationError):
        ask(client, server, Verify.REQUIRE)


def test_ask_one_whom_the_hook_refuses():
    """verify_peer() is asked about what came in mid-session, and decides."""

    class Picky(tlskit.ServerContext):
        def verify_peer(self, verdict):
            if verdict.peer_certificate is not None:
                raise tlskit.VerificationError("not you")

    ours, theirs = client_context("tls12"), Picky()
    authority().issue("alice@example.com").apply(ours)
    authority().issue("localhost").apply(theirs)
    authority().trust(theirs)
    client, server = pair(ours, theirs)

    with pytest.raises(tlskit.VerificationError, match="not you"):
        ask(client, server, Verify.REQUIRE)
    assert State.FAILED is server.state


def test_ask_one_that_leaves():
    """A client that closes instead of answering is no success."""
    client, server = asking("tls12", known=True)
    server.reauthenticate(Verify.REQUIRE)
    client.finish()
    move(client, server)

    with pytest.raises(tlskit.StreamError, match="instead of"):
        server.reauthenticated()


def test_ask_one_that_can_not_answer():
    """A TLS 1.3 client that did not offer it can't be asked."""
    _, server = asking("tls13", known=False)

    with pytest.raises(tlskit.UnsupportedError):
        server.reauthenticate(Verify.REQUIRE)


def test_write_in_mid_renegotiation():
    """A write that has to wait for the peer asks to be fed."""
    client, server = asking("tls12", known=True)
    server.reauthenticate(Verify.REQUIRE)
    move(server, client)
    read(client)
    move(client, server)  # Its ClientHello.
    assert server.reauthenticated() is None

    assert server.write(memoryview(b"wait")) is None


def test_expect():
    """Before the handshake, one connection may ask for more."""
    context = server_context()
    authority().trust(context)
    server = server_engine(context)
    server.expect(Verify.REQUIRE)

    with pytest.raises(tlskit.VerificationError):
        for _ in range(2):
            shake(client_engine(client_context("tls12")), server)


# -- hooks ------------------------------------------------------------------


class Picky(tlskit.ClientContext):
    """Refuses everybody, late."""

    def verify_peer(self, verdict):
        """Raise what only this test knows."""
        raise LookupError(verdict.cipher)


def test_late_refusal_drops_our_last_flight():
    """Who is refused by ``verify_peer`` gets an alert, and no Finished."""
    context = Picky("tls13")
    authority().trust(context)
    client, server = client_engine(context, None), server_engine()

    with pytest.raises(LookupError):
        shake(client, server)
    assert bytes((21, 3, 3, 0, 2, 2, 42)) == client.outgoing()
    assert State.FAILED is client.state


def test_identity_is_checked_without_callback(monkeypatch):
    """Were no callback ever called, the name would be checked all the same."""
    monkeypatch.setattr(
        "tlskit.engine.callbacks.Record._identify", lambda *_: 0
    )
    monkeypatch.setattr("tlskit.openssl.native.expect_peer", lambda *_: None)
    client = client_engine(client_context("tls13"), "wrong.example")

    with pytest.raises(tlskit.IdentityError):
        shake(client, server_engine())
    assert bytes((21, 3, 3, 0, 2, 2, 42)) == client.outgoing()


def test_key_log_that_raises():
    """OpenSSL can't stop for a key log that fails; the engine does."""

    def broken(line):
        raise LookupError("disk full")

    context = client_context()
    context.set_keylog(broken)

    with pytest.raises(LookupError):
        shake(client_engine(context), server_engine())


def test_key_log_that_raises_at_the_end(monkeypatch):
    """What a hook raised wins over an end of file that came meanwhile."""
    client = client_engine()
    client.handshake()
    client.record.refuse(LookupError("meanwhile"))
    client.receive(b"")

    with pytest.raises(LookupError):
        client.handshake()


def test_sealed_refusal_of_alpn():
    """A refused ALPN offer is told to both sides."""
    ours, theirs = client_context(), server_context()
    ours.set_alpn(["x"])
    theirs.set_alpn(["h2"])
    client, server = client_engine(ours), server_engine(theirs)

    with pytest.raises(tlskit.NegotiationError) as caught:
        shake(client, server)
    assert "no-application-protocol" == caught.value.code
    move(server, client)
    with pytest.raises(tlskit.AlertError) as heard:
        client.handshake()
    assert tlskit.Alert.NO_APPLICATION_PROTOCOL is heard.value.alert


def test_hook_in_its_own_engine():
    """A hook that uses its own connection gets an error, not a deadlock."""
    seen = []

    def verifier(depth, ok, certificate):
        with pytest.raises(tlskit.ConfigurationError):
            client.outgoing()
        seen.append(depth)
        return ok

    context = client_context()
    context.set_certificate_verifier(verifier)
    client = client_engine(context)
    shake(client, server_engine())

    assert 0 in seen


def test_two_threads():
    """A step of one thread waits for a step of another."""
    client, server = pair()
    blocked = threading.Event()
    results = []

    def write() -> None:
        blocked.set()
        results.append(client.write(memoryview(b"x")))

    with client._step():
        thread = threading.Thread(target=write)
        thread.start()
        blocked.wait(5)
        assert not results
    thread.join(5)

    assert [1] == results
    move(client, server)
    assert b"x" == read(server)


def test_parked_error_of_another_connection(monkeypatch):
    """What pyOpenSSL kept from another connection does not stop this one."""
    client, server = client_engine(), server_engine()
    real = server._connection.do_handshake
    calls = []

    def do_handshake():
        calls.append(1)
        if len(calls) == 1:
            raise tlskit.HandshakeError("somebody else's")
        real()

    monkeypatch.setattr(server._connection, "do_handshake", do_handshake)
    shake(client, server)

    assert State.OPEN is server.state


@pytest.mark.parametrize("double", [copy.copy, copy.deepcopy, pickle.dumps])
def test_no_second_one(double):
    """A copy would go on with the same session, under a state of its own."""
    client, _ = pair()
    with pytest.raises(TypeError, match="copied or pickled"):
        double(client)
