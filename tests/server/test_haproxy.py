"""The example in ``examples/haproxy``, with Debian's haproxy."""

from __future__ import annotations

import csv
import io
import signal
import socket
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import tlskit
from tlskit.tools.deadline import Deadline

from ..peers import PATIENCE, Program, Task, Vault, client_context, needs
from .test_serving import LOCAL

EXAMPLE = Path(__file__).parents[2] / "examples" / "haproxy"
NAMES = ("one", "two", "three")
CLIENTS = 24

pytestmark = needs("haproxy")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


class Farm:
    """Three servers, and HAProxy in front of them."""

    def __init__(self, vault, stack, directory, config=None):
        files = vault.leaf()
        # A socket's path has to be short.
        place = stack.enter_context(tempfile.TemporaryDirectory())
        self._admin = Path(place) / "admin"
        self.servers = {}
        places = {}
        for name in NAMES:
            server = stack.enter_context(
                Program(
                    *(sys.executable, str(EXAMPLE / "server.py")),
                    *("--name", name, "--proxy", LOCAL),
                    *("--cert", files.chain, "--key", files.key),
                )
            )
            port = server.until(r"^listening on (\d+)$")[1]
            self.servers[name] = server
            places[name.upper()] = f"{LOCAL}:{port}"
        path = EXAMPLE / "haproxy.cfg"
        if config is not None:
            text = path.read_text(encoding="utf-8")
            path = directory / "haproxy.cfg"
            path.write_text(config(text), encoding="utf-8")
        self.port = self._start(stack, path, places, vault.roots)

    def _start(self, stack, path, places, roots):
        # It can't tell which port it took, so one is chosen for it; another
        # program may be faster, hence several tries.
        for _ in range(5):
            with socket.create_server((LOCAL, 0)) as probe:
                port = probe.getsockname()[1]
            program = stack.enter_context(
                Program(
                    *("haproxy", "-db", "-f", str(path)),
                    env={
                        **places,
                        "BIND": f"{LOCAL}:{port}",
                        "CA": roots,
                        "ADMIN": str(self._admin),
                    },
                )
            )
            deadline = Deadline.after(PATIENCE)
            while deadline.left() and "cannot bind" not in program.output:
                with suppress(OSError):
                    self.states()
                    return port
        raise AssertionError(f"no HAProxy: {program.output}")

    def states(self):
        """Ask HAProxy what it thinks of the servers."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(self._admin))
            sock.sendall(b"show stat\n")
            text = b""
            while piece := sock.recv(65536):
                text += piece
        return {
            row["svname"]: (row["status"], row["check_status"])
            for row in csv.DictReader(io.StringIO(text.decode()))
            if row["svname"] in NAMES
        }

    def until(self, name, status, checks):
        """Wait until HAProxy thinks so of a server."""
        deadline = Deadline.after(PATIENCE)
        nothing = threading.Event()
        while True:
            found, check = self.states()[name]
            if found == status and check in checks:
                return
            assert deadline.left(), self.states()
            nothing.wait(0.05)

    def connect(self, context, number):
        """Connect a client from an address of its own."""
        port = tlskit.connect(
            LOCAL,
            self.port,
            context,
            timeout=PATIENCE,
            source_address=(f"127.0.1.{number + 1}", 0),
        )
        port.settimeout(PATIENCE)
        return port


@contextmanager
def farm(vault, directory, config=None):
    """Run servers and HAProxy."""
    with ExitStack() as stack:
        yield Farm(vault, stack, directory, config)


def ask(port) -> str:
    """Ask once; give the name of the server.  The address must be ours."""
    port.sendall(b"hello\n")
    line = port.input.readline()
    if not line:
        raise EOFError
    name, address, word = line.decode().split()
    assert ("{}:{}".format(*port.name), "hello") == (address, word)
    return name


class Client:
    """Asks again and again; connects anew when its server is gone."""

    def __init__(self, farm, context, number):
        self._farm = farm
        self._context = context
        self._number = number
        self.seen = threading.Event()
        self.go_on = threading.Event()
        #: Per connection: its server, and whether it broke.
        self.history = []
        self.task = Task(self._run)

    def _run(self):
        deadline = Deadline.after(PATIENCE)
        again = 20
        while again:
            name = None
            try:
                with self._farm.connect(self._context, self._number) as port:
                    while again:
                        name = ask(port)
                        self.seen.set()
                        if self.go_on.is_set():
                            again -= 1
            except (OSError, EOFError):
                assert deadline.left()
                self.history.append((name, True))
            else:
                self.history.append((name, False))


def test_one_of_three_servers_is_killed(vault, tmp_path):
    """Only its own connections break; who connects anew is served."""
    context = client_context(vault)
    with farm(vault, tmp_path) as running:
        for name in NAMES:
            running.until(name, "UP", {"L6OK"})
        clients = [
            Client(running, context, number) for number in range(CLIENTS)
        ]
        for client in clients:
            assert client.seen.wait(PATIENCE)
        running.servers["two"].kill()
        running.until("two", "DOWN", {"L4CON"})
        for client in clients:
            client.go_on.set()
        for client in clients:
            client.task.result()
        for name in ("one", "three"):
            assert "UP" == running.states()[name][0]

    histories = [client.history for client in clients]
    first = [history[0] for history in histories]
    # leastconn spreads them, so the dead one had some.
    assert set(NAMES) == {name for name, _ in first}
    for history in histories:
        for name, broke in history:
            assert broke == (name in {"two", None})
        assert history[-1][0] in {"one", "three"}


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
@pytest.mark.parametrize("check", ["check-ssl", ""])
def test_both_versions_and_both_checks(vault, tmp_path, version, check):
    """True addresses and health checks, whatever HAProxy is told to send."""

    def changed(text):
        return text.replace(" send-proxy-v2 ", f" {version} ").replace(
            " check-ssl ", f" {check} "
        )

    context = client_context(vault)
    with farm(vault, tmp_path, changed) as running:
        for name in NAMES:
            running.until(name, "UP", {"L6OK"} if check else {"L4OK"})
        for number in range(3):
            with running.connect(context, number) as port:
                assert ask(port) in NAMES
        server = running.servers["one"]
        running.servers["one"]._process.send_signal(signal.SIGTERM)
        output = server.finish()

    assert 0 == server.status
    refused = [
        line for line in output.splitlines() if "refused_total{" in line
    ]
    assert all("health-check" in line for line in refused), output
    assert refused or check


def test_a_server_that_drains(vault, tmp_path):
    """SIGTERM lets a client finish, and HAProxy sends others elsewhere."""
    context = client_context(vault)
    with farm(vault, tmp_path) as running:
        for name in NAMES:
            running.until(name, "UP", {"L6OK"})
        with ExitStack() as stack:
            ports = [
                stack.enter_context(running.connect(context, number))
                for number in range(6)
            ]
            names = [ask(port) for port in ports]
            assert set(NAMES) == set(names)
            server = running.servers["three"]
            server._process.send_signal(signal.SIGTERM)
            running.until("three", "DOWN", {"L4CON"})
            assert names == [ask(port) for port in ports]
            with running.connect(context, 7) as port:
                assert ask(port) in {"one", "two"}
        output = server.finish()

    assert 0 == server.status
    assert "drain" in output


def test_nobody_but_the_proxy(vault, tmp_path):
    """A client that goes to a server directly is refused."""
    context = client_context(vault)
    with farm(vault, tmp_path) as running:
        direct = int(running.servers["one"].until(r"^listening on (\d+)$")[1])
        with pytest.raises((tlskit.HandshakeError, OSError)):
            with tlskit.connect(
                LOCAL,
                direct,
                context,
                timeout=PATIENCE,
                source_address=("127.0.0.2", 0),
            ) as port:
                ask(port)
        running.servers["one"].until("none of the proxies")
