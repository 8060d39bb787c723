"""``session_of``: another port's session, by the same rules or not at all."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from OpenSSL import SSL, crypto

import tlskit
from tlskit import aio
from tlskit.engine.engine import Engine
from tlskit.policy.sessions import Session, SessionCache, SessionKey
from tlskit.policy.settings import Verify
from tlskit.testing import CA
from tlskit.verify.identity import Identity

from ..engines import (
    authority,
    client_context,
    exchange,
    server_context,
    server_engine,
    shake,
)
from ..interrupts import interrupted
from ..peers import HOST, PATIENCE, VERSIONS, Task

LOCAL = "127.0.0.1"
KINDS = pytest.mark.parametrize("kind", ["blocking", "asyncio", "trio"])
#: Who would have to resume without the capability.
native = pytest.mark.native


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def control(
    client: tlskit.ClientContext,
    server: tlskit.ServerContext,
    name: str | None = HOST,
    given: Any = None,
    alpn: tuple[bytes, ...] = (),
) -> Engine:
    """Shake hands, and hear a word, with which tickets come."""
    ours = Engine(
        client,
        server_side=False,
        identity=None if name is None else Identity.parse(name),
        given=given,
        alpn=alpn,
    )
    theirs = server_engine(server)
    shake(ours, theirs)
    assert b"220" == exchange(theirs, ours, b"220")
    return ours


def reused(engine: Engine) -> bool:
    """Say whether it has resumed."""
    assert engine.facts is not None
    return engine.facts.session_reused


# -- rules ------------------------------------------------------------------


@native
def test_the_same_rule(version: str) -> None:
    """Without a cache, and as often as is asked for."""
    client, server = client_context(version), server_context()
    first = control(client, server)
    for _ in range(3):
        again = control(client, server, given=first.resumable())
        assert reused(again)
        assert again.facts is not None
        assert first.facts is not None
        assert again.facts.peer_verified
        assert first.facts.verified_ders == again.facts.verified_ders
        assert first.facts.peer_ders == again.facts.peer_ders


@native
def test_a_chain_of_ports(version: str) -> None:
    """A resumed session can be resumed; its verdict does not get younger."""
    client, server = client_context(version), server_context()
    engine = control(client, server)
    kept = engine.resumable()
    assert kept is not None
    for _ in range(3):
        engine = control(client, server, given=engine.resumable())
        assert reused(engine)
        again = engine.resumable()
        assert again is not None
        assert kept.session.verified_at == again.session.verified_at


def other_roots() -> tlskit.ClientContext:
    """Trust somebody else, too."""
    context = client_context()
    CA("tlskit other CA").trust(context)
    return context


def pinned() -> tlskit.ClientContext:
    """Accept one certificate only."""
    context = client_context()
    context.set_pins(["sha256/" + "A" * 43 + "="])
    return context


@native
def test_another_rule() -> None:
    """Another rule, name or offer: a full handshake, and its own verdict."""
    client, server = client_context(), server_context()
    server.set_alpn(["x"], allow_no_match=True)
    kept = control(client, server).resumable()

    assert reused(control(client, server, given=kept))
    assert not reused(control(other_roots(), server, given=kept))
    assert not reused(control(client, server, "127.0.0.1", given=kept))
    assert not reused(control(client, server, given=kept, alpn=(b"x",)))
    with pytest.raises(tlskit.VerificationError) as caught:
        control(pinned(), server, given=kept)
    assert "pin-mismatch" == caught.value.code
    with pytest.raises(tlskit.IdentityError):
        control(client, server, "other.example", given=kept)


@native
def test_what_was_tolerated_goes_with_it(version: str) -> None:
    """A server that nobody trusts is not verified when it is resumed."""
    client = tlskit.ClientContext(version)
    client.set_verify(False)
    server = server_context()
    first = control(client, server)
    again = control(client, server, given=first.resumable())

    assert reused(again)
    assert first.facts is not None
    assert again.facts is not None
    assert first.facts.verify_error is not None
    assert not again.facts.peer_verified
    assert again.facts.verify_error is not None
    assert first.facts.verify_error.code == again.facts.verify_error.code
    demanding = client_context(version)
    assert not reused(control(demanding, server, given=again.resumable()))


@native
def test_without_a_name(version: str) -> None:
    """Where no name is checked, none has to be the same."""
    client = client_context(version)
    client.set_verify_hostname(False)
    server = server_context()
    kept = control(client, server, None).resumable()

    assert reused(control(client, server, None, given=kept))
    assert not reused(control(client, server, HOST, given=kept))


def test_what_nothing_is_kept_of() -> None:
    """Before the handshake, by a hook's opinion, and after a failure."""
    server = server_context()
    fresh = Engine(
        client_context(), server_side=False, identity=Identity.parse(HOST)
    )
    assert fresh.resumable() is None

    judging = client_context()
    judging.set_certificate_verifier(lambda _depth, ok, _certificate: ok)
    assert control(judging, server).resumable() is None

    broken = control(client_context(), server)
    broken.receive(b"\x17\3\3\0\x20" + bytes(32))
    with pytest.raises(tlskit.StreamError):
        broken.read_into(bytearray(10))
    assert broken.resumable() is None


