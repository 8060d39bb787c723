"""``tlskit serve`` as a process, against real clients."""

from __future__ import annotations

import errno
import io
import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tlskit import (
    ClientContext,
    HandshakeError,
    ServerContext,
    VerifySource,
    connect,
    listen,
    testing,
)
from tlskit.cli.exit import ExitCode
from tlskit.cli.main import run
from tlskit.cli.serve import (
    advice as _advice,
)
from tlskit.cli.serve import (
    command as serve,
)
from tlskit.cli.serve import (
    journal as _journal,
)
from tlskit.cli.serve import (
    serving as _serving,
)
from tlskit.server import reception

from ..command import PATIENCE, PYTHON, serving

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="no SIGINT between processes"
)


def trusting(ca_file, **keywords):
    """Make a client's context that trusts *ca_file* alone."""
    context = ClientContext("auto", **keywords)
    context.load_verify_source(VerifySource.file(ca_file))
    context.set_verify()
    context.set_verify_hostname()
    return context


def dial(event, context, **keywords):
    """Connect to the server that announced itself by *event*."""
    return connect(
        event["host"],
        event["port"],
        context,
        hostname="localhost",
        timeout=PATIENCE,
        **keywords,
    )


def port_in(head):
    """Find the port in what the server said first."""
    return int(head["listening"].partition(":")[2].partition(",")[0])


@pytest.fixture(scope="module")
def authority():
    """A CA."""
    return testing.CA()


@pytest.fixture
def files(authority, tmp_path):
    """Certificate and key for localhost, and the CA, as files."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    chain, key = authority.issue("localhost").write(tmp_path)
    return str(chain), str(key), str(ca_file)


# -- serving ----------------------------------------------------------------


def test_a_development_ca_serves_who_trusts_it():
    """Without a certificate, one is made; a verifying client accepts it."""
    with serving("--json") as server:
        listening = server.event()
        with dial(listening, trusting(listening["ca_file"])) as port:
            port.sendall(b"hello")
            echoed = port.recv(100)
            client = server.event()

        left = server.event()

    assert echoed == b"hello"
    assert listening["schema"] == client["schema"] == left["schema"] == 1
    assert listening["names"] == ["localhost", "127.0.0.1", "::1"]
    assert client["event"] == "client"
    assert client["session"]["version"] == "TLS 1.3"
    assert client["session"]["server_name"] == "localhost"
    assert client["verification"] is None
    assert (left["event"], left["bytes"], left["error"]) == ("left", 5, None)


def test_the_text_says_how_to_trust_it():
    """People are told where the CA is, and a command that proves it."""
    with serving() as server:
        head = server.head()
        done = subprocess.run(
            shlex.split(head["try it"]),
            input="Q\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        client = server.line()

    assert head["listening"].startswith("127.0.0.1:")
    assert "localhost" in head["certificate"]
    assert "development CA" in head["certificate"]
    assert done.returncode == 0
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "TLS 1.3" in client
    assert "\x1b" not in client


def test_ctrl_c_is_status_130_and_leaves_nothing():
    """Ctrl-C: goodbye to clients, no traceback, the CA's file is gone."""
    with serving("--json") as server:
        listening = server.event()
        with dial(listening, trusting(listening["ca_file"])) as port:
            server.event()
            status, complaints = server.interrupt()
            farewell = port.recv(100)
        left, closed, end = server.event(), server.event(), server.line()

    assert (ExitCode.INTERRUPTED, "\n") == (status, complaints)
    assert farewell == b""
    assert left["event"] == "left"
    assert closed == {
        "schema": 1,
        "event": "closed",
        "served": 1,
        "refused": 0,
    }
    assert end == ""
    assert not Path(listening["ca_file"]).exists()


def test_the_end_is_not_disturbed():
    """Ctrl-C twice, and SIGTERM, end it as tidily as Ctrl-C once."""
    for _ in range(3):
        with serving("--json") as server:
            listening = server.event()
            for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
                server.process.send_signal(number)
            status, complaints = server.end()

        assert status in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
        assert complaints.strip() == ""
        assert not Path(listening["ca_file"]).exists()


