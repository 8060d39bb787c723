"""What has failed is freed at once, not when the garbage collector comes.

A flood of clients that fail would otherwise cost what thousands of sessions
do.  Sessions are counted, with the collector at rest.
"""

from __future__ import annotations

import gc
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

import tlskit
from tlskit.engine.engine import Engine

from ..engines import client_context, server_context
from ..joined import read_exactly
from ..peers import HOST, PATIENCE, Task
from .ends import DRIVERS, LOCAL, Driver, End

#: So many come, and so few may be left for a while.
MANY, FEW = 60, 15
#: What goes through the threads of anyio is in circles of its own making.
OF_COROUTINES = DRIVERS[1:]
GARBAGE = b"GET / HTTP/1.1\r\n\r\n"
BAD_RECORD = b"\x17\x03\x03\x00\x20" + bytes(32)


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """Have the garbage collector rest."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def sessions() -> int:
    """Count the sessions that are in memory."""
    return sum(isinstance(each, Engine) for each in gc.get_objects())


def garbage(number: int) -> None:
    """Say something that is no TLS; hear the answer out."""
    with socket.create_connection((LOCAL, number), PATIENCE) as sock:
        sock.sendall(GARBAGE)
        with suppress(ConnectionError):
            while sock.recv(65536):
                pass


def refusing(number: int) -> None:
    """Refuse the server's certificate."""
    with pytest.raises(tlskit.VerificationError):
        tlskit.connect(
            *(LOCAL, number, "secure"), hostname=HOST, timeout=PATIENCE
        )


def talking(number: int) -> tlskit.SSLPort:
    """Hear that the handler is at work."""
    port = tlskit.connect(
        LOCAL, number, client_context(), hostname=HOST, timeout=PATIENCE
    )
    port.sendall(b"x")
    assert b"x" == read_exactly(port, 1)
    return port


def good(number: int) -> None:
    """Do nothing wrong."""
    talking(number).close()


def breaking(number: int) -> None:
    """Send what nobody can read, after the handshake."""
    with talking(number) as port:
        port._driver.transport.sock.sendall(BAD_RECORD)
        with suppress(OSError):
            port.recv(1)


def resetting(number: int) -> None:
    """Go away in the worst way."""
    port = talking(number)
    linger = struct.pack("ii", 1, 0)
    sock = port._driver.transport.sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    port.abandon()


CLIENTS = (garbage, refusing, good, breaking, resetting)


def times(client: Callable[[int], None], number: int, many: int) -> None:
    """Come so often."""
    for _ in range(many):
        client(number)


@pytest.mark.parametrize("driver", OF_COROUTINES)
@pytest.mark.parametrize("client", CLIENTS)
def test_servers(driver: Driver, client: Callable[[int], None]) -> None:
    """Whatever clients do, nothing is left of them."""

    async def handler(end: End) -> None:
        with suppress(OSError):
            await end.send(await end.receive())
            while await end.receive():
                pass

    async def main() -> None:
        async with driver.serving(handler) as server:
            await to_thread.run_sync(times, client, server.port, 3)
            before = sessions()
            await to_thread.run_sync(times, client, server.port, MANY)
            with anyio.fail_after(PATIENCE):
                while sessions() > before + FEW:
                    await checkpoint()

    driver.run(main)


@pytest.mark.parametrize("client", CLIENTS)
def test_serve(client: Callable[[int], None]) -> None:
    """Nor with ``serve()`` and its workers."""

    def handler(port: tlskit.SSLPort) -> None:
        port.sendall(port.recv(100))
        while port.recv(100):
            pass

    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        task = Task(listener.serve, handler)
        try:
            times(client, listener.port, 3)
            before = sessions()
            times(client, listener.port, MANY)
            wait_for_few(before)
        finally:
            listener.shutdown(0)
            task.settle()


