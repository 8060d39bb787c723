"""Protocols, ciphers, curves, credentials, setters: as the seeds have it."""

from __future__ import annotations

import gc
import re
import warnings
import weakref

import pytest
from cryptography.hazmat.primitives import serialization

import tlskit
from tlskit import SSLPort, TLSVersion
from tlskit.testing import CA, memory_pair

from ..engines import authority, client_context, server_context
from ..peers import PATIENCE, Task, Vault, needs, s_client, serving

#: What each protocol's name allows.
RANGES = {
    "tls": {TLSVersion.TLS_1_0},
    "tls11": {TLSVersion.TLS_1_1},
    "tls12": {TLSVersion.TLS_1_2},
    "tls13": {TLSVersion.TLS_1_3},
    "auto": {TLSVersion.TLS_1_2, TLSVersion.TLS_1_3},
    "secure": {TLSVersion.TLS_1_2, TLSVersion.TLS_1_3},
}


def context_of(kind: type, protocol: str) -> tlskit.Context:
    """Make an unsealed context of *protocol*, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tlskit.InsecureProtocolWarning)
        return kind(protocol).copy()


# -- protocols --------------------------------------------------------------


@pytest.mark.parametrize("right", RANGES)
@pytest.mark.parametrize("left", RANGES)
def test_protocols_meet(left: str, right: str) -> None:
    """Two names meet in the newest version that both allow, or not at all."""
    client = context_of(tlskit.ClientContext, left)
    server = context_of(tlskit.ServerContext, right)
    authority().trust(client)
    authority().issue("localhost").apply(server)
    common = RANGES[left] & RANGES[right]
    if not common:
        with pytest.raises((tlskit.NegotiationError, tlskit.AlertError)):
            memory_pair(client, server, capacity=10)
        return
    ours, theirs = memory_pair(client, server, capacity=10)
    assert max(common) == ours.version == theirs.version
    reading = Task(theirs.recv, 1)
    ours.close()
    assert b"" == reading.result()
    theirs.close()


def test_the_old_name_means_auto() -> None:
    """The seeds' default of old times is ``auto`` in everything but name."""
    for kind in (tlskit.ClientContext, tlskit.ServerContext):
        with pytest.warns(DeprecationWarning, match="sslv2-or-v3"):
            old = kind("sslv2-or-v3")

        assert kind("auto") == old


# -- the secure context -----------------------------------------------------


def test_secure_for_every_choice_of_sources() -> None:
    """A, B, A again: the same object as long as the sources are equal."""
    one, two = ([tlskit.VerifySource.pem(CA(n).pem)] for n in ("A", "B"))
    found = []
    for sources in (one, two, list(one)):
        with tlskit.set_default_verify_sources(sources):
            found.append(tlskit.ClientContext.secure())

    assert found[0] is found[2]
    assert found[0] is not found[1]
    assert all(each.frozen for each in found)


def test_secure_with_credentials_is_its_own() -> None:
    """With credentials it is a new object, and sealed as well."""
    leaf = authority().issue("alice@example.com")
    first, second = (
        tlskit.ClientContext(
            "secure", private_key=leaf.key, certificate_chain=leaf.chain
        )
        for _ in range(2)
    )

    assert first.frozen
    assert first is not second
    assert tlskit.ClientContext.secure().settings.chain is None


def test_a_secure_server_asks_for_nothing() -> None:
    """For servers, "secure" is another name of "auto": not sealed."""
    context = tlskit.ServerContext("secure")
    same = tlskit.ServerContext("auto")

    assert not context.frozen
    assert same.settings.verify is context.settings.verify
    assert RANGES["auto"] == RANGES["secure"]