def test_a_background_job_ignores_ctrl_c():
    """A shell tells its background jobs to ignore SIGINT; that is kept."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with serve._tidy_end():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigterm_leaves_nothing():
    """A supervisor's SIGTERM ends it as tidily; status 143."""
    with serving("--json") as server:
        listening = server.event()
        server.process.terminate()
        status, complaints = server.end()

    assert (ExitCode.TERMINATED, "") == (status, complaints)
    assert not Path(listening["ca_file"]).exists()


def test_a_certificate_of_ones_own(files):
    """``--cert`` and ``--key`` are what clients see."""
    chain, key, ca_file = files
    with serving("--json", "--cert", chain, "--key", key) as server:
        listening = server.event()
        with dial(listening, trusting(ca_file)) as port:
            verified = port.peer_verified

    assert verified
    assert (listening["names"], listening["ca_file"]) == ([], None)


def test_one_file_may_hold_certificate_and_key(files, tmp_path):
    """Without ``--key`` the key is looked for in ``--cert``."""
    chain, key, ca_file = files
    both = tmp_path / "both.pem"
    both.write_bytes(Path(chain).read_bytes() + Path(key).read_bytes())
    with serving("--cert", str(both)) as server:
        head = server.head()
        where = {"host": "127.0.0.1", "port": port_in(head)}
        with dial(where, trusting(ca_file)) as port:
            verified = port.peer_verified

    assert verified
    assert "trust it" not in head


def test_the_names_of_the_development_certificate():
    """``--name`` says for whom the certificate is made."""
    with serving("--json", "--name", "dev.example") as server:
        listening = server.event()
        context = trusting(listening["ca_file"])
        with connect(
            listening["host"],
            listening["port"],
            context,
            hostname="dev.example",
            timeout=PATIENCE,
        ) as port:
            names = port.peer_certificate_hostnames

    assert names == ("dev.example",)
    assert listening["names"] == ["dev.example"]


def test_openssl_gets_its_words_back():
    """The program ``openssl`` is a client like any other."""
    with serving("--json") as server:
        listening = server.event()
        done = subprocess.run(
            [
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{listening['port']}",
                "-CAfile",
                listening["ca_file"],
                "-verify_return_error",
                "-quiet",
                "-no_ign_eof",
            ],
            input="round and round\nQ\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        events = [server.event(), server.event()]

    assert done.returncode == 0
    assert [each["event"] for each in events] == ["client", "left"]


# -- refusing ---------------------------------------------------------------


def test_a_client_without_a_certificate_is_told_apart(files):
    """``--client-ca`` refuses, and says why; the next client is served."""
    _, _, ca_file = files
    with serving("--json", "--client-ca", ca_file) as server:
        listening = server.event()
        context = trusting(listening["ca_file"])
        with (
            pytest.raises(HandshakeError),
            dial(listening, context) as port,
        ):
            port.recv(1)  # In TLS 1.3 the client is done before the server.

        refused = server.event()

    assert listening["client_certificates"] is True
    assert refused["event"] == "refused"
    assert refused["error"]["error"] == "VerificationError"
    assert refused["error"]["reason"] == "no-certificate"


def test_a_client_with_a_certificate_is_named(files, authority):
    """The journal tells who the client is, and by which chain."""
    _, _, ca_file = files
    alice = authority.issue("alice.example")
    keywords = {
        "certificate_chain": alice.chain_pem,
        "private_key": alice.key_pem,
    }
    with serving("--json", "--client-ca", ca_file) as server:
        listening = server.event()
        with dial(listening, trusting(listening["ca_file"], **keywords)):
            verification = server.event()["verification"]
    with serving("--client-ca", ca_file) as server:
        head = server.head()
        where = {"host": "127.0.0.1", "port": port_in(head)}
        own_ca = shlex.split(head["try it"])[5]
        with dial(where, trusting(own_ca, **keywords)):
            line = server.line()

    assert (verification["by"], verification["verified"]) == ("server", True)
    assert verification["chain"][0]["names"] == ["alice.example"]
    assert head["clients"] == "must show a certificate"
    assert "alice.example" in line


def test_plain_http_is_explained():
    """A browser that forgot the s is told apart from an attack."""
    with serving() as server:
        number = port_in(server.head())
        with socket.create_connection(("127.0.0.1", number), PATIENCE) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            line = server.line()

    assert "no session" in line
    assert "HTTP" in line


def test_a_client_that_distrusts_the_server_is_explained():
    """The client's alert comes out in words."""
    with serving("--json") as server:
        listening = server.event()
        context = ssl.create_default_context()
        with (
            socket.create_connection(
                ("127.0.0.1", listening["port"]), PATIENCE
            ) as sock,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(sock, server_hostname="localhost")
        refused = server.event()

    assert refused["error"]["error"] == "AlertError"
    assert refused["error"]["alert"] == "unknown_ca"


def test_an_end_without_goodbye_is_told():
    """A client that just goes is reported as truncation."""
    with serving("--json") as server:
        listening = server.event()
        port = dial(listening, trusting(listening["ca_file"]))
        server.event()
        port.abandon()
        left = server.event()

    assert left["error"]["code"] == "truncated"


def test_a_silent_client_is_ended():
    """``--idle`` bounds how long a client may say nothing."""
    with serving("--idle", "0.2", "--json") as server:
        listening = server.event()
        with dial(listening, trusting(listening["ca_file"])) as port:
            server.event()
            left = server.event()

            assert port.recv(1) == b""

    assert left["error"]["error"] == "TimeoutError"


def test_silent_and_garbled_clients_delay_nobody():
    """Fifty that say nothing, and some that talk rubbish: one is served."""
    rubbish = [b"\x16\x03\x01\xff\xff", b"\x00" * 5000, os.urandom(300)]
    with ExitStack() as stack:
        server = stack.enter_context(serving("--json"))
        listening = server.event()
        where = ("127.0.0.1", listening["port"])
        silent = [
            stack.enter_context(socket.create_connection(where, PATIENCE))
            for _ in range(50)
        ]
        for sock, data in zip(silent, rubbish, strict=False):
            sock.sendall(data)
        with dial(listening, trusting(listening["ca_file"])) as port:
            port.sendall(b"hello")

            assert port.recv(5) == b"hello"
        status, complaints = server.interrupt()

    assert (ExitCode.INTERRUPTED, "\n") == (status, complaints)


# -- usage ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--key", "key.pem"], "--key needs --cert"),
        (["--cert", "c.pem", "--name", "x"], "--name is for a server"),
        (["--cert", "missing.pem"], "missing.pem"),
        (["--client-ca", "missing.pem"], "missing.pem"),
    ],
)
def test_wrong_usage_is_status_1(arguments, words):
    """What can't be served is said at once, in a sentence."""
    with serving(*arguments) as server:
        status, complaint = server.end()

    assert status == ExitCode.USAGE
    assert words in complaint
    assert "Traceback" not in complaint


