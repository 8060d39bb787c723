"""Certificates for keys of every kind, and several of them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

import tlskit
from tlskit import CredentialError, ReloadableCredentials
from tlskit.openssl import native
from tlskit.testing import CA, memory_pair
from tlskit.x509.credentials import PrivateKey

HOST = "localhost"
HAS_ML_DSA = (
    find_spec("cryptography.hazmat.primitives.asymmetric.mldsa") is not None
)
needs_ml_dsa = pytest.mark.skipif(
    not HAS_ML_DSA, reason="this cryptography makes no ML-DSA keys"
)
#: The kinds that pyOpenSSL takes by itself, and those that only OpenSSL does.
PLAIN = ("ecdsa", "ecdsa-p384", "rsa", "ed25519", "ed448")
OTHERS = (
    "rsa-pss",
    *(
        pytest.param(f"mldsa{level}", marks=needs_ml_dsa)
        for level in (44, 65, 87)
    ),
)


def trusting(*cas: CA) -> tlskit.ClientContext:
    """Make a client that trusts these CAs and checks the name."""
    context = tlskit.ClientContext("auto")
    for ca in cas:
        ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def serving(ca: CA, kind: str) -> tlskit.ServerContext:
    """Make a server with a key of this kind."""
    context = tlskit.ServerContext()
    ca.issue(HOST, key_type=kind).apply(context)
    return context


@pytest.mark.parametrize("kind", PLAIN)
def test_every_kind_of_pyopenssl(kind):
    """A key of a kind that pyOpenSSL knows serves; its CA is of that kind."""
    ca = CA(key_type=kind)
    for port in memory_pair(trusting(ca), serving(ca, kind), hostname=HOST):
        port.close()


@pytest.mark.native
@pytest.mark.parametrize("kind", OTHERS)
def test_every_kind_of_openssl(kind):
    """Keys that only OpenSSL knows serve and verify, from objects and PEM."""
    ca = CA(key_type=kind)
    leaf = ca.issue(HOST, key_type=kind)
    context = tlskit.ServerContext(
        certificate_chain=leaf.chain_pem, private_key=leaf.key_pem
    )
    for server in (context, serving(ca, kind)):
        asking, answering = memory_pair(trusting(ca), server, hostname=HOST)

        assert asking.peer_verified
        assert leaf.certificate.issuer == asking.peer_certificate.issuer
        asking.close()
        answering.close()


@pytest.mark.native
@pytest.mark.parametrize("kind", OTHERS)
def test_every_kind_of_openssl_for_clients(kind):
    """A client with such a key is verified by a server that asks."""
    ca = CA(key_type=kind)
    asking = trusting(ca)
    ca.issue("me", key_type=kind).apply(asking)
    context = serving(ca, "ecdsa")
    ca.trust(context)
    context.set_verify()
    client, server = memory_pair(asking, context, hostname=HOST)

    assert server.peer_verified
    client.close()
    server.close()


@pytest.mark.native
@pytest.mark.parametrize("kind", OTHERS)
def test_stranger_of_every_kind_is_refused(kind):
    """A signature by another CA of the same name and kind is no good."""
    server = serving(CA(key_type=kind), kind)
    with pytest.raises(tlskit.VerificationError):
        memory_pair(trusting(CA(key_type=kind)), server, hostname=HOST)


@pytest.mark.parametrize("kind", OTHERS)
def test_what_pyopenssl_does_not_take(kind):
    """Without the capability such a key is unsupported, by its kind."""
    context = serving(CA(), kind)
    with (
        native.without("any-private-key"),
        pytest.raises(tlskit.UnsupportedError, match="takes no key of this"),
    ):
        context.prepared()


def test_kinds_that_there_are_not():
    """A kind of key that is not known is told, with those that are."""
    with pytest.raises(ValueError, match="mldsa65"):
        CA(key_type="dsa")


def test_missing_ml_dsa_is_told(monkeypatch):
    """Where cryptography has no ML-DSA, the error says so."""
    monkeypatch.setitem(
        __import__("sys").modules,
        "cryptography.hazmat.primitives.asymmetric.mldsa",
        None,
    )
    with pytest.raises(tlskit.UnsupportedError, match="ML-DSA"):
        CA(key_type="mldsa65")


def test_pss_keys_are_not_encrypted():
    """A PSS key can be written in plain form only."""
    leaf = CA().issue(HOST, key_type="rsa-pss")

    assert b"BEGIN PRIVATE KEY" in leaf.key_pem
    with pytest.raises(ValueError, match="can't be encrypted"):
        leaf.encrypted_key_pem(b"secret")


@pytest.mark.native
def test_pss_ca_signs_lists():
    """A CA for RSASSA-PSS signs revocation lists that are believed."""
    ca = CA(key_type="rsa-pss")
    asking = trusting(ca)
    bad = ca.issue_bad("revoked", HOST)
    asking.load_crls(ca.crl())
    memory_pair(asking, serving(ca, "rsa-pss"), hostname=HOST)
    context = tlskit.ServerContext()
    bad.apply(context)
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(asking, context, hostname=HOST)

    assert "revoked" == caught.value.code


# -- several pairs ----------------------------------------------------------


@pytest.fixture
def both():
    """Make a server with an ECDSA and an RSA pair, of different CAs."""
    first, second = CA("first CA"), CA("second CA", key_type="rsa")
    below = second.intermediate("below", key_type="rsa")
    context = serving(first, "ecdsa")
    leaf = below.issue(HOST, key_type="rsa")
    context.add_credentials(leaf.chain, leaf.key)
    return first, second, context


@pytest.mark.parametrize("version", ["tls12", "tls13"])
@pytest.mark.native
def test_signature_algorithms_choose_the_pair(both, version):
    """Each client gets the pair that it can verify, with its own issuers."""
    first, second, context = both
    for ca, names in (
        (first, ["ecdsa_secp256r1_sha256"]),
        (
            second,
            ["rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"],
        ),
    ):
        asking = tlskit.ClientContext(version)
        ca.trust(asking)
        asking.set_verify()
        asking.set_signature_algorithms(names)
        client, server = memory_pair(asking, context, hostname=HOST)

        assert client.peer_verified
        assert client.peer_certificate == server.certificate
        client.close()
        server.close()


@pytest.mark.native
def test_nobody_can_verify_the_pairs(both):
    """A client that takes neither kind of signature is refused."""
    first, _, context = both
    asking = trusting(first)
    asking.set_signature_algorithms(["ed25519"])
    with pytest.raises(tlskit.HandshakeError):
        memory_pair(asking, context, hostname=HOST)


@pytest.mark.native
@needs_ml_dsa
def test_ml_dsa_is_shown_to_whoever_offers_it():
    """By default who offers ML-DSA gets it, and others the ECDSA pair."""
    old, new = CA("today"), CA("tomorrow", key_type="mldsa65")
    context = serving(old, "ecdsa")
    leaf = new.issue(HOST, key_type="mldsa65")
    context.add_credentials(leaf.chain_pem, leaf.key_pem)
    client, _ = memory_pair(trusting(old, new), context, hostname=HOST)

    assert leaf.certificate == client.peer_certificate

    modest = trusting(old, new)
    modest.set_signature_algorithms(
        ["ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"]
    )
    client, _ = memory_pair(modest, context, hostname=HOST)

    assert old.certificate.subject == client.peer_certificate.issuer


def test_second_pair_of_one_kind_is_refused(both):
    """A pair of a kind that is there already could never be chosen."""
    first, _, context = both
    before = context.settings
    leaf = first.issue(HOST, key_type="ecdsa-p384")
    with pytest.raises(CredentialError) as caught:
        context.add_credentials(leaf.chain, leaf.key)

    assert "same-key-type" == caught.value.code
    assert before is context.settings


def test_added_pair_has_to_fit_together(both):
    """A key that is another certificate's is refused."""
    first, _, context = both
    with pytest.raises(CredentialError) as caught:
        context.add_credentials(
            first.issue(HOST, key_type="ed25519").chain,
            first.issue(HOST, key_type="ed25519").key,
        )

    assert "key-mismatch" == caught.value.code


