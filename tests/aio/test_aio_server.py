"""``start_server``: clients come and fail, and none delays another."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import resource
import socket
from pathlib import Path

import pytest

import tlskit
from tlskit import aio
from tlskit.errors import CredentialError, HandshakeError

from ..engines import authority, client_context, server_context
from ..looping import LOOPS, run_on, serving, until
from ..peers import HOST

CLIENTS, FEW = 1000, 100


@pytest.fixture(params=LOOPS)
def run(request):
    """What runs a coroutine, on each kind of loop."""
    return run_on(request.param)


def descriptors() -> int:
    """Count what this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def echo(port):
    """Send lines back."""
    async for line in port:
        port.write(line)
        await port.drain()


async def connected(server, **options):
    """Connect to *server*."""
    options.setdefault("timeout", 30)
    return await aio.open_connection(
        "127.0.0.1", server.port, client_context(), hostname=HOST, **options
    )


async def talk(server, line=b"hello\n"):
    """Have one line sent back, and close."""
    async with await connected(server) as port:
        port.write(line)
        return await port.readline()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", LOOPS)
def test_a_thousand_clients_leave_nothing_open(kind, short):
    """They open, exchange and close at once; nothing is left.

    A short run has a hundred of them.
    """
    clients = FEW if short else CLIENTS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * clients
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} descriptors may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))

    async def main():
        async with serving(
            echo, backlog=clients, handshake_timeout=90
        ) as server:
            await talk(server)
            await until(lambda: not server.connections)
            before = descriptors()
            tasks = len(asyncio.all_tasks())
            ports = await asyncio.gather(
                *(connected(server, timeout=90) for _ in range(clients))
            )
            await until(lambda: server.connections == clients)
            assert before + 2 * clients == descriptors()

            async def exchange(port, number):
                port.write(b"%d\n" % number)
                return await port.readline()

            lines = await asyncio.gather(
                *(
                    exchange(*each)
                    for each in zip(ports, range(clients), strict=True)
                )
            )
            assert [b"%d\n" % number for number in range(clients)] == lines

            await asyncio.gather(*(port.aclose() for port in ports))
            await until(lambda: not server.connections)
            assert before == descriptors()
            assert tasks == len(asyncio.all_tasks())
            assert 0 == server.failures

    try:
        run_on(kind, patience=150)(main())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_silent_clients_delay_nobody(run):
    """Clients that say nothing wait by themselves, and are dropped in time."""

    async def main():
        async with serving(echo, handshake_timeout=2) as server:
            silent = [
                socket.create_connection(("127.0.0.1", server.port))
                for _ in range(20)
            ]
            assert b"hello\n" == await talk(server)
            await until(lambda: server.failures == 20)
            for sock in silent:
                with sock:
                    sock.settimeout(10)
                    assert b"" == sock.recv(1)

    run(main())


def test_handshakes_are_capped(run):
    """More handshakes than allowed never go on at once; all get their turn."""

    async def main():
        async with serving(echo, max_handshakes=2) as server:
            silent = [
                socket.create_connection(("127.0.0.1", server.port))
                for _ in range(6)
            ]
            talking = asyncio.ensure_future(talk(server))
            for number, sock in enumerate(silent):
                await until(lambda: len(server._shaking) == 2)
                assert not talking.done()
                sock.close()
                await until(lambda: server.failures > number)  # noqa: B023
            assert b"hello\n" == await talking

    run(main())


def test_failures_are_logged_and_counted(run, caplog):
    """A client that fails is one line of the log, with its address."""
    caplog.set_level(logging.INFO, "tlskit.aio")

    async def main():
        async with serving(echo) as server:
            for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100):
                with socket.create_connection(
                    ("127.0.0.1", server.port)
                ) as sock:
                    sock.sendall(nonsense)
                    failed = server.failures
                    await until(lambda: server.failures > failed)  # noqa: B023
            assert b"hello\n" == await talk(server)
            assert 2 == server.failures

    run(main())
    assert 2 == len(caplog.records)
    assert "plain HTTP" in caplog.text
    assert "peer 127.0.0.1:" in caplog.text