@native
def test_a_doubt_that_openssl_does_not_know() -> None:
    """What only a second verifier has found wrong is not carried along."""
    client = tlskit.ClientContext("auto")
    authority().trust(client)
    client.try_verify()
    client.set_strict()
    server = tlskit.ServerContext()
    authority().issue(HOST, with_san=False).apply(server)
    doubted = control(client, server)
    assert doubted.facts is not None
    assert doubted.facts.verify_error is not None

    assert doubted.resumable() is None


@native
def test_a_peer_that_just_went(version: str) -> None:
    """An end without close_notify spoils no session."""
    client, server = client_context(version), server_context()
    cut = control(client, server)
    cut.receive(b"")
    with pytest.raises(tlskit.TruncatedError):
        cut.read_into(bytearray(10))

    assert reused(control(client, server, given=cut.resumable()))


@native
def test_a_rule_without_a_name() -> None:
    """What no digest can be made of is never resumed."""
    client, server = client_context(), server_context()
    kept = control(client, server).resumable()
    vars(client.prepared())["policy"] = None

    assert control(client, server).resumable() is None
    assert not reused(control(client, server, given=kept))


@native
def test_rules_of_a_port() -> None:
    """A port that was told to ask for less has no session for others."""
    client, server = client_context(), server_context()
    ours = Engine(client, server_side=False, identity=Identity.parse(HOST))
    ours.expect(Verify.TRY)
    theirs = server_engine(server)
    shake(ours, theirs)

    assert ours.resumable() is None


# -- ports of all drivers ---------------------------------------------------


@contextmanager
def serving(context: tlskit.ServerContext) -> Iterator[int]:
    """Serve everybody with a word and a wait for one."""

    def talk(port: tlskit.SSLPort) -> None:
        port.sendall(b"hi")
        port.recv(1)

    with tlskit.listen(hostname=LOCAL, context=context) as listener:
        task = Task(lambda: listener.serve(talk, timeout=PATIENCE))
        try:
            yield listener.port
        finally:
            listener.shutdown(PATIENCE)
            task.result()


def both(
    kind: str, one: int, two: int, context: tlskit.ClientContext, **more: Any
) -> bool:
    """Connect twice, the second time by the first one's session."""
    if kind == "blocking":
        with tlskit.connect(
            LOCAL, one, context, hostname=HOST, timeout=PATIENCE
        ) as first:
            assert b"hi" == first.recv(2)
            with tlskit.connect(
                LOCAL,
                two,
                context,
                hostname=HOST,
                timeout=PATIENCE,
                session_of=first,
            ) as second:
                assert b"hi" == second.recv(2)
                return second.session_reused
    module: Any = aio if kind == "asyncio" else tlskit.trio

    async def main() -> bool:
        first = await module.open_connection(
            LOCAL, one, context, hostname=HOST, timeout=PATIENCE
        )
        assert b"hi" == await first.read(2)
        second = await module.open_connection(
            LOCAL,
            two,
            context,
            hostname=HOST,
            timeout=PATIENCE,
            session_of=first,
        )
        assert b"hi" == await second.read(2)
        found: bool = second.session_reused
        await second.aclose()
        await first.aclose()
        return found

    return asyncio.run(main()) if kind == "asyncio" else trio.run(main)


