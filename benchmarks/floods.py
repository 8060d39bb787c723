"""Flood ports of every kind, and see that memory and waits stay bounded.

::

    python benchmarks/floods.py                    # all, about six minutes
    python benchmarks/floods.py garbage connect    # some

The attackers are another process, which uses the standard library's ``ssl``:
16 connections at a time that send as fast as they can for 10 seconds, and
connect again when they are cut off.  This process answers them by blocking
ports, by the sockets of ``tlskit.stdlib``, on asyncio and on trio, and notes
how much its resident memory has grown, and how long each call has taken.

The status is 0 if memory never grew by more than 64 MiB and every call was
over half a second after its deadline, of two seconds, at the latest.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import trio as trio_itself
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import tlskit
from tlskit import aio, trio
from tlskit.testing import CA

__all__ = ["FLOODS", "Report", "main", "run"]

HOST, LOCAL = "localhost", "127.0.0.1"
#: What every call is given, and what it may take beyond that, in seconds.
DEADLINE, SLACK = 2.0, 0.5
#: How much resident memory may grow, in bytes.
MOST = 64 * 1048576
#: How long a port listens before it is closed, in seconds.
LISTENING = 0.5
JUNK = b"\x17\x03\x03\x40\x00" + bytes(16384)
#: Refused at once; and what is one message for as long as it goes on.
HELLOS = (
    b"\x16\x03\x01\x00\x05junk!" * 6000,
    b"\x14\x03\x03\x00\x01\x01" * 9000,
)

# -- attackers, in a process of their own -----------------------------------


class Session:
    """A client's session over a socket, which stays free for anything."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.post_handshake_auth = True
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "keys")
            context.keylog_filename = str(log)
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context.wrap_bio(self._incoming, self._outgoing)
            self._shake()
            (line,) = (
                each
                for each in log.read_text().splitlines()
                if each.startswith("CLIENT_TRAFFIC_SECRET_0")
            )
        self._secret = bytes.fromhex(line.split()[2])

    def _shake(self) -> None:
        while True:
            with suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
                self.flush()
                return
            self.flush()
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("refused")
            self._incoming.write(data)

    def flush(self) -> None:
        """Send what was made."""
        self.sock.sendall(self._outgoing.read())

    def sealed(self, data: bytes) -> bytes:
        """Make records of *data*."""
        self.tls.write(data)
        return self._outgoing.read()

    def end(self) -> None:
        """Send a close_notify."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()

    def updates(self) -> Iterator[bytes]:
        """Seal key updates that want an answer (RFC 8446, section 4.6.3)."""
        name = self.tls.cipher()
        assert name is not None
        digest, size = (
            ("sha384", 32) if "256_GCM" in name[0] else ("sha256", 16)
        )

        def expand(label: bytes, size: int) -> bytes:
            label = b"tls13 " + label
            info = size.to_bytes(2, "big") + bytes((len(label),)) + label
            made = hmac.digest(self._secret, info + b"\0\1", digest)
            return made[:size]

        plain = b"\x18\0\0\1\1\x16"
        header = bytes((23, 3, 3, 0, len(plain) + 16))
        while True:
            cipher = AESGCM(expand(b"key", size))
            yield header + cipher.encrypt(expand(b"iv", 12), plain, header)
            self._secret = expand(b"traffic upd", len(self._secret))


def garbage(sock: socket.socket, until: float) -> None:
    """Send records that nobody can read, after a handshake."""
    Session(sock)
    send(sock, JUNK * 16, until)


def ended(sock: socket.socket, until: float) -> None:
    """Go on sending after the end of the session."""
    Session(sock).end()
    send(sock, JUNK * 16, until)


def talk(sock: socket.socket, until: float) -> None:
    """Send good data, and never read."""
    session = Session(sock)
    while time.monotonic() < until:
        sock.sendall(session.sealed(bytes(1048576)))


def updates(sock: socket.socket, until: float) -> None:
    """Send what has to be answered, and never read an answer."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made = Session(sock).updates()
    while time.monotonic() < until:
        sock.sendall(b"".join(next(made) for _ in range(1000)))


def hello(sock: socket.socket, until: float) -> None:
    """Send other things than a hello."""
    send(sock, HELLOS[sock.fileno() % 2], until)


