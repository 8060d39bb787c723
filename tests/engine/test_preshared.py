"""Pre-shared keys of TLS 1.3, natively: proved, refused, and not mixed up."""

from __future__ import annotations

import pytest

import tlskit
from tlskit import Identity
from tlskit.engine.callbacks import on_failure
from tlskit.errors.copies import is_copy
from tlskit.openssl import native
from tlskit.testing import memory_pair

from ..engines import (
    authority,
    client_context,
    client_engine,
    exchange,
    move,
    server_context,
    server_engine,
    shake,
)

pytestmark = pytest.mark.native

KEY = bytes(range(32))
OTHER = bytes(32)


def asking(identity="me", key=KEY, *, verify=True, **keywords):
    """Make a client that offers a key."""
    context = client_context() if verify else tlskit.ClientContext("auto")
    context.set_psk_client((identity, key), **keywords)
    return context


def answering(source=None, *, certificate=True, **keywords):
    """Make a server that knows the key of "me"."""
    context = server_context() if certificate else tlskit.ServerContext()
    context.set_psk_server(
        {"me": KEY} if source is None else source, **keywords
    )
    return context


def refused(client, server):
    """Give what each side raised, and the last alert that went out."""
    sides = client_engine(client), server_engine(server)
    alerts = []
    for _ in range(4):
        for one, other in (sides, sides[::-1]):
            try:
                one.handshake()
            except Exception as error:
                assert is_copy(error, one.failure)
            data = one.outgoing()
            if data[:1] == b"\x15":
                alerts.append(tlskit.Alert(data[-1]).name)
            if data:
                other.receive(data)
    return sides[0].failure, sides[1].failure, alerts


@pytest.mark.parametrize("hash_name", ["sha256", "sha384"])
@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("certificate", [True, False])
def test_a_proved_key_is_enough(hash_name, verify, certificate):
    """No certificate comes, and both sides know whose key it was."""
    client = client_engine(asking(verify=verify, hash=hash_name))
    server = server_engine(answering(certificate=certificate, hash=hash_name))
    shake(client, server)

    for facts in (client.facts, server.facts):
        assert "me" == facts.psk_identity
        assert facts.cipher.endswith(hash_name.upper())
        assert facts.peer_certificate is facts.certificate is None
        assert not facts.peer_verified
        assert facts.verify_error is None
        assert not facts.session_reused
    assert b"hello" == exchange(client, server, b"hello")
    assert b"hello" == exchange(server, client, b"hello")


def test_without_the_setting_nothing_is_proved():
    """The same two contexts without keys show a certificate."""
    server = answering()
    server.set_psk_server(None)
    client = asking()
    client.set_psk_client(None)
    ours, theirs = client_engine(client), server_engine(server)
    shake(ours, theirs)

    assert ours.facts.psk_identity is theirs.facts.psk_identity is None
    assert ours.facts.peer_verified


@pytest.mark.parametrize(
    "client",
    [
        {"identity": "you"},
        {"hash": "sha384"},
    ],
)
def test_a_verifying_client_takes_a_good_certificate_instead(client):
    """What the server does not know, or can't use, leads to certificates."""
    ours, theirs = client_engine(asking(**client)), server_engine(answering())
    shake(ours, theirs)

    assert ours.facts.psk_identity is theirs.facts.psk_identity is None
    assert ours.facts.peer_verified


def test_a_verifying_client_refuses_a_bad_certificate_instead():
    """Offering a key does not make a stranger's certificate good."""
    client = tlskit.ClientContext("auto")
    client.set_verify()
    client.set_psk_client(("you", KEY))
    error, _, alerts = refused(client, answering())

    assert isinstance(error, tlskit.VerificationError)
    assert ["UNKNOWN_CA"] == alerts


@pytest.mark.parametrize("told", ["nothing", "off", "try"])
def test_who_verifies_nobody_insists_on_the_key(told):
    """Or anybody with any certificate could be the server."""
    client = asking("you", verify=False)
    if told == "off":
        client.set_verify(False)
    elif told == "try":
        client.try_verify()
    error, _, alerts = refused(client, answering())

    assert isinstance(error, tlskit.HandshakeError)
    assert "psk-not-used" == error.code
    assert ["HANDSHAKE_FAILURE"] == alerts


