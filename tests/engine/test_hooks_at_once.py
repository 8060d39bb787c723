"""Hooks whose answer nobody would wait for: a coroutine is no yes."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

import tlskit
from tlskit import Alert, ConfigurationError, aio
from tlskit.policy.answers import at_once
from tlskit.testing import CA

from ..engines import (
    authority,
    client_context,
    client_engine,
    read,
    server_context,
    server_engine,
    shake,
)
from ..peers import HOST, PATIENCE

VERSIONS = ("tls12", "tls13")


def refusing(kind, hook):
    """Make a class whose hook would refuse everybody, if it was run."""

    async def refuse(*_):
        return False

    return type(kind.__name__, (kind,), {hook: refuse})


def pair_of(side, kind, version):
    """Make both contexts; *kind* is the one of *side*."""
    if side == "client":
        client = kind(version)
        client.set_verify_hostname()
        server = server_context(version)
    else:
        client = client_context(version)
        authority().issue("client.example").apply(client)
        server = kind(version)
        authority().issue(HOST).apply(server)
    ours = client if side == "client" else server
    authority().trust(ours)
    ours.set_verify()
    return client, server


def refused(side, client, server, words):
    """See that the side with the hook refuses; give the alert."""
    one, other = client_engine(client), server_engine(server)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigurationError, match=words) as caught:
            shake(one, other)
        gc.collect()
    assert "hook-not-awaited" == caught.value.code
    here, there = (one, other) if side == "client" else (other, one)
    there.receive(here.outgoing())
    with pytest.raises(tlskit.AlertError) as told:
        read(there) if there.handshake() else None
    return told.value.alert


@pytest.mark.parametrize("hook", ["verify_peer", "verify_certificate"])
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("version", VERSIONS)
def test_verifying_hook(version, side, hook):
    """It refuses the peer, which hears so, and is told to the programmer."""
    kind = tlskit.ClientContext if side == "client" else tlskit.ServerContext
    contexts = pair_of(side, refusing(kind, hook), version)

    assert isinstance(refused(side, *contexts, rf"{hook}\(\)"), Alert)


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("version", VERSIONS)
def test_verifier_function(version, side):
    """The same for set_certificate_verifier()."""
    kind = tlskit.ClientContext if side == "client" else tlskit.ServerContext

    async def verifier(depth, ok, certificate):
        return False

    contexts = pair_of(side, kind, version)
    contexts[side == "server"].set_certificate_verifier(verifier)

    assert isinstance(
        refused(side, *contexts, "a certificate verifier"), Alert
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_stranger(version):
    """A chain that nobody trusts is not accepted by a coroutine."""
    client = refusing(tlskit.ClientContext, "verify_certificate")(version)
    CA("somebody else").trust(client)
    client.set_verify()
    client.set_verify_hostname()
    server = server_context(version)

    assert isinstance(refused("client", client, server, "coroutine"), Alert)


@pytest.mark.parametrize("hook", ["choose_context", "select_alpn"])
@pytest.mark.parametrize("version", VERSIONS)
def test_choosing_hook(version, hook):
    """What chooses is told in the same words."""
    server = refusing(tlskit.ServerContext, hook)(version)
    authority().issue(HOST).apply(server)
    client = client_context(version)
    client.set_alpn(["h2"])

    assert isinstance(refused("server", client, server, hook), Alert)


@pytest.mark.parametrize("setter", ["log_key", "set_keylog", "set_trace"])
@pytest.mark.parametrize("version", VERSIONS)
def test_listening_function(version, setter):
    """What only listens would hear nothing; that is told, too."""

    async def listen(_):
        raise AssertionError

    client = client_context(version)
    if setter == "log_key":
        client.log_key = listen
    elif setter == "set_trace" and not tlskit.capabilities()["messages"]:
        pytest.skip("the binding tells of no messages")
    else:
        getattr(client, setter)(listen)
    one, other = client_engine(client), server_engine(server_context(version))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigurationError, match="coroutine") as caught:
            shake(one, other)
        gc.collect()

    assert "hook-not-awaited" == caught.value.code


@pytest.mark.native
@pytest.mark.parametrize("side", ["client", "server"])
def test_function_of_keys(side):
    """A coroutine gives no pre-shared key; the handshake is refused."""

    async def key(*_):
        raise AssertionError

    client, server = client_context(), server_context()
    client.set_psk_client(key if side == "client" else ("me", b"k" * 32))
    server.set_psk_server(key if side == "server" else {"me": b"k" * 32})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigurationError, match="pre-shared") as caught:
            shake(client_engine(client), server_engine(server))
        gc.collect()

    assert "hook-not-awaited" == caught.value.code


def test_other_things_that_have_not_run():
    """Generators and futures are none; what is there is given."""

    def generator():
        yield True

    async def asynchronous():
        yield True

    loop = asyncio.new_event_loop()
    for answer in (generator(), asynchronous(), asyncio.Future(loop=loop)):
        with pytest.raises(ConfigurationError, match=r"hook\(\) can't be"):
            at_once(answer, "hook()")
    loop.close()

    assert [None, False, "h2"] == [
        at_once(each, "hook()") for each in (None, False, "h2")
    ]


@pytest.mark.parametrize("hook", ["verify_peer", "verify_certificate"])
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("version", VERSIONS)
def test_on_asyncio(version, side, hook, caplog):
    """An event loop that could wait does not do so either."""
    kind = tlskit.ClientContext if side == "client" else tlskit.ServerContext
    client, server = pair_of(side, refusing(kind, hook), version)
    met = []

    async def handler(port):
        met.append(port)

    async def come(listener):
        port = await aio.open_connection(
            "127.0.0.1", listener.port, client, hostname=HOST, timeout=PATIENCE
        )
        async with port:
            await port.read(1)

    async def refuse(listener):
        while not listener.failures:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0)

    async def main():
        async with await aio.start_server(
            handler, "127.0.0.1", context=server
        ) as listener:
            with pytest.raises(tlskit.TLSError) as caught:
                await come(listener)
            if side == "server":
                await asyncio.wait_for(refuse(listener), PATIENCE)
        return caught.value

    caplog.set_level("INFO")
    error = asyncio.run(main())

    if side == "client":
        assert isinstance(error, ConfigurationError)
    else:
        assert isinstance(error, tlskit.AlertError)
        assert f"{hook}() can't be a coroutine function" in caplog.text
        assert not met
