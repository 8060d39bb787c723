"""What a server's port was told before its handshake outlives a choice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

import tlskit
from tlskit import aio
from tlskit.aio import upgrade
from tlskit.openssl import native
from tlskit.policy.settings import Verify

from ..engines import (
    authority,
    client_context,
    client_engine,
    move,
    pair,
    read,
    server_context,
    server_engine,
    shake,
)
from ..peers import HOST, PATIENCE, Task

Change = Callable[[tlskit.ServerContext], tlskit.ServerContext]
VERSIONS = ("tls12", "tls13")


class OnDemand:
    """Has certificates for all names, as an ACME server's client may."""

    def __init__(self, chosen):
        self.chosen = chosen

    def answer(self, server_name, offered):
        """Answer no challenge."""

    def choose(self, server_name, offered, origin):
        """Give the context with the certificate."""
        return self.chosen


class Challenged(OnDemand):
    """Is asked for a proof, by everybody."""

    def answer(self, server_name, offered):
        """Give what answers."""
        return self.chosen


def by_hello(chosen):
    """Choose by the whole message."""

    class Choosing(tlskit.ServerContext):
        def choose_for(self, hello):
            return chosen

    return Choosing("auto")


def by_name(chosen):
    """Choose by the server name."""

    class Choosing(tlskit.ServerContext):
        def choose_context(self, server_name):
            return chosen

    return Choosing("auto")


def by_both(chosen):
    """Choose twice; the first choice demands less."""
    return by_hello(by_name(chosen))


def by_table(chosen):
    """Choose by a table."""
    context = tlskit.ServerContext("auto")
    context.set_server_names({HOST: chosen})
    return context


def on_demand(chosen):
    """Choose by who has a certificate."""
    context = tlskit.ServerContext("auto")
    context._change(answering=(OnDemand(chosen),))
    return context


WAYS = (by_hello, by_name, by_both, by_table, on_demand)


def trusting(version):
    """Make a server's context that could verify clients, and doesn't."""
    context = server_context(version)
    authority().trust(context)
    return context


def with_certificate(version="auto"):
    """Make a client's context that has a certificate."""
    context = client_context(version)
    authority().issue("client.example").apply(context)
    return context


def met(context, told, client):
    """Shake hands with a server that was told so; give its engine."""
    ours, theirs = client_engine(client), server_engine(context)
    theirs.expect(told)
    shake(ours, theirs)
    return theirs


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", WAYS)
def test_a_certificate_is_demanded(way: Change, version):
    """Nobody comes in without one, whichever context was chosen."""
    context = way(trusting(version))
    with pytest.raises(tlskit.VerificationError, match="no certificate"):
        met(context, Verify.REQUIRE, client_context(version))
    server = met(context, Verify.REQUIRE, with_certificate(version))

    assert server.facts.peer_verified