# -- credentials ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
@pytest.mark.parametrize("form", ["pem-path", "pem-data", "der-path", "der"])
def test_private_key_keyword(tmp_path, kind: str, form: str) -> None:
    """A key in a file or in memory, PEM or DER, RSA or not."""
    leaf = authority().issue("localhost", key_type=kind)
    data = leaf.key.private_bytes(
        getattr(serialization.Encoding, form.partition("-")[0].upper()),
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    source: object = data
    if form.endswith("path"):
        source = tmp_path / "key"
        source.write_bytes(data)
    context = tlskit.ServerContext(
        private_key=source, certificate_chain=leaf.chain_pem
    )
    with memory_pair(client_context(), context)[0] as port:
        assert leaf.certificate == port.peer_certificate


def test_a_new_chain_replaces_the_old() -> None:
    """There is one chain at a time."""
    context = server_context()
    later = authority().issue("localhost", "later.example")
    later.apply(context)
    with memory_pair(client_context(), context)[0] as port:
        assert later.certificate == port.peer_certificate


# -- ciphers ----------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        "DEFAULT:!aNULL:!eNULL:!LOW:!EXPORT:!SSLv2",
        "DEFAULT:NOSUCH",
        "AES+EDH",
        "ECDHE-RSA-AES128-SHA256",
    ],
)
def test_ciphers_that_are_some(spec: str) -> None:
    """What selects a cipher is accepted, by either side."""
    for context in (client_context(), server_context()):
        context.set_ciphers(spec)

        assert spec == context.settings.ciphers


@pytest.mark.parametrize(
    "spec", ["NOSUCH", "TLS_AES_128_GCM_SHA256", "NOSUCH:DEFAULT"]
)
def test_ciphers_that_are_none(spec: str) -> None:
    """What selects none is refused, and changes nothing."""
    for context in (client_context(), server_context()):
        with pytest.raises(tlskit.ConfigurationError, match="ciphers"):
            context.set_ciphers(spec)

        assert context.settings.ciphers is None


def test_ciphers_are_not_those_of_tls13() -> None:
    """The list is for TLS 1.2; TLS 1.3 has its own, and is not disturbed."""
    name = "ECDHE-ECDSA-AES128-GCM-SHA256"
    for version in ("tls12", "tls13"):
        asking = client_context(version)
        asking.set_ciphers(name)
        with memory_pair(asking, server_context())[0] as port:
            assert (name == port.cipher) is (version == "tls12")


# -- ephemeral keys ---------------------------------------------------------


@pytest.mark.parametrize(
    ("enabled", "spec", "cipher"),
    [
        (True, "AES+EDH", "DHE-RSA-AES256-GCM-SHA384"),
        (False, "AES+EDH", None),
        (True, "ECDHE+AES", "ECDHE-RSA-AES256-GCM-SHA384"),
        (False, "ECDHE+AES", "ECDHE-RSA-AES256-GCM-SHA384"),
    ],
)
def test_ephemeral(enabled: bool, spec: str, cipher: str | None) -> None:
    """DHE is there when it was enabled, ECDHE always; an echo works."""
    context = tlskit.ServerContext()
    authority().issue("localhost", key_type="rsa").apply(context)
    if enabled:
        context.enable_dhe(tlskit.DH4096_PARAMS)
    asking = client_context("tls12")
    asking.set_ciphers(spec)
    if cipher is None:
        with pytest.raises(tlskit.AlertError):
            memory_pair(asking, context)
        return
    client, server = memory_pair(asking, context)
    with client, server:
        client.sendall(b"echo")
        server.sendall(server.recv(4))
        server.output.close()

        assert cipher == client.cipher
        assert b"echo" == client.input.read()


#: As the manuals list them; they print the last two without the final 1.
CURVES = re.findall(
    r"\w+",
    """
    sect163k1 sect163r1 sect163r2 sect193r1 sect193r2 sect233k1 sect233r1
    sect239k1 sect283k1 sect283r1 sect409k1 sect409r1 sect571k1 sect571r1
    secp160k1 secp160r1 secp160r2 secp192k1 secp224k1 secp224r1 secp256k1
    secp384r1 secp521r1 prime192v1 prime256v1
    """,
)


@pytest.mark.native
@pytest.mark.skipif(
    not tlskit.capabilities()["groups"], reason="the binding has no groups"
)
@pytest.mark.parametrize("curve", CURVES)
def test_every_curve_is_used_or_refused(curve: str) -> None:
    """A curve that this library can't do a handshake with says so at once."""
    context = tlskit.ServerContext()
    authority().issue("localhost", key_type="rsa").apply(context)
    asking = client_context("tls12")
    try:
        context.enable_ecdhe(curve)
    except tlskit.UnsupportedError as error:
        assert curve in str(error)
        assert "secp256r1" in error.hint
        with pytest.raises(tlskit.ConfigurationError):
            asking.set_groups([curve])
        return
    asking.set_groups([curve])
    with memory_pair(asking, context)[0] as port:
        assert port.group in {curve, "secp256r1"}
        assert port.cipher.startswith("ECDHE-")