def wait_for_few(before: int) -> None:
    """Wait until hardly more are left than there were before."""
    end = time.monotonic() + PATIENCE
    while sessions() > before + FEW:
        assert time.monotonic() < end, "they are not freed"


@pytest.mark.parametrize("client", CLIENTS)
def test_adapter(client: Callable[[int], None]) -> None:
    """Nor with the sockets of ``tlskit.stdlib``."""
    context = server_context().as_ssl_context()
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                one(listener.accept()[0])

    def one(sock: socket.socket) -> None:
        with sock:
            sock.settimeout(PATIENCE)
            with context.wrap_socket(sock, server_side=True) as port:
                port.sendall(port.recv(100))
                while port.recv(100):
                    pass

    with socket.create_server((LOCAL, 0)) as listener, ExitStack() as stack:
        number = listener.getsockname()[1]
        task = Task(serve)
        stack.callback(task.settle)
        stack.callback(garbage, number)  # Whom it waits for.
        stack.callback(over.set)
        times(client, number, 3)
        before = sessions()
        times(client, number, MANY)
        wait_for_few(before)


def accept(listener: tlskit.Listener) -> None:
    """Accept clients, each of whom fails, until the listener is closed."""
    while not listener.closed:
        with suppress(OSError):
            listener.accept()


def test_accept() -> None:
    """Nor where each error is raised."""
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        task = Task(accept, listener)
        try:
            times(garbage, listener.port, 3)
            before = sessions()
            times(garbage, listener.port, MANY)
            wait_for_few(before)
        finally:
            listener.close()
            task.settle()


class Why:
    """Why clients fail, again and again."""

    def __init__(self, why: str) -> None:
        self.context = client_context()
        if why == "foreign":
            self.context = tlskit.ClientContext.secure()
        self.name = "other.example" if why == "misnamed" else HOST
        self.timeout = 0.01 if why == "late" else PATIENCE


@pytest.fixture(params=["foreign", "misnamed", "late"])
def why(request: pytest.FixtureRequest) -> Why:
    """Give each reason."""
    return Why(request.param)


@pytest.fixture
def number(why: Why) -> Iterator[int]:
    """Serve those who fail; give the TCP port."""
    if why.timeout < PATIENCE:
        with socket.create_server((LOCAL, 0), backlog=2 * MANY) as silent:
            yield silent.getsockname()[1]
        return
    with tlskit.listen(hostname=LOCAL, context=server_context()) as listener:
        task = Task(accept, listener)
        yield listener.port
        listener.close()
        task.settle()


def test_ports_of_clients(why: Why, number: int) -> None:
    """A client that fails keeps nothing of it either."""

    def one(number: int) -> None:
        with suppress(OSError):
            tlskit.connect(
                *(LOCAL, number, why.context),
                hostname=why.name,
                timeout=why.timeout,
            )

    times(one, number, 3)
    before = sessions()
    times(one, number, MANY)
    wait_for_few(before)


def test_sockets_of_clients(why: Why, number: int) -> None:
    """The same by ``tlskit.stdlib``."""
    context = why.context.as_ssl_context()

    def one(number: int) -> None:
        with socket.create_connection((LOCAL, number), why.timeout) as sock:
            with suppress(OSError):
                context.wrap_socket(sock, server_hostname=why.name)

    times(one, number, 3)
    before = sessions()
    times(one, number, MANY)
    wait_for_few(before)


@pytest.mark.parametrize("driver", OF_COROUTINES)
def test_coroutines_of_clients(driver: Driver, why: Why, number: int) -> None:
    """The same by coroutines."""

    async def one() -> None:
        with suppress(OSError):
            await driver.connect(
                number, why.context, hostname=why.name, timeout=why.timeout
            )

    async def main() -> None:
        for _ in range(3):
            await one()
        before = sessions()
        for _ in range(MANY):
            await one()
        with anyio.fail_after(PATIENCE):
            while sessions() > before + FEW:
                await checkpoint()

    driver.run(main)
