"""asyncio, anyio, trio and websockets on a tlskit context, as clients."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from importlib import import_module

import pytest

from ..libraries import (
    BAD,
    Plain,
    client,
    explanation,
    run,
    stdlib_server,
)
from ..peers import TcpServer

ASYNCIO = [
    ("asyncio", "asyncio_client", "ask"),
    ("asyncio", "asyncio_client", "ask_later"),
    ("anyio", "anyio_client", "ask"),
]


def answer(kind: str = "good") -> TcpServer[None]:
    """Serve one client that sends a line, perhaps after an upgrade."""

    def talk(sock: socket.socket) -> None:
        if sock.recv(1, socket.MSG_PEEK) == b"S":
            assert b"STARTTLS\n" == sock.recv(100)
            sock.sendall(b"go\n")
        with suppress(OSError):  # Refused by the client, or left early.
            with stdlib_server(kind).wrap_socket(
                sock, server_side=True
            ) as wrapped:
                wrapped.sendall(wrapped.recv(100))
                wrapped.unwrap().close()

    return TcpServer(talk)


@pytest.fixture(params=[*ASYNCIO, ("trio", "trio_client", "ask")])
def ask(request):
    """Every asynchronous client, to be called in the same way."""
    library, module, function = request.param
    pytest.importorskip(library)
    found = import_module(
        f"{__package__.rpartition('.')[0]}.examples.{module}"
    )
    called = getattr(found, function)
    if library == "trio":
        trio = pytest.importorskip("trio")
        return lambda *args: trio.run(called, *args)
    return lambda *args: run(called, *args)


@pytest.mark.parametrize("context", [Plain(), client()], ids=["ssl", "tlskit"])
def test_a_line_is_sent_and_received(ask, context):
    """Either context will do."""
    with answer() as there:
        assert b"hello\n" == ask("localhost", there.port, context)
        there.result()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_server_is_refused(ask, kind):
    """The wrong host, or a stranger's CA: refused, and explained."""
    with answer(kind) as there:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - one each
            ask("localhost", there.port, client())
        there.result()

    assert BAD[kind] is type(explanation(caught.value))


@pytest.mark.parametrize("kind", BAD)
def test_asyncio_raises_the_exception_it_knows(kind):
    """open_connection() raises a verification error of ``ssl``."""
    from ..examples.asyncio_client import ask

    with answer(kind) as there:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            run(ask, "localhost", there.port, client())
        there.result()

    assert BAD[kind] is type(caught.value.__cause__)


# -- websockets -------------------------------------------------------------


@pytest.fixture(params=["talk", "talk_sync"])
def talk(request):
    """The client of websockets, on asyncio or on threads."""
    pytest.importorskip("websockets")
    module = import_module(
        f"{__package__.rpartition('.')[0]}.examples.websockets_client"
    )
    function = getattr(module, request.param)
    if request.param == "talk":
        return lambda *args: run(function, *args)
    return function


@pytest.fixture
def websocket():
    """Run an echo server of websockets with one of ssl's contexts."""
    sync = pytest.importorskip("websockets.sync.server")
    from contextlib import contextmanager

    from ..peers import Task

    @contextmanager
    def serving(kind: str):
        def echo(connection) -> None:
            for message in connection:
                connection.send(message)

        with sync.serve(
            echo, "127.0.0.1", 0, ssl=stdlib_server(kind)
        ) as there:
            task = Task(there.serve_forever)
            yield there.socket.getsockname()[1]
            there.shutdown()
            task.result()

    return serving


def test_a_websocket_is_talked_to(talk, websocket):
    """A message goes there and back."""
    with websocket("good") as port:
        assert "hello" == talk("localhost", port, client())


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_websocket_is_refused(talk, websocket, kind):
    """The wrong host, or a stranger's CA: refused, and explained."""
    with websocket(kind) as port:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            talk("localhost", port, client())

    assert BAD[kind] is type(explanation(caught.value))