def test_who_insists_on_the_key_is_not_warned():
    """Such a client does verify its server."""
    engine = client_engine(asking(verify=False))

    assert not engine.handshake()


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_who_verifies_nobody_refuses_a_server_without_keys(version):
    """A server that knows nothing of keys is refused, in both versions."""
    error, _, alerts = refused(asking(verify=False), server_context(version))

    assert "psk-not-used" == error.code
    assert ["HANDSHAKE_FAILURE"] == alerts


def test_another_key_is_refused():
    """The binder does not fit, both say so, and nobody goes on."""
    ours, theirs, alerts = refused(asking(key=OTHER), answering())

    assert isinstance(ours, tlskit.AlertError)
    assert isinstance(theirs, tlskit.HandshakeError)
    assert "psk-mismatch" == theirs.code
    assert ["DECRYPT_ERROR"] == alerts


@pytest.mark.parametrize("client", ["stranger", "no key", "tls12"])
def test_a_server_without_certificate_refuses_the_rest(client):
    """Its error tells that no key was known; with one it is served."""
    contexts = {
        "stranger": lambda: asking("you"),
        "no key": client_context,
        "tls12": lambda: client_context("tls12"),
    }
    _, error, alerts = refused(
        contexts[client](), answering(certificate=False)
    )

    assert "psk-unknown" == error.code
    assert ["HANDSHAKE_FAILURE"] == alerts


def test_a_demanded_client_certificate():
    """A proved key stands for it; without a key it is still demanded."""
    server = answering()
    authority().trust(server)
    server.set_verify()
    ours, theirs = client_engine(asking()), server_engine(server)
    shake(ours, theirs)

    assert "me" == theirs.facts.psk_identity
    _, error, _ = refused(asking("you"), server)
    assert "no-certificate" == error.code


def test_rules_about_certificates_are_for_certificates():
    """Pins and the second verifier look at none; an identity wants one."""
    client = asking()
    client.set_pins(["sha256/" + "A" * 43 + "="])
    client.set_strict()
    ours, theirs = client_engine(client), server_engine(answering())
    shake(ours, theirs)

    assert "me" == ours.facts.psk_identity
    with pytest.raises(tlskit.VerificationError, match="certificate"):
        memory_pair(asking(), answering(), identity=Identity.host("localhost"))


def test_hooks_see_whose_key_it_was():
    """A server decides by the identity, after it was proved."""

    class Server(tlskit.ServerContext):
        def verify_peer(self, verdict):
            if verdict.psk_identity != "me":
                raise PermissionError(verdict.psk_identity)

    context = Server()
    context.set_psk_server({"me": KEY, "you": OTHER})
    ours, theirs = client_engine(asking()), server_engine(context)
    shake(ours, theirs)

    assert "me" == theirs.facts.psk_identity
    _, error, _ = refused(asking("you", OTHER), context)
    assert "you" == str(error)


def test_functions_are_asked_once():
    """A second ClientHello gets the answers of the first."""
    asked = []

    def offer():
        asked.append("offer")
        return b"me", KEY

    def find(identity):
        asked.append(identity)
        return KEY

    client, server = client_context(), answering(find, certificate=False)
    client.set_psk_client(offer)
    trace = []
    client.set_trace(trace.append)
    server.enable_ecdhe("secp384r1")
    ours, theirs = client_engine(client), server_engine(server)
    shake(ours, theirs)

    assert ours.handshake_report.hello_retry
    assert "me" == theirs.facts.psk_identity
    assert ["offer", "me"] == asked


def test_functions_may_have_nothing():
    """None offers no key, and knows none."""
    client, server = client_context(), answering(lambda _: None)
    client.set_psk_client(lambda: None)
    for context in (client, asking()):
        ours, theirs = client_engine(context), server_engine(server)
        shake(ours, theirs)

        assert theirs.facts.psk_identity is None


@pytest.mark.parametrize("answer", [ZeroDivisionError, ValueError, TypeError])
def test_what_a_servers_function_raises(answer):
    """It is raised from this handshake, and the client gets an alert."""

    def find(_):
        if answer is ZeroDivisionError:
            raise ZeroDivisionError
        return b"short" if answer is ValueError else "text"

    ours, theirs, alerts = refused(asking(), answering(find))

    assert isinstance(theirs, answer)
    assert "alert-internal-error" == ours.code
    assert ["INTERNAL_ERROR"] == alerts


