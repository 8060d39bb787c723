"""What tests are made with: good certificates, bad ones, joined ports."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import tlskit
from tlskit import testing
from tlskit.testing import BAD_KINDS, CA, Leaf, memory_pair

HOST = "right.example"
KINDS = ["ecdsa", "rsa", "ed25519"]
#: What is wrong -> the code of the error; "revoked" shows in the list only.
VERDICTS = {
    "expired": "expired",
    "not-yet-valid": "not-yet-valid",
    "wrong-host": "wrong-identity",
    "self-signed": "self-signed",
    "unknown-ca": "unknown-issuer",
    "no-san": "no-san",
    "ip-as-dns": "wrong-identity",
    "missing-intermediate": "unknown-issuer",
    "wrong-purpose": "wrong-purpose",
    "weak-key": "weak-key",
    "weak-digest": "weak-digest",
    "name-constraints": "name-constraints",
    "path-length": "path-length",
    "wrong-clock": "not-yet-valid",
    "expired-intermediate": "expired",
    "wrong-intermediate": "wrong-intermediate",
    "untrusted-root": "untrusted-root",
    "intercepted": "intercepted",
    "forged": "bad-signature",
}


@pytest.fixture(scope="module")
def ca() -> CA:
    """One root for all."""
    return CA()


def client_of(ca: CA) -> tlskit.ClientContext:
    """Make a client that trusts *ca* and checks names."""
    context = tlskit.ClientContext("auto")
    ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def server_of(leaf: Leaf) -> tlskit.ServerContext:
    """Make a server with a certificate."""
    context = tlskit.ServerContext()
    leaf.apply(context)
    return context


def talk(client: tlskit.ClientContext, leaf: Leaf, host: str = HOST) -> bytes:
    """Shake hands, and send a greeting from server to client."""
    one, two = memory_pair(client, server_of(leaf), hostname=host)
    two.sendall(b"hello")
    got: bytes = one.recv(5)
    return got


def san_of(leaf: Leaf) -> x509.SubjectAlternativeName:
    """Give the alternative names."""
    found: x509.SubjectAlternativeName = (
        leaf.certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    )
    return found


# -- good ones --------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "strict"),
    [*((kind, False) for kind in KINDS), ("ecdsa", True), ("rsa", True)],
)
def test_good_chain(kind, strict):
    """A chain with an intermediate is accepted, for every kind of key."""
    root = CA("root", key_type=kind)
    leaf = root.intermediate(key_type=kind).issue(HOST, key_type=kind)
    context = client_of(root)
    context.set_strict(strict)

    assert 2 == len(leaf.chain)
    assert b"hello" == talk(context, leaf)


def test_strict_ed25519():
    """The second verifier follows the web's rules, which lack Ed25519."""
    root = CA("root", key_type="ed25519")
    context = client_of(root)
    context.set_strict()
    with pytest.raises(tlskit.VerificationError) as caught:
        talk(context, root.issue(HOST, key_type="ed25519"))

    assert "second-verifier" == caught.value.code


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "bücher.example"])
def test_other_names(ca, host):
    """Addresses and international names are certified, and accepted."""
    assert b"hello" == talk(client_of(ca), ca.issue(host), host)


