"""``tlskit.trio.serve`` and opening: what is trio's own."""

from __future__ import annotations

import errno
import logging
import resource
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import tlskit
from tlskit import trio as ours
from tlskit.client.opening import Address, Race, Route
from tlskit.policy.settings import Verify
from tlskit.trio import TrioSSLPort
from tlskit.trio.dialling import _Attempts

from ..engines import authority, client_context, server_context
from ..peers import HOST, PATIENCE

LOCAL = "127.0.0.1"
#: How many clients come, and how many of them at once.
CLIENTS, MANY, FEW, AT_ONCE = 10_000, 1_000, 100, 200
PATIENT = 280.0  # Seconds, for all of these.


def run(main: Callable[[], Awaitable[object]], patience: float = 60) -> None:
    """Run a test, which ends in time."""

    async def bounded() -> None:
        with trio.fail_after(patience):
            await main()

    trio.run(bounded)


async def greet(port: TrioSSLPort) -> None:
    """Answer one line."""
    port.write(await port.readline())
    await port.drain()


async def begun(
    nursery: trio.Nursery, handler: Any = greet, **options: Any
) -> ours.TrioServer:
    """Serve on loopback."""
    options.setdefault("context", server_context())
    server: ours.TrioServer = await nursery.start(
        partial(ours.serve, handler, LOCAL, **options)
    )
    return server


async def talk(
    port: int, line: bytes = b"hello\n", patience: float = PATIENCE
) -> bytes:
    """Connect, say something, hear the answer."""
    async with await ours.open_connection(
        LOCAL, port, client_context(), hostname=HOST, timeout=patience
    ) as made:
        await made.send_all(line)
        return await made.readline()


def descriptors() -> int:
    """Count what is open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_facts_of_a_server() -> None:
    """It tells where it listens, for whom, and that it is over."""

    async def main() -> None:
        context = server_context()
        async with trio.open_nursery() as nursery:
            server = await begun(nursery, context=context)
            assert f"{LOCAL}:{server.port}" in repr(server)
            assert context is server.context
            assert server.is_serving()
            assert 1 == len(server.sockets)
            assert b"hello\n" == await talk(server.port)
            server.close()
            server.close()
            await server.wait_closed()
            assert "closed" in repr(server)

    run(main)


def test_on_all_addresses() -> None:
    """Without a host it listens on all of them; the context may be a name."""

    async def main() -> None:
        with pytest.raises(tlskit.CredentialError):
            await ours.serve(greet)

        async with trio.open_nursery() as nursery:
            server = await nursery.start(
                partial(ours.serve, greet, context=server_context())
            )
            assert b"hello\n" == await talk(server.port)
            server.close()

    run(main)


def test_a_cancelled_server_leaves_nothing() -> None:
    """Cancelling ends handshakes and handlers, and closes all sockets."""

    async def stay(_: TrioSSLPort) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        before = descriptors()
        async with trio.open_nursery() as nursery:
            server = await begun(nursery, stay)
            silent = await trio.open_tcp_stream(LOCAL, server.port)
            port = await ours.open_connection(
                LOCAL, server.port, client_context(), hostname=HOST
            )
            while server.connections < 1:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert not server.is_serving()
        assert 0 == server.connections
        with pytest.raises(trio.BrokenResourceError):
            await port.receive_some()
        await port.aclose()
        await silent.aclose()
        assert before >= descriptors() - 1  # The look-up keeps a thread.

    run(main)


def test_a_handler_with_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    """It is told with its traceback, and the server goes on."""

    async def handler(port: TrioSSLPort) -> None:
        await port.readline()
        raise RuntimeError("a fault")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            server = await begun(nursery, handler)
            for _ in range(2):
                assert b"" == await talk(server.port)
            await server.shutdown(1)

    with caplog.at_level(logging.ERROR):
        run(main)

    assert 2 == caplog.text.count("RuntimeError: a fault")


def test_accepting_goes_on_after_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without descriptors nobody is accepted; later it goes on."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            server = await begun(nursery)
            (sock,) = server.sockets
            server._sock = Troubled(sock)
            assert b"hello\n" == await talk(server.port)
            server.close()

    run(main)
    assert "Too many open files" in caplog.text


class Troubled:
    """A listening socket that has troubles first."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.troubles: list[OSError] = [
            ConnectionAbortedError(),
            BlockingIOError(),
            OSError(errno.EMFILE, "Too many open files"),
        ]

    def __getattr__(self, name: str) -> Any:
        """Be a socket."""
        return getattr(self.sock, name)

    def accept(self) -> Any:
        """Fail three times."""
        if self.troubles:
            raise self.troubles.pop(0)
        return self.sock.accept()