def send(sock: socket.socket, data: bytes, until: float) -> None:
    """Send *data* without end."""
    while time.monotonic() < until:
        sock.sendall(data)


ATTACKS: dict[str, Callable[[socket.socket, float], None]] = {
    each.__name__: each for each in (garbage, ended, talk, updates, hello)
}


def attack(kind: str, number: int, attackers: int, seconds: float) -> None:
    """Flood a server; without a number, be one that floods its clients."""
    until = time.monotonic() + seconds

    def call() -> None:
        while time.monotonic() < until:
            with (
                suppress(OSError, EOFError, ValueError),
                socket.socket() as sock,
            ):
                sock.settimeout(1)
                sock.connect((LOCAL, number))
                ATTACKS[kind](sock, until)

    def answer() -> None:
        while time.monotonic() < until:
            with suppress(OSError):
                sock = listener.accept()[0]
                with sock:
                    sock.settimeout(1)
                    ATTACKS[kind](sock, until)

    work = call
    with socket.create_server((LOCAL, 0), backlog=128) as listener:
        listener.settimeout(0.2)
        if not number:
            print(listener.getsockname()[1], flush=True)
            work = answer
        threads = [threading.Thread(target=work) for _ in range(attackers)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()


# -- what is seen of it -----------------------------------------------------


def resident() -> int:
    """Give this process's resident memory in bytes; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Report:
    """What one flood has cost."""

    flood: str
    driver: str
    grown: int = 0
    #: By verb, how long each call took, in seconds.
    took: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @property
    def good(self) -> bool:
        """Whether all was bounded."""
        worst = max((max(each) for each in self.took.values()), default=99.0)
        return self.grown <= MOST and worst <= DEADLINE + SLACK

    def __str__(self) -> str:
        """Tell it in a line."""
        calls = ", ".join(
            f"{verb}() {max(took):.2f} s at most ({len(took)})"
            for verb, took in self.took.items()
        )
        return (
            f"{'good' if self.good else 'BAD '}  {self.flood:8} "
            f"{self.driver:9} +{self.grown / 1048576:5.1f} MiB  {calls}"
        )

    @contextmanager
    def timing(self, verb: str) -> Iterator[None]:
        """Note how long a call takes, however it ends."""
        start = time.monotonic()
        try:
            with suppress(OSError, ValueError, EOFError):
                yield
        finally:
            self.took[verb].append(time.monotonic() - start)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note the most memory."""
        base, over = resident(), threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                self.grown = max(self.grown, resident() - base)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@dataclass
class Flood:
    """A flood, and what we are in for."""

    report: Report
    attackers: int
    seconds: float

    @contextmanager
    def against(self, kind: str, number: int = 0) -> Iterator[int]:
        """Have it while the block lasts; give the number of a server."""
        command = [sys.executable, __file__, "--attack", kind]
        command += map(str, (number, self.attackers, self.seconds))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            try:
                with self.report.watching():
                    yield number or int(child.stdout.readline())
            finally:
                child.kill()

    def times(self) -> Iterator[int]:
        """Count for as long as it lasts."""
        until = time.monotonic() + self.seconds
        for number in count():
            if time.monotonic() > until:
                return
            yield number


_CA = CA("tlskit floods CA")
_LEAF = _CA.issue(HOST)


def server_context() -> tlskit.ServerContext:
    """Make a server that may ask its clients later."""
    context = tlskit.ServerContext()
    _LEAF.apply(context)
    _CA.trust(context)
    return context


def client_context() -> tlskit.ClientContext:
    """Make a client that verifies."""
    return tlskit.ClientContext.secure()


def all_at_once(work: Callable[[], None], threads: int) -> None:
    """Do it in so many threads."""
    made = [threading.Thread(target=work) for _ in range(threads)]
    for each in made:
        each.start()
    for each in made:
        each.join()


# -- threads: ports, and the sockets of tlskit.stdlib -----------------------


class Blocking:
    """Ports of threads."""

    name = "blocking"

    def __init__(self) -> None:
        self.server, self.client = server_context(), client_context()

    def accepted(self, sock: socket.socket) -> Any:
        """Shake hands with a client."""
        return tlskit.SSLPort.start_tls(sock, self.server, server_side=True)

    def ask(self, port: Any) -> None:
        """Demand a certificate in mid-session."""
        port.set_verify()

    def connect(self, number: int) -> None:
        """Connect to a server."""
        tlskit.connect(
            *(LOCAL, number, self.client), hostname=HOST, timeout=DEADLINE
        ).close()

    @contextmanager
    def listening(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """Listen; give the number, and what accepts one client."""
        with tlskit.listen(hostname=LOCAL, context=self.server) as listener:
            yield (
                listener.port,
                lambda: listener.accept(timeout=DEADLINE).close(),
            )


class Adapter(Blocking):
    """Sockets as those of the standard library."""

    name = "adapter"

    def __init__(self) -> None:
        super().__init__()
        self._server = self.server.as_ssl_context()
        self._client = self.client.as_ssl_context()

    def accepted(self, sock: socket.socket) -> Any:
        """See ``Blocking``."""
        return self._server.wrap_socket(sock, server_side=True)

    def ask(self, port: Any) -> None:
        """See ``Blocking``; the answer is met by whoever reads."""
        port.verify_client_post_handshake()
        until = time.monotonic() + LISTENING
        while time.monotonic() < until and port.recv(65536):
            pass

    def connect(self, number: int) -> None:
        """See ``Blocking``."""
        with socket.create_connection((LOCAL, number), DEADLINE) as sock:
            self._client.wrap_socket(sock, server_hostname=HOST).close()

    @contextmanager
    def listening(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """See ``Blocking``."""
        with self._server.wrap_socket(
            socket.create_server((LOCAL, 0)), server_side=True
        ) as listener:
            listener.settimeout(DEADLINE)

            def one() -> None:
                listener.accept()[0].close()

            yield listener.getsockname()[1], one


def serve(flood: Flood, driver: Blocking, kind: str, asks: bool) -> None:
    """Serve the attackers: listen a while, and close."""
    report = flood.report

    def work() -> None:
        for _ in flood.times():
            with suppress(OSError):
                sock = listener.accept()[0]
                sock.settimeout(DEADLINE)
                one(sock)

    def one(sock: socket.socket) -> None:
        port = driver.accepted(sock)
        if asks:
            with report.timing("set_verify"):
                driver.ask(port)
        else:
            until, data = time.monotonic() + LISTENING, b"-"
            while data and time.monotonic() < until:
                data = b""
                with report.timing("recv"):
                    data = port.recv(65536)
        with report.timing("close"):
            port.close()

    with socket.create_server((LOCAL, 0), backlog=128) as listener:
        listener.settimeout(0.2)
        with flood.against(kind, listener.getsockname()[1]):
            all_at_once(work, flood.attackers)


def accept(flood: Flood, driver: Blocking) -> None:
    """Accept, with a time-out, where nobody means it."""
    with driver.listening() as (number, one), flood.against("hello", number):
        for _ in flood.times():
            with flood.report.timing("accept"):
                one()


def connect(flood: Flood, driver: Blocking) -> None:
    """Connect to servers that flood."""

    def work() -> None:
        for _ in flood.times():
            with flood.report.timing("connect"):
                driver.connect(number)

    with flood.against("hello") as number:
        all_at_once(work, flood.attackers)


# -- asyncio, and trio ------------------------------------------------------


class OnAsyncio:
    """What coroutines need."""

    connect = staticmethod(aio.open_connection)
    sleep = staticmethod(asyncio.sleep)

    @staticmethod
    @asynccontextmanager
    async def serving(handle: Any) -> AsyncIterator[int]:
        """Serve; give the number."""
        async with await aio.start_server(
            handle, LOCAL, 0, server_context(), timeout=DEADLINE
        ) as server:
            yield server.port

    @staticmethod
    async def all(tasks: list[Callable[[], Awaitable[None]]]) -> None:
        """Do them at once."""
        await asyncio.gather(*(each() for each in tasks))

    @staticmethod
    def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run it."""
        asyncio.run(main())


class OnTrio:
    """The same."""

    connect = staticmethod(trio.open_connection)
    sleep = staticmethod(trio_itself.sleep)

    @staticmethod
    @asynccontextmanager
    async def serving(handle: Any) -> AsyncIterator[int]:
        """Serve; give the number."""
        async with trio_itself.open_nursery() as nursery:
            server = await nursery.start(
                partial(
                    trio.serve,
                    *(handle, LOCAL, 0, server_context()),
                    timeout=DEADLINE,
                )
            )
            yield server.port
            await server.shutdown(0)

    @staticmethod
    async def all(tasks: list[Callable[[], Awaitable[None]]]) -> None:
        """Do them at once."""
        async with trio_itself.open_nursery() as nursery:
            for each in tasks:
                nursery.start_soon(each)

    @staticmethod
    def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run it."""
        trio_itself.run(main)


async def serve_on_loop(
    flood: Flood, loop: Any, kind: str, asks: bool
) -> None:
    """Do ``serve`` on a loop."""
    report = flood.report

    async def handle(port: Any) -> None:
        if asks:
            with report.timing("set_verify"):
                await port.set_verify()
        else:
            until, data = time.monotonic() + LISTENING, b"-"
            while data and time.monotonic() < until:
                data = b""
                with report.timing("recv"):
                    data = await port.read(65536)
        with report.timing("close"):
            await port.aclose()

    async with loop.serving(handle) as number:
        with flood.against(kind, number):
            await loop.sleep(flood.seconds)


async def accept_on_loop(flood: Flood, loop: Any) -> None:
    """Be let in, or give up in time, where others flood."""

    async def handle(port: Any) -> None:
        await port.aclose()

    context = tlskit.ClientContext("auto")
    _CA.trust(context)
    async with loop.serving(handle) as number:
        with flood.against("hello", number):
            await connect_to(flood, loop, number, context)


async def connect_on_loop(flood: Flood, loop: Any) -> None:
    """Do ``connect`` on a loop."""
    context = client_context()
    with flood.against("hello") as number:
        one = partial(connect_to, flood, loop, number, context)
        await loop.all([one] * flood.attackers)


async def connect_to(
    flood: Flood, loop: Any, number: int, context: tlskit.ClientContext
) -> None:
    """Connect for as long as it lasts."""
    for _ in flood.times():
        with flood.report.timing("connect"):
            port = await loop.connect(
                *(LOCAL, number, context), hostname=HOST, timeout=DEADLINE
            )
            await port.aclose()


LOOPS: dict[str, Any] = {"asyncio": OnAsyncio, "trio": OnTrio}
DRIVERS = ("blocking", "adapter", *LOOPS)
#: What is to be borne: what attackers send, and whether we ask meanwhile.
FLOODS: dict[str, tuple[str, bool]] = {
    "garbage": ("garbage", False),
    "ended": ("ended", False),
    "talk": ("talk", False),
    "updates": ("updates", False),
    "live": ("talk", True),
    "accept": ("hello", False),
    "connect": ("hello", False),
}


def run(
    name: str, driver: str, attackers: int = 16, seconds: float = 10.0
) -> Report:
    """Bear one flood by one driver."""
    flood = Flood(Report(name, driver), attackers, seconds)
    kind, asks = FLOODS[name]
    if driver in LOOPS:
        loop = LOOPS[driver]
        work: Any = partial(serve_on_loop, flood, loop, kind, asks)
        if name == "accept":
            work = partial(accept_on_loop, flood, loop)
        elif name == "connect":
            work = partial(connect_on_loop, flood, loop)
        loop.run(work)
        return flood.report
    threads = Blocking() if driver == "blocking" else Adapter()
    if name == "accept":
        accept(flood, threads)
    elif name == "connect":
        connect(flood, threads)
    else:
        serve(flood, threads, kind, asks)
    return flood.report


def main() -> int:
    """Run it, and tell what it has cost."""
    if sys.argv[1:2] == ["--attack"]:
        kind, number, attackers, seconds = sys.argv[2:]
        attack(kind, int(number), int(attackers), float(seconds))
        return 0
    parser = argparse.ArgumentParser(description="see that floods are borne")
    parser.add_argument(
        "floods", nargs="*", metavar="FLOOD", help=str([*FLOODS])
    )
    parser.add_argument("--attackers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--driver", choices=DRIVERS, action="append")
    chosen = parser.parse_args()
    good = True
    for name in chosen.floods or FLOODS:
        for driver in chosen.driver or DRIVERS:
            report = run(name, driver, chosen.attackers, chosen.seconds)
            print(report, flush=True)
            good = good and report.good
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
