"""Pebble, an ACME server for tests, and what stands in front of it."""

from __future__ import annotations

import base64
import http.client
import json
import random
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tlskit.testing import CA
from tlskit.tools.deadline import Deadline

from .peers import PATIENCE, Program, needs

__all__ = ["Answer", "Front", "Pebble", "front", "needs_pebble", "pebble"]

HOST = "127.0.0.1"
needs_pebble = needs("pebble")


class Pebble(NamedTuple):
    """A running server."""

    #: The address of its directory.
    directory: str
    #: A file with the root of its HTTPS, not of what it issues.
    roots: Path
    #: Certificate and key of its HTTPS.
    pair: tuple[Path, Path]
    #: Where it looks for answers.
    tls_port: int
    http_port: int
    management: str
    program: Program

    def issuer(self) -> str:
        """Give the root of the certificates that it issues, as PEM."""
        with urllib.request.urlopen(
            f"{self.management}/roots/0",
            context=ssl.create_default_context(cafile=str(self.roots)),
            timeout=PATIENCE,
        ) as answer:
            found: bytes = answer.read()
        return found.decode("ascii")


#: Ports that no system gives to whoever connects: those would take one
#: between our look and its use.
_PORTS = range(10240, 32768)


def _free() -> int:
    while True:
        port = random.choice(_PORTS)
        with (
            suppress(OSError),
            socket.create_server((HOST, port)),
        ):
            return port


@contextmanager
def pebble(folder: Path, *, lifetime: int = 3600) -> Iterator[Pebble]:
    """Run it, with a DNS that knows 127.0.0.1 only.

    Args:
        folder: Its files'.
        lifetime: Of its certificates, in seconds.
    """
    with ExitStack() as stack:
        for others in (True, True, False):
            try:
                made = stack.enter_context(_started(folder, lifetime))
                break
            except AssertionError:  # Somebody was faster at one of its ports.
                if not others:
                    raise
        yield made


def _wait_for(port: int) -> None:
    """Wait until somebody listens there."""
    deadline, nothing = Deadline.after(PATIENCE), threading.Event()
    while deadline.left():
        with suppress(ConnectionRefusedError):
            socket.create_connection((HOST, port), PATIENCE).close()
            return
        nothing.wait(0.01)
    raise AssertionError(f"nobody listens on port {port}")


@contextmanager
def _started(folder: Path, lifetime: int) -> Iterator[Pebble]:
    ca = CA("the CA of pebble's own HTTPS")
    chain, key = ca.issue("localhost", HOST).write(folder)
    roots = folder / "pebble-roots.pem"
    roots.write_bytes(ca.pem)
    # It can't tell which ports it took; they are chosen for it.
    api, management, tls, http, dns, control = (_free() for _ in range(6))
    config = folder / "pebble.json"
    config.write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"{HOST}:{api}",
                    "managementListenAddress": f"{HOST}:{management}",
                    "certificate": str(chain),
                    "privateKey": str(key),
                    "httpPort": http,
                    "tlsPort": tls,
                    "certificateValidityPeriod": lifetime,
                }
            }
        )
    )
    resolver = (
        *("pebble-challtestsrv", "-defaultIPv4", HOST, "-defaultIPv6", ""),
        *("-dns01", f"{HOST}:{dns}", "-management", f"{HOST}:{control}"),
        *("-http01", "", "-https01", "", "-tlsalpn01", ""),
    )
    server = ("pebble", "-config", config, "-dnsserver", f"{HOST}:{dns}")
    quick = {
        "PEBBLE_VA_NOSLEEP": "1",
        "PEBBLE_WFE_NONCEREJECT": "0",
        "PEBBLE_AUTHZREUSE": "0",
    }
    with Program(*resolver), Program(*map(str, server), env=quick) as program:
        program.until("ACME directory available")
        for port in (api, management):  # It says so before it listens.
            _wait_for(port)
        yield Pebble(
            f"https://localhost:{api}/dir",
            roots,
            (Path(chain), Path(key)),
            tls,
            http,
            f"https://localhost:{management}",
            program,
        )


class Answer(NamedTuple):
    """What a front answers by itself."""

    status: int
    body: object
    headers: tuple[tuple[str, str], ...] = ()


#: Called with method and path; None asks the server behind.
Rule = Callable[[str, str], "Answer | None"]


class Front:
    """Passes on to an ACME server what its rule does not answer.

    Args:
        behind: The server.
    """

    def __init__(self, behind: Pebble) -> None:
        self._behind = behind
        #: What it answers by itself.
        self.rule: Rule = lambda _method, _path: None
        #: What is added to the directory: name and path.
        self.extra: dict[str, str] = {}
        #: Every request: its method and its path.
        self.seen: list[tuple[str, str]] = []
        #: What was ordered.
        self.orders: list[dict[str, Any]] = []
        self.directory = ""

    def answer(
        self, method: str, path: str, body: bytes, headers: Any
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Give status, headers and body."""
        self.seen.append((method, path))
        if path == "/order-plz":
            text = json.loads(body)["payload"]
            self.orders.append(
                json.loads(base64.urlsafe_b64decode(f"{text}==="))
            )
        own = self.rule(method, path)
        if own is not None:
            kind = (
                "application/json"
                if own.status == 200
                else "application/problem+json"
            )
            whole = json.dumps(own.body).encode("ascii")
            return own.status, [("Content-Type", kind), *own.headers], whole
        status, more, whole = self._pass_on(method, path, body, headers)
        if path == "/dir":
            base = self.directory.removesuffix("/dir")
            added = {name: base + at for name, at in self.extra.items()}
            whole = json.dumps({**json.loads(whole), **added}).encode("ascii")
        return status, more, whole

    def _pass_on(
        self, method: str, path: str, body: bytes, headers: Any
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        behind = self._behind.directory.split("/")[2]
        connection = http.client.HTTPSConnection(
            behind,
            timeout=PATIENCE,
            context=ssl.create_default_context(cafile=str(self._behind.roots)),
        )
        try:
            # With the name of this front, which the server's links then have.
            kept = {
                name: headers[name]
                for name in ("Host", "Content-Type", "User-Agent")
                if name in headers
            }
            connection.request(method, path, body, kept)
            found = connection.getresponse()
            whole = found.read()
        finally:
            connection.close()
        left_out = {"content-length", "connection", "transfer-encoding"}
        more = [
            (name, value)
            for name, value in found.getheaders()
            if name.lower() not in left_out
        ]
        return found.status, more, whole


@contextmanager
def front(behind: Pebble) -> Iterator[Front]:
    """Run one."""
    made = Front(behind)

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(size)
            status, headers, whole = made.answer(
                self.command, self.path, body, self.headers
            )
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(whole)

        do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - as it is asked for

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Print nothing about clients that were killed."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*behind.pair)
    with Server((HOST, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        made.directory = f"https://localhost:{server.server_port}/dir"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join(PATIENCE)