def test_a_client_that_has_gone_already() -> None:
    """It costs nobody anything."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            server = await begun(nursery)
            gone = socket.create_connection((LOCAL, server.port))
            gone.setsockopt(
                socket.SOL_SOCKET,
                socket.SO_LINGER,
                (1).to_bytes(4, "little") + bytes(4),
            )
            gone.close()
            assert b"hello\n" == await talk(server.port)
            assert 1 == server.failures
            server.close()

    run(main)


def test_a_context_that_breaks_later_costs_its_clients_only() -> None:
    """A client that no engine can be made for is a failure of its own."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            context = server_context()
            server = await begun(nursery, context=context)
            server._context = tlskit.ServerContext()
            with pytest.raises(OSError, match=r"."):
                await talk(server.port)
            server._context = context
            assert b"hello\n" == await talk(server.port)
            assert 1 == server.failures
            server.close()

    run(main)


@pytest.mark.timeout(300)
def test_many_clients_leave_nothing_open(short: bool, nightly: bool) -> None:
    """They open, exchange and close, and nothing is left.

    A nightly run has ten thousand of them, a short one a hundred.
    """
    clients = CLIENTS if nightly else FEW if short else MANY

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            # Each waits for all the others, on a busy machine for long.
            server = await begun(
                nursery, backlog=AT_ONCE, handshake_timeout=PATIENT
            )
            await talk(server.port)
            before = descriptors()
            numbers = iter(range(clients))

            async def some() -> None:
                for number in numbers:
                    line = b"%d\n" % number
                    assert line == await talk(server.port, line, PATIENT)

            async with trio.open_nursery() as crowd:
                for _ in range(AT_ONCE):
                    crowd.start_soon(some)
            while server.connections:
                await trio.lowlevel.checkpoint()
            assert before == descriptors()
            assert 0 == server.failures
            server.close()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * AT_ONCE)), hard)
    )
    try:
        run(main, patience=PATIENT)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- opening ----------------------------------------------------------------


def test_a_socket_of_the_file_system(tmp_path: Path) -> None:
    """A full backlog is waited for; the port has no addresses."""
    path = str(tmp_path / "s.sock")

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(0)
            held = [socket.socket(socket.AF_UNIX) for _ in range(2)]
            for each in held:
                each.setblocking(False)
                each.connect_ex(path)
            made: list[TrioSSLPort] = []

            async def dial() -> None:
                made.append(
                    await ours.open_connection(
                        f"unix:{path}",
                        context=client_context(),
                        hostname=HOST,
                    )
                )

            async with trio.open_nursery() as nursery:
                nursery.start_soon(dial)
                await trio.sleep(0.1)
                await _answer(listener)
            assert made[0].peer is None
            await made[0].aclose()
            for each in held:
                each.close()

    run(main)


async def _answer(listener: socket.socket) -> None:
    """Shake hands with the one client that has something to say."""
    listener.setblocking(False)
    for _ in range(10):
        await trio.lowlevel.wait_readable(listener)
        sock, _ = listener.accept()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        first = b""
        with trio.move_on_after(0.2):
            first = await stream.receive_some(1)
        if first:
            port = await ours.start_tls(
                stream, server_context(), server_side=True, pending=first
            )
            await port.aclose()
            return
        await stream.aclose()
    raise AssertionError("nobody spoke")


def test_a_path_where_nobody_is(tmp_path: Path) -> None:
    """The failure is the transport's."""
    context = client_context()
    context.set_verify_hostname(False)

    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await ours.open_connection(
                f"unix:{tmp_path}/none", context=context
            )

    run(main)


def test_who_comes_second_is_closed() -> None:
    """Two addresses may answer at once; one connection is left."""

    async def main() -> None:
        route = Route.of(
            LOCAL,
            9,
            client_context(),
            alpn=(),
            timeout=None,
            hostname=None,
            source_address=None,
            proxy=None,
            happy_eyeballs_delay=None,
        )
        attempts = _Attempts(route, Race(route, []))
        first, second = socket.socket(), socket.socket()
        attempts.won += [first, second]
        assert first is attempts.winner()
        assert -1 == second.fileno()
        first.close()

    run(main)


