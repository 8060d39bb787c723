"""``tlskit.aio`` against other implementations, and against bad peers."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

import tlskit
from tlskit import aio, listen
from tlskit.errors import (
    AlertError,
    ConfigurationError,
    HandshakeError,
    IdentityError,
    NotTLSError,
    VerificationError,
)

from ..engines import authority, client_context, server_context
from ..looping import LOOPS, run_on, serving, stdlib_contexts, until
from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Task,
    TcpServer,
    Vault,
    echo,
    needs,
    s_client,
    s_server,
)
from ..peers import client_context as trusting
from ..peers import server_context as presenting

DATA = bytes(range(256)) * 4096


@pytest.fixture(params=LOOPS)
def run(request):
    """What runs a coroutine, on each kind of loop."""
    return run_on(request.param)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


async def send_back(port):
    """Send back what comes, until the peer has finished."""
    while data := await port.read(65536):
        port.write(data)
        await port.drain()


async def round_trip(port):
    """Send a lot, and get it back."""
    port.write(DATA)
    _, got = await asyncio.gather(port.drain(), port.readexactly(len(DATA)))
    assert DATA == got


async def thread(function, *args):
    """Call in a thread."""
    return await asyncio.get_running_loop().run_in_executor(
        None, function, *args
    )


# -- the standard library's asyncio -----------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_asyncio(run, version):
    """asyncio's own client talks to our server."""
    client, _ = stdlib_contexts()
    client.minimum_version = client.maximum_version = VERSIONS[version][2]

    async def main():
        async with serving(send_back) as server:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=client, server_hostname=HOST
            )
            writer.write(DATA)
            assert DATA == await reader.readexactly(len(DATA))
            writer.close()
            await writer.wait_closed()

    run(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_of_asyncio(run, version):
    """Our client talks to asyncio's own server."""
    _, context = stdlib_contexts()

    async def handler(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(
            handler, "127.0.0.1", 0, ssl=context
        )
        async with await aio.open_connection(
            "127.0.0.1",
            server.sockets[0].getsockname()[1],
            client_context(version),
            hostname=HOST,
            timeout=10,
        ) as port:
            assert VERSIONS[version][2] == port.version
            await round_trip(port)
        server.close()
        await server.wait_closed()

    run(main())


# -- our own blocking ports -------------------------------------------------


def test_a_blocking_client(run):
    """A port of ``connect`` talks to an asynchronous one."""

    def talk(number):
        with tlskit.connect(
            "127.0.0.1", number, client_context(), hostname=HOST, timeout=10
        ) as port:
            port.sendall(DATA[:10000])
            return port.input.read(10000)

    async def main():
        async with serving(send_back) as server:
            assert DATA[:10000] == await thread(talk, server.port)

    run(main())


def test_a_blocking_listener(run):
    """An asynchronous port talks to a blocking one."""

    async def main(number):
        async with await aio.open_connection(
            "localhost", number, client_context(), timeout=10
        ) as port:
            await round_trip(port)
            port.write_eof()
            assert b"" == await port.read()

    with listen(context=server_context()) as listener:

        def serve():
            with listener.accept(timeout=10) as port:
                port.settimeout(10)
                return echo(port)

        task = Task(serve)
        run(main(listener.port))
        assert len(DATA) == task.result()


# -- openssl ----------------------------------------------------------------


@needs("openssl")
@pytest.mark.parametrize("version", VERSIONS)
def test_s_client(run, vault, version):
    """``openssl s_client`` is served; keys change under the traffic."""

    async def main():
        context = presenting(vault.leaf())
        async with serving(send_back, context) as server:
            with s_client(
                server.port, VERSIONS[version][0], "-CAfile", vault.roots
            ) as program:
                await thread(program.until, r"^ *Verify return code: 0")
                if version == "tls13":
                    program.say("K\n")
                    await thread(program.until, "KEYUPDATE")
                program.say("hello\n")
                await thread(program.until, "^hello$")
                program.hang_up()
                await thread(program.finish)

    run(main())


@needs("openssl")
@pytest.mark.parametrize("version", VERSIONS)
def test_s_server(run, vault, version):
    """``openssl s_server`` serves us; it renegotiates, or updates keys."""

    async def main(program, number):
        async with await aio.open_connection(
            "127.0.0.1", number, trusting(vault), hostname=HOST, timeout=10
        ) as port:
            port.write(b"good morning\n")
            await port.drain()
            await thread(program.until, "good morning")
            program.say("K\n" if version == "tls13" else "r\n")
            # It looks for a command at the beginning of what it reads only,
            # and to its terminal first.
            port.write(b"next\n")
            await port.drain()
            await thread(program.until, "next")
            program.say("hello\n")
            assert b"hello\n" == await port.readline()
            port.write(b"still here\n")
            await port.drain()
            await thread(program.until, "still here")

    with s_server(vault.leaf(), VERSIONS[version][0]) as (program, number):
        run(main(program, number))


# -- who is refused ---------------------------------------------------------


def refused(run, context, hostname=HOST, server=None):
    """Connect in vain; give what was raised."""

    async def main():
        async with serving(send_back, server) as listener:
            with pytest.raises(OSError, match=r".") as caught:
                await aio.open_connection(
                    "127.0.0.1",
                    listener.port,
                    context,
                    hostname=hostname,
                    timeout=10,
                )
            return caught.value

    return run(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wrong_host_is_refused(run, version):
    """A certificate for another name is none."""
    error = refused(run, client_context(version), "wrong.example")

    assert isinstance(error, IdentityError)


def test_an_untrusted_server_is_refused(run):
    """A certificate of nobody we trust is none."""
    context = tlskit.ClientContext("auto")
    context.set_verify()
    context.set_verify_hostname()

    assert isinstance(refused(run, context), VerificationError)


def test_an_expired_certificate_is_refused(run):
    """A certificate has its time."""
    server = tlskit.ServerContext()
    authority().issue_bad("expired", HOST).apply(server)
    error = refused(run, client_context(), server=server)

    assert isinstance(error, VerificationError)
    assert "expired" == error.code


def test_a_client_without_a_certificate_is_refused(run):
    """A server that demands a certificate says so by an alert."""
    server = server_context()
    authority().trust(server)
    server.set_verify()

    async def main():
        async with serving(send_back, server) as listener:
            port = await aio.open_connection(
                "127.0.0.1",
                listener.port,
                client_context("tls13"),
                hostname=HOST,
                timeout=10,
            )
            async with port:
                with pytest.raises(AlertError):
                    await port.read(1)
            await until(lambda: listener.failures == 1)

    run(main())


def against(run, talk, **options):
    """Connect to what is no TLS server; give what was raised."""
    options.setdefault("timeout", 10)

    async def main(number):
        with pytest.raises(OSError, match=r".") as caught:
            await aio.open_connection(
                "127.0.0.1", number, client_context(), hostname=HOST, **options
            )
        return caught.value

    with TcpServer(talk) as server:
        return run(main(server.port))


def test_plain_http_is_refused(run):
    """A server without TLS is told as what it is."""

    def talk(sock):
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert isinstance(against(run, talk), NotTLSError)


def test_garbage_is_refused(run):
    """Bytes that are no record end the handshake."""
    error = against(run, lambda sock: sock.sendall(b"\xff" * 1000))

    assert isinstance(error, HandshakeError)


def test_a_close_in_mid_handshake_is_told(run):
    """A server that goes away has refused, without a word."""
    error = against(run, lambda sock: sock.recv(10000))

    assert isinstance(error, HandshakeError)
    assert "closed-in-handshake" == error.code


def test_a_silent_server_meets_the_deadline(run):
    """One deadline is for everything, and leaves no socket."""
    gone = []

    def talk(sock):
        while sock.recv(10000):
            pass
        gone.append(True)

    error = against(run, talk, timeout=0.2)

    assert isinstance(error, TimeoutError)


def test_cancelling_leaves_no_socket(run):
    """Who cancels a handshake hangs up."""
    heard = threading.Event()

    def talk(sock):
        sock.settimeout(10)
        try:
            while sock.recv(10000):
                heard.set()
        except ConnectionResetError:
            pass
        return "gone"

    async def main(number):
        connecting = asyncio.ensure_future(
            aio.open_connection(
                "127.0.0.1", number, client_context(), hostname=HOST
            )
        )
        assert await asyncio.to_thread(heard.wait, PATIENCE)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting

    with TcpServer(talk) as server:
        run(main(server.port))
        assert "gone" == server.result()


def test_look_up_and_tcp_have_the_deadline_too():
    """A resolver that does not answer is left alone in time."""

    async def main():
        loop = asyncio.get_running_loop()

        async def never(*_, **__):
            await asyncio.Event().wait()

        loop.getaddrinfo = never
        with pytest.raises(TimeoutError, match=r"connecting to slow\.example"):
            await aio.open_connection("slow.example", timeout=0.05)
        waiting = asyncio.ensure_future(
            aio.open_connection("slow.example", timeout=10)
        )
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_on("asyncio")(main())


def test_impossible_connections():
    """What can't work is refused before a socket is opened."""

    async def main():
        with pytest.raises(ValueError, match="port"):
            await aio.open_connection(HOST, 0)
        with pytest.raises(TypeError, match="host"):
            await aio.open_connection(None)
        with pytest.raises(ValueError, match="empty"):
            await aio.open_connection(HOST, 443, hostname="")
        with pytest.raises(ConfigurationError):
            await aio.open_connection("in valid")
        with pytest.raises(TypeError, match="ClientContext"):
            await aio.open_connection(HOST, 443, server_context())

    run_on("asyncio")(main())


def test_a_refused_connection_is_a_plain_error(run):
    """Where nobody listens the system's own error comes out."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]

    async def main():
        with pytest.raises(ConnectionRefusedError):
            await aio.open_connection(
                "127.0.0.1", number, client_context(), hostname=HOST
            )

    run(main())


def test_our_own_address_can_be_chosen(run):
    """A connection begins where it is told to."""

    async def main():
        async with serving(send_back) as server:
            async with await aio.open_connection(
                "127.0.0.1",
                server.port,
                client_context(),
                hostname=HOST,
                source_address=("127.0.0.1", 0),
            ) as port:
                assert "127.0.0.1" == port.name[0]

    run(main())
