"""The hook that chooses a context by the whole ClientHello."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

import tlskit
from tlskit import Alert, ServerContext, aio
from tlskit.testing import CA, memory_pair

from ..engines import (
    client_context,
    client_engine,
    move,
    server_context,
    server_engine,
)
from .test_client_hello import extension, hello, records

HOST = "localhost"


class Choosing(ServerContext):
    """Asks a function, and remembers the messages."""

    def __init__(self, function=lambda _: None):
        super().__init__()
        self.function = function
        self.seen = []

    def choose_for(self, hello):
        """Ask the function."""
        self.seen.append(hello)
        return self.function(hello)


class Waiting(Choosing):
    """Waits for the function."""

    async def choose_for(self, hello):
        """Wait for what the function gives."""
        self.seen.append(hello)
        return await self.function(hello)


def test_hello_of_a_port():
    """A server's port has it without a hook, a client's has none."""
    client, server = memory_pair(client_context(), server_context())

    assert "localhost" == server.client_hello.server_name
    assert server.client_hello is server.client_hello
    assert client.client_hello is None
    client.close()
    server.close()

    assert server.client_hello.ja4.startswith("t13d")


@pytest.mark.parametrize("name", ["localhost", None])
@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_another_context_does_it_all(name, version):
    """The chosen context's policy holds, with a server name and without."""
    chosen = server_context(version)
    chosen.set_alpn(["chosen"])
    # Its own versions are others, and it has no certificate at all.
    context = Choosing(lambda _: chosen)
    asking = client_context()
    asking.set_alpn(["chosen", "other"])
    if name is None:
        asking.set_verify_hostname(False)
    client, server = memory_pair(asking, context, hostname=name)

    assert "chosen" == client.alpn_selected == server.alpn_selected
    assert version.upper().replace("TLS1", "TLS_1_") == server.version.name
    assert [("chosen", "other")] == [each.alpn for each in context.seen]
    assert [name] == [each.server_name for each in context.seen]


@pytest.mark.parametrize("itself", [True, False])
def test_none_goes_on_with_this_one(itself):
    """None, or the context itself, is no change."""
    context = Choosing(lambda _: context if itself else None)
    usual = server_context()
    context.load_certificate_chain(usual.settings.chain.certificates)
    context.load_private_key(usual.settings.key.key)
    client, _ = memory_pair(client_context(), context)

    assert client.peer_verified
    assert 1 == len(context.seen)


def test_it_is_asked_before_choose_context():
    """The chosen context may choose once more, by the name."""
    order = []

    class Second(ServerContext):
        def choose_context(self, server_name):
            order.append(server_name)
            return server_context()

    context = Choosing(lambda hello: order.append(hello) or Second())
    memory_pair(client_context(), context)

    assert [*context.seen, "localhost"] == order


@pytest.mark.native
@pytest.mark.skipif(
    not tlskit.capabilities()["groups"], reason="no choice of groups"
)
def test_once_in_spite_of_a_second_hello():
    """A HelloRetryRequest does not ask again."""
    chosen = server_context()
    chosen.set_groups(["P-384"])
    context = Choosing(lambda _: chosen)
    asking = client_context()
    asking.set_groups(["X25519", "P-384"])
    client, server = memory_pair(asking, context)

    assert 1 == len(context.seen)
    assert ("x25519",) == server.client_hello.key_shares
    assert "secp384r1" == (client.group or "secp384r1")


class AskedForError(Exception):
    """Asks for an alert."""

    alert = Alert.ACCESS_DENIED


@pytest.mark.parametrize(
    ("answer", "kind", "alert"),
    [
        (AskedForError(), AskedForError, Alert.ACCESS_DENIED),
        (KeyError("no"), KeyError, Alert.INTERNAL_ERROR),
        (5, TypeError, Alert.INTERNAL_ERROR),
        (client_context(), TypeError, Alert.INTERNAL_ERROR),
        (
            ServerContext(),
            tlskit.CredentialError,
            Alert.INTERNAL_ERROR,
        ),
    ],
)
def test_failing_hook_sends_an_alert(answer, kind, alert):
    """What fails is raised here, and the client gets an alert."""

    def choose(_):
        if isinstance(answer, Exception):
            raise answer
        return answer

    client, server = client_engine(), server_engine(Choosing(choose))
    assert client.handshake() is None
    move(client, server)
    with pytest.raises(kind) as first:
        server.handshake()
    with pytest.raises(kind):
        server.handshake()
    client.receive(server.outgoing())
    with pytest.raises(tlskit.AlertError) as caught:
        client.handshake()

    assert alert == caught.value.alert
    if isinstance(answer, Exception):
        assert first.value is answer


def test_it_waits_for_the_whole_message():
    """Byte by byte: nothing is asked, or answered, before all is there."""
    context = Choosing(lambda _: server_context())
    client, server = client_engine(), server_engine(context)
    client.handshake()
    data = bytes(client.outgoing())
    for at in range(len(data)):
        assert server.handshake() is None
        assert not context.seen
        assert not server.outgoing()
        server.receive(data[at : at + 1])
    server.handshake()

    assert 1 == len(context.seen)
    assert server.outgoing()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
        (b"\x16\3\1\0\0", "."),
    ],
)
def test_no_tls_is_told_as_without_the_hook(data, words):
    """What is no TLS gets OpenSSL's words, or an alert; no hook is asked."""
    context = Choosing()
    server = server_engine(context)
    server.receive(data)
    with pytest.raises(tlskit.HandshakeError, match=words):
        server.handshake()

    assert not context.seen


