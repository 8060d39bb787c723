"""Ports joined in memory: thin pipes, and whoever is to blame."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tlskit
from tlskit.testing import CA, Leaf, memory_pair

HOST = "right.example"
ADDRESS = "192.0.2.7"
#: No wait is longer, in seconds.
PATIENCE = 30.0


@pytest.fixture(scope="module")
def ca() -> CA:
    """A CA that these tests share; they don't change it."""
    return CA()


def contexts(
    ca: CA, leaf: Leaf | None
) -> tuple[tlskit.ClientContext, tlskit.ServerContext]:
    """Make a client that trusts *ca* and checks names, and a server."""
    client = tlskit.ClientContext("auto")
    ca.trust(client)
    client.set_verify()
    client.set_verify_hostname()
    server = tlskit.ServerContext()
    if leaf is not None:
        leaf.apply(server)
    return client, server


def test_only_that_is_bad(ca):
    """With nothing wrong, the same client accepts the same names."""
    for name in (HOST, ADDRESS):
        client, server = memory_pair(
            *contexts(ca, ca.issue(name)), hostname=name
        )
        with client, server:
            assert client.peer_verified


def test_addresses_are_constrained_too(ca):
    """Name constraints that allow a name must not let an address pass."""
    leaf = ca.issue_bad("name-constraints", ADDRESS, "192.1.2.3")
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(*contexts(ca, leaf), hostname="192.1.2.3")

    assert "name-constraints" == caught.value.code


@pytest.mark.parametrize("version", ["tls12", "tls13"])
@pytest.mark.parametrize("capacity", [None, 1, 10])
def test_memory_pair(ca, version, capacity):
    """Two ports talk in memory, through however thin a pipe."""
    client_context, _ = contexts(ca, None)
    server_context = tlskit.ServerContext(version)
    ca.issue(HOST).apply(server_context)
    client, server = memory_pair(
        client_context, server_context, hostname=HOST, capacity=capacity
    )
    with client, server:
        # A thin pipe is full before all is written: somebody has to read.
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(server.input.read, 4)
            client.sendall(b"ping")
            assert b"ping" == heard.result(PATIENCE)
            answer = pool.submit(server.sendall, b"pong")
            assert b"pong" == client.input.read(4)
            answer.result(PATIENCE)

        assert HOST == server.server_name
        assert client.version == server.version
        # No close_notify: nobody would take it out of the pipe.
        client.abandon()
        server.abandon()


def test_memory_pair_by_default(ca):
    """The name is localhost and every wait has an end, without a word."""
    client, server = memory_pair(*contexts(ca, ca.issue("localhost")))
    with client, server:
        assert client.peer_verified
        assert [10.0, 10.0] == [client.gettimeout(), server.gettimeout()]


def test_memory_pair_closes(ca):
    """Closing one port is an orderly end for the other."""
    client, server = memory_pair(*contexts(ca, ca.issue("localhost")))
    client.close()

    assert b"" == server.input.read()
    server.close()


def test_memory_pair_offers(ca):
    """Time-out and application protocols are passed on."""
    client_context, server_context = contexts(ca, ca.issue("localhost"))
    server_context.set_alpn(["h2"])
    client, server = memory_pair(
        client_context, server_context, alpn=["h2"], timeout=3.0
    )
    with client, server:
        assert ["h2", "h2"] == [client.alpn_selected, server.alpn_selected]
        assert [3.0, 3.0] == [client.gettimeout(), server.gettimeout()]


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_the_client_refuses(ca, version):
    """What the client finds wrong is raised."""
    client, _ = contexts(ca, None)
    server = tlskit.ServerContext(version)
    ca.issue("other.example").apply(server)
    with pytest.raises(tlskit.IdentityError) as caught:
        memory_pair(client, server, hostname=HOST)

    assert ("other.example",) == caught.value.presented


def test_the_server_refuses(ca):
    """What the server finds wrong after a TLS 1.3 client is done, too."""
    client, server = contexts(ca, ca.issue("localhost"))
    ca.trust(server)
    server.set_verify()
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(client, server)

    assert "no-certificate" == caught.value.code


def test_the_server_is_misconfigured(ca):
    """A server whose key does not fit is blamed, not the client's alert."""
    client, server = contexts(ca, ca.issue("localhost"))
    server.load_certificate_chain(ca.issue("localhost").chain)
    with pytest.raises(tlskit.CredentialError) as caught:
        memory_pair(client, server)

    assert "key-mismatch" == caught.value.code


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_the_server_hook_is_broken(ca, version):
    """What it raised is told, not the alert that the client got for it."""

    class Broken(tlskit.ServerContext):
        def choose_context(self, name):
            raise LookupError("a mistake of ours")

    client, _ = contexts(ca, None)
    server = Broken(version)
    ca.issue("localhost").apply(server)
    with pytest.raises(LookupError, match=r"^a mistake of ours"):
        memory_pair(client, server)


def test_the_client_is_misconfigured(ca):
    """A client that lacks a name to check is refused, and nothing hangs."""
    with pytest.raises(tlskit.ConfigurationError):
        memory_pair(*contexts(ca, ca.issue("localhost")), hostname=None)


def test_the_server_hangs(ca):
    """A server that never ends its handshake is given up."""
    let_go = threading.Event()

    class Slow(tlskit.ServerContext):
        def verify_peer(self, verdict: object) -> None:
            let_go.wait(30)

    client, _ = contexts(ca, None)
    own = ca.issue("client.example")
    own.apply(client)
    server = Slow()
    ca.issue("localhost").apply(server)
    ca.trust(server)
    server.set_verify()
    try:
        with pytest.raises(TimeoutError, match="the server hangs"):
            memory_pair(client, server, timeout=0.3)
    finally:
        let_go.set()
