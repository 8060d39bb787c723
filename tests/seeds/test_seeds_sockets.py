"""Ports as sockets: what ``(rfc tls)`` promises, and generic code on both."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509

import tlskit
from tlskit.testing import CA, memory_pair

from ..engines import authority, client_context, server_context
from ..joined import over_sockets, tcp_pair
from ..peers import HOST, PATIENCE, Task

Pair = tuple[Any, Any]


@pytest.fixture(params=["plain", "tls12", "tls13"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Give two connected sockets: both plain, or both ports."""
    ends: Pair = tcp_pair()
    if request.param != "plain":
        ends = over_sockets(ends, client=client_context(request.param))
    yield ends
    for end in ends:
        end.close()


# -- the same code for both -------------------------------------------------


def test_generic_code(pair: Pair) -> None:
    """Sending, receiving and asking for addresses needs no other code."""
    ours, theirs = pair
    assert 5 == ours.send(b"hello")
    assert b"hel" == theirs.recv(3)
    assert b"lo" == theirs.recv(100)
    assert theirs.sendall(b"answer") is None
    buffer = bytearray(6)
    assert 6 == ours.recv_into(buffer)

    assert b"answer" == buffer
    assert ours.getpeername() == theirs.getsockname()
    assert ours.getsockname() == theirs.getpeername()
    assert ours.fileno() >= 0


def test_generic_files(pair: Pair) -> None:
    """A file for both directions, or one for each; closing it is not all."""
    ours, theirs = pair
    with ours.makefile("rwb") as both, theirs.makefile("rb") as source:
        both.write(b"a line\n")
        both.flush()
        assert b"a line\n" == source.readline()
    with theirs.makefile("wb") as sink:
        sink.write(b"another\n")
    with ours.makefile("r", encoding="ascii") as text:
        assert "another\n" == text.readline()

    assert ours.fileno() >= 0
    ours.sendall(b"x")
    assert b"x" == theirs.recv(1)


def test_generic_block(pair: Pair) -> None:
    """A block closes at its end, and keeps the value it made."""
    ours, theirs = pair
    with ours as inside:
        assert ours is inside
        inside.sendall(b"x")

    assert -1 == ours.fileno()
    assert b"x" == theirs.recv(1)
    assert b"" == theirs.recv(1)


def test_generic_time_out(pair: Pair) -> None:
    """Nothing there: a time-out, or at once when it must not wait."""
    ours, theirs = pair
    ours.settimeout(0.01)
    with pytest.raises(TimeoutError):
        ours.recv(1)
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    ours.settimeout(PATIENCE)
    theirs.sendall(b"x")

    assert b"x" == ours.recv(1)


def test_generic_half_close(pair: Pair) -> None:
    """After the end of one direction the other goes on."""
    ours, theirs = pair
    ours.shutdown(socket.SHUT_WR)
    assert b"" == theirs.recv(1)
    theirs.sendall(b"x")

    assert b"x" == ours.recv(1)


# -- what only a port has ---------------------------------------------------


def test_constants() -> None:
    """The versions are numbers, as on the wire."""
    assert [0x0303, 0x0302, 0x0301] == [
        tlskit.TLSVersion.TLS_1_2,
        tlskit.TLSVersion.TLS_1_1,
        tlskit.TLSVersion.TLS_1_0,
    ]


def test_who_is_there() -> None:
    """Both ends know both addresses; the client also the name it dialled."""
    with tlskit.listen(
        hostname="127.0.0.1", context=server_context()
    ) as listener:
        task = Task(listener.accept, PATIENCE)
        with (
            tlskit.connect(
                HOST, listener.port, client_context(), timeout=PATIENCE
            ) as client,
            task.result() as server,
        ):
            assert client.peer == ("127.0.0.1", listener.port) == server.name
            assert client.name == server.peer
            assert (HOST, *client.peer) == client.info_values()
            assert listener.port == client.info_values().port
            # Nobody asks the network who a client is.
            assert ("127.0.0.1", *server.peer) == server.info_values()


def test_handshakes_by_hand() -> None:
    """Each side may put off its handshake, and do it twice."""
    with tlskit.listen(
        hostname="127.0.0.1", context=server_context()
    ) as listener:
        client = tlskit.connect(
            *("127.0.0.1", listener.port, client_context()),
            hostname=HOST,
            handshake=False,
            timeout=PATIENCE,
        )
        server = listener.accept(PATIENCE, handshake=False)
        server.settimeout(PATIENCE)
        assert client.version is server.version is None
        task = Task(server.handshake)
        client.handshake()
        task.result()
        client.handshake()
        server.handshake()
        with client, server:
            assert tlskit.TLSVersion.TLS_1_3 == client.version


def test_close_tells_the_peer() -> None:
    """Closing sends close_notify; the port says so of itself."""
    client, server = over_sockets(tcp_pair())
    assert not client.closed
    client.close()

    assert client.closed
    assert b"" == server.recv(1)
    for use in (lambda: client.send(b"x"), lambda: client.recv(1)):
        with pytest.raises(tlskit.ClosedError) as caught:
            use()
        assert caught.value.status is None
    server.close()


# -- the certificate verifier -----------------------------------------------


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_verifier_of_a_client(version: str) -> None:
    """It is called for each certificate, and overrides what OpenSSL says."""
    seen: list[tuple[int, bool, x509.Certificate]] = []

    def verifier(depth: int, ok: bool, certificate: x509.Certificate) -> bool:
        seen.append((depth, ok, certificate))
        return True

    stranger = CA("stranger")
    context = tlskit.ServerContext()
    leaf = stranger.issue("localhost")
    leaf.apply(context)
    asking = tlskit.ClientContext(version)
    asking.set_certificate_verifier(verifier)
    with memory_pair(asking, context)[0] as port:
        assert not port.peer_verified
        assert port.verify_error is not None
    assert (0, False, leaf.certificate) in seen
    for verdict in (lambda *_: False, True):
        asking.set_certificate_verifier(verdict)
        with pytest.raises(tlskit.VerificationError):
            memory_pair(asking, context)
    asking.set_certificate_verifier(False)
    with memory_pair(asking, context)[0] as port:
        assert leaf.certificate == port.peer_certificate


def test_verifier_that_fails() -> None:
    """What it raises refuses the peer, and reaches the caller."""

    def verifier(*_: object) -> bool:
        raise LookupError("a bug")

    asking = client_context()
    asking.set_certificate_verifier(verifier)
    with pytest.raises(LookupError, match="a bug"):
        memory_pair(asking, server_context())


def test_server_with_authorities() -> None:
    """A server that requires certificates checks more than their issuer.

    The seed compares the issuer's name only; here its signature counts.
    """
    context = server_context()
    authority().trust(context)
    context.set_verify()
    impostor = CA("tlskit engines CA")
    assert impostor.certificate.subject == authority().certificate.subject
    asking = client_context("tls12")
    impostor.issue("alice@example.com").apply(asking)
    with pytest.raises(tlskit.AlertError):
        memory_pair(asking, context)
    authority().issue("alice@example.com").apply(asking)
    with memory_pair(asking, context)[1] as port:
        assert port.peer_verified


def test_server_without_credentials() -> None:
    """There are no anonymous servers, nor certificates made on the fly."""
    with tlskit.listen(hostname="127.0.0.1") as listener:
        with pytest.raises(tlskit.CredentialError):
            listener.accept(0)