def test_what_has_won_is_closed_when_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cancellation may come when an address has answered just now."""
    from tlskit.trio import dialling

    sock = socket.socket()

    async def win(_route: Route, _address: Address) -> socket.socket:
        scope.cancel()
        return sock

    monkeypatch.setattr(dialling, "_attempt", win)
    scope = trio.CancelScope()

    async def main() -> None:
        with scope:
            await ours.open_connection(
                LOCAL, 9, client_context(), hostname=HOST
            )

    run(main)
    assert -1 == sock.fileno()


def test_a_proxy_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request waits for room."""
    from tlskit.trio.carriers import SocketCarrier
    from tlskit.trio.dialling import _say

    full = [True]
    write = SocketCarrier.write

    def busy(self: SocketCarrier, data: memoryview) -> int | None:
        return None if full and full.pop() else write(self, data)

    monkeypatch.setattr(SocketCarrier, "write", busy)

    async def main() -> None:
        one, other = socket.socketpair()
        with other:
            carrier = SocketCarrier(one)
            await _say(carrier, b"CONNECT")
            assert b"CONNECT" == other.recv(10)
            carrier.abort()

    run(main)


class Undecided(tlskit.ServerContext):
    """Never chooses."""

    async def choose_for(self, hello: tlskit.ClientHello) -> None:
        """Think about it."""
        await trio.sleep_forever()


def test_a_handshake_cancelled_while_somebody_chooses() -> None:
    """The client is turned away with an alert."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            context = Undecided()
            authority().issue(HOST).apply(context)
            server = await begun(nursery, context=context)
            nursery.start_soon(close_soon, server)
            with pytest.raises(tlskit.AlertError):
                await talk(server.port)

    async def close_soon(server: ours.TrioServer) -> None:
        await trio.sleep(0.1)
        server.close()

    run(main)


# -- in mid-session ---------------------------------------------------------


@pytest.mark.native
@pytest.mark.parametrize("reading", [True, False])
def test_a_write_waits_for_a_renegotiation(reading: bool) -> None:
    """What is written in mid-renegotiation is sent when that is over."""
    theirs = server_context()
    authority().trust(theirs)
    server = theirs.new_engine()
    asking = client_context("tls12")
    authority().issue("alice@example.com").apply(asking)

    async def main() -> None:
        one, other = trio.testing.memory_stream_pair()

        async def shuttle(step: Callable[[], Any]) -> Any:
            while (found := step()) is None:
                if data := server.outgoing():
                    await other.send_all(data)
                server.receive(await other.receive_some())
            if data := server.outgoing():
                await other.send_all(data)
            return found

        made: list[TrioSSLPort] = []

        async def call() -> None:
            made.append(await ours.start_tls(one, asking, hostname=HOST))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await shuttle(server.handshake)
        client = made[0]
        server.reauthenticate(Verify.REQUIRE)
        await other.send_all(server.outgoing())
        with pytest.raises(TimeoutError):  # It answers with a ClientHello.
            await client.read(1, timeout=0.05)

        buffer = bytearray(16)
        async with trio.open_nursery() as nursery:
            if reading:
                nursery.start_soon(client.read, 1)
                await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(client.send_all, b"later")
            await trio.testing.wait_all_tasks_blocked()
            assert await shuttle(server.reauthenticated)
            size = await shuttle(lambda: server.read_into(buffer))
            assert b"later" == buffer[:size]
            server.write(b"x")
            await other.send_all(server.outgoing())
        if not reading:
            assert b"x" == await client.read(1)
        await client.aclose()

    run(main)


def test_what_can_be_no_handler() -> None:
    """It is refused before anything is opened."""

    async def main() -> None:
        handler: Any = None
        with pytest.raises(TypeError, match="a handler is a function"):
            await ours.serve(handler, LOCAL, 0, server_context())

    run(main)


@pytest.mark.parametrize("stream", [None, 3, "stream"])
def test_what_can_be_no_stream(stream: Any) -> None:
    """Only a stream of trio's can be upgraded, and the error says so."""

    async def main() -> None:
        with pytest.raises(TypeError, match="a stream of trio's is wanted"):
            await ours.start_tls(stream, client_context(), hostname=HOST)

    run(main)