def test_the_port_is_closed_after_its_handler(run):
    """A handler that returns or fails has its port closed, with the news."""
    ports = []

    async def handler(port):
        ports.append(port)
        await port.readexactly(1)
        raise ConnectionError("enough")

    async def main():
        async with serving(handler) as server:
            async with await connected(server) as port:
                port.write(b"x")
                with pytest.raises(asyncio.IncompleteReadError):
                    await port.readexactly(1)
            await until(lambda: not server.connections)
            assert ports[0].closed

    run(main())


def test_a_handlers_own_mistake_is_told_to_the_loop():
    """What is no OSError is the handler's mistake; the server goes on."""
    told = []

    async def handler(port):
        if await port.readline() == b"bad\n":
            raise KeyError("mistake")
        port.write(b"good\n")

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: told.append(what))
        async with serving(handler) as server:
            assert b"" == await talk(server, b"bad\n")
            assert b"good\n" == await talk(server, b"fine\n")

    run_on("asyncio")(main())
    assert ["mistake"] == [what["exception"].args[0] for what in told]


def test_what_a_hook_raises_is_told_to_the_loop(run):
    """A server's hook refuses its own connection, and no other."""
    told = []

    class Picky(tlskit.ServerContext):
        def choose_context(self, server_name):
            if told:
                return
            raise KeyError(server_name)

    context = Picky()
    good = server_context()
    context._settings = good._settings

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: told.append(what))
        async with serving(echo, context) as server:
            with pytest.raises(HandshakeError):
                await talk(server)
            await until(lambda: told)
            assert b"hello\n" == await talk(server)
            assert 1 == server.failures

    run(main())
    assert isinstance(told[0]["exception"], KeyError)


def test_close_drops_handshakes_and_spares_clients(run):
    """After ``close`` nobody new comes in; who was served lives on."""

    async def main():
        async with serving(echo) as server:
            number = server.port
            assert server.is_serving()
            assert number == server.sockets[0].getsockname()[1]
            port = await connected(server)
            await until(lambda: not server._shaking)
            silent = socket.create_connection(("127.0.0.1", number))
            await until(lambda: server._shaking)
            server.close()
            server.close()
            assert () == server.sockets
            assert not server.is_serving()
            assert "closed" in repr(server)
            await until(lambda: not server._shaking)
            with silent:
                silent.settimeout(10)
                assert b"" == silent.recv(1)
            waiting = asyncio.ensure_future(server.wait_closed())
            port.write(b"still here\n")
            assert b"still here\n" == await port.readline()
            assert not waiting.done()
            await port.aclose()
            await waiting
            with pytest.raises(ConnectionRefusedError):
                await aio.open_connection("127.0.0.1", number, hostname=HOST)

    run(main())


def test_shutdown_cancels_who_does_not_end(run):
    """Handlers get their time, and are cancelled then."""
    fates = []

    async def stubborn(port):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            fates.append("cancelled")
            raise

    async def main():
        server = await aio.start_server(
            stubborn, "localhost", 0, server_context()
        )
        address = server.sockets[0].getsockname()[0]
        async with await aio.open_connection(
            address, server.port, client_context(), hostname=HOST
        ):
            await until(lambda: server.connections)
            await server.shutdown(0.01)
            assert ["cancelled"] == fates
            assert 0 == server.connections

    run(main())


def test_serve_forever_ends_when_cancelled(run):
    """Cancelling it shuts the server down."""

    async def main():
        server = await aio.start_server(echo, None, 0, server_context())
        assert str(server.port) in repr(server)
        forever = asyncio.ensure_future(server.serve_forever())
        assert b"hello\n" == await talk(server)
        forever.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forever
        assert not server.is_serving()

    run(main())


