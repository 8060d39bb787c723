"""``tlskit serve --forward`` as a process: TLS outside, TCP inside."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading

import pytest

from tlskit import ClientContext, TruncatedError, VerifySource, connect
from tlskit.cli.exit import ExitCode

from ..command import PATIENCE, serving
from ..peers import needs

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="no SIGINT between processes"
)


@pytest.fixture
def inner():
    """A listening TCP socket, which the test answers by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


@pytest.fixture
def ends(inner):
    """Server, a client's port, and the inner end of its connection."""
    with running(inner, "--idle", "30") as (server, port, sock):
        yield server, port, sock


class running:  # noqa: N801 - used as a function
    """A forwarder, one client of it and that one's inner end."""

    def __init__(self, inner, *options):
        target = f"127.0.0.1:{inner.getsockname()[1]}"
        self.inner = inner
        self.serving = serving("--json", "--forward", target, *options)

    def __enter__(self):
        self.server = self.serving.__enter__()
        self.port = dial(self.server.event())
        self.sock, _ = self.inner.accept()
        self.sock.settimeout(PATIENCE)
        assert self.server.event()["event"] == "client"
        return self.server, self.port, self.sock

    def __exit__(self, *error):
        self.port.close()
        self.sock.close()
        return self.serving.__exit__(*error)


def dial(event):
    """Connect to the forwarder."""
    context = ClientContext("auto")
    context.load_verify_source(VerifySource.file(event["ca_file"]))
    context.set_verify()
    context.set_verify_hostname()
    return connect(
        event["host"],
        event["port"],
        context,
        hostname="localhost",
        timeout=PATIENCE,
    )


def everything(read):
    """Read until the end."""
    return b"".join(iter(lambda: read(65536), b""))


def test_bytes_go_both_ways_at_once(ends):
    """Full duplex: both ends send megabytes before they read any."""
    server, port, sock = ends
    up, down = os.urandom(3_000_000), os.urandom(2_000_000)
    got = {}

    def inside():
        sender = threading.Thread(target=sock.sendall, args=(down,))
        sender.start()
        got["up"] = everything(sock.recv)
        sender.join()
        sock.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=inside)
    thread.start()
    sender = threading.Thread(
        target=lambda: (port.sendall(up), port.shutdown(socket.SHUT_WR))
    )
    sender.start()
    got["down"] = everything(port.recv)
    for each in (thread, sender):
        each.join(PATIENCE)
    left = server.event()

    assert (up, down) == (got["up"], got["down"])
    assert (len(up), len(down)) == (left["bytes"], left["sent"])
    assert left["error"] is None


def test_the_client_s_half_close_is_carried_through(ends):
    """After the client's end the inner server still answers."""
    _, port, sock = ends
    port.sendall(b"question")
    port.shutdown(socket.SHUT_WR)

    assert everything(sock.recv) == b"question"
    sock.sendall(b"answer")
    sock.close()
    assert everything(port.recv) == b"answer"


def test_the_server_s_half_close_is_carried_through(ends):
    """After the inner server's end the client still sends."""
    _, port, sock = ends
    sock.sendall(b"greeting")
    sock.shutdown(socket.SHUT_WR)

    assert everything(port.recv) == b"greeting"
    port.sendall(b"more")
    port.close()
    assert everything(sock.recv) == b"more"


def test_a_truncated_client_is_a_reset_inside(ends):
    """An end without close_notify is not taken for one of the data."""
    server, port, sock = ends
    port.sendall(b"a part")
    assert sock.recv(6) == b"a part"
    port.abandon()

    with pytest.raises(ConnectionResetError):
        everything(sock.recv)
    assert server.event()["error"]["code"] == "truncated"


def test_a_reset_inside_is_a_truncation_outside(ends):
    """A connection that breaks inside has no close_notify outside."""
    server, port, sock = ends
    # Not while the forwarder still connects: that would be another failure.
    port.sendall(b"x")
    assert sock.recv(1) == b"x"
    sock.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    sock.close()

    with pytest.raises(TruncatedError):
        port.recv(1)
    assert server.event()["error"]["error"] == "ConnectionResetError"


def test_silence_of_both_is_ended(inner):
    """After ``--idle`` seconds of silence the connection is broken."""
    with running(inner, "--idle", "0.3") as (server, port, sock):
        assert server.event()["error"]["error"] == "TimeoutError"
        with pytest.raises(TruncatedError):
            port.recv(1)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_one_direction_may_be_silent(inner):
    """Who only listens is not ended while the other one talks."""
    with running(inner, "--idle", "0.5") as (_, port, sock):
        sock.settimeout(0.2)
        for _ in range(8):
            # The inner end is silent for longer than --idle allows one end.
            with pytest.raises(TimeoutError):
                sock.recv(1)
            port.sendall(b"x")
            assert sock.recv(1) == b"x"
        port.shutdown(socket.SHUT_WR)
        sock.settimeout(PATIENCE)

        assert sock.recv(1) == b""


def test_nobody_inside_is_told():
    """The client sees no orderly end, and the journal says why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        target = f"127.0.0.1:{taken.getsockname()[1]}"
    with serving("--json", "--forward", target) as server:
        listening = server.event()
        with dial(listening) as port, pytest.raises(TruncatedError):
            port.recv(1)
        server.event()
        left = server.event()

    assert ("forward", target) == (listening["mode"], listening["target"])
    assert f"can't forward to {target}: " in left["error"]["message"]


def test_ctrl_c_ends_what_is_forwarded(ends):
    """At the end both sides of every connection are closed."""
    server, port, sock = ends
    status, complaints = server.interrupt()

    assert (ExitCode.INTERRUPTED, "\n") == (status, complaints)
    assert port.recv(1) == b""
    with pytest.raises(ConnectionResetError):
        sock.recv(1)


@needs("gnutls-cli")
def test_gnutls_talks_through(inner):
    """GnuTLS verifies the development certificate, and is forwarded."""
    target = f"127.0.0.1:{inner.getsockname()[1]}"

    def inside():
        sock, _ = inner.accept()
        with sock:
            sock.sendall(b"said: " + sock.recv(100))

    with serving("--json", "--forward", target) as server:
        listening = server.event()
        thread = threading.Thread(target=inside)
        thread.start()
        done = subprocess.run(
            [
                "gnutls-cli",
                f"--port={listening['port']}",
                f"--x509cafile={listening['ca_file']}",
                "localhost",
            ],
            input="hello\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        thread.join(PATIENCE)

    assert "certificate is trusted" in done.stdout
    assert "said: hello" in done.stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("localhost", "a host and a port are wanted"),
        (":80", "no host"),
        ("localhost:0", "a port is a number"),
        ("localhost:99999", "a port is a number"),
        ("localhost:x", "a port is a number"),
        ("[::1:80", "brackets"),
        ("[::1]x", "brackets"),
        ("a b:80", "white space"),
    ],
)
def test_a_bad_target_is_status_1(target, words):
    """What is no address is said at once."""
    with serving("--forward", target) as server:
        status, complaint = server.end()

    assert status == ExitCode.USAGE
    assert words in complaint