@native
@KINDS
def test_another_tcp_port(kind: str, version: str) -> None:
    """As FTPS wants it: another port of the same server's."""
    server = server_context()
    with serving(server) as one, serving(server) as two:
        assert both(kind, one, two, client_context(version))


@native
def test_start_tls_of_all_drivers() -> None:
    """A data connection that begins in plaintext."""
    server, client = server_context(), client_context()
    with (
        serving(server) as number,
        tlskit.connect(
            LOCAL, number, client, hostname=HOST, timeout=PATIENCE
        ) as first,
    ):
        assert b"hi" == first.recv(2)
        sock = socket.create_connection((LOCAL, number), PATIENCE)
        with tlskit.SSLPort.start_tls(
            sock, client, hostname=HOST, session_of=first
        ) as second:
            assert b"hi" == second.recv(2)
            assert second.session_reused

        async def with_asyncio() -> bool:
            streams = await asyncio.open_connection(LOCAL, number)
            port = await aio.start_tls(
                streams, client, hostname=HOST, session_of=first
            )
            assert b"hi" == await port.read(2)
            await port.aclose()
            return port.session_reused

        async def with_trio() -> bool:
            stream = await trio.open_tcp_stream(LOCAL, number)
            port = await tlskit.trio.start_tls(
                stream, client, hostname=HOST, session_of=first
            )
            assert b"hi" == await port.read(2)
            await port.aclose()
            return port.session_reused

        assert asyncio.run(with_asyncio())
        assert trio.run(with_trio)


@pytest.mark.parametrize("which", ["server", "text"])
def test_what_has_no_session(which: str) -> None:
    """A server's port, or no port at all, is a mistake."""
    ours, theirs = tlskit.testing.memory_pair(
        client_context(), server_context()
    )
    one, two = socket.socketpair()
    with (
        ours,
        theirs,
        two,
        pytest.raises(TypeError, match="a client's port"),
    ):
        tlskit.SSLPort.start_tls(
            one,
            client_context(),
            hostname=HOST,
            session_of=theirs if which == "server" else "port",
        )


def test_a_server_resumes_no_port() -> None:
    """It does not choose what is resumed."""
    ours, theirs = tlskit.testing.memory_pair(
        client_context(), server_context()
    )
    one, two = socket.socketpair()
    with ours, theirs, two, pytest.raises(TypeError, match="for a client"):
        tlskit.SSLPort.start_tls(
            one, server_context(), server_side=True, session_of=ours
        )


# -- servers that can't resume ----------------------------------------------


@contextmanager
def trap() -> Iterator[tuple[int, Callable[[], int]]]:
    """Serve as OpenSSL does without a session id context.

    It demands certificates, gives tickets, and breaks off when one of them
    comes.  Gives the TCP port, and how many have come.
    """
    leaf = authority().issue(HOST)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(leaf.certificate)
    context.use_privatekey(leaf.key)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(authority().certificate))
    context.set_verify(
        SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
        lambda *each: bool(each[-1]),
    )
    came = itertools.count()
    seen = [0]
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ended.is_set():
            sock, _ = listener.accept()
            with sock:
                if ended.is_set():
                    return
                seen[0] = next(came) + 1
                sock.settimeout(None)
                connection = SSL.Connection(context, sock)
                connection.set_accept_state()
                try:
                    connection.do_handshake()
                    connection.recv(9)
                    connection.send(b"hi")
                    connection.shutdown()
                except SSL.Error:
                    pass

    with socket.create_server((LOCAL, 0)) as listener:
        task = Task(serve, listener)
        try:
            yield listener.getsockname()[1], lambda: seen[0]
        finally:
            ended.set()
            socket.create_connection(listener.getsockname(), PATIENCE).close()
            task.result()


def caching(version: str) -> tlskit.ClientContext:
    """Make a client with a certificate that keeps sessions."""
    context = client_context(version)
    authority().issue("client.example").apply(context)
    context.set_session_cache(SessionCache())
    return context


