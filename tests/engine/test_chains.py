"""Certificates on their way from OpenSSL to the facts, byte for byte."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.testing import CA
from tlskit.verify import evidence

from ..engines import client_engine, server_engine, shake

HOST = "host.example"


def der(certificate):
    """One certificate as DER."""
    return certificate.public_bytes(Encoding.DER)


def pair(ca, leaf, *, mutual=False):
    """Two engines that have shaken hands."""
    ours = tlskit.ClientContext("auto")
    ca.trust(ours)
    ours.set_verify()
    ours.set_verify_hostname()
    theirs = tlskit.ServerContext()
    leaf.apply(theirs)
    if mutual:
        leaf.apply(ours)
        ca.trust(theirs)
        theirs.set_verify()
    client, server = client_engine(ours, HOST), server_engine(theirs)
    shake(client, server)
    return client, server


def test_chain():
    """Both sides know what was sent, and the path to the root."""
    root = CA("chain root CA")
    ca = root.intermediate("chain CA")
    leaf = ca.issue(HOST)
    path = tuple(map(der, (leaf.certificate, ca.certificate)))

    for engine in pair(root, leaf, mutual=True):
        assert path == engine.facts.peer_ders
        assert (*path, der(root.certificate)) == engine.facts.verified_ders
        assert path[0] == engine.facts.certificate_der
        assert path == tuple(map(der, engine.facts.peer_chain))
        assert leaf.certificate == engine.facts.peer_certificate


def test_nobody():
    """A client without a certificate leaves none behind."""
    ca = CA("lonely CA")

    _, server = pair(ca, ca.issue(HOST))

    assert () == server.facts.peer_ders == server.facts.verified_ders
    assert server.facts.peer_certificate is None


def test_many_names():
    """A certificate larger than any piece of memory comes out whole."""
    ca = CA("large CA")
    names = (f"host-{number}.example" for number in range(2000))
    leaf = ca.issue(HOST, *names)
    assert 32768 < len(der(leaf.certificate))

    client, _ = pair(ca, leaf)

    assert (der(leaf.certificate),) == client.facts.peer_ders
    assert leaf.certificate == client.facts.verified_chain[0]
    assert evidence._shared.get(der(leaf.certificate)) is None


def test_one_copy_for_many():
    """Connections to one server share its certificates."""
    ca = CA("shared CA")
    leaf = ca.issue(HOST)

    first, second = pair(ca, leaf)[0].facts, pair(ca, leaf)[0].facts

    assert first.peer_ders[0] is second.peer_ders[0]
    assert first.verified_ders[1] is second.verified_ders[1]


@pytest.mark.parametrize("deep", [0, 1, 2])
def test_too_deep(deep):
    """The limit counts the CAs between, although nobody asks about each."""
    root = CA("deep root CA")
    ca = root.intermediate("deep CA 1").intermediate("deep CA 2")
    ours = tlskit.ClientContext("auto")
    root.trust(ours)
    ours.set_verify()
    ours.set_verify_depth(deep)
    theirs = tlskit.ServerContext()
    ca.issue(HOST).apply(theirs)
    client, server = client_engine(ours, None), server_engine(theirs)

    if deep == 2:
        shake(client, server)
        assert 4 == len(client.facts.verified_ders)
        return
    with pytest.raises(tlskit.VerificationError) as caught:
        shake(client, server)
    assert tlskit.VerifyReason.CERT_CHAIN_TOO_LONG is caught.value.reason


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("tolerant", [False, True])
def test_unreadable(monkeypatch, place, tolerant):
    """What OpenSSL takes and cryptography can't read is refused, or told."""
    root = CA(f"unreadable root CA {place} {tolerant}")
    ca = root.intermediate("unreadable CA")
    leaf = ca.issue(HOST)
    bad = der((leaf.certificate, ca.certificate)[place])
    read = evidence.readable

    def unreadable(given):
        if given == bad:
            raise ValueError("nonsense")
        return read(given)

    monkeypatch.setattr(evidence, "readable", unreadable)
    ours = tlskit.ClientContext("auto")
    root.trust(ours)
    (ours.try_verify if tolerant else ours.set_verify)()
    ours.set_verify_hostname(False)
    theirs = tlskit.ServerContext()
    leaf.apply(theirs)
    client, server = client_engine(ours, None), server_engine(theirs)

    if tolerant and place:
        shake(client, server)
        error = client.facts.verify_error
        assert tlskit.VerifyReason.CERT_REJECTED is error.reason
        assert not client.facts.peer_verified
        return
    with pytest.raises(tlskit.VerificationError) as caught:
        shake(client, server)
    assert "malformed-certificate" == caught.value.code
