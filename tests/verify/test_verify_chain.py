"""Verdicts without a connection, by the rules of a context."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

import tlskit
from tlskit import IdentityError, VerificationError, match_hostname
from tlskit.testing import BAD_KINDS, CA, memory_pair

HOST = "right.example"
P521 = ec.SECP521R1()
#: The first level that refuses a chain of such keys, with SHA-256.
LEVELS = {"rsa": 3, "ecdsa": 4, "ed25519": 4, "ed448": 5}
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def ca():
    """A CA of many years, as real ones are."""
    now = datetime.now(timezone.utc)
    return CA("tlskit judging CA", valid=(now - 3650 * DAY, now + 3650 * DAY))


@pytest.fixture
def client(ca):
    """A client that trusts the CA."""
    context = tlskit.ClientContext("auto")
    ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def online(client, leaf):
    """Give the code of what a handshake raises; None if nothing."""
    server = tlskit.ServerContext()
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    leaf.apply(server)
    try:
        here, there = memory_pair(client, server, hostname=HOST)
    except VerificationError as error:
        return error.code
    here.close()
    there.close()
    return None


def offline(context, chain, hostname=None):
    """Give the code of what verify_chain() raises; None if nothing."""
    try:
        context.verify_chain(chain, hostname=hostname)
    except VerificationError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("bits", "code"), [(1962, "weak-key"), (1963, None), (2047, None)]
)
def test_the_least_rsa_key_is_the_handshake_s(ca, client, bits, code):
    """OpenSSL's level 2 takes keys of a little less than 2048 bits."""
    leaf = ca.issue(HOST, key=rsa.generate_private_key(65537, bits))

    assert code == online(client, leaf)
    assert code == offline(client, leaf.chain, HOST)


@pytest.mark.parametrize(
    ("spec", "bits", "code"),
    [
        ("@SECLEVEL=3", 2048, "weak-key"),
        ("@SECLEVEL=3", 2671, "weak-key"),
        ("@SECLEVEL=3", 2672, None),
        ("@SECLEVEL=1", 1024, None),
        ("@SECLEVEL=0:@SECLEVEL=3", 2048, "weak-key"),
        ("@SECLEVEL=3:@SECLEVEL=2", 2048, None),
        ("NONE-SUCH@SECLEVEL=1", 1024, "weak-key"),
    ],
)
def test_the_least_key_is_that_of_the_level(ca, client, spec, bits, code):
    """The list of ciphers sets the security level; its last word counts."""
    client.set_ciphers(f"DEFAULT:{spec}")
    leaf = ca.issue(HOST, key=rsa.generate_private_key(65537, bits))

    assert code == online(client, leaf)
    assert code == offline(client, leaf.chain, HOST)


@pytest.mark.parametrize("key_type", ["rsa", "ecdsa", "ed25519", "ed448"])
@pytest.mark.parametrize("level", range(6))
def test_every_level_is_the_handshake_s(client, key_type, level):
    """Keys of CAs, and digests, are judged by it, too."""
    ca = CA(f"a CA with {key_type}", key_type=key_type)
    ca.trust(client)
    leaf = ca.intermediate(key_type=key_type).issue(
        HOST, key=ec.generate_private_key(P521)
    )
    # Which suites there are is another matter.
    client.set_ciphers(f"ECDHE+AES256:ECDHE+AES128:@SECLEVEL={level}")
    seen = offline(client, leaf.chain, HOST)

    assert (seen is None) is (level < LEVELS[key_type])
    if level < 4:
        assert seen == online(client, leaf)


def test_old_versions_have_no_level(ca):
    """Their contexts are of level 0, unless another one is named."""
    with pytest.warns(tlskit.InsecureProtocolWarning):
        client = tlskit.ClientContext("tls11")
    ca.trust(client)
    leaf = ca.issue(HOST, key=rsa.generate_private_key(65537, 1024))
    assert offline(client, leaf.chain) is None

    client.set_ciphers("DEFAULT@SECLEVEL=2")
    assert "weak-key" == offline(client, leaf.chain)


def test_the_path_is_given(ca, client):
    """A good chain comes back with its root."""
    leaf = ca.intermediate().issue(HOST)

    found = client.verify_chain(leaf.chain_pem, hostname=HOST)

    assert (*leaf.chain, ca.certificate) == found


def test_another_name_is_refused(ca, client):
    """The host name is compared, if one is given."""
    leaf = ca.issue(HOST)
    client.verify_chain(leaf.chain)

    with pytest.raises(IdentityError):
        client.verify_chain(leaf.chain, hostname="wrong.example")