def test_no_way_round_the_hook():
    """What OpenSSL would skip, such as a warning, is not skipped here."""
    context = Choosing(lambda _: server_context())
    client, server = client_engine(), server_engine(context)
    client.handshake()
    server.receive(b"\x15\3\1\0\2\1\x5a" + bytes(client.outgoing()))
    with pytest.raises(tlskit.HandshakeError):
        server.handshake()
    client.receive(server.outgoing())
    with pytest.raises(tlskit.AlertError):
        client.handshake()

    assert not context.seen


def test_malformed_hello_is_refused():
    """What can't be read can't be chosen for; the alert is decode_error."""
    server = server_engine(Choosing())
    server.receive(records(hello(extension(5), extension(5)), 99))
    with pytest.raises(tlskit.HandshakeError) as caught:
        server.handshake()

    assert "malformed-client-hello" == caught.value.code
    assert bytes((21, 3, 3, 0, 2, 2, 50)) == server.outgoing()


@pytest.mark.parametrize("sent", [b"", b"\x16\3\1\1"])
def test_end_before_the_hello(sent):
    """A client that goes away is told as without the hook."""
    server = server_engine(Choosing())
    server.receive(sent) if sent else None
    server.receive(b"")
    with pytest.raises(tlskit.HandshakeError) as caught:
        server.handshake()

    assert "closed-in-handshake" == caught.value.code


def test_coroutine_on_a_blocking_port():
    """Nobody would wait for it; the error says so."""

    async def choose(_):
        return None

    class Odd(Choosing):
        def choose_for(self, hello):
            return asyncio.Future(loop=loop)

    loop = asyncio.new_event_loop()
    for context in (Waiting(choose), Odd()):
        with pytest.raises(tlskit.ConfigurationError, match="is not asyncio"):
            memory_pair(client_context(), context)
    loop.close()


def test_through_the_standard_library():
    """Over as_ssl_context() the hook chooses; the protocols stay ours."""
    chosen = server_context()
    for context in (Choosing(lambda _: chosen), Choosing()):
        context.load_certificate_chain(chosen.settings.chain.certificates)
        context.load_private_key(chosen.settings.key.key)
        theirs = context.as_ssl_context()
        theirs.set_alpn_protocols(["h2"])
        asking = client_context()
        asking.set_alpn(["h2"])
        one, other = socket.socketpair()
        with ThreadPoolExecutor(1) as pool, one, other:
            coming = pool.submit(theirs.wrap_socket, one, server_side=True)
            port = tlskit.SSLPort.start_tls(other, asking, hostname=HOST)

            assert "h2" == port.alpn_selected
            coming.result(10).close()
            port.close()


# -- asyncio ----------------------------------------------------------------


async def served(context, clients, **keywords):
    """Serve while *clients* run, which get the port's number."""

    async def handler(port):
        port.write(b"hi")
        await port.drain()

    server = await aio.start_server(
        handler, "127.0.0.1", context=context, **keywords
    )
    async with server:
        result = await clients(server)
    return result, server


async def visit(number):
    """Come as a client, and read."""
    port = await aio.open_connection(
        "127.0.0.1", number, client_context(), hostname=HOST, timeout=20
    )
    async with port:
        return await port.readexactly(2)


async def until(true):
    """Wait for what is about to become true."""
    while not true():  # noqa: ASYNC110 - it sets no event
        await asyncio.sleep(0)


def test_other_clients_do_not_wait():
    """While one choice waits, others are served."""

    async def main():
        go = asyncio.Event()
        chosen = server_context()

        async def choose(_):
            if len(context.seen) == 1:
                await go.wait()
            return chosen

        context = Waiting(choose)

        async def clients(server):
            first = asyncio.create_task(visit(server.port))
            await until(lambda: context.seen)
            assert b"hi" == await visit(server.port)
            assert not first.done()
            go.set()
            return await first

        result, _ = await served(context, clients)
        assert b"hi" == result

    asyncio.run(main())


@pytest.mark.parametrize("late", [True, False])
def test_failing_coroutine_sends_an_alert(late):
    """What it raises, or a time-out, refuses the client by an alert."""

    async def main():
        async def choose(_):
            if late:
                await asyncio.Event().wait()
            raise AskedForError

        told = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: told.append(what))

        async def clients(server):
            with pytest.raises(tlskit.AlertError) as caught:
                await visit(server.port)
            await until(lambda: server.failures)
            return caught.value.alert

        alert, server = await served(
            Waiting(choose), clients, handshake_timeout=0.2 if late else 10
        )

        assert 1 == server.failures
        assert late == (not told)
        assert alert == (Alert.INTERNAL_ERROR if late else Alert.ACCESS_DENIED)

    asyncio.run(main())


def test_cancelled_choices_leave_nothing():
    """Closing the server in the middle of many choices cancels them all."""

    async def main():
        running, ended = set(), []

        async def choose(hello):
            running.add(hello)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(hello)

        context = Waiting(choose)

        async def clients(server):
            coming = [
                asyncio.create_task(visit(server.port)) for _ in range(20)
            ]
            await until(lambda: len(context.seen) == 20)
            await server.shutdown(0)
            return await asyncio.gather(*coming, return_exceptions=True)

        found, _ = await served(context, clients)

        assert all(isinstance(each, OSError) for each in found)
        assert 20 == len(ended)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(main())


def test_certificates_of_its_own():
    """Two clients of one server get what was chosen for their protocols."""
    ca = CA()
    contexts = {}
    for name in ("one", "two"):
        contexts[name] = ServerContext()
        ca.issue(f"{name}.example").apply(contexts[name])
    context = Choosing(lambda hello: contexts[hello.server_name[:3]])
    for name in contexts:
        asking = tlskit.ClientContext("auto")
        ca.trust(asking)
        asking.set_verify()
        client, _ = memory_pair(asking, context, hostname=f"{name}.example")

        assert (f"{name}.example",) == client.peer_certificate_hostnames
