"""Good servers and bad ones for libraries that use a tlskit context."""

from __future__ import annotations

import asyncio
import gc
import http.server
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import tlskit
from tlskit.testing import CA, Leaf

from .peers import PATIENCE, Task, TcpServer

__all__ = [
    "BAD",
    "Plain",
    "Speech",
    "authority",
    "client",
    "explanation",
    "https_server",
    "leaf",
    "run",
    "running",
    "server",
    "speaking",
    "stdlib_client",
    "stdlib_server",
]

T = TypeVar("T")

_CA = CA("tlskit libraries CA")

#: What is wrong with a server, and the class of our complaint.
BAD = {
    "wrong-host": tlskit.IdentityError,
    "unknown-ca": tlskit.VerificationError,
}


def authority() -> CA:
    """Give the CA that everybody trusts."""
    return _CA


def leaf(kind: str = "good") -> Leaf:
    """Give the credentials of a good server, or of a bad one."""
    return _leaf(kind)


@cache
def _leaf(kind: str) -> Leaf:
    names = ("localhost", "127.0.0.1", "::1")
    if kind == "good":
        return _CA.issue(*names)
    return _CA.issue_bad(kind, *names)


def client(*, credentials: bool = False) -> tlskit.ClientContext:
    """Make a client's context, sealed."""
    context = tlskit.ClientContext("auto")
    _CA.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    if credentials:
        _CA.issue("client.example").apply(context)
    context.seal()
    return context


class Plain:
    """Stands where a context does, and gives one of ssl's own."""

    def as_ssl_context(self) -> ssl.SSLContext:
        """Give it."""
        return stdlib_client()


def server(
    kind: str = "good", *, verify: bool = False, **options: Any
) -> tlskit.ServerContext:
    """Make a server's context, sealed."""
    context = tlskit.ServerContext(**options)
    leaf(kind).apply(context)
    if verify:
        _CA.trust(context)
        context.set_verify()
    context.seal()
    return context


def stdlib_client() -> ssl.SSLContext:
    """Make a client's context of the standard library's own."""
    return ssl.create_default_context(cadata=_CA.pem.decode("ascii"))


@cache
def _files(kind: str) -> tuple[str, str]:
    import tempfile

    chain, key = leaf(kind).write(tempfile.mkdtemp())
    return str(chain), str(key)


def stdlib_server(kind: str = "good") -> ssl.SSLContext:
    """Make a server's context of the standard library's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_files(kind))
    return context


def explanation(error: BaseException | None) -> tlskit.TLSError:
    """Find our own error behind what a library raises."""
    seen: list[object] = []
    todo: list[object] = [error]
    while todo:
        found = todo.pop(0)
        if isinstance(found, tlskit.TLSError):
            return found
        if isinstance(found, BaseException) and found not in seen:
            seen.append(found)
            todo += [found.__cause__, found.__context__]
            # urllib.request, urllib3, requests, and groups of exceptions.
            todo += [getattr(found, "reason", None), *found.args]
            todo += getattr(found, "exceptions", ())
    raise AssertionError(f"nothing of ours behind {error!r}")


# -- servers ----------------------------------------------------------------


class _Hello(http.server.BaseHTTPRequestHandler):
    timeout = PATIENCE

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class _Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, address: object) -> None:
        """Keep quiet: many a client refuses us."""


@contextmanager
def https_server(kind: str = "good") -> Iterator[int]:
    """Serve HTTPS by the standard library; give the port."""
    with _Quiet(("127.0.0.1", 0), _Hello) as httpd:
        httpd.socket = stdlib_server(kind).wrap_socket(
            httpd.socket, server_side=True, do_handshake_on_connect=False
        )
        with running(httpd) as port:
            yield port


@contextmanager
def running(httpd: Any) -> Iterator[int]:
    """Run a server of socketserver's kind in a thread; give its port."""
    task = Task(httpd.serve_forever, 0.05)
    try:
        yield httpd.server_address[1]
    finally:
        httpd.shutdown()
        task.result()
        httpd.server_close()


#: What a server says to what it reads: a line begins with the key.
Speech = dict[bytes, bytes]
_UPGRADES = (b"STLS", b"STARTTLS", b"AUTH TLS")


class _Speaker:
    """Speaks a protocol of lines, upgrading to TLS when that is asked for."""

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, speech: Speech
    ) -> None:
        self._context = context
        self._speech = speech
        self._file: Any = None
        self._sock = sock
        self._open()

    def _open(self) -> None:
        self._file = self._sock.makefile("rb")

    def secure(self) -> None:
        """Upgrade."""
        self._file.close()
        self._sock = self._context.wrap_socket(self._sock, server_side=True)
        self._open()

    def say(self, words: bytes) -> None:
        self._sock.sendall(words)

    def talk(self) -> None:
        """Answer until the client has gone."""
        with suppress(OSError):
            while line := self._file.readline():
                if not self.answer(line.strip()):
                    break
        self._file.close()
        self._sock.close()

    def answer(self, line: bytes) -> bool:
        # IMAP has a tag in front of each command.
        tag, _, command = line.partition(b" ")
        words = self._speech.get(line.upper().partition(b" ")[0])
        if words is None:
            words = self._speech.get(command.upper().partition(b" ")[0], b"")
        self.say(words.replace(b"TAG", tag))
        if {line.upper(), command.upper()} & set(_UPGRADES):
            self.secure()
        return b"BYE" not in words


def speaking(
    kind: str, speech: Speech, *, implicit: bool = False
) -> TcpServer[None]:
    """Serve one client of a protocol of lines, over ``ssl``'s own TLS."""

    def talk(sock: socket.socket) -> None:
        speaker = _Speaker(sock, stdlib_server(kind), speech)
        if implicit:
            speaker.secure()
        speaker.say(speech[b""])
        speaker.talk()

    return TcpServer(talk)


# -- event loops ------------------------------------------------------------


def run(function: Callable[..., Any], *args: Any) -> Any:
    """Run a coroutine function by asyncio, not for ever."""

    async def bounded() -> Any:
        try:
            return await asyncio.wait_for(function(*args), PATIENCE)
        finally:
            # What a library has closed is released in the loop's next rounds.
            for _ in range(5):
                await asyncio.sleep(0)

    try:
        return asyncio.run(bounded())
    finally:
        # Some leave the transport of a refused connection to the collector,
        # which must not complain of it in a later test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
