"""Measure who resumes with whom, and print the table of the documentation.

``python -m interop [NAME ...]`` runs each program that is installed, as a
server and as a client, on loopback, twice for each version of TLS.  Programs
that are missing are left out.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import tlskit
from tlskit import SessionCache, aio
from tlskit.testing import CA

from .programs import CLIENTS, SERVERS, Place, free_port

VERSIONS = ("tls12", "tls13")
SECONDS = 10.0
HOST = "localhost"


class Row(NamedTuple):
    """What one program has done."""

    program: str
    version: str
    #: By the way of meeting: whether the second connection resumed.
    cells: dict[str, str]


def context_of(place: Place, version: str) -> tlskit.ClientContext:
    """Make a client's context."""
    context = tlskit.ClientContext(version)
    context.load_verify_source(place.roots)
    context.set_verify()
    context.set_verify_hostname()
    context.set_session_cache(SessionCache())
    return context


def hear(port: tlskit.SSLPort) -> bool:
    """Have the server say something, with which tickets come."""
    with suppress(OSError):
        port.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        port.recv(4096)
    return port.session_reused


def by_connect(number: int, context: tlskit.ClientContext) -> bool:
    """Connect twice, with a cache."""
    found = False
    for _ in range(2):
        with tlskit.connect(HOST, number, context, timeout=SECONDS) as port:
            found = hear(port)
    return found


def by_session_of(number: int, context: tlskit.ClientContext) -> bool:
    """Resume one port's session for another."""
    with tlskit.connect(HOST, number, context, timeout=SECONDS) as first:
        hear(first)
    # Closed already: some serve one client at a time.
    sock = socket.create_connection((HOST, number), SECONDS)
    with tlskit.SSLPort.start_tls(
        sock, context, hostname=HOST, session_of=first
    ) as second:
        return second.session_reused


def by_asyncio(number: int, context: tlskit.ClientContext) -> bool:
    """Connect twice from a coroutine."""

    async def main() -> bool:
        found = False
        for _ in range(2):
            port = await aio.open_connection(
                HOST, number, context, timeout=SECONDS
            )
            with suppress(OSError):
                port.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                await port.drain()
                await port.read(4096)
            found = port.session_reused
            await port.aclose()
        return found

    return asyncio.run(main())


def by_adapter(number: int, context: tlskit.ClientContext) -> bool:
    """Hand a session on as users of ssl do."""
    adapter = context.as_ssl_context()
    session: ssl.SSLSession | None = None
    found = False
    for _ in range(2):
        sock = socket.create_connection((HOST, number), SECONDS)
        with adapter.wrap_socket(
            sock, server_hostname=HOST, session=session
        ) as wrapped:
            with suppress(OSError):
                wrapped.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                wrapped.recv(4096)
            session = wrapped.session
            found = bool(wrapped.session_reused)
    return found


WAYS: dict[str, Callable[[int, tlskit.ClientContext], bool]] = {
    "connect": by_connect,
    "session_of": by_session_of,
    "asyncio": by_asyncio,
    "adapter": by_adapter,
}


def told(act: Callable[[], bool]) -> str:
    """Say what came of it, in a word."""
    try:
        return "yes" if act() else "no"
    except (OSError, subprocess.SubprocessError) as error:
        return getattr(error, "code", "") or type(error).__name__


def served(place: Place, names: list[str]) -> Iterator[Row]:
    """Meet the servers."""
    for name, (program, serve) in SERVERS.items():
        if (names and name not in names) or not present(program):
            continue
        with ExitStack() as stack:
            number = free_port()
            stack.enter_context(serve(place, number))
            if not awaited(number):
                print(f"{name} does not listen", file=sys.stderr)
                continue
            for version in VERSIONS:
                cells = {}
                for way, act in WAYS.items():
                    context = context_of(place, version)
                    cells[way] = told(partial(act, number, context))
                yield Row(name, version, cells)


def called(place: Place, names: list[str]) -> Iterator[Row]:
    """Be met by the clients."""
    for name, (program, call) in CLIENTS.items():
        if (names and name not in names) or not present(program):
            continue
        for version in VERSIONS:
            yield Row(
                name,
                version,
                {"listen": told(partial(met, place, call, version))},
            )


def met(
    place: Place, call: Callable[[Place, int, str], None], version: str
) -> bool:
    """Say whether a client has resumed with our listener."""
    context = tlskit.ServerContext(version)
    context.load_certificate_chain(place.chain)
    context.load_private_key(place.key)
    seen: list[bool] = []

    def answer(port: tlskit.SSLPort) -> None:
        seen.append(port.session_reused)
        with suppress(OSError):
            port.sendall(b"hello\n")
            port.recv(4096)

    with listening(context, answer) as number:
        call(place, number, version)
    return any(seen)


@contextmanager
def listening(
    context: tlskit.ServerContext, answer: Callable[[tlskit.SSLPort], None]
) -> Iterator[int]:
    """Serve in a thread."""
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        thread = threading.Thread(
            target=listener.serve, args=(answer,), kwargs={"timeout": SECONDS}
        )
        thread.start()
        try:
            yield listener.port
        finally:
            listener.shutdown(SECONDS)
            thread.join()


def version_of(program: str) -> str:
    """Ask an installed program for its version."""
    if not present(program):
        return f"{program} is not installed"
    option = {"openssl": "version", "nginx": "-v", "haproxy": "-v"}.get(
        program, "-V" if program == "socat" else "--version"
    )
    done = subprocess.run(
        [program, option], capture_output=True, text=True, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    told = next((each for each in lines if any(map(str.isdigit, each))), "")
    return f"{program}: {told}"


def present(program: str) -> bool:
    """Say whether a program is installed."""
    return program == "" or shutil.which(program) is not None


def awaited(number: int) -> bool:
    """Wait until somebody listens there."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with suppress(OSError):
            socket.create_connection((HOST, number), 1).close()
            return True
        time.sleep(0.1)
    return False


def main() -> None:
    """Print the table."""
    names = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        ca = CA("interop CA")
        place = Place.made(Path(folder), ca)
        columns = [*WAYS, "listen"]
        print(f"# {time.strftime('%Y-%m-%d')}, {tlskit.library.version()}")
        for program in dict.fromkeys(
            each for each, _ in (*SERVERS.values(), *CLIENTS.values()) if each
        ):
            print("#", version_of(program))
        print("program | version |", " | ".join(columns))
        for row in (*served(place, names), *called(place, names)):
            cells = (row.cells.get(each, "") for each in columns)
            print(row.program, "|", row.version, "|", " | ".join(cells))


if __name__ == "__main__":
    main()
