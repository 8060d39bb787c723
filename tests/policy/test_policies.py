"""Dated policies: held for ever, and kept to."""

from __future__ import annotations

import hashlib
import json

import pytest

import tlskit
from tlskit import policies
from tlskit.policy.policies import POLICIES
from tlskit.testing import CA, memory_pair

HOST = "localhost"
pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(
        not tlskit.capabilities()["groups"], reason="no choice of groups"
    ),
]

#: A policy that was published must not change: a new one gets a new date.
SNAPSHOT = {
    "2026-12-modern": "f6fc205e0a90dcd3",
    "2026-12-compatible": "16130ad2675627d9",
    "2026-12-pq": "cd48b208e1642980",
    "2026-12-cnsa2": "57023cb12023070e",
}


def digest(name: str) -> str:
    """Give a digest of what a policy sets."""
    each = POLICIES[name]
    data = [
        each.versions,
        each.ciphers,
        each.ciphersuites,
        each.groups,
        each.signature_algorithms,
    ]
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]


def test_published_policies_never_change():
    """Each name stands for the same for ever."""
    assert {name: digest(name) for name in POLICIES} == SNAPSHOT


def test_each_line_has_a_source():
    """Whoever doubts a line can look it up."""
    for each in POLICIES.values():
        assert each.sources.keys() == {
            "ciphers",
            "ciphersuites",
            "groups",
            "signature_algorithms",
            "versions",
        }
    assert POLICIES.keys() == policies().keys()


def pair(client=None, server=None, *, kind="ecdsa", change=None):
    """Shake hands, each side with a policy or without."""
    ca = CA(key_type=kind)
    asking, answering = tlskit.ClientContext("auto"), tlskit.ServerContext()
    ca.trust(asking)
    asking.set_verify()
    ca.issue(HOST, key_type=kind).apply(answering)
    for context, name in ((asking, client), (answering, server)):
        if name is not None:
            context.set_policy(name)
    if change is not None:
        change(asking if client is None else answering)
    return memory_pair(asking, answering, hostname=HOST)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("side", ["client", "server", "both"])
def test_it_talks_to_whoever_can(name, side):
    """A policy on one side finds what the other one has."""
    cnsa = "cnsa2" in name
    sides = ["client", "server"] if side == "both" else [side]

    def change(context):
        context.set_groups(["X25519", "SecP384r1MLKEM1024"])

    client, _ = pair(
        **dict.fromkeys(sides, name),
        kind="ecdsa-p384" if cnsa else "ecdsa",
        change=change if cnsa and side != "both" else None,
    )

    assert client.version is tlskit.TLSVersion.TLS_1_3


@pytest.mark.parametrize("side", ["client", "server"])
def test_hybrid_is_required(side):
    """Who has X25519 alone is refused, and told of groups or shares."""

    def change(context):
        context.set_groups(["X25519"])

    with pytest.raises(tlskit.HandshakeError):
        pair(**{side: "2026-12-pq"}, change=change)


def test_hybrid_is_used():
    """Two sides that both know them agree on a hybrid group."""
    client, server = pair("2026-12-pq", "2026-12-pq")

    assert client.group in {None, "X25519MLKEM768"}
    assert client.group == server.group


@pytest.mark.parametrize("kind", ["ecdsa", "rsa", "ed25519"])
def test_cnsa_refuses_other_keys(kind):
    """CNSA 2.0 takes ML-DSA-87 or P-384, and no other key."""
    with pytest.raises(tlskit.HandshakeError):
        pair("2026-12-cnsa2", kind=kind)


@pytest.mark.parametrize("name", ["2026-12-modern", "2026-12-compatible"])
def test_old_versions(name):
    """TLS 1.2 is a matter of the policy."""
    ca = CA()
    asking, answering = tlskit.ClientContext("tls12"), tlskit.ServerContext()
    ca.trust(asking)
    ca.issue(HOST).apply(answering)
    answering.set_policy(name)
    if "compatible" in name:
        memory_pair(asking, answering, hostname=HOST)
    else:
        with pytest.raises(tlskit.HandshakeError):
            memory_pair(asking, answering, hostname=HOST)


def test_repr_shows_it_until_it_is_changed():
    """What is set later is no longer the policy."""
    context = tlskit.ServerContext()
    assert "policy" not in repr(context)
    context.set_policy("2026-12-pq")
    assert "policy=2026-12-pq" in repr(context)
    context.set_groups(["X25519"])
    assert "policy" not in repr(context)