@pytest.mark.parametrize("version", VERSIONS)
def test_the_client_hears_why(version):
    """The alert is that of a context that demands by itself."""
    client = client_engine(client_context(version))
    server = server_engine(by_name(trusting(version)))
    server.expect(Verify.REQUIRE)
    with pytest.raises(tlskit.VerificationError):
        shake(client, server)
    client.receive(server.outgoing())
    with pytest.raises(tlskit.AlertError) as caught:
        read(client) if client.handshake() else None

    assert caught.value.alert in {
        tlskit.Alert.CERTIFICATE_REQUIRED,
        tlskit.Alert.HANDSHAKE_FAILURE,
    }


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("told", [Verify.NONE, Verify.TRY, Verify.OPTIONAL])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_port_weakens_no_choice(version, told, sealed):
    """What the chosen context demands is demanded, if the port says less."""
    chosen = trusting(version)
    chosen.set_verify()
    if sealed:
        chosen.seal()
    with pytest.raises(tlskit.VerificationError, match="no certificate"):
        met(by_hello(chosen), told, client_context(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_port_that_only_asks(version):
    """Less than a certificate from everybody holds as well."""
    context = by_name(trusting(version))
    clients = client_context(version), with_certificate(version)
    servers = [met(context, Verify.TRY, client) for client in clients]

    assert [False, True] == [each.facts.peer_verified for each in servers]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_port_that_was_told_nothing(version):
    """Then the chosen context's rule stands alone."""
    chosen = trusting(version)
    context = by_hello(chosen)
    context.set_verify()
    _, server = pair(None, context)

    assert Verify.NONE is server.record.settings.verify


def test_told_while_the_choice_is_awaited():
    """It is not too late while a coroutine function chooses."""
    chosen = trusting("auto")

    class Waiting(tlskit.ServerContext):
        async def choose_for(self, hello):
            return chosen

    client, server = client_engine(), server_engine(Waiting())
    server.can_suspend = True
    client.handshake()
    move(client, server)
    assert server.handshake() is None
    server.expect(Verify.REQUIRE)
    server.choose(asyncio.run(_awaited(server.choice)))
    with pytest.raises(tlskit.VerificationError, match="no certificate"):
        shake(client, server)


async def _awaited(choice):
    return await choice


@pytest.mark.native
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_resumed(version, told):
    """A ticket of the chosen context's is no certificate."""
    chosen = trusting(version)
    chosen.set_verify()
    context, asking = by_hello(chosen), with_certificate()
    client, server = pair(asking, context)
    server.write(memoryview(b"tickets come before"))
    move(server, client)
    read(client)
    again, there = client_engine(asking), server_engine(context)
    if told:
        there.expect(Verify.REQUIRE)
    assert again.resume(client.resumable())
    shake(again, there)

    assert told is not native.session_reused(again._connection)
    assert there.facts.peer_verified


@pytest.mark.parametrize("version", VERSIONS)
def test_an_acme_server_has_no_certificate(version):
    """Its question is answered all the same, and nothing else."""
    context = tlskit.ServerContext("auto")
    context._change(answering=(Challenged(server_context(version)),))
    with pytest.raises(tlskit.HandshakeError) as caught:
        met(context, Verify.REQUIRE, client_context())

    assert "acme-challenge" == caught.value.code


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", [by_hello, by_name])
def test_on_a_blocking_port(way: Change, version):
    """set_verify() before handshake() holds."""
    context = way(trusting(version))

    def come(number, client):
        with tlskit.connect(HOST, number, client, timeout=PATIENCE) as port:
            return port.recv(1)

    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        coming = Task(come, listener.port, client_context(version))
        with listener.accept(PATIENCE, handshake=False) as port:
            port.set_verify()
            with pytest.raises(tlskit.VerificationError):
                port.handshake()
        assert isinstance(coming.settle(), tlskit.TLSError)
        coming = Task(come, listener.port, with_certificate(version))
        with listener.accept(PATIENCE, handshake=False) as port:
            port.set_verify()
            port.handshake()
            assert port.peer_verified
            port.sendall(b"!")
        assert b"!" == coming.result()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shown", [True, False])
def test_on_asyncio(version, shown, monkeypatch):
    """The same where the choice is a coroutine function's."""
    chosen, shaken = trusting(version), upgrade.shaken

    class Waiting(tlskit.ServerContext):
        async def choose_for(self, hello):
            await asyncio.sleep(0)
            return chosen

    async def told(port, deadline):
        if port._engine.server_side:
            await port.set_verify()
        return await shaken(port, deadline)

    async def come(sock, context, **keywords):
        streams = await asyncio.open_connection(sock=sock)
        port = await aio.start_tls(
            streams, context, timeout=PATIENCE, **keywords
        )
        async with port:
            if keywords.get("server_side"):
                port.write(b"!")
                await port.drain()
                return port.peer_verified
            return await port.read(1)

    async def both():
        one, other = socket.socketpair()
        asking = with_certificate() if shown else client_context()
        return await asyncio.gather(
            come(one, Waiting(), server_side=True),
            come(other, asking, hostname=HOST),
            return_exceptions=True,
        )

    monkeypatch.setattr(upgrade, "shaken", told)
    server, client = asyncio.run(both())

    if shown:
        assert (True, b"!") == (server, client)
    else:
        assert isinstance(server, tlskit.VerificationError)
        assert isinstance(client, tlskit.AlertError)