@pytest.mark.parametrize("kind", sorted({*BAD_KINDS} - {"revoked"}))
@pytest.mark.parametrize("strict", [False, True])
def test_it_agrees_with_a_handshake(ca, client, kind, strict):
    """What a handshake refuses is refused for the same reason."""
    leaf = ca.issue_bad(kind, HOST)
    client.set_strict(strict)

    assert online(client, leaf) == offline(client, leaf.chain, HOST)


def test_another_moment_decides(ca, client):
    """What is good today had not begun some years ago."""
    leaf = ca.issue(HOST)
    then = datetime.now(timezone.utc) - 1000 * DAY

    with pytest.raises(VerificationError) as info:
        client.verify_chain(leaf.chain, at=then)

    assert "not-yet-valid" == info.value.code


def test_a_moment_needs_a_time_zone(ca, client):
    """Nobody guesses where it was noon."""
    with pytest.raises(ValueError, match="time zone"):
        client.verify_chain(ca.issue(HOST).chain, at=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("check", ["leaf", "chain"])
def test_revoked(client, check):
    """A list that is loaded decides; who is not in it is good."""
    # Whoever trusts a CA that has revoked something gets its list, too.
    ca = CA("tlskit revoking CA")
    ca.trust(client)
    bad, good = ca.issue_bad("revoked", HOST), ca.issue(HOST)
    client.load_crls(ca.crl(), check=check)

    assert "revoked" == offline(client, bad.chain)
    assert offline(client, good.chain) is None


def test_depth():
    """No more CAs may stand in between than allowed."""
    ca = CA("a CA without revocation lists")
    client = tlskit.ClientContext("auto")
    ca.trust(client)
    leaf = ca.intermediate().issue(HOST)
    client.set_verify_depth(1)
    assert offline(client, leaf.chain) is None
    client.set_verify_depth(0)

    assert "chain-too-long" == offline(client, leaf.chain)


def test_pins(ca, client):
    """One of the keys of the path has to be pinned."""
    client.set_pins(["sha256/" + "A" * 43 + "="])

    assert "pin-mismatch" == offline(client, ca.issue(HOST).chain)


def test_a_server_judges_clients(ca):
    """A server wants certificates for clients."""
    context = tlskit.ServerContext()
    ca.trust(context)

    client, server = (
        ca.issue("someone", usages=[usage]).chain
        for usage in (
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.SERVER_AUTH,
        )
    )
    assert offline(context, client) is None
    assert "wrong-purpose" == offline(context, server)


@pytest.mark.native
def test_any_purpose(ca, client):
    """Nobody looks at the purpose if the context says so."""
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    chain = ca.issue(HOST, usages=usages).chain
    assert "wrong-purpose" == offline(client, chain)
    client.set_purpose("any")

    assert offline(client, chain) is None


@pytest.mark.parametrize(
    ("name", "good"),
    [
        (HOST, True),
        ("wrong.example", False),
        ("", False),
        ("no host", False),
    ],
)
def test_match_hostname(ca, name, good):
    """It is a handshake's answer, and no for what is no host name."""
    assert good is match_hostname(ca.issue(HOST).certificate, name)


def test_match_hostname_without_a_certificate(ca):
    """Whoever gave none is nobody; what is none is a mistake."""
    assert match_hostname(None, HOST) is False
    with pytest.raises(TypeError, match="a certificate is wanted"):
        match_hostname(ca.pem, HOST)
    with pytest.raises(TypeError, match="a host name is a str"):
        match_hostname(ca.issue(HOST).certificate, HOST.encode())


@pytest.mark.parametrize(
    "name", ["a", "my-.blog.example", "-my.blog.example", "a_b.blog.example"]
)
def test_names_that_openssl_does_not_expect(ca, client, name):
    """service-identity alone decides, and the same everywhere."""
    names = ("a", "my-.blog.example", "*.blog.example")
    server = tlskit.ServerContext()
    ca.issue(*names).apply(server)

    here, there = memory_pair(client, server, hostname=name)
    assert here.peer_verified
    assert here.peer_check_hostname(name)
    here.close()
    there.close()
    with pytest.raises(IdentityError):
        memory_pair(client, server, hostname="x")


def test_hints_name_the_setting_that_helps(ca, client):
    """A purpose, a depth, and a CA that is no root can be allowed."""
    purpose = ca.issue_bad("wrong-purpose", HOST)
    deep = CA("deep root")
    far = deep.intermediate().issue(HOST)
    shallow = tlskit.ClientContext("auto")
    deep.trust(shallow)
    shallow.set_verify_depth(0)
    stranger = CA("unknown root").intermediate().issue(HOST)
    for context, leaf, setting in (
        (client, purpose, 'set_purpose("any")'),
        (shallow, far, "set_verify_depth()"),
        (client, stranger, "set_partial_chain()"),
    ):
        with pytest.raises(VerificationError) as info:
            context.verify_chain(leaf.chain)

        assert setting in info.value.hint