def test_what_a_clients_function_raises():
    """It is raised, and only an alert leaves, no ClientHello."""
    client = client_context()
    client.set_psk_client(lambda: 1 // 0)
    engine = client_engine(client)
    with pytest.raises(ZeroDivisionError):
        engine.handshake()

    assert b"\x15" == engine.outgoing()[:1]


def test_what_is_no_identity_is_not_asked_about():
    """A ticket of somebody else's, say, reaches no function."""
    asked = []
    server = answering(asked.append)
    ours = client_engine()
    # Offered by way of OpenSSL's own door: no identity of ours looks so.
    native.set_psk_client_function(
        ours._connection.get_context(),
        b"\x13\x01",
        lambda _: (b"\xff\xfe", KEY),
        on_failure,
    )
    ours = client_engine(ours.record.hooks)
    theirs = server_engine(server)
    shake(ours, theirs)

    assert [] == asked
    assert theirs.facts.psk_identity is None


def test_nothing_is_resumed():
    """A ticket would hide that, and whose, a key was proved."""
    client, server = asking(), answering()
    client.set_session_cache(tlskit.SessionCache())
    for _ in range(2):
        ours, theirs = client_engine(client), server_engine(server)
        shake(ours, theirs)
        exchange(theirs, ours, b"ticket")

        assert "me" == ours.facts.psk_identity
        assert not ours.facts.session_reused
    assert not len(client.session_cache)


def test_choose_for_chooses_among_keys():
    """The chosen context's keys count, and those of the first do not."""
    chosen = answering({"me": OTHER}, certificate=False)

    class Server(tlskit.ServerContext):
        def choose_for(self, hello):
            return chosen

    context = Server()
    context.set_psk_server({"me": KEY})
    ours, theirs = (
        client_engine(asking(key=OTHER)),
        server_engine(context),
    )
    shake(ours, theirs)

    assert "me" == theirs.facts.psk_identity
    assert "psk-mismatch" == refused(asking(), context)[1].code


def test_a_server_name_chooses_among_keys():
    """There, too, the chosen context's keys count, and no others."""
    server = answering()
    server.set_server_names(
        {"localhost": answering({"me": OTHER}, certificate=False)}
    )
    ours, theirs = client_engine(asking(key=OTHER)), server_engine(server)
    shake(ours, theirs)

    assert "me" == theirs.facts.psk_identity
    assert "psk-mismatch" == refused(asking(), server)[1].code


@pytest.mark.parametrize("side", ["client", "server"])
def test_old_versions_have_none(side):
    """A context for TLS 1.2 refuses keys, and keeps what it had."""
    context = {
        "client": lambda: tlskit.ClientContext("tls12"),
        "server": lambda: tlskit.ServerContext("tls12"),
    }[side]()
    before = context.settings
    setter = getattr(context, f"set_psk_{side}")
    with pytest.raises(tlskit.ConfigurationError, match=r"TLS 1\.3"):
        setter(("me", KEY) if side == "client" else {"me": KEY})

    assert before is context.settings


def test_suites_have_to_fit():
    """A suite with the key's hash is used, and the lack of one refused."""
    client = asking()
    client.set_ciphersuites("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256")
    server = answering()
    server.set_ciphersuites("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256")
    ours, theirs = client_engine(client), server_engine(server)
    shake(ours, theirs)

    assert "TLS_AES_128_GCM_SHA256" == theirs.facts.cipher
    with pytest.raises(tlskit.ConfigurationError, match="sha256"):
        client.set_ciphersuites("TLS_AES_256_GCM_SHA384")


def test_others_get_the_servers_other_suites():
    """A client without keys may have any suite of the server."""
    client = client_context()
    client.set_ciphersuites("TLS_AES_256_GCM_SHA384")
    ours, theirs = client_engine(client), server_engine(answering())
    shake(ours, theirs)

    assert "TLS_AES_256_GCM_SHA384" == ours.facts.cipher


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (("me", b"k" * 15), ValueError),
        (("me", b"k" * 257), ValueError),
        (("me", "k" * 32), TypeError),
        (("", KEY), ValueError),
        (("m" * 1025, KEY), ValueError),
        ((b"\xff", KEY), ValueError),
        ((7, KEY), TypeError),
        ("me", TypeError),
        (("me", KEY, 3), TypeError),
    ],
)
def test_what_can_be_no_key(source, error):
    """It is refused at once, on both sides, and never shown."""
    for context, given in (
        (tlskit.ClientContext("auto").set_psk_client, source),
        (
            tlskit.ServerContext().set_psk_server,
            dict([source]) if len(source) == 2 and source != "me" else source,
        ),
    ):
        with pytest.raises(error) as caught:
            context(given)

        assert "kkkk" not in str(caught.value)


