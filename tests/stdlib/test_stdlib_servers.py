"""Servers of other libraries on a tlskit context.

Each serves a good client, and refuses one that trusts another CA, one that
speaks only what was forbidden, and one that speaks no TLS at all.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import pytest
from typing_extensions import Self

import tlskit

from ..libraries import (
    authority,
    client,
    explanation,
    leaf,
    run,
    running,
    server,
    stdlib_client,
)
from ..peers import PATIENCE, Task, needs

#: What the server says to a line, or to a request for a page.
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

#: What a client would say who wants to be taken for another one.
FORGED = b"\r\nSSL-Client-S-DN: CN=root\r\nX-SSL-Client-S-DN: CN=root\r\n\r\n"


class LoopThread:
    """An event loop in a thread of its own, for servers that live there."""

    def __init__(self, main: Callable[[Any], Any], runner: Any) -> None:
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self.port = 0
        self.task = Task(lambda: runner(main, self))

    def is_up(self, port: int, stop: Callable[[], None]) -> None:
        """Tell, from the loop, where the server is and how it ends."""
        self.port, self._stop = port, stop
        self._ready.set()

    def __enter__(self) -> Self:
        """Wait until it is up."""
        if not self._ready.wait(PATIENCE):
            self.task.result()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._stop()
        self.task.result()


def on_asyncio(main: Callable[[LoopThread], Any]) -> LoopThread:
    """Run *main* by asyncio in a thread."""
    return LoopThread(main, run)


@contextmanager
def blocking(name: str, context: tlskit.ServerContext) -> Iterator[int]:
    """Run a server with serve_forever()."""
    module = import_module(f"{__package__.rpartition('.')[0]}.examples.{name}")
    with running(module.serve(context)) as port:
        yield port


def stopper() -> tuple[asyncio.Event, Callable[[], None]]:
    """Make an event of this loop, and what sets it from another thread."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    return event, lambda: loop.call_soon_threadsafe(event.set)


@contextmanager
def asyncio_streams(context: tlskit.ServerContext) -> Iterator[int]:
    """Run asyncio's own server."""
    from ..examples import asyncio_server

    async def main(thread: LoopThread) -> None:
        event, stop = stopper()
        async with await asyncio_server.serve(context) as listener:
            thread.is_up(listener.sockets[0].getsockname()[1], stop)
            await event.wait()

    with on_asyncio(main) as thread:
        yield thread.port


@contextmanager
def aiohttp(context: tlskit.ServerContext) -> Iterator[int]:
    """Run aiohttp's server."""
    from ..examples import aiohttp_server

    async def main(thread: LoopThread) -> None:
        event, stop = stopper()
        runner = await aiohttp_server.serve(context)
        thread.is_up(runner.addresses[0][1], stop)
        await event.wait()
        await runner.cleanup()

    with on_asyncio(main) as thread:
        yield thread.port


@contextmanager
def uvicorn(context: tlskit.ServerContext) -> Iterator[int]:
    """Run uvicorn, on a socket that is bound already."""
    from ..examples import uvicorn_server

    there = uvicorn_server.server(context)
    there.install_signal_handlers = lambda: None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = Task(there.run, [listening])
        try:
            # The backlog holds a client until the loop runs.
            yield listening.getsockname()[1]
        finally:
            there.should_exit = True
            task.result()


@contextmanager
def hypercorn(context: tlskit.ServerContext) -> Iterator[int]:
    """Run hypercorn, on a socket that is bound already."""
    from ..examples import hypercorn_server

    with socket.create_server(("127.0.0.1", 0)) as listening:
        bind = f"fd://{os.dup(listening.fileno())}"

        async def main(thread: LoopThread) -> None:
            event, stop = stopper()
            thread.is_up(listening.getsockname()[1], stop)
            await hypercorn_server.serve(context, bind, event.wait)

        with on_asyncio(main) as thread:
            yield thread.port


@contextmanager
def waitress(context: tlskit.ServerContext) -> Iterator[int]:
    """Run waitress, and what takes TLS off in front of it."""
    from ..examples import waitress_server

    there = waitress_server.server()
    handler = waitress_server.handler(there.effective_port)
    task = Task(there.run)
    try:
        with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
            serving = Task(listener.serve, handler)
            yield listener.port
            listener.shutdown(PATIENCE)
            serving.result()
    finally:
        there.trigger.pull_trigger(there.close)
        task.result()
        there.task_dispatcher.shutdown()


def quiet(echo: Callable[[Any], Any], library: Any) -> Callable[[Any], Any]:
    """Let clients of ``ssl`` go, who say no goodbye."""

    async def forgiving(stream: Any) -> None:
        with suppress(library.BrokenResourceError):
            await echo(stream)

    return forgiving