def test_added_pair_may_be_the_first():
    """With no other pair, the one added is the one presented."""
    ca = CA()
    leaf = ca.issue(HOST)
    context = tlskit.ServerContext()
    context.add_credentials(leaf.chain_pem, leaf.key_pem)
    client, _ = memory_pair(trusting(ca), context, hostname=HOST)

    assert leaf.certificate == client.peer_certificate


def test_repr_names_all_certificates(both):
    """Each certificate shows in the repr, and so does one without its key."""
    _, _, context = both
    lone = tlskit.ServerContext()
    lone.load_certificate_chain(CA().issue("alone.example").chain)

    assert 2 == repr(context).count("certificate='CN=localhost'")
    assert "alone.example" in repr(lone)


def test_chain_in_the_way_of_an_added_pair():
    """A chain that has no key yet stays the first pair."""
    ca = CA()
    context = tlskit.ServerContext()
    first, second = ca.issue(HOST), ca.issue(HOST, key_type="rsa")
    context.load_certificate_chain(first.chain)
    context.add_credentials(second.chain, second.key)
    context.load_private_key(first.key)
    context.seal()

    assert [PrivateKey(first.key), PrivateKey(second.key)] == [
        pair.key for pair in context.settings.pairs
    ]


def test_several_files_are_reloaded(tmp_path):
    """Each of several sources is renewed on its own."""
    ca = CA()
    places = []
    for kind in ("ecdsa", "rsa"):
        (tmp_path / kind).mkdir()
        paths = ca.issue(HOST, key_type=kind).write(tmp_path / kind)
        places.append(ReloadableCredentials(*paths, interval=None))
    context = tlskit.ServerContext()
    context.load_credentials(*places)
    context.seal()
    before = [pair.key for pair in context.prepared().settings.pairs]
    ca.issue(HOST, key_type="rsa").write(tmp_path / "rsa")
    context.reload()
    after = [pair.key for pair in context.prepared().settings.pairs]

    assert before[0] == after[0]
    assert before[1] != after[1]