def test_names(ca):
    """Each name gets its own form; the first one is the subject's."""
    leaf = ca.issue("*.bücher.example", "127.0.0.1", "a@mail.example")

    assert [
        x509.DNSName("*.xn--bcher-kva.example"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.RFC822Name("a@mail.example"),
    ] == list(san_of(leaf))


def test_given_key(ca):
    """A key can be given, for an end as for an authority."""
    key = ec.generate_private_key(ec.SECP384R1())

    assert key is ca.issue(HOST, key=key).key
    assert key is CA(key=key).key


def test_unknown_key_type(ca):
    """An unknown kind of key is answered with those there are."""
    with pytest.raises(ValueError, match=r"one of ecdsa, .*mldsa87"):
        ca.issue(HOST, key_type="dsa")


def test_write(ca, tmp_path):
    """The files can be loaded; nobody else reads the key."""
    leaf = ca.intermediate().issue(HOST)
    chain, key = leaf.write(tmp_path)

    assert leaf.chain == tlskit.CertificateChain.load(chain).certificates
    assert tlskit.PrivateKey(leaf.key) == tlskit.PrivateKey.load(key)
    assert 0o600 == key.stat().st_mode & 0o777


def test_encrypted_key(ca):
    """The key can be had under a password."""
    data = ca.issue(HOST).encrypted_key_pem(b"secret")

    assert b"ENCRYPTED" in data
    assert tlskit.PrivateKey.load(data, password="secret")


# -- bad ones ---------------------------------------------------------------


def refusal(ca: CA, kind: str, host: str) -> tlskit.TLSError:
    """Give the error for a bad certificate."""
    with pytest.raises(tlskit.TLSError) as caught:
        talk(client_of(ca), ca.issue_bad(kind, host), host)
    return caught.value


def test_every_kind():
    """Every kind has a verdict."""
    assert {*BAD_KINDS} == {*VERDICTS, "revoked"}


@pytest.mark.parametrize(("kind", "code"), VERDICTS.items())
def test_bad_kind(ca, kind, code):
    """Each bad certificate is refused for what is wrong with it."""
    host = "127.0.0.1" if kind == "ip-as-dns" else HOST

    assert code == refusal(ca, kind, host).code


@pytest.mark.parametrize("kind", BAD_KINDS)
@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
def test_the_kinds_can_be_parametrized_over_as_they_are(kind, host):
    """Whoever trusts the CA refuses each, for a host and for an address."""
    ca = CA()
    below = ca.intermediate()
    leaf = ca.issue_bad(kind, host)

    with pytest.raises(tlskit.TLSError):
        talk(client_of(ca), leaf, host)
    talk(client_of(ca), ca.issue(host), host)
    talk(client_of(ca), below.issue(host), host)


@pytest.mark.parametrize("given", [False, True])
def test_revoked(given):
    """The list names what was issued as revoked, and what else is given."""
    ca = CA()
    bad, good = ca.issue_bad("revoked", HOST), ca.issue(HOST)
    extra = [good, ca.issue(HOST).certificate] if given else []
    revoked = x509.load_pem_x509_crl(ca.crl(extra))
    found = revoked.get_revoked_certificate_by_serial_number

    assert 1 + len(extra) == len(revoked)
    assert found(bad.certificate.serial_number)
    assert given == bool(found(good.certificate.serial_number))
    assert revoked.is_signature_valid(ca.key.public_key())


def test_unknown_kind(ca):
    """An unknown kind is answered with those there are."""
    with pytest.raises(ValueError, match="expired, not-yet-valid"):
        ca.issue_bad("ugly", HOST)


def test_nameless(ca):
    """A bad certificate needs no name."""
    with pytest.raises(tlskit.VerificationError):
        talk(client_of(ca), ca.issue_bad("expired"))


# -- joined ports -----------------------------------------------------------


def test_server_refuses(ca):
    """What only the server raised is raised, too."""
    server = server_of(ca.issue(HOST))
    ca.trust(server)
    server.set_verify()
    client = client_of(ca)
    with pytest.raises(tlskit.TLSError):
        one, _ = memory_pair(client, server, hostname=HOST)
        one.recv(1)


def test_server_configuration_first(ca):
    """A mistake in the server's context is told, not what follows."""
    server = server_of(ca.issue_bad("weak-key", HOST))

    with pytest.raises(tlskit.CredentialError):
        memory_pair(client_of(ca), server, hostname=HOST)


def test_capacity(ca):
    """The smallest pipe is enough for a handshake."""
    one, two = memory_pair(
        client_of(ca), server_of(ca.issue(HOST)), hostname=HOST, capacity=64
    )

    assert 10.0 == one.gettimeout() == two.gettimeout()


# -- fixtures ---------------------------------------------------------------


def test_plugin():
    """As a plugin, it registers its two fixtures under one name."""
    found = {}
    manager = SimpleNamespace(
        register=lambda module, name: found.update({name: module})
    )
    testing.pytest_configure(SimpleNamespace(pluginmanager=manager))

    assert hasattr(found["tlskit fixtures"], "tls_ca")
    assert hasattr(found["tlskit fixtures"], "tls_leaf")


def test_fixtures():
    """They are an authority, and a certificate for this machine."""
    ca = testing._tls_ca()

    for host in ("localhost", "127.0.0.1", "::1"):
        assert b"hello" == talk(client_of(ca), testing._tls_leaf(ca), host)
