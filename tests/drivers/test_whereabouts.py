"""Every driver's errors say to whom they happened, and when."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

import pytest
import trio

import tlskit
import tlskit.aio
import tlskit.trio
from tlskit.testing import CA

from ..peers import PATIENCE, Task, TcpServer

#: As short as a deadline may be that has to pass.
SHORT = 0.05
#: Seconds; over in the handshake, and not before, on a busy machine either.
AMPLE = 2.0
UNIX = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="no sockets in the file system"
)


@pytest.fixture(scope="module")
def ca():
    """A CA for this file."""
    return CA()


@pytest.fixture(scope="module")
def server_context(ca):
    """A server for localhost."""
    leaf = ca.issue("localhost")
    return tlskit.ServerContext(
        certificate_chain=leaf.chain, private_key=leaf.key
    )


@pytest.fixture(scope="module")
def client_context(ca):
    """A client that trusts the CA."""
    context = tlskit.ClientContext("auto")
    ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def closed_port():
    """Give a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def by_threads(*arguments, **keywords):
    """Connect, and close again."""
    tlskit.connect(*arguments, **keywords).close()


def by_asyncio(*arguments, **keywords):
    """Do the same with coroutines."""

    async def main():
        port = await tlskit.aio.open_connection(*arguments, **keywords)
        await port.aclose()

    asyncio.run(main())


def by_trio(*arguments, **keywords):
    """Do the same with trio."""

    async def main():
        port = await tlskit.trio.open_connection(*arguments, **keywords)
        await port.aclose()

    trio.run(main)


DRIVERS = pytest.mark.parametrize("dial", [by_threads, by_asyncio, by_trio])


def failure(call, *arguments, **keywords) -> Any:
    """Give what *call* raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any will do
        call(*arguments, **keywords)
    return caught.value


def placed(error):
    """Give peer and phase, and see that a note tells them, too."""
    told = (error.peer, error.phase)
    if sys.version_info >= (3, 11):
        assert f"peer: {told[0]}, phase: {told[1]}" in error.__notes__
    return told


@DRIVERS
def test_nobody_listens(dial, client_context):
    """A refused connection names the server that was meant."""
    number = closed_port()
    error = failure(dial, "localhost", number, client_context)

    assert (f"localhost:{number}", "connect") == placed(error)


@DRIVERS
def test_nobody_has_that_name(dial, client_context):
    """A look-up that fails is another phase."""
    name = "nobody.invalid"
    error = failure(dial, name, 443, client_context, timeout=PATIENCE)

    assert (f"{name}:443", "resolve") == placed(error)


@DRIVERS
def test_a_silent_server(dial, client_context):
    """A time-out in the handshake is told as that."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        number = silent.getsockname()[1]
        error = failure(
            dial, "localhost", number, client_context, timeout=AMPLE
        )

    assert isinstance(error, TimeoutError)
    assert (f"localhost:{number}", "handshake") == placed(error)


@DRIVERS
def test_a_server_of_another_ca(dial, server_context):
    """A refused certificate is."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context) as there:
        task = Task(lambda: failure(there.accept, PATIENCE))
        error = failure(dial, "localhost", there.port)
        theirs = task.result()

    assert (f"localhost:{there.port}", "handshake") == placed(error)
    assert "handshake" == theirs.phase
    assert theirs.peer.startswith("127.0.0.1:")


@DRIVERS
def test_a_proxy_that_nobody_runs(dial, client_context):
    """With a proxy, all before the handshake is its phase."""
    number = closed_port()
    error = failure(
        dial,
        "a.example",
        443,
        client_context,
        proxy=f"http://127.0.0.1:{number}",
    )

    assert ("a.example:443", "proxy") == placed(error)


@DRIVERS
def test_a_proxy_that_refuses(dial, client_context):
    """What the proxy says is its phase, too."""

    def refuse(sock):
        sock.recv(9999)
        sock.sendall(b"HTTP/1.1 403 No\r\n\r\n")

    with TcpServer(refuse) as proxy:
        error = failure(
            dial,
            "a.example",
            443,
            client_context,
            proxy=f"http://127.0.0.1:{proxy.port}",
        )

    assert ("a.example:443", "proxy") == placed(error)


@UNIX
@DRIVERS
def test_a_path_that_nobody_has(dial, client_context, tmp_path):
    """A socket of the file system is called by its path."""
    path = str(tmp_path / "s")
    error = failure(
        dial, f"unix:{path}", context=client_context, hostname="localhost"
    )

    assert (path, "connect") == placed(error)


# -- blocking ports ---------------------------------------------------------


@pytest.fixture
def pair(server_context, client_context):
    """Give both ends of a connection, the client's first, and its place."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context) as there:
        task = Task(there.accept, PATIENCE)
        with tlskit.connect(
            "localhost", there.port, client_context, timeout=PATIENCE
        ) as ours:
            with task.result() as theirs:
                yield ours, theirs, f"localhost:{there.port}"


def test_the_phases_of_a_connection(pair):
    """Reading, writing and closing are told apart."""
    ours, theirs, place = pair
    ours.settimeout(SHORT)

    assert (place, "read") == placed(failure(ours.recv, 1))
    assert (place, "close") == placed(failure(ours.unwrap))
    assert (place, "write") == placed(failure(ours.sendall, b"x"))
    client = "{}:{}".format(*theirs.peer)
    theirs.setblocking(False)
    theirs.recv(1)  # Their close_notify.
    theirs.close()
    assert (client, "read") == placed(failure(theirs.recv, 1))
    assert (client, "handshake") == placed(failure(theirs.set_verify))


