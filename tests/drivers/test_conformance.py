"""What every driver promises, blocking, asyncio and trio alike."""

from __future__ import annotations

import math
import socket
from contextlib import ExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import tlskit
from tlskit import Identity
from tlskit.testing import CA

from ..engines import authority, client_context, server_context
from ..peers import HOST, PATIENCE
from .ends import DRIVERS, Driver, End

LOCAL = "127.0.0.1"
COROUTINES = [each for each in DRIVERS if each.id != "blocking"]
driven = pytest.mark.parametrize("driver", DRIVERS)
awaited = pytest.mark.parametrize("driver", COROUTINES)


# -- moving bytes -----------------------------------------------------------


@driven
@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_both_ways(driver: Driver, version: str) -> None:
    """What is sent at one end is received at the other."""

    async def main() -> None:
        async with driver.joined(client_context(version)) as (ours, theirs):
            await ours.send(b"hello")
            assert b"hel" == await theirs.receive(3)
            assert b"lo" == await theirs.receive()
            await theirs.send(b"world")
            assert b"world" == await ours.receive_all(5)

    driver.run(main)


@driven
def test_large_and_both_at_once(driver: Driver) -> None:
    """Two ends that both send much before they read don't wait for ever."""
    data = bytes(range(256)) * 8192

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            async with anyio.create_task_group() as group:
                for end in (ours, theirs):
                    group.start_soon(end.send, data)
                got = {}

                async def read(end: End) -> None:
                    got[end] = await end.receive_all(len(data))

                for end in (ours, theirs):
                    group.start_soon(read, end)
            assert data == got[ours] == got[theirs]

    driver.run(main)


@driven
def test_half_closed(driver: Driver) -> None:
    """After close_notify the other direction goes on."""

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            await ours.send(b"question")
            await ours.finish()
            assert b"question" == await theirs.receive_all(8)
            assert b"" == await theirs.receive()
            assert b"" == await theirs.receive()
            await theirs.send(b"answer")
            assert b"answer" == await ours.receive_all(6)
            with pytest.raises(tlskit.ClosedError):
                await ours.send(b"more")

    driver.run(main)


@driven
def test_closed_at_the_other_end(driver: Driver) -> None:
    """What was sent before close() arrives, and then the end."""

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            await theirs.send(b"last words")
            await theirs.close()
            assert b"last words" == await ours.receive_all(10)
            assert b"" == await ours.receive()
            assert theirs.closed
            with pytest.raises(tlskit.ClosedError):
                await theirs.receive()

    driver.run(main)


@driven
def test_truncated(driver: Driver) -> None:
    """An end without close_notify is no end of the file."""

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            await theirs.send(b"part")
            assert b"part" == await ours.receive_all(4)
            theirs.cut()
            # The reset may be told by the transport, too.
            with pytest.raises((tlskit.TruncatedError, ConnectionError)):
                await ours.receive()

    driver.run(main)


# -- who is there -----------------------------------------------------------


@driven
def test_facts(driver: Driver) -> None:
    """Both ends know the same of the session, also after close."""

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            assert ours.peer_verified
            assert HOST == theirs.server_name
            assert ours.version == theirs.version
            assert ours.peer == theirs.name
            assert ours.name == theirs.peer
            key = ours.export_keying_material("EXPORTER-test", 32)
            assert key == theirs.export_keying_material("EXPORTER-test", 32)
            await ours.close()
            assert ours.peer_certificate is not None

    driver.run(main)


@driven
def test_another_host(driver: Driver) -> None:
    """A wrong name is refused, and the server hears why by an alert."""

    async def main() -> None:
        heard: list[End] = []

        async def handler(end: End) -> None:
            heard.append(end)

        async with driver.serving(handler) as server:
            with pytest.raises(tlskit.IdentityError):
                await driver.connect(server.port, hostname="other.example")
            good = await driver.connect(server.port)
            await good.close()
        assert len(heard) <= 1

    driver.run(main)


@driven
def test_another_identity(driver: Driver) -> None:
    """An identity is proved or refused in every driver."""
    ca = CA()
    server = tlskit.ServerContext()
    ca.issue("spiffe://example.org/a", common_name="a").apply(server)
    client = tlskit.ClientContext("auto")
    ca.trust(client)
    client.set_verify()

    async def handler(end: End) -> None:
        await end.send(b"hi")

    async def main() -> None:
        async with driver.serving(handler, server) as listener:
            good = await driver.connect(
                listener.port,
                client,
                hostname=None,
                identity=Identity.uri("spiffe://example.org/a"),
            )
            assert b"hi" == await good.receive_all(2)
            await good.close()
            with pytest.raises(tlskit.IdentityError, match="was expected"):
                await driver.connect(
                    listener.port,
                    client,
                    hostname=None,
                    identity=Identity.uri("spiffe://example.org/b"),
                )

    driver.run(main)