@pytest.mark.native
def test_the_usual_curves_are_there() -> None:
    """Not everything is refused."""
    for curve in ("prime256v1", "secp384r1", "secp521r1"):
        server_context().enable_ecdhe(curve)


@pytest.mark.parametrize("curve", ["prime256v", "P-256", "", 23])
def test_no_curve(curve: object) -> None:
    """Another name, the manuals' misprint included, lists those there are."""
    with pytest.raises(ValueError, match="prime256v1, secp160k1"):
        server_context().enable_ecdhe(curve)


# -- who has which setter ---------------------------------------------------

#: Context, listener and live port: who offers what the seeds' setters do.
SETTERS = {
    "load_certificate_chain": "C L",
    "load_private_key": "C L",
    "load_verify_root_certificates": "C L",
    "load_suggested_certificate_authorities": "C L",
    "set_verify": "C L P",
    "try_verify": "C L P",
    "load_verify_source": "C",
    "load_default_verify_sources": "C",
    "set_ciphers": "C",
    "set_verify_hostname": "C",
    "seal": "C",
    "set_alpn": "C",
    "set_keylog": "C",
    "set_server_name_callback": "S",
    "enable_dhe": "S",
    "enable_ecdhe": "S",
}
OWNERS = {
    "C": (tlskit.ClientContext, tlskit.ServerContext),
    "S": (tlskit.ServerContext,),
    "L": (tlskit.Listener,),
    "P": (SSLPort,),
}


@pytest.mark.parametrize("name", SETTERS)
def test_owners_of_a_setter(name: str) -> None:
    """Each setter is where the seeds have it, and nowhere else."""
    owners = {
        owner for word in SETTERS[name].split() for owner in OWNERS[word]
    }

    assert owners == {
        owner
        for group in OWNERS.values()
        for owner in group
        if hasattr(owner, name)
    }


@needs("openssl")
@pytest.mark.parametrize("asked", [True, False])
def test_suggestions_go_with_a_request(tmp_path, asked: bool) -> None:
    """Authorities are suggested to clients that are asked, and only then.

    They are loaded through the listener.
    """
    vault = Vault(tmp_path)
    files = vault.leaf()
    context = tlskit.ServerContext(
        certificate_chain=files.chain, private_key=files.key
    )
    with serving(context, lambda port: port.recv(1)) as server:
        server._listener.load_suggested_certificate_authorities(
            vault.stranger.pem
        )
        server._listener.try_verify(asked)
        with s_client(server.port, "-quiet", "-msg") as client:
            client.say("x")
            server.result()
            sent = "CertificateRequest" in client.finish()

    assert asked is sent
    assert (
        vault.stranger.certificate.public_bytes(serialization.Encoding.DER),
    ) == context.settings.suggested


# -- key logs ---------------------------------------------------------------


def test_keylog_of_a_sealed_context() -> None:
    """A key log that was there before the seal goes on after it."""
    lines: list[str] = []
    context = server_context("tls12")
    context.set_keylog(lines.append)
    context.seal()
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for count in (1, 2, 3):
            task = Task(listener.accept, PATIENCE)
            client = tlskit.connect(
                "127.0.0.1",
                listener.port,
                client_context(),
                hostname="localhost",
            )
            with client, task.result():
                assert count == len(lines)
            assert count == len(lines)
    with pytest.raises(tlskit.SealedError):
        context.set_keylog(None)


def test_keylog_stops() -> None:
    """None stops it for later connections."""
    lines: list[str] = []
    context = client_context()
    context.set_keylog(lines.append)
    context.set_keylog(None)
    with memory_pair(context, server_context())[0] as port:
        assert port.version

    assert [] == lines


@pytest.mark.native
def test_keylog_outlives_the_callers_context() -> None:
    """A connection keeps what its callbacks need, also for new keys."""
    lines: list[str] = []
    context = server_context()
    authority().trust(context)
    context.set_keylog(lines.append)
    asking = client_context("tls12")
    authority().issue("alice@example.com").apply(asking)
    client, server = memory_pair(asking, context)
    gone = weakref.ref(context)
    before = len(lines)
    del context, asking
    gc.collect()
    with client, server:
        task = Task(client.recv, 1)
        server.set_verify()
        server.sendall(b"x")
        assert b"x" == task.result()
        assert server.peer_verified

    assert before < len(lines)
    del client, server
    gc.collect()
    assert gone() is None