def test_a_port_in_use_is_status_2():
    """The address is named, with the system's reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with serving("--port", str(number)) as server:
            status, complaint = server.end()

    assert status == ExitCode.CANNOT_CONNECT
    words = (
        f"can't listen on 127.0.0.1:{number}: {os.strerror(errno.EADDRINUSE)}"
    )
    assert 1 == complaint.count("can't listen")
    assert words in complaint


# -- what a process can't show ----------------------------------------------


@contextmanager
def echoing(authority, **keywords):
    """Run an echo server in this process; give it, its listener, a stop."""
    context = ServerContext()
    authority.issue("localhost").apply(context)
    listener = listen(hostname="127.0.0.1", context=context)
    journal = _journal.Journal(as_json=False)
    server = _serving.PortServer(
        listener, journal, _serving.echo, idle=PATIENCE, **keywords
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_full_server_lets_clients_wait(authority, monkeypatch, files):
    """One client more than may be served waits until another has gone."""
    monkeypatch.setattr(_serving, "_BEAT", 0.01)
    with echoing(authority, most=1) as server:
        event = {"host": "127.0.0.1", "port": server._listener.port}
        context = trusting(files[2])
        first = dial(event, context)
        first.sendall(b"1")
        assert first.recv(1) == b"1"
        second = dial(event, context, handshake=False)
        second.settimeout(0.1)
        with pytest.raises(TimeoutError):
            second.handshake()
        first.close()
        second.settimeout(PATIENCE)
        second.handshake()
        second.sendall(b"2")

        assert second.recv(1) == b"2"
        second.close()


def test_a_listener_that_breaks_ends_the_server(authority, monkeypatch):
    """A failure that is no client's ends the server, and is not swallowed."""
    context = ServerContext()
    authority.issue("localhost").apply(context)
    listener = listen(hostname="127.0.0.1", context=context)

    def fail(_deadline):
        raise OSError("the socket is broken")

    monkeypatch.setattr(listener._reception, "turn", fail)
    server = _serving.PortServer(
        listener, _journal.Journal(as_json=False), _serving.echo, idle=1
    )
    with pytest.raises(OSError, match="the socket is broken"):
        server.run()
    server.close()