@awaited
def test_the_handshake_may_come_later(driver: Driver) -> None:
    """Until then nothing can be sent, and afterwards all can."""

    async def echo(end: End) -> None:
        await end.send(await end.receive_all(1))

    async def main() -> None:
        async with driver.serving(echo) as server:
            end = await driver.connect(server.port, handshake=False)
            with pytest.raises(tlskit.StreamError, match="before the handsha"):
                await end.send(b"early")
            await end.handshake(timeout=PATIENCE)
            await end.send(b"x")
            assert b"x" == await end.receive_all(1)
            await end.close()

    driver.run(main)


@driven
def test_a_stranger_is_refused(driver: Driver) -> None:
    """A client without the certificate that is demanded gets an alert."""
    server = server_context()
    authority().trust(server)
    server.set_verify()

    async def handler(end: End) -> None:
        raise AssertionError("nobody may come in")

    async def main() -> None:
        async with driver.serving(handler, server) as listener:
            with pytest.raises(tlskit.AlertError) as caught:
                # In TLS 1.3 the refusal comes with the first read.
                end = await driver.connect(listener.port)
                try:
                    await end.receive()
                finally:
                    await end.close()
            assert "required" in str(caught.value)

    driver.run(main)


@driven
def test_plain_text(driver: Driver) -> None:
    """A server that speaks no TLS is recognized."""

    async def main() -> None:
        with socket.create_server((LOCAL, 0)) as listener:
            async with anyio.create_task_group() as group:

                def speak() -> None:
                    sock, _ = listener.accept()
                    with sock:
                        sock.sendall(b"220 mail.example ready\r\n")
                        sock.settimeout(PATIENCE)
                        sock.recv(1000)

                group.start_soon(anyio.to_thread.run_sync, speak)
                with pytest.raises(tlskit.NotTLSError):
                    await driver.connect(listener.getsockname()[1])

    driver.run(main)


@driven
@pytest.mark.native
@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_asked_in_mid_session(driver: Driver, version: str) -> None:
    """A server asks for a certificate later; the client has to be reading."""
    server = server_context()
    authority().trust(server)
    client = client_context(version)
    authority().issue("client.example").apply(client)

    async def main() -> None:
        async with driver.joined(client, server) as (ours, theirs):
            assert theirs.peer_certificate is None
            async with anyio.create_task_group() as group:
                group.start_soon(ours.receive)
                await theirs.demand()
                await theirs.send(b"thanks")
            assert theirs.peer_verified
            assert ("client.example",) == theirs.peer_certificate_hostnames

    driver.run(main)


# -- deadlines --------------------------------------------------------------


@driven
def test_a_silent_peer(driver: Driver) -> None:
    """A read ends in time, and the port is as good as before."""

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            ours.patience(0.05)
            with pytest.raises(TimeoutError, match="sent nothing"):
                await ours.receive()
            ours.patience(PATIENCE)
            await theirs.send(b"x")
            assert b"x" == await ours.receive()

    driver.run(main)


@driven
def test_a_peer_that_takes_nothing(driver: Driver) -> None:
    """A write ends in time; what it took is sent once, nevertheless."""
    data = bytes(range(256)) * 40000

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            ours.patience(0.05)
            with pytest.raises(TimeoutError):
                await ours.send(data)
            if driver.blocking:  # Its caller has to know how much it took.
                return
            ours.patience(PATIENCE)
            async with anyio.create_task_group() as group:
                group.start_soon(ours.send, b"end")
                assert data == await theirs.receive_all(len(data))
            assert b"end" == await theirs.receive_all(3)

    driver.run(main)


@driven
def test_a_server_that_never_answers(driver: Driver) -> None:
    """Opening ends in time."""

    async def main() -> None:
        with socket.create_server((LOCAL, 0)) as listener:
            with pytest.raises(TimeoutError):
                await driver.connect(listener.getsockname()[1], timeout=0.1)

    driver.run(main)


