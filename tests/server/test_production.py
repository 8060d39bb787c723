"""``examples/production``: the program is run as systemd would run it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import tlskit
from tlskit.testing import CA
from tlskit.tools.deadline import Deadline

from ..peers import PATIENCE

SCRIPT = Path(__file__).parents[2] / "examples" / "production" / "server.py"

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or shutil.which("sh") is None,
    reason="it is for systemd, which needs Linux",
)


@pytest.fixture
def ca():
    """A CA for one server."""
    return CA()


def write(ca, directory):
    """Put a new certificate where the server looks; give its number."""
    leaf = ca.issue("localhost")
    leaf.write(directory)
    return leaf.certificate.serial_number


@contextmanager
def running(directory, **variables):
    """Run it with an open socket; give process, port and what it says."""
    with ExitStack() as stack:
        listening = stack.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=50)
        )
        told = stack.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        )
        told.bind(str(directory / "notify"))
        told.settimeout(PATIENCE)
        environment = {
            **os.environ,
            "CHAIN": str(directory / "chain.pem"),
            "KEY": str(directory / "key.pem"),
            "LISTEN_FDS": "1",
            "METRICS_PORT": "0",
            "NOTIFY_SOCKET": str(directory / "notify"),
            "PYTHONPATH": str(Path(tlskit.__file__).parents[1]),
            **variables,
        }
        process = subprocess.Popen(
            [
                *("sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"),
                *(sys.executable, "-W", "ignore", str(SCRIPT)),
            ],
            env=environment,
            pass_fds=(3,),
            preexec_fn=lambda: os.dup2(listening.fileno(), 3),  # noqa: PLW1509
        )
        try:
            ready, _, status = told.recv(100).decode().partition("\n")
            assert "READY=1" == ready
            metrics = status.rpartition(" ")[2]
            yield process, listening.getsockname()[1], told, metrics
        finally:
            process.terminate()  # Else its own children would live on.
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
                process.wait(PATIENCE)


def connected(ca, number):
    """Connect to it."""
    context = tlskit.ClientContext("auto")
    ca.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return tlskit.connect(
        "127.0.0.1", number, context, hostname="localhost", timeout=PATIENCE
    )


def sees(ca, number, serial):
    """Wait until a new connection is shown this certificate."""
    deadline = Deadline.after(PATIENCE)
    while True:
        with connected(ca, number) as conn:
            if conn.peer_certificate.serial_number == serial:
                return
        assert deadline.left()


def shows(number, pattern):
    """Wait until the metrics have a line like this."""
    deadline = Deadline.after(PATIENCE)
    while True:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{number}/metrics", timeout=PATIENCE
        ) as answer:
            text = answer.read().decode()
        if re.search(pattern, text, re.MULTILINE):
            return
        assert deadline.left(), text


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_whole_life_of_a_server(ca, tmp_path, processes):
    """Ready, serve, count, reload, drain: as the page says."""
    old = write(ca, tmp_path)
    with running(tmp_path, PROCESSES=processes) as (
        process,
        number,
        told,
        metrics,
    ):
        sees(ca, number, old)
        with connected(ca, number) as conn:
            conn.sendall(b"hello\n")
            assert b"hello\n" == conn.input.readline()

            new = write(ca, tmp_path)
            process.send_signal(signal.SIGHUP)
            sees(ca, number, new)
            shows(metrics, r"^tlskit_generation\{.*\} 2$")

            process.send_signal(signal.SIGTERM)
            assert b"STOPPING=1" == told.recv(100)
            # Who is being served may finish.
            conn.sendall(b"still here\n")
            assert b"still here\n" == conn.input.readline()
        assert 0 == process.wait(PATIENCE)


def test_a_bad_certificate_changes_nothing(ca, tmp_path):
    """SIGHUP with half a renewal: the old one stays, the server goes on."""
    old = write(ca, tmp_path)
    with running(tmp_path, PROCESSES="1") as (process, number, _, _):
        (tmp_path / "chain.pem").write_text("half a")
        process.send_signal(signal.SIGHUP)
        for _ in range(3):
            with connected(ca, number) as conn:
                assert old == conn.peer_certificate.serial_number
        assert process.poll() is None


def test_it_says_who_may_stand_in_front(ca, tmp_path):
    """Behind a proxy of PROXIES, the header is read before TLS."""
    write(ca, tmp_path)
    with running(tmp_path, PROXIES="127.0.0.0/8") as (_, number, _, _):
        with socket.create_connection(("127.0.0.1", number)) as sock:
            sock.settimeout(PATIENCE)
            sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 5 443\r\n")
            context = tlskit.ClientContext("auto")
            ca.trust(context)
            context.set_verify()
            with tlskit.SSLPort.start_tls(
                sock, context, hostname="localhost"
            ) as conn:
                conn.sendall(b"hello\n")
                assert b"hello\n" == conn.input.readline()