def test_a_beat_that_fails_ends_the_server(authority, monkeypatch):
    """What it raises is not lost."""
    monkeypatch.setattr(_serving, "_BEAT", 0.01)
    context = ServerContext()
    authority.issue("localhost").apply(context)
    server = _serving.PortServer(
        listen(hostname="127.0.0.1", context=context),
        _journal.Journal(as_json=False),
        _serving.echo,
        idle=1,
        on_beat=lambda: 1 // 0,
    )
    with pytest.raises(ZeroDivisionError):
        server.run()


def test_a_client_that_nobody_knows(authority, monkeypatch, files):
    """Who has gone before it had an address is no news."""
    real = reception.tune
    failures = [OSError("it has gone")]

    def tune(sock):
        if failures:
            raise failures.pop()
        real(sock)

    monkeypatch.setattr(reception, "tune", tune)
    with echoing(authority) as server:
        event = {"host": "127.0.0.1", "port": server._listener.port}
        with pytest.raises(OSError):  # noqa: PT011 - however it ends
            dial(event, trusting(files[2]))
        with dial(event, trusting(files[2])) as port:
            port.sendall(b"hello")

            assert b"hello" == port.recv(5)
    assert 0 == server._journal._refused


def test_a_journal_that_nobody_reads_ends_the_server():
    """When stdout's reader has gone, the server goes, too."""
    command = [*PYTHON, "-m", "tlskit", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        number = json.loads(process.stdout.readline())["port"]
        process.stdout.close()
        with socket.create_connection(("127.0.0.1", number), PATIENCE) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            status = process.wait(PATIENCE)

        assert (1, "") == (status, process.stderr.read())


def test_an_address_for_all_is_dialled_by_one():
    """Nobody can connect to 0.0.0.0, so the advice names loopback."""
    data = _journal.ListeningData(
        schema=1,
        event="listening",
        host="::",
        port=4433,
        http_port=80,
        names=["localhost"],
        ca_file="/a b/ca.pem",
        client_certificates=False,
        mode="echo",
        target=None,
    )
    advice = dict(_advice.advice(data))

    assert advice["listening"].startswith("[::]:4433")
    assert advice["plain HTTP"].startswith("[::]:80,")
    assert "-connect [::1]:4433 -CAfile '/a b/ca.pem'" in advice["try it"]


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("127.0.0.1", ("localhost", "127.0.0.1", "::1")),
        ("0.0.0.0", ("localhost", "127.0.0.1", "::1")),
        ("me.example", ("localhost", "127.0.0.1", "::1", "me.example")),
    ],
)
def test_the_address_is_among_the_names(host, names):
    """A certificate fits the address that was asked for, if it is one."""
    assert names == serve._names_for(host)


def test_text_of_every_event(monkeypatch):
    """Text and JSON tell the same: here the text of what is rare."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    journal = _journal.Journal(as_json=False)
    error = HandshakeError("it broke", hint="mend it")
    error.peer, error._names_peer = "192.0.2.1:1", True
    journal.refused(("192.0.2.1", 1), error)
    journal.refused(("192.0.2.1", 2), ConnectionResetError("reset"))
    journal.left(
        ("192.0.2.1", 3), _journal.Traffic(7), TimeoutError("too slow")
    )
    journal.left(("192.0.2.1", 4), _journal.Traffic(8), None)
    journal.closed()

    assert stream.getvalue().splitlines() == [
        "192.0.2.1:1  no session: it broke",
        "    mend it",
        "192.0.2.1:2  no session: reset",
        "192.0.2.1:3  left after 7 bytes: too slow",
        "192.0.2.1:4  left after 8 bytes",
        "closed; 0 served, 2 without a session",
    ]


def test_run_gives_the_status_of_serve(monkeypatch):
    """The command is wired to its server: Ctrl-C in it is 130."""

    def interrupt(_self):
        raise KeyboardInterrupt

    monkeypatch.setattr(_serving.PortServer, "run", interrupt)

    assert run(["serve", "--port", "0"]) == ExitCode.INTERRUPTED