@contextmanager
def anyio(context: tlskit.ServerContext) -> Iterator[int]:
    """Run anyio's listener."""
    from ..examples import anyio_server

    async def main(thread: LoopThread) -> None:
        import anyio as library

        event, stop = stopper()
        async with await anyio_server.listener(context) as listener:
            async with library.create_task_group() as group:
                group.start_soon(
                    listener.serve, quiet(anyio_server.echo, library)
                )
                (tcp,) = listener.listener.listeners
                port = tcp.extra(library.abc.SocketAttribute.local_port)
                thread.is_up(port, stop)
                await event.wait()
                group.cancel_scope.cancel()

    with on_asyncio(main) as thread:
        yield thread.port


@contextmanager
def trio(context: tlskit.ServerContext) -> Iterator[int]:
    """Run trio's listener."""
    import trio as library

    from ..examples import trio_server

    async def main(thread: LoopThread) -> None:
        listeners = await trio_server.listeners(context)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        token = library.lowlevel.current_trio_token()
        with library.CancelScope() as scope:
            thread.is_up(port, lambda: token.run_sync_soon(scope.cancel))
            await library.serve_listeners(
                quiet(trio_server.echo, library), listeners
            )

    with LoopThread(main, library.run) as thread:
        yield thread.port


SERVERS = {
    "http": (lambda c: blocking("http_server", c), GET, b"hello, TLSv1.3"),
    "socketserver": (
        lambda c: blocking("socketserver_server", c),
        b"hello\n",
        b"hello\n",
    ),
    "werkzeug": (
        lambda c: blocking("werkzeug_server", c),
        GET,
        b"hello, https",
    ),
    "waitress": (waitress, GET, b"hello, https"),
    "asyncio": (asyncio_streams, b"hello\n", b"hello\n"),
    "aiohttp": (aiohttp, GET, b"hello, https"),
    "uvicorn": (uvicorn, GET, b"hello, stranger"),
    "hypercorn": (hypercorn, GET, b"hello, HTTP/1.1"),
    "anyio": (anyio, b"hello\n", b"hello\n"),
    "trio": (trio, b"hello\n", b"hello\n"),
}
# Servers complain about clients, and that is what they are given here.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)


@pytest.fixture(params=SERVERS)
def case(request):
    """Every server: how it is run, what it is asked, what it answers."""
    pytest.importorskip(request.param)
    return SERVERS[request.param]


