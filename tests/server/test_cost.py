"""What clients may cost a server; the numbers are those of SECURITY.rst."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import tlskit
from tlskit.engine.engine import Engine

from ..checkout import ROOT
from ..engines import client_engine
from ..joined import read_exactly
from ..peers import HOST, PATIENCE, Vault, client_context

LOCAL = "127.0.0.1"
KIB, MIB = 1 << 10, 1 << 20
#: How many cost something at once, and how many of them flood.
MANY, FLOODING = 64, 16
#: For so long, in seconds.
MOMENT = 2.0

pytestmark = [
    pytest.mark.skipif(
        not Path("/proc/self/statm").exists(), reason="it counts Linux's way"
    ),
    pytest.mark.timeout(180),
]

SERVER = """
import sys, threading
import tlskit

def handle(port):
    what = port.recv(1)
    port.sendall(what)
    if what == b"w":  # Writes on, and never reads.
        while True:
            port.sendall(bytes(65536))
    elif what == b"c":  # Closes at once.
        return
    threading.Event().wait()  # Does nothing.

context = tlskit.ServerContext(certificate_chain=sys.argv[1],
                               private_key=sys.argv[2])
listener = tlskit.listen(hostname="127.0.0.1", context=context)
print(listener.port, flush=True)
listener.serve(handle, workers=80, timeout=None, handshake_timeout=100)
"""


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self._process = process
        self._statm = Path(f"/proc/{process.pid}/statm")

    @property
    def resident(self) -> int:
        """Its memory, in bytes."""
        return int(self._statm.read_text().split()[1]) * 4096

    def kill(self) -> None:
        """End it, so that nobody says goodbye for long."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def meet(self, context: tlskit.ClientContext, what: bytes):
        """Connect, and have the handler begin."""
        port = tlskit.connect(
            LOCAL, self.port, context, hostname=HOST, timeout=PATIENCE
        )
        port.sendall(what)
        assert what == read_exactly(port, 1)
        return port


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("cost"))


@contextmanager
def serving(vault: Vault) -> Iterator[Server]:
    """Serve, with what the first client costs paid."""
    files = vault.leaf()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(files.chain), str(files.key)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        server = Server(process)
        for _ in range(4):
            server.meet(client_context(vault), b"c").close()
        yield server
    finally:
        process.kill()
        process.communicate()


def told(what: str) -> float:
    """Find the number that SECURITY.rst tells for this."""
    text = (ROOT / "SECURITY.rst").read_text("utf-8")
    found = re.search(rf"{what}\D+?(\d+) (KiB|MiB)", text)
    assert found is not None, what
    return int(found[1]) * (KIB if found[2] == "KiB" else MIB)


def test_a_client_in_its_handshake(vault: Vault) -> None:
    """Clients that say only half of what they have to are cheap."""
    import socket

    engine: Engine = client_engine()
    engine.handshake()
    hello = engine.outgoing()
    with serving(vault) as server, ExitStack() as stack:
        before = server.resident
        for _ in range(MANY):
            sock = stack.enter_context(
                socket.create_connection((LOCAL, server.port), PATIENCE)
            )
            sock.sendall(hello[:-1])
        stack.enter_context(server.meet(client_context(vault), b"n"))
        cost = server.resident - before

    assert cost / MANY < told("Before the handshake is done")


def test_a_client_that_is_idle(vault: Vault) -> None:
    """A connection on which nothing happens is cheap, its thread included."""
    context = client_context(vault)
    with serving(vault) as server, ExitStack() as stack:
        before = server.resident
        for _ in range(MANY):
            stack.enter_context(server.meet(context, b"n"))
        cost = server.resident - before

    assert cost / MANY < told("An idle connection")


@pytest.mark.parametrize("what", [b"n", b"w", b"c"])
def test_clients_that_flood(vault: Vault, what: bytes) -> None:
    """Whatever the handler does, a flood is not kept."""
    context, piece = client_context(vault), bytes(65536)
    most = 0
    with serving(vault) as server, ExitStack() as stack:
        before = server.resident
        ports = [server.meet(context, what) for _ in range(FLOODING)]
        for port in ports:
            stack.callback(port.abandon)
            port.setblocking(False)
        end = time.monotonic() + MOMENT
        while time.monotonic() < end:
            for port in ports:
                with suppress(OSError):
                    port.send(piece)
            most = max(most, server.resident - before)
        server.kill()

    assert most < told("16 clients that flood")