def test_a_port_that_was_closed(pair):
    """Its files say it as well."""
    ours, _, place = pair
    output = ours.output
    ours.close()

    assert (place, "read") == placed(failure(ours.recv, 1))
    assert (place, "write") == placed(failure(ours.send, b"x"))
    assert (
        "write" == failure(output.write, b"x").phase
        if not output.closed
        else True
    )


def test_nobody_comes(server_context):
    """The time-out of ``accept`` itself is about no peer."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context) as there:
        error = failure(there.accept, SHORT)
    late = failure(there.accept, SHORT)

    assert (None, "accept") == (error.peer, error.phase)
    assert (None, "accept") == (late.peer, late.phase)


@UNIX
def test_a_client_on_a_path(server_context, tmp_path):
    """A client on a socket of the file system is called by the path."""
    path = str(tmp_path / "s")
    with tlskit.listen(path=path, context=server_context) as there:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"\x16\x03\x01\x00\x04junk")
            error = failure(there.accept, PATIENCE)

    assert path == error.peer


def test_starttls_has_a_preface(client_context):
    """The plaintext before TLS is a phase of its own."""
    with TcpServer(lambda sock: sock.sendall(b"-ERR no\r\n")) as server:
        error = failure(
            tlskit.starttls.connect,
            "localhost",
            "pop3",
            server.port,
            client_context,
            timeout=PATIENCE,
        )

    assert (f"localhost:{server.port}", "preface") == placed(error)


# -- coroutines -------------------------------------------------------------


def test_the_phases_of_coroutines(server_context, client_context):
    """The ports of asyncio and of trio tell the same."""
    with tlskit.listen(hostname="127.0.0.1", context=server_context) as there:
        place = f"localhost:{there.port}"
        where = ("localhost", there.port, client_context)

        async def phases(port):
            port.timeout = SHORT
            found = []
            for call in (
                lambda: port.read(1),
                lambda: port.readinto(bytearray(1)),
                lambda: port.readexactly(1),
                port.readline,
                lambda: port.readuntil(b"x"),
            ):
                with pytest.raises(TimeoutError) as caught:
                    await call()
                found.append(placed(caught.value))
            await port.aclose()
            with pytest.raises(tlskit.ClosedError) as closed:
                port.write(b"x")
            found.append(placed(closed.value))
            with pytest.raises(tlskit.ClosedError) as closed:
                port.flush()
            found.append(placed(closed.value))
            with pytest.raises(tlskit.ClosedError) as closed:
                await port.handshake()
            found.append(placed(closed.value))
            return found

        async def with_asyncio():
            return await phases(await tlskit.aio.open_connection(*where))

        async def with_trio():
            port = await tlskit.trio.open_connection(*where)
            found = await phases(port)
            with pytest.raises(trio.ClosedResourceError) as closed:
                await port.send_all(b"x")
            assert (place, "write") == placed(closed.value)
            assert (place, "write") == placed(closed.value.__cause__)
            with pytest.raises(trio.ClosedResourceError) as closed:
                await port.receive_some()
            assert (place, "read") == placed(closed.value)
            return found

        wanted = [(place, "read")] * 5 + [
            (place, "write"),
            (place, "write"),
            (place, "handshake"),
        ]
        for run in (
            lambda: asyncio.run(with_asyncio()),
            lambda: trio.run(with_trio),
        ):
            task = Task(there.accept, PATIENCE)
            assert wanted == run()
            task.result().close()


# -- logs -------------------------------------------------------------------


def stranger(number):
    """Send what is no TLS; give our own address, as a log writes it."""
    with socket.create_connection(("127.0.0.1", number), PATIENCE) as sock:
        own = "{}:{}".format(*sock.getsockname())
        sock.sendall(b"\x16\x03\x01\x00\x04junk")
        with suppress(OSError):
            while sock.recv(100):
                pass
    return own


class Heard(threading.Event):
    """Is set by the log line about a client that failed."""

    WORDS = "a client failed"

    def filter(self, record):
        """Look at a record, and let it pass."""
        if self.WORDS in record.getMessage():
            self.set()
        return True


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_refused_client_is_logged_with_its_address(
    server_context, caplog, kind
):
    """The servers of coroutines say which client it was."""
    caplog.set_level(logging.INFO)
    heard = Heard()
    caplog.handler.addFilter(heard)

    def come(number):
        own = stranger(number)
        assert heard.wait(PATIENCE)
        return own

    async def nothing(_port):
        raise AssertionError

    async def with_asyncio():
        server = await tlskit.aio.start_server(
            nothing, "127.0.0.1", 0, server_context
        )
        async with server:
            return await asyncio.to_thread(come, server.port)

    async def with_trio():
        async with trio.open_nursery() as nursery:
            server = await nursery.start(
                tlskit.trio.serve, nothing, "127.0.0.1", 0, server_context
            )
            own = await trio.to_thread.run_sync(come, server.port)
            await server.shutdown()
            return own

    try:
        if kind == "asyncio":
            own = asyncio.run(with_asyncio())
        else:
            own = trio.run(with_trio)
    finally:
        caplog.handler.removeFilter(heard)
    (line,) = (each for each in caplog.messages if Heard.WORDS in each)

    assert line.endswith(f"(peer {own})")