def ask(
    port: int,
    words: bytes,
    answer: bytes,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """Ask a server by ``ssl``'s own client; read until *answer*."""
    context = stdlib_client() if context is None else context
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        with context.wrap_socket(sock, server_hostname="localhost") as there:
            there.sendall(words)
            heard = b""
            while answer not in heard:
                piece = there.recv(65536)
                assert piece, heard
                heard += piece
            return heard


def test_a_client_is_served(case):
    """A client of the standard library's gets its answer, twice."""
    serve, words, answer = case
    with serve(server()) as port:
        for _ in range(2):
            assert answer in ask(port, words, answer)


@pytest.mark.parametrize("kind", ["wrong-host", "unknown-ca"])
def test_a_bad_certificate_is_presented_and_refused(case, kind):
    """What the context presents is what clients judge."""
    serve, words, answer = case
    with serve(server(kind)) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(port, words, answer)


def test_a_client_without_certificate_is_refused(case):
    """Where one is required, a client without a certificate gets nothing."""
    serve, words, answer = case
    with serve(server(verify=True)) as port:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            ask(port, words, answer)

        with_one = client(credentials=True).as_ssl_context()
        assert answer.split(b",")[0] in ask(
            port, words, answer.split(b",")[0], with_one
        )


def test_a_broken_client_harms_nobody(case):
    """Plain text, and silence, leave the server as it was."""
    serve, words, answer = case
    with serve(server()) as port:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while plain.recv(100):
                pass
        if serve is not SERVERS["werkzeug"][0]:  # It accepts one by one.
            silent = socket.create_connection(("127.0.0.1", port), PATIENCE)
            assert answer in ask(port, words, answer)
            silent.close()
        assert answer in ask(port, words, answer)


def test_a_server_needs_its_own_versions():
    """A context for TLS 1.3 only refuses a client of TLS 1.2."""
    old = stdlib_client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    # asyncio itself drops the alert of a failed handshake; these don't.
    with blocking("http_server", server(protocol="tls13")) as port:
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            ask(port, GET, b"hello", old)


# -- the application sees the client ----------------------------------------


def test_uvicorn_shows_the_client_to_the_application():
    """mTLS from requests to uvicorn: the name in the certificate arrives."""
    pytest.importorskip("uvicorn")
    requests = pytest.importorskip("requests")
    from ..examples.requests_client import TLSAdapter

    with uvicorn(server(verify=True)) as port, requests.Session() as session:
        url = f"https://localhost:{port}/"
        session.mount("https://", TLSAdapter(client(credentials=True)))
        assert "hello, client.example\n" == session.get(url, timeout=10).text

    stranger = tlskit.ClientContext("auto")
    authority().trust(stranger)
    stranger.set_verify()
    leaf("unknown-ca").apply(stranger)
    with uvicorn(server(verify=True)) as port, requests.Session() as session:
        session.mount("https://", TLSAdapter(stranger))
        with pytest.raises(requests.exceptions.ConnectionError) as caught:
            session.get(f"https://localhost:{port}/", timeout=10)

    # With TLS 1.3 the alert comes when the client has already sent.
    assert caught.value is not None


@pytest.mark.parametrize("library", ["werkzeug", "waitress"])
def test_wsgi_shows_the_client_to_the_application(library):
    """mTLS from requests to WSGI: the client's name is in the environment."""
    pytest.importorskip(library)
    requests = pytest.importorskip("requests")
    from ..examples.requests_client import TLSAdapter

    for credentials, name in ((True, "CN=client.example"), (False, "https")):
        asking = server(verify=True).copy()
        if not credentials:
            asking.try_verify()
        serve, *_ = SERVERS[library]
        with serve(asking) as port, requests.Session() as session:
            session.mount(
                "https://", TLSAdapter(client(credentials=credentials))
            )
            url = f"https://localhost:{port}/"
            # A response that is kept would keep the connection open.
            assert f"hello, {name}\n" == session.get(url, timeout=10).text


def test_waitress_knows_nobody_who_comes_round_the_front():
    """Who connects to it directly is nobody that TLS knows."""
    pytest.importorskip("waitress")
    from ..examples import waitress_server

    there = waitress_server.server()
    task = Task(there.run)
    address = "127.0.0.1", there.effective_port
    try:
        with socket.create_connection(address, PATIENCE) as plain:
            plain.sendall(GET.replace(b"\r\n\r\n", FORGED))
            heard = b""
            while piece := plain.recv(65536):
                heard += piece
        assert heard.endswith(b"hello, http\n")
    finally:
        there.trigger.pull_trigger(there.close)
        task.result()
        there.task_dispatcher.shutdown()


def test_hypercorn_shows_the_client_to_the_application():
    """The scope has ASGI's TLS extension, for HTTP/1.1 and HTTP/2."""
    pytest.importorskip("hypercorn")
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("h2")
    asking = client(credentials=True).as_ssl_context()
    with hypercorn(server(verify=True)) as port:
        for http2 in (False, True):
            with httpx.Client(verify=asking, http2=http2) as http:
                response = http.get(f"https://localhost:{port}/")
            version = response.http_version.removesuffix(".0")

            assert f"hello, {version} from client.example\n" == response.text


# -- HTTP/2 by ALPN ---------------------------------------------------------


def test_hypercorn_speaks_http2():
    """httpx and hypercorn agree on HTTP/2 over two sealed contexts."""
    pytest.importorskip("hypercorn")
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("h2")
    with hypercorn(server()) as port:
        with httpx.Client(
            verify=client().as_ssl_context(), http2=True
        ) as http:
            response = http.get(f"https://localhost:{port}/")

    assert ("HTTP/2", "hello, HTTP/2 from stranger\n") == (
        response.http_version,
        response.text,
    )


@needs("curl")
def test_curl_gets_http2_from_hypercorn(tmp_path):
    """A client that is not ours agrees."""
    import subprocess

    pytest.importorskip("hypercorn")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority().pem)
    with hypercorn(server()) as port:
        done = subprocess.run(
            [
                "curl",
                "--silent",
                "--show-error",
                "--http2",
                "--cacert",
                str(roots),
                f"https://localhost:{port}/",
            ],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    assert (b"hello, HTTP/2 from stranger\n", b"") == (
        done.stdout,
        done.stderr,
    )


def test_websockets_serves():
    """websockets serves a client of its own, on tlskit at both ends."""
    pytest.importorskip("websockets")
    from ..examples import websockets_client, websockets_server

    async def main() -> str:
        async with websockets_server.serve(server()) as listener:
            port = listener.sockets[0].getsockname()[1]
            return await websockets_client.talk("127.0.0.1", port, client())

    assert "hello" == run(main)


@pytest.mark.parametrize("kind", ["wrong-host", "unknown-ca"])
def test_websockets_is_refused(kind):
    """The same with a bad server."""
    pytest.importorskip("websockets")
    from ..examples import websockets_client, websockets_server

    async def main() -> str:
        async with websockets_server.serve(server(kind)) as listener:
            port = listener.sockets[0].getsockname()[1]
            return await websockets_client.talk("127.0.0.1", port, client())

    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        run(main)

    assert isinstance(explanation(caught.value), tlskit.VerificationError)
