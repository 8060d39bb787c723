"""Chains that are judged without a connection, as a handshake would."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

import tlskit
from tlskit import (
    IdentityError,
    VerificationError,
    VerifyReason,
    VerifySource,
)
from tlskit.testing import BAD_KINDS, CA, memory_pair
from tlskit.verify.identity import Identity
from tlskit.verify.offline import Policy, judge

HOST = "right.example"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def ca():
    """A CA of many years, as real ones are."""
    now = datetime.now(timezone.utc)
    return CA("tlskit old CA", valid=(now - 3650 * DAY, now + 3650 * DAY))


def policy(ca, host=HOST, **more):
    """Trust *ca*, and expect *host*."""
    roots = (VerifySource.pem(ca.pem).load(),)
    identity = None if host is None else Identity.parse(host)
    return Policy(roots, identity, **more)


def handshake_error(leaf, ca):
    """Give what a real handshake with *leaf* raises; None if nothing."""
    client, server = tlskit.ClientContext("auto"), tlskit.ServerContext()
    ca.trust(client)
    client.set_verify()
    client.set_verify_hostname()
    # Or OpenSSL would not even load what is too weak.
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    leaf.apply(server)
    try:
        here, there = memory_pair(client, server, hostname=HOST)
    except VerificationError as error:
        return error
    here.close()
    there.close()
    return None


def test_a_good_chain_leads_to_its_root(ca):
    """The path is given, the root included."""
    leaf = ca.intermediate().issue(HOST)

    assert (*leaf.chain, ca.certificate) == judge(leaf.chain, policy(ca))


# A handshake knows nothing of lists that nobody loaded.
@pytest.mark.parametrize("kind", sorted({*BAD_KINDS} - {"revoked"}))
def test_the_verdict_is_the_handshakes(ca, kind):
    """Whatever a handshake refuses is refused for the same reason."""
    leaf = ca.issue_bad(kind, HOST)
    online = handshake_error(leaf, ca)
    try:
        judge(leaf.chain, policy(ca))
    except VerificationError as error:
        offline = error
    else:
        offline = None

    assert online is not None
    assert offline is not None
    assert (type(online), online.code, online.depth) == (
        type(offline),
        offline.code,
        offline.depth,
    )
    assert online.sources == offline.sources
    assert online.presented_chain == offline.presented_chain


def test_no_name_in_particular(ca):
    """Without an identity, any name will do; with one, only that."""
    chain = ca.issue("other.example").chain

    assert judge(chain, policy(ca, None))
    with pytest.raises(IdentityError):
        judge(chain, policy(ca))


def test_another_moment(ca):
    """A chain that has expired was good when it was not."""
    leaf = ca.issue_bad("expired", HOST)
    then = leaf.certificate.not_valid_before_utc + DAY

    assert judge(leaf.chain, policy(ca, at=then))
    with pytest.raises(VerificationError, match="expired on"):
        judge(leaf.chain, policy(ca))
    with pytest.raises(VerificationError, match="is valid from"):
        judge(leaf.chain, policy(ca, at=then - 3 * DAY))


def test_a_path_may_end_early(ca):
    """An intermediate that is trusted suffices for a partial chain only."""
    below = ca.intermediate()
    leaf = below.issue(HOST)

    assert leaf.chain == judge(leaf.chain, policy(below, partial=True))
    with pytest.raises(VerificationError):
        judge(leaf.chain, policy(below))


def test_what_is_trusted_besides(ca):
    """One certificate more may be trusted than the roots."""
    stranger = CA("tlskit stranger CA")
    leaf = stranger.issue(HOST)

    assert judge(leaf.chain, policy(ca, also=(stranger.certificate,)))
    with pytest.raises(VerificationError):
        judge(leaf.chain, policy(ca))


@pytest.mark.parametrize("host", [HOST, "192.0.2.1", None])
def test_a_strict_policy_asks_a_second_verifier(ca, host):
    """The second one minds what OpenSSL lets pass, such as a long life."""
    leaf = ca.issue(HOST, "192.0.2.1")
    no_san = ca.issue("nobody.example", with_san=False)

    assert judge(leaf.chain, policy(ca, host, strict=True))
    assert judge(no_san.chain, policy(ca, None))
    with pytest.raises(VerificationError, match="cryptography"):
        judge(no_san.chain, policy(ca, None, strict=True))


def test_a_weak_intermediate_is_refused(ca):
    """The security level of connections is that of every certificate."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    short = rsa.generate_private_key(65537, 1024)
    with pytest.raises(VerificationError) as caught:
        judge(ca.intermediate(key=short).issue(HOST).chain, policy(ca))
    assert ("weak-key", 1) == (caught.value.code, caught.value.depth)

    curve = ec.generate_private_key(ec.SECP192R1())
    with pytest.raises(VerificationError) as caught:
        judge(ca.issue(HOST, key=curve).chain, policy(ca))
    assert ("weak-key", 0) == (caught.value.code, caught.value.depth)


def test_other_kinds_of_keys_have_no_size(ca):
    """Ed25519 is strong enough, and has no digest of its own."""
    leaf = ca.intermediate(key_type="ed25519").issue(HOST, key_type="ed25519")

    assert judge(leaf.chain, policy(ca))


def test_a_key_that_signs_no_handshake_is_refused(ca):
    """No server gets as far as showing such a certificate."""
    from cryptography.hazmat.primitives.asymmetric import dsa, x25519

    for key, kind in (
        (dsa.generate_private_key(2048), "DSA 2048 bits"),
        (x25519.X25519PrivateKey.generate(), "X25519"),
    ):
        leaf = ca.issue(HOST, key=key)
        with pytest.raises(VerificationError, match=kind) as caught:
            judge(leaf.chain, policy(ca))

        assert ("unusable-key", 0) == (caught.value.code, caught.value.depth)
        assert VerifyReason.UNUSABLE_KEY is caught.value.reason


def test_directories_are_searched(ca, tmp_path):
    """Roots in a hashed directory count, as in a handshake."""
    digest = f"{_subject_hash(ca):08x}.0"
    tmp_path.joinpath(digest).write_bytes(ca.pem)
    roots = (VerifySource.directory(tmp_path).load(),)
    chain = ca.issue(HOST).chain

    assert judge(chain, Policy(roots, Identity.parse(HOST)))
    with pytest.raises(VerificationError):
        judge(chain, Policy((), Identity.parse(HOST)))


def _subject_hash(ca):
    from OpenSSL import crypto

    return crypto.X509.from_cryptography(ca.certificate).subject_name_hash()