@driven
def test_nobody_listens(driver: Driver) -> None:
    """A refused connection says where it was tried."""

    async def main() -> None:
        with socket.create_server((LOCAL, 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(ConnectionRefusedError, match=f"{LOCAL}:{port}"):
            await driver.connect(port)

    driver.run(main)


@driven
def test_a_silent_client_delays_nobody(driver: Driver) -> None:
    """Who says nothing keeps nobody waiting."""

    async def handler(end: End) -> None:
        await end.send(b"hi")

    async def main() -> None:
        async with driver.serving(handler) as server:
            with socket.create_connection((LOCAL, server.port), PATIENCE):
                end = await driver.connect(server.port)
                assert b"hi" == await end.receive_all(2)
                await end.close()

    driver.run(main)


# -- cancellation -----------------------------------------------------------


async def stop(scope: anyio.CancelScope, turns: int) -> None:
    """Cancel what goes on, some turns of the loop later."""
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


@awaited
def test_a_cancelled_read_loses_nothing(driver: Driver) -> None:
    """However often reads are cancelled, every byte is read once."""
    data = bytes(range(256)) * 512

    async def main() -> None:
        async with driver.joined() as (ours, theirs):

            async def push() -> None:
                for at in range(0, len(data), 1000):
                    await go.acquire()
                    await ours.send(data[at : at + 1000])
                await ours.finish()

            go = anyio.Semaphore(0)
            got = bytearray()
            cancelled = 0
            async with anyio.create_task_group() as group:
                group.start_soon(push)
                for turn in range(1_000_000):
                    if turn % 3 == 0:  # Most reads have to wait.
                        go.release()
                    piece = None
                    with anyio.CancelScope() as scope:
                        if turn % 4 == 0:  # Before anything is awaited.
                            scope.cancel()

                        group.start_soon(stop, scope, turn % 4)
                        piece = await theirs.receive(700)
                    if piece is None:
                        cancelled += 1
                        continue
                    got += piece
                    if not piece:
                        break
            assert cancelled > 10
            assert data == got

    driver.run(main)


@awaited
def test_a_cancelled_write_neither_loses_nor_doubles(driver: Driver) -> None:
    """Cancelled in mid-write, all that was written arrives once."""
    data = bytes(range(256)) * 40000

    async def main() -> None:
        async with driver.joined() as (ours, theirs):
            with anyio.move_on_after(0.05) as scope:
                await ours.send(data)
            assert scope.cancelled_caught
            async with anyio.create_task_group() as group:
                group.start_soon(ours.send, b"end")
                assert data == await theirs.receive_all(len(data))
            assert b"end" == await theirs.receive_all(3)

    driver.run(main)


@awaited
def test_a_cancelled_handshake_leaves_no_socket(driver: Driver) -> None:
    """Whoever gives up opening closes what was opened."""

    async def main() -> None:
        with socket.create_server((LOCAL, 0)) as listener:
            with anyio.move_on_after(0.05):
                await driver.connect(listener.getsockname()[1])
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(PATIENCE)

                def read_to_the_end() -> None:
                    while sock.recv(65536):
                        pass

                await anyio.to_thread.run_sync(read_to_the_end)

    driver.run(main)


@awaited
def test_a_reader_hears_of_the_close(driver: Driver) -> None:
    """Who waits for bytes is told when the port is closed."""

    async def main() -> None:
        async with driver.joined() as (ours, _theirs):
            errors: list[BaseException] = []

            async def read() -> None:
                try:
                    await ours.receive()
                except tlskit.ClosedError as error:
                    errors.append(error)

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                await ours.close()
            assert 1 == len(errors)

    driver.run(main)


# -- servers ----------------------------------------------------------------


@awaited
def test_handshakes_are_capped(driver: Driver) -> None:
    """So many handshakes go on at once; others wait in the backlog."""

    async def handler(end: End) -> None:
        await end.send(b"hi")

    async def main() -> None:
        async with driver.serving(
            handler, max_handshakes=2, handshake_timeout=0.5
        ) as server:
            with ExitStack() as silent:
                for _ in range(2):
                    silent.enter_context(
                        socket.create_connection((LOCAL, server.port))
                    )
                # It is served as soon as one of the silent is given up.
                end = await driver.connect(server.port)
                assert b"hi" == await end.receive_all(2)
                assert server.failures
                await end.close()
                while server.failures < 2:
                    await anyio.lowlevel.checkpoint()

    driver.run(main)


@awaited
def test_a_broken_handler_ends_only_its_connection(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    """The server goes on, and tells what happened."""

    async def handler(end: End) -> None:
        if await end.receive_all(1) == b"x":
            raise tlskit.StreamError("on purpose")
        await end.send(b"fine")

    async def main() -> None:
        async with driver.serving(handler) as server:
            first = await driver.connect(server.port)
            await first.send(b"x")
            assert b"" == await first.receive()
            second = await driver.connect(server.port)
            await second.send(b"y")
            assert b"fine" == await second.receive_all(4)
            for end in (first, second):
                await end.close()

    with caplog.at_level("INFO"):
        driver.run(main)

    assert "on purpose" in caplog.text


@awaited
def test_shut_down_with_grace(driver: Driver) -> None:
    """Those who are being served may finish; nobody else is let in."""

    async def handler(end: End) -> None:
        await end.send(await end.receive_all(3))

    async def main() -> None:
        async with driver.serving(handler) as server:
            end = await driver.connect(server.port)
            port = server.port
            while server.connections < 1:
                await anyio.lowlevel.checkpoint()
            async with anyio.create_task_group() as group:
                group.start_soon(server.shutdown, PATIENCE)
                await anyio.sleep(0.01)
                assert not server.is_serving()
                assert () == server.sockets
                await end.send(b"bye")
                assert b"bye" == await end.receive_all(3)
                await end.close()
            assert 0 == server.connections
            with pytest.raises(ConnectionRefusedError):
                await driver.connect(port)

    driver.run(main)


@awaited
def test_a_handler_that_stays_is_cancelled(driver: Driver) -> None:
    """When the time is over, handlers end."""

    async def handler(end: End) -> None:
        await anyio.sleep_forever()

    async def main() -> None:
        async with driver.serving(handler) as server:
            end = await driver.connect(server.port)
            while server.connections < 1:
                await anyio.lowlevel.checkpoint()
            await server.shutdown(0.05)
            assert 0 == server.connections
            await end.close()

    driver.run(main)


@awaited
def test_bad_arguments(driver: Driver) -> None:
    """A server that could serve nobody does not begin."""

    async def handler(end: End) -> None:
        """Serve nobody."""

    async def begin(**options: Any) -> None:
        async with driver.serving(handler, **options):
            raise AssertionError("it began")

    async def main() -> None:
        with pytest.raises(ValueError, match="max_handshakes"):
            await refused(begin, max_handshakes=0)
        with pytest.raises(TypeError, match="max_handshakes"):
            await refused(begin, max_handshakes=1.5)
        with pytest.raises(ValueError, match="time-out"):
            await refused(begin, handshake_timeout=math.nan)
        with pytest.raises(TypeError, match="time-out"):
            await refused(begin, timeout="60")
        with pytest.raises(tlskit.CredentialError):
            await refused(begin, context=tlskit.ServerContext())

    driver.run(main)


async def refused(begin: Any, **options: Any) -> None:
    """Raise what a group of one error has inside."""
    try:
        await begin(**options)
    except Exception as error:
        inner = getattr(error, "exceptions", (error,))
        raise inner[0] from None


class Choosing(tlskit.ServerContext):
    """Chooses after a while."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        super().__init__()

    async def choose_for(self, hello: tlskit.ClientHello) -> Any:
        """Let others go on meanwhile."""
        await anyio.sleep(0.01)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@awaited
def test_a_context_is_chosen_by_a_coroutine(driver: Driver) -> None:
    """``choose_for`` may wait for its answer."""

    async def handler(end: End) -> None:
        await end.send(b"hi")

    async def main() -> None:
        context = Choosing(server_context())
        CA().issue("localhost").apply(context)
        async with driver.serving(handler, context) as server:
            end = await driver.connect(server.port)
            assert b"hi" == await end.receive_all(2)
            await end.close()

    driver.run(main)


@awaited
@pytest.mark.parametrize("patience", [10.0, 0.001])
def test_a_coroutine_that_chooses_nobody(
    driver: Driver, patience: float
) -> None:
    """What it raises refuses the client, who gets an alert; as time does."""

    async def handler(end: End) -> None:
        raise AssertionError("nobody may come in")

    async def main() -> None:
        context = Choosing(tlskit.StreamError("no"))
        CA().issue("localhost").apply(context)
        async with driver.serving(
            handler, context, handshake_timeout=patience
        ) as server:
            with pytest.raises((tlskit.TLSError, OSError)):
                await driver.connect(server.port)
            while not server.failures:
                await anyio.lowlevel.checkpoint()

    driver.run(main)


@awaited
def test_what_a_server_counts(driver: Driver) -> None:
    """Clients that are dropped in mid-handshake, and handlers that fail."""

    async def handler(end: End) -> None:
        raise tlskit.StreamError("on purpose")

    async def main() -> None:
        async with driver.serving(handler) as server:
            end = await driver.connect(server.port)
            assert b"" == await end.receive()
            await end.close()
            with socket.create_connection((LOCAL, server.port), PATIENCE):
                while not server.statistics.handshakes:  # noqa: ASYNC110
                    await anyio.sleep(0.001)
                await server.shutdown(0)
            counted = server.statistics
            assert 1 == counted.failed_handlers
            assert 1 == counted.handshaken
            assert {"closed": 1} == counted.refused
            assert 2 == counted.accepted
            assert 0 == counted.active == counted.handshakes

    driver.run(main)
