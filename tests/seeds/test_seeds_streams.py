"""Wrapped streams, halves, names and ends: as the seeds have them."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

import pytest

import tlskit
from tlskit import SSLPort
from tlskit.testing import memory_pair

from ..engines import client_context, server_context
from ..joined import (
    file_pairs,
    over_sockets,
    read_exactly,
    read_to_end,
    tcp_pair,
    wrap_both,
)
from ..peers import HOST, PATIENCE, Task

Streams = tuple[BinaryIO, BinaryIO]
VERSIONS = ("tls12", "tls13")


# -- what a thing is --------------------------------------------------------


def test_predicates() -> None:
    """Each kind is a class, and no thing is of two kinds."""
    kinds = (
        tlskit.ClientContext,
        tlskit.ServerContext,
        tlskit.Listener,
        SSLPort,
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as plain,
        tlskit.listen(hostname="127.0.0.1") as listener,
        memory_pair(client_context(), server_context())[0] as port,
    ):
        things = (client_context(), server_context(), listener, port)
        for number, thing in enumerate(things):
            assert [number] == [
                index
                for index, kind in enumerate(kinds)
                if isinstance(thing, kind)
            ]
        assert not isinstance(plain, kinds)
    assert all(isinstance(each, tlskit.Context) for each in things[:2])


# -- closing what was given -------------------------------------------------


def closed(streams: Streams) -> list[bool]:
    """Say which of two streams are closed."""
    return [stream.closed for stream in streams]


@pytest.mark.parametrize("first", ["input", "output"])
def test_originals_close_with_the_second_half(first: str) -> None:
    """The streams are closed when both halves are, not before."""
    ours, theirs = file_pairs()
    client, server = wrap_both(ours, theirs, close_original=True)
    halves = {"input": client.input, "output": client.output}
    halves.pop(first).close()
    assert [False, False] == closed(ours)
    reading = Task(read_to_end, server)
    for last in halves.values():
        last.close()
    reading.settle()

    assert [True, True] == closed(ours)
    assert client.closed
    server.close()


def idle(_server: SSLPort, _theirs: Streams) -> None:
    """Do nothing."""


def go(_server: SSLPort, theirs: Streams) -> None:
    """Be gone, without a word."""
    for stream in theirs:
        stream.close()


def talk(server: SSLPort, _theirs: Streams) -> None:
    """Say what nobody will read."""
    server.sendall(b"unread")


def leave(server: SSLPort, _theirs: Streams) -> None:
    """Close in order."""
    server.close()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("close_original", [True, False])
@pytest.mark.parametrize("behave", [idle, go, talk, leave])
def test_shutdown_on_close_waits_for_nobody(
    behave: Callable[..., None], close_original: bool, version: str
) -> None:
    """Whatever the peer does, closing ends, and keeps nothing."""
    ours, theirs = file_pairs()
    client, server = wrap_both(
        ours,
        theirs,
        context=client_context(version),
        server_options={"context": server_context()},
        close_original=close_original,
    )
    behave(server, theirs)
    client.close()

    assert client.closed
    assert [close_original] * 2 == closed(ours)
    if behave in (idle, talk):
        assert b"" == server.recv(1)
    server.close()
    for stream in (*ours, *theirs):
        stream.close()


@pytest.mark.parametrize("notify", [True, False])
def test_close_notify_goes_with_the_output(notify: bool) -> None:
    """Closing the output tells the peer, or tells it nothing."""
    ours, theirs = file_pairs()
    client, server = wrap_both(
        ours, theirs, shutdown_on_close=notify, close_original=True
    )
    client.sendall(b"x")
    client.output.close()
    assert b"x" == read_exactly(server, 1)
    if notify:
        assert b"" == server.recv(1)
    else:
        server.setblocking(False)
        with pytest.raises(tlskit.WantReadError):
            server.recv(1)
        server.settimeout(PATIENCE)
        client.input.close()
        with pytest.raises(tlskit.TruncatedError):
            server.recv(1)
    client.close()
    server.close()


# -- abandoning -------------------------------------------------------------


def test_an_abandoned_output_leaves_the_input() -> None:
    """What was written arrives, no end is told, and TCP stays open.

    Only with the input, too, does the peer see the connection go.
    """
    client, server = over_sockets(tcp_pair())
    client.output.write(b"last words")
    client.output.abandon()
    client.output.abandon()
    assert b"last words" == read_exactly(server, 10)
    server.sendall(b"still heard")
    assert b"still heard" == client.input.read(11)
    assert not client.closed
    client.input.abandon()

    assert client.closed
    with pytest.raises(tlskit.TruncatedError):
        server.recv(1)
    server.close()


# -- modes, contexts, protocols ---------------------------------------------


def test_a_context_wins_over_encrypt() -> None:
    """With a context, the protocol's name is not even looked at."""
    ours, theirs = file_pairs()
    client, server = wrap_both(
        ours,
        theirs,
        context=client_context("tls12"),
        server_options={"context": server_context()},
        encrypt="no such protocol",
        close_original=True,
    )
    with client, server:
        assert tlskit.TLSVersion.TLS_1_2 == client.version
    with pytest.raises(ValueError, match="no such protocol"):
        tlskit.ports_to_ssl_ports(
            *ours, mode="connect", encrypt="no such protocol"
        )