def test_several_files_of_one_kind(tmp_path):
    """Two sources of one kind of key are refused."""
    ca = CA()
    sources = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths = ca.issue(HOST).write(tmp_path / name)
        sources.append(ReloadableCredentials(*paths))
    context = tlskit.ServerContext()
    with pytest.raises(CredentialError) as caught:
        context.load_credentials(*sources)

    assert "same-key-type" == caught.value.code
    with pytest.raises(TypeError, match="at least one"):
        context.load_credentials()
    with pytest.raises(TypeError, match="are wanted"):
        context.load_credentials("chain.pem")


class Later:
    """A source that has a pair only later."""

    def __init__(self):
        self.pair = None

    def current(self):
        """Give the pair, if there is one."""
        return self.pair

    def reload(self):
        """Do nothing."""

    def _refuse(self, error):
        raise error


def test_source_without_a_pair_yet():
    """A source may have nothing yet; then there is no certificate."""
    ca, source = CA(), Later()
    context = tlskit.ServerContext()
    context.load_credentials(source)
    with pytest.raises(CredentialError) as caught:
        memory_pair(trusting(ca), context, hostname=HOST)

    assert "no-certificate" == caught.value.code
    leaf = ca.issue(HOST)
    other = tlskit.ServerContext()
    leaf.apply(other)
    (source.pair,) = other.settings.pairs
    client, _ = memory_pair(trusting(ca), context, hostname=HOST)

    assert leaf.certificate == client.peer_certificate


def test_response_of_another_pair_is_not_stapled():
    """An OCSP response goes with the certificate that it is about."""
    ca = CA()
    context = serving(ca, "ecdsa")
    leaf = ca.issue(HOST, key_type="rsa")
    context.add_credentials(leaf.chain, leaf.key)
    context.set_ocsp_response(ca.ocsp(leaf))
    asking = trusting(ca)
    asking.set_ocsp("check")
    client, _ = memory_pair(asking, context, hostname=HOST)

    assert client.peer_verified
    assert leaf.certificate != client.peer_certificate


@pytest.mark.native
def test_resumed_session_does_not_know_its_pair(both):
    """Which of several pairs a resumed session began with is not known."""
    first, second, context = both
    asking = trusting(first, second)
    asking.set_session_cache(tlskit.SessionCache())
    with (
        ThreadPoolExecutor(1) as pool,
        tlskit.listen(hostname="127.0.0.1", context=context) as listener,
    ):
        found = []
        for _ in range(2):
            coming = pool.submit(listener.accept, timeout=10)
            with (
                tlskit.connect(
                    "127.0.0.1", listener.port, asking, hostname=HOST
                ) as client,
                coming.result(10) as server,
            ):
                server.sendall(b"x")
                assert b"x" == client.recv(1)
                found.append((server.session_reused, server.certificate))

    assert [False, True] == [reused for reused, _ in found]
    assert found[0][1] is not None
    assert found[1][1] is None