def test_a_handler_may_shut_its_server_down(run):
    """A handler that ends the server does not wait for itself."""

    async def main():
        async def quit_all(port):
            await server.shutdown()
            port.write(b"bye")

        async with serving(quit_all) as server:
            async with await connected(server) as port:
                assert b"bye" == await port.read()

    run(main())


def test_later_clients_see_a_changed_context(run):
    """A server's context may change while it serves."""
    context = server_context()

    async def main():
        async with serving(echo, context) as server:
            assert server.context is context
            assert b"hello\n" == await talk(server)
            context.set_alpn(["h2"])
            async with await connected(server, alpn=["h2"]) as port:
                assert "h2" == port.alpn_selected

    run(main())


def test_accepting_goes_on_after_a_failure(caplog):
    """Without descriptors nobody is accepted; later it goes on."""

    async def main():
        loop = asyncio.get_running_loop()
        accept, troubles = (
            loop.sock_accept,
            [
                ConnectionAbortedError(),
                OSError(24, "Too many open files"),
            ],
        )

        async def troubled(sock):
            if troubles:
                raise troubles.pop(0)
            return await accept(sock)

        loop.sock_accept = troubled
        async with serving(echo) as server:
            assert b"hello\n" == await talk(server)

    run_on("asyncio")(main())
    assert "Too many open files" in caplog.text


def test_a_context_that_breaks_later_costs_its_clients_only(run):
    """A key that fits no more is a client's failure; mended, it goes on."""
    context = server_context()
    other = authority().issue(HOST)

    async def main():
        async with serving(echo, context) as server:
            context.load_certificate_chain(other.chain)
            # Closed before its ClientHello was read.
            with pytest.raises((HandshakeError, ConnectionResetError)):
                await talk(server)
            await until(lambda: server.failures == 1)
            context.load_private_key(other.key)
            assert b"hello\n" == await talk(server)

    run(main())


def test_what_nobody_foresaw_ends_accepting():
    """A server that can't go on says so to whoever waits for it."""

    async def main():
        async def broken(sock):
            raise KeyError("unforeseen")

        asyncio.get_running_loop().sock_accept = broken
        server = await aio.start_server(echo, None, 0, server_context())
        with pytest.raises(KeyError, match="unforeseen"):
            await server.serve_forever()

    run_on("asyncio")(main())


def test_a_client_that_is_gone_at_once_is_no_harm(run):
    """A client may be gone before anybody looks at it."""

    async def main():
        async with serving(echo) as server:
            sock = socket.create_connection(("127.0.0.1", server.port))
            sock.close()
            await until(lambda: server.failures == 1)
            assert b"hello\n" == await talk(server)

    run(main())


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_server_is_not_copied(copied):
    """Its socket has one owner."""

    async def main():
        async with serving(echo) as server:
            with pytest.raises(TypeError, match="copied or pickled"):
                copied(server)

    asyncio.run(main())


def test_a_server_that_ends_at_once(run):
    """Closed before it could accept anybody, it still frees its port."""

    async def main():
        server = await aio.start_server(
            echo, "127.0.0.1", context=server_context()
        )
        (sock,) = server.sockets
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)
        return sock.fileno()

    assert -1 == run(main())


def test_impossible_servers():
    """What can't work is refused before anything is opened."""

    async def main():
        with pytest.raises(CredentialError, match="no certificate"):
            await aio.start_server(echo)
        with pytest.raises(ValueError, match="max_handshakes"):
            await aio.start_server(
                echo, context=server_context(), max_handshakes=0
            )
        with pytest.raises(ValueError, match="port"):
            await aio.start_server(echo, None, 70000, server_context())
        with pytest.raises(TypeError, match="ServerContext"):
            await aio.start_server(echo, None, 0, client_context())
        with pytest.raises(TypeError, match="a handler is a function"):
            await aio.start_server(None, None, 0, server_context())

    run_on("asyncio")(main())