@pytest.mark.parametrize("size", [16, 256])
def test_the_shortest_and_the_longest_key(size):
    """Both bounds serve."""
    key = b"k" * size
    ours = client_engine(asking(key=key))
    theirs = server_engine(answering({b"me": key}))
    shake(ours, theirs)

    assert "me" == theirs.facts.psk_identity


def test_an_unknown_hash():
    """The hashes that there are, are named."""
    with pytest.raises(ValueError, match="sha384"):
        asking(hash="md5")
    with pytest.raises(ValueError, match="sha384"):
        answering(hash="md5")


def test_sealed_contexts_keep_their_keys():
    """Nobody gives one to, or takes one from, a sealed context."""
    client, server = asking(), answering()
    for context in (client, server):
        context.seal()
    with pytest.raises(tlskit.SealedError):
        client.set_psk_client(None)
    with pytest.raises(tlskit.SealedError):
        server.set_psk_server(None)


def test_no_key_is_shown():
    """Neither by a context's repr, nor by its settings'."""
    for context in (asking(key=b"k" * 16), answering({"me": b"k" * 16})):
        shown = repr(context) + repr(context.settings)

        assert "kkkk" not in shown


def test_a_binding_that_can_not():
    """Without the capability, setting a key says so."""
    with native.without("pre-shared-keys"):
        with pytest.raises(tlskit.UnsupportedError, match="pre-shared"):
            asking()
        with pytest.raises(tlskit.UnsupportedError, match="pre-shared"):
            answering()


def test_live_port_of_a_key():
    """Over ports, with data both ways, and a close that both see."""
    client, server = memory_pair(
        asking(), answering(certificate=False), hostname="localhost"
    )
    client.sendall(b"ping")

    assert b"ping" == server.recv(10)
    assert "me" == server.facts.psk_identity == client.facts.psk_identity
    assert client.signature_algorithm is client.peer_signature_algorithm
    client.close()

    assert b"" == server.recv(10)
    server.close()


# -- GREASE for Encrypted Client Hello ---------------------------------------

needs_grease = pytest.mark.skipif(
    not native.has("ech-grease"), reason="OpenSSL is older than 4.0"
)
ECH = 0xFE0D


def offered(context):
    """Give the extensions that a client sends."""
    client, server = client_engine(context), server_engine()
    client.handshake()
    move(client, server)
    server.handshake()
    return server.client_hello.extensions


@needs_grease
def test_ech_grease_is_sent_if_asked_for():
    """It is there, differs each time, and disturbs no handshake."""
    context = client_context()

    assert ECH not in offered(context)
    context.set_ech_grease()
    assert ECH in offered(context)
    ours, theirs = client_engine(context), server_engine()
    shake(ours, theirs)
    assert ours.facts.peer_verified
    context.set_ech_grease(False)
    assert ECH not in offered(context)


@needs_grease
def test_ech_grease_survives_a_retry():
    """A second ClientHello has it, too, and the handshake is done."""
    context, server = client_context(), server_context()
    context.set_ech_grease()
    context.set_trace(lambda _: None)
    server.enable_ecdhe("secp384r1")
    ours, theirs = client_engine(context), server_engine(server)
    shake(ours, theirs)

    assert ours.handshake_report.hello_retry
    assert ECH in theirs.client_hello.extensions


def test_ech_grease_of_old_libraries():
    """There, asking for it is refused; not asking is harmless."""
    context = client_context()
    with native.without("ech-grease"):
        context.set_ech_grease(False)
        with pytest.raises(tlskit.UnsupportedError, match="ech-grease"):
            context.set_ech_grease()