def talk(kind: str, number: int, context: tlskit.ClientContext) -> bytes:
    """Connect, say and hear something."""
    if kind == "blocking":
        with tlskit.connect(
            LOCAL, number, context, hostname=HOST, timeout=PATIENCE
        ) as port:
            port.sendall(b"x")
            return port.recv(9)
    module: Any = aio if kind == "asyncio" else tlskit.trio

    async def main() -> bytes:
        port = await module.open_connection(
            LOCAL, number, context, hostname=HOST, timeout=PATIENCE
        )
        port.write(b"x")
        await port.drain()
        data: bytes = await port.read(9)
        await port.aclose()
        return data

    return asyncio.run(main()) if kind == "asyncio" else trio.run(main)


@native
@KINDS
def test_a_server_that_breaks_off(kind: str, version: str) -> None:
    """It is asked once, in vain, and then left alone; nobody notices."""
    context = caching(version)
    with trap() as (number, came):
        for _ in range(5):
            assert b"hi" == talk(kind, number, context)
        assert 6 == came()


@native
# Of a socket that nothing has got yet, Python says that it closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupts_of_both_tries(version: str) -> None:
    """What comes in the first try or in the second one is not lost."""
    context = caching(version)
    with trap() as (number, _):
        options: dict[str, Any] = {"hostname": HOST, "timeout": PATIENCE}
        with tlskit.connect(LOCAL, number, context, **options) as port:
            port.sendall(b"x")
            assert b"hi" == port.recv(9)
            options["session_of"] = port
        made: list[tlskit.SSLPort] = []

        def connect() -> None:
            made.append(tlskit.connect(LOCAL, number, context, **options))

        connect()  # Modules load.
        place, more = 0, True
        while more:
            while made:
                made.pop().close()
            more = interrupted(place, connect)
            place += 31
        made.pop().close()
        assert place > 1000


@native
def test_who_shakes_hands_himself_is_told(version: str) -> None:
    """Without a second try the hint says what was offered."""
    context = caching(version)
    with trap() as (number, _):
        assert b"hi" == talk("blocking", number, context)
        with (
            tlskit.connect(
                *(LOCAL, number, context),
                hostname=HOST,
                timeout=PATIENCE,
                handshake=False,
            ) as port,
            pytest.raises(tlskit.HandshakeError) as caught,
        ):
            port.handshake()
        assert "an earlier session was offered" in caught.value.hint
        assert b"hi" == talk("blocking", number, context)


@KINDS
def test_no_second_try_without_an_offer(kind: str) -> None:
    """A server that refuses a first handshake is asked once."""
    context = client_context("tls12")  # There, it is in the handshake.
    context.set_session_cache(SessionCache())
    with trap() as (number, came):
        with pytest.raises((tlskit.TLSError, ConnectionError)):
            talk(kind, number, context)
        assert 1 == came()


KEY = SessionKey(b"policy", HOST, 443, HOST, ())


def session() -> Session:
    """Make a session that a cache would keep."""
    return Session(b"", 0x0303, time.time(), (), ())


def test_a_cache_leaves_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten minutes long nothing is kept for such a server; then it is."""
    cache = SessionCache()
    cache.keep(KEY, session())
    cache.shun(KEY)
    assert cache.take(KEY) is None
    cache.keep(KEY, session())
    assert 0 == len(cache)

    monkeypatch.setattr("tlskit.policy.sessions._REST", 0.0)
    cache.shun(KEY)
    cache.keep(KEY, session())
    assert 1 == len(cache)


def test_a_cache_shuns_no_more_than_it_keeps() -> None:
    """The longest ago goes first; clear() forgives."""
    cache = SessionCache(size=2)
    keys = [KEY._replace(port=each) for each in (1, 2, 3)]
    for key in keys:
        cache.shun(key)
    for key in keys:
        cache.keep(key, session())
    assert cache.take(keys[0]) is not None
    assert cache.take(keys[1]) is None
    cache.clear()
    cache.keep(keys[1], session())
    assert 1 == len(cache)