def test_secure_is_a_protocol_for_servers() -> None:
    """Accepting with the name "secure" asks for no host name."""
    stream = io.BytesIO()
    for name in ("secure", "auto"):
        # It gets as far as missing a certificate.
        with pytest.raises(tlskit.CredentialError):
            tlskit.ports_to_ssl_ports(
                stream, stream, mode="accept", encrypt=name
            )


# -- the server name --------------------------------------------------------


@pytest.mark.parametrize(
    ("hostname", "announced"),
    [
        ("localhost", "localhost"),
        ("LocalHost", "localhost"),
        ("localhost.", "localhost"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", None),
        ("::1", None),
        ("[::1]", None),
        (None, None),
    ],
)
def test_what_is_announced(
    hostname: str | None, announced: str | None
) -> None:
    """A host name is, in A-labels; an address or nothing is not."""
    left, right = socket.socketpair()
    task = Task(
        lambda: SSLPort.start_tls(right, server_context(), server_side=True)
    )
    with (
        SSLPort.start_tls(
            left, tlskit.ClientContext("auto"), hostname=hostname
        ) as client,
        task.result() as server,
    ):
        assert announced == server.server_name == client.server_name


def test_hostname_wins_over_the_host() -> None:
    """The name to announce and to check may be given apart."""
    with tlskit.listen(
        hostname="127.0.0.1", context=server_context()
    ) as listener:
        task = Task(listener.accept, PATIENCE)
        with (
            tlskit.connect(
                "127.0.0.1",
                listener.port,
                client_context(),
                hostname=HOST,
                timeout=PATIENCE,
            ),
            task.result() as server,
        ):
            assert HOST == server.server_name


# -- ALPN -------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("offered", "had", "selected"),
    [
        ([], ["rkt"], None),
        (["rkt"], [], None),
        (["rkt"], ["rkt", "other"], "rkt"),
        (["none", b"rkt"], ["rkt", "other"], "rkt"),
        (["one", "two"], ["two", "one"], "two"),
        (["x" * 255], [b"x" * 255], "x" * 255),
    ],
)
def test_alpn(
    offered: list[Any], had: list[Any], selected: str | None, version: str
) -> None:
    """The server's order wins; without ALPN on one side there is none."""
    asking, context = client_context(version), server_context()
    context.set_alpn(had)
    client, server = memory_pair(asking, context, alpn=offered)
    with client, server:
        assert selected == client.alpn_selected == server.alpn_selected


@pytest.mark.parametrize("version", VERSIONS)
def test_alpn_without_a_match(version: str) -> None:
    """It is refused by its alert, or tolerated if that was chosen."""
    asking, context = client_context(version), server_context()
    context.set_alpn(["theirs"], allow_no_match=True)
    client, server = memory_pair(asking, context, alpn=["ours"])
    with client, server:
        assert client.alpn_selected is server.alpn_selected is None
    context.set_alpn(["theirs"])
    left, right = socket.socketpair()
    task = Task(lambda: SSLPort.start_tls(right, context, server_side=True))
    with pytest.raises(tlskit.AlertError) as caught:
        tlskit.ports_to_ssl_ports(
            *(left, left),
            mode="connect",
            context=asking,
            hostname=HOST,
            alpn=["ours"],
        )
    error = task.settle()
    left.close()

    assert isinstance(error, tlskit.NegotiationError)
    assert "no-application-protocol" == error.code
    assert caught.value.alert in {
        tlskit.Alert.NO_APPLICATION_PROTOCOL,
        # Without our own callbacks OpenSSL chooses the alert.
        tlskit.Alert.HANDSHAKE_FAILURE,
    }


@pytest.mark.parametrize(
    ("alpn", "error"),
    [
        ([b""], ValueError),
        (["x" * 256], ValueError),
        ("h2", TypeError),
        ([2], TypeError),
    ],
)
def test_no_alpn_name(alpn: Any, error: type[Exception]) -> None:
    """A name has 1 to 255 bytes; that is looked at before connecting."""
    with pytest.raises(error):
        tlskit.connect("127.0.0.1", 9, client_context(), alpn=alpn)
    with pytest.raises(error):
        tlskit.ports_to_ssl_ports(
            None, None, mode="connect", context=client_context(), alpn=alpn
        )


# -- the end of a listener --------------------------------------------------


def test_closing_a_listener() -> None:
    """Who was accepted stays; who was not sees the end; twice is harmless."""
    listener = tlskit.listen(hostname="127.0.0.1", context=server_context())
    address = ("127.0.0.1", listener.port)
    task = Task(listener.accept, PATIENCE)
    client = tlskit.connect(*address, client_context(), hostname=HOST)
    server = task.result()
    waiting = socket.create_connection(address, PATIENCE)
    listener.close()
    listener.close()

    with waiting, suppress(ConnectionResetError):
        assert b"" == waiting.recv(1)
    with client, server:
        client.sendall(b"x")
        assert b"x" == server.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, PATIENCE)
    with pytest.raises(tlskit.ClosedError):
        listener.accept(0)
