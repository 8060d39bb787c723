"""``tlskit connect`` as a process: a pipe, both ways, and its refusals."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys

import pytest

from tlskit.cli.connect import command
from tlskit.cli.connect import pipe as _pipe
from tlskit.cli.exit import ExitCode

from ..command import PATIENCE, PYTHON, start, tlskit
from ..dialogues import serve_starttls
from ..peers import (
    TcpServer,
    Vault,
    needs,
    reset,
    s_server,
    server_context,
    serving,
    stdlib_server,
)
from ..servers import dovecot, echo_server, nginx

EVERY_BYTE = bytes(range(256)) * 4096  # A mebibyte, and binary.


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def good(vault):
    """The port of a good server that sends back what it gets."""
    with echo_server(vault.leaf()) as port:
        yield port


def talk(data, *arguments):
    """Run it with this stdin; give status, stdout and stderr."""
    process = start("connect", *arguments)
    out, err = process.communicate(data, PATIENCE)
    return process.returncode, out, err


# -- the pipe ---------------------------------------------------------------


def test_every_byte_passes_both_ways(vault, good):
    """Nothing is changed, nothing is added; the end of stdin is the end."""
    status, out, err = talk(
        EVERY_BYTE, f"localhost:{good}", "--ca", vault.roots
    )

    assert 0 == status
    assert out == EVERY_BYTE
    assert err == b"connected to localhost:%d, TLS 1.3\n" % good


def test_the_server_may_talk_on_after_our_end(vault):
    """Half-close: stdin's end ends our direction only."""

    def answer(port):
        data = b""
        while piece := port.recv(100):
            data += piece
        port.sendall(b"after " + data)

    with serving(server_context(vault.leaf()), answer) as server:
        status, out, _ = talk(
            b"words", f"localhost:{server.port}", "--ca", vault.roots
        )
        server.result()

    assert (0, b"after words") == (status, out)


def test_both_directions_at_once(vault):
    """Neither side waits for the other: more than any buffer holds."""

    def flood(port):
        port.sendall(EVERY_BYTE * 8)
        count = 0
        while piece := port.recv(65536):
            count += len(piece)
        return count

    with serving(server_context(vault.leaf()), flood) as server:
        status, out, _ = talk(
            EVERY_BYTE * 8, f"localhost:{server.port}", "--ca", vault.roots
        )

        assert len(EVERY_BYTE) * 8 == server.result() == len(out)
    assert 0 == status


def test_an_interactive_conversation(vault, good):
    """A line comes back before stdin has ended."""
    process = start("connect", f"localhost:{good}", "--ca", vault.roots)
    with process:
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert line == process.stdout.readline()
        process.stdin.close()

        assert b"" == process.stdout.read()
        assert 0 == process.wait(PATIENCE)


def test_the_servers_end_is_the_end(vault):
    """It does not wait for stdin when the server has finished."""
    with serving(
        server_context(vault.leaf()), lambda port: port.sendall(b"bye")
    ) as server:
        process = start(
            "connect", f"localhost:{server.port}", "--ca", vault.roots
        )
        with process:
            assert b"bye" == process.stdout.read()
            assert 0 == process.wait(PATIENCE)


def test_crlf(vault, good):
    """LF becomes CR LF; what is CR LF already stays."""
    status, out, _ = talk(
        b"a\nb\r\n\nc", f"localhost:{good}", "--ca", vault.roots, "--crlf"
    )

    assert (0, b"a\r\nb\r\n\r\nc") == (status, out)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_crlf_at_the_border_of_chunks(size):
    """Where a chunk ends means nothing."""
    pipe = _pipe.Pipe(None, idle=1, crlf=True)
    text = b"a\nb\r\n\r\n\n\rc\r"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]

    assert b"a\r\nb\r\n\r\n\r\n\rc\r" == b"".join(map(pipe._with_crlf, pieces))


# -- notes ------------------------------------------------------------------


def test_the_report(vault, good):
    """--report tells all about the session, on stderr."""
    arguments = (f"localhost:{good}", "--ca", vault.roots, "--report")
    status, out, err = talk(b"12345", *arguments)
    text = err.decode()

    assert (0, b"12345") == (status, out)
    for words in ("TLS_", "post-quantum", "localhost", "CN=tlskit peers CA"):
        assert words in text
    assert text.endswith("ended: 5 bytes sent, 5 received\n")


def test_the_data(vault, good):
    """--json: one line at the beginning, one at the end."""
    arguments = (f"localhost:{good}", "--ca", vault.roots, "--json")
    status, out, err = talk(b"12345", *arguments)
    began, ended = map(json.loads, err.splitlines())

    assert (0, b"12345") == (status, out)
    assert set(command.ConnectedData.__annotations__) == set(began)
    assert set(command.EndedData.__annotations__) == set(ended)
    assert ("connected", True) == (
        began["event"],
        began["verification"]["verified"],
    )
    assert {
        "schema": 1,
        "event": "ended",
        "sent": 5,
        "received": 5,
        "error": None,
    } == ended


def test_the_data_of_a_refusal(vault, good):
    """Without a session there is only the end."""
    status, out, err = talk(b"", f"localhost:{good}", "--json")
    ended = json.loads(err)

    assert (6, b"") == (status, out)
    assert "VerificationError" == ended["error"]["error"]


# -- refusals ---------------------------------------------------------------


@needs("openssl")
@pytest.mark.parametrize(
    ("bad", "status"), [("expired", 4), ("wrong-host", 5), ("unknown-ca", 6)]
)
def test_no_byte_for_a_server_that_is_refused(vault, bad, status):
    """openssl's server gets nothing of stdin, and the reason is told."""
    with s_server(vault.leaf(bad=bad)) as (program, port):
        found, out, err = talk(
            b"secret words\n", f"localhost:{port}", "--ca", vault.roots
        )
        program.until("alert|ERROR")

        assert b"secret" not in program.output.encode()
    assert (status, b"") == (found, out)
    assert err.startswith(b"tlskit: the ")
    assert b"expected: localhost" in err


def test_a_connection_that_is_cut_is_no_end(vault):
    """What came is on stdout; the missing goodbye is status 2."""

    def cut(sock):
        sock.sendall(b"half")
        sock.close()  # No close_notify.

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = vault.leaf()
    context.load_cert_chain(files.chain, files.key)
    with stdlib_server(context, cut) as server:
        status, out, err = talk(
            b"", f"localhost:{server.port}", "--ca", vault.roots
        )

    assert (2, b"half") == (status, out)
    assert b"close_notify" in err


def test_a_reset_is_told(vault):
    """A server that crashes is no silent end, whoever notices it first."""
    with serving(
        server_context(vault.leaf()),
        lambda port: (port.recv(10), reset(_raw(port))),
    ) as server:
        status, out, err = talk(
            EVERY_BYTE, f"localhost:{server.port}", "--ca", vault.roots
        )
        server.task.settle()

    assert (2, b"") == (status, out)
    assert err.count(b"tlskit: ") == 1


def _raw(port):
    return socket.socket(fileno=port.detach())


def test_silence_ends(vault):
    """--idle bounds the wait for a server that says nothing more."""
    with serving(server_context(vault.leaf())) as server:
        process = start(
            *("connect", f"localhost:{server.port}", "--ca", vault.roots),
            *("--idle", "0.3"),
        )
        with process:
            assert 2 == process.wait(PATIENCE)
            assert b"timed out" in process.stderr.read()
        server.task.settle()


def test_a_busy_direction_is_not_silence(vault, monkeypatch):
    """A server that only listens is no reason to end an upload."""
    moments = iter([0.0, 0.0, 5.0])
    monkeypatch.setattr(_pipe.time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(sys, "stdin", None)
    asked = []

    class Port:
        """A fake: silent, and never there."""

        def settimeout(self, seconds):
            asked.append(seconds)

        def shutdown(self, how):
            asked.append(how)

        def recv(self, size):
            raise TimeoutError

    found = _pipe.Pipe(Port(), idle=2, crlf=False).run()

    assert isinstance(found, TimeoutError)
    assert {2, socket.SHUT_WR} == set(asked)


def test_stdin_that_cannot_be_read_is_told(vault, good):
    """It fails after all, but the server's goodbye is waited for."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        done = subprocess.run(
            [
                *(*PYTHON, "-m", "tlskit", "connect", f"localhost:{good}"),
                *("--ca", vault.roots),
            ],
            stdin=descriptor,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    finally:
        os.close(descriptor)

    assert 2 == done.returncode
    assert b"Bad file descriptor" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves(vault):
    """``tlskit connect ... | head -1`` is quiet."""

    def pour(port):
        while True:
            port.sendall(EVERY_BYTE)

    read, write = os.pipe()
    os.close(read)
    with serving(server_context(vault.leaf()), pour) as server:
        with os.fdopen(write, "w") as stdout:
            done = subprocess.run(
                [
                    *(*PYTHON, "-m", "tlskit", "connect", "--ca"),
                    *(vault.roots, f"localhost:{server.port}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
                check=False,
            )
        assert isinstance(server.refusal(), OSError)

    assert 1 == done.returncode
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
def test_ctrl_c_is_status_130(vault):
    """Ctrl-C says goodbye, and ends it."""
    with serving(server_context(vault.leaf())) as server:
        process = start(
            "connect", f"localhost:{server.port}", "--ca", vault.roots
        )
        with process:
            assert b"connected" in process.stderr.readline()
            process.send_signal(signal.SIGINT)

            assert ExitCode.INTERRUPTED == process.wait(PATIENCE)
            assert b"Traceback" not in process.stderr.read()
        assert 0 == server.result()  # It read our close_notify.


# -- options ----------------------------------------------------------------


def test_a_client_certificate(vault):
    """--cert and --key say who we are, also from one file."""
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    me = vault.leaf("visitor")
    both = vault._write("both.pem", me.leaf.chain_pem + me.leaf.key_pem)
    for options in (("--cert", me.chain, "--key", me.key), ("--cert", both)):
        with serving(
            context, lambda port: port.sendall(port.peer_subject_name)
        ) as server:
            status, out, _ = talk(
                b"", f"localhost:{server.port}", "--ca", vault.roots, *options
            )
            server.result()

        assert (0, b"/CN=visitor") == (status, out)
    with serving(context) as server:
        status, out, err = talk(
            b"", f"localhost:{server.port}", "--ca", vault.roots
        )
        server.refusal()
    assert status in {2, 8}
    assert b"ertificate" in err


def test_alpn(vault):
    """The protocols are offered in their order."""
    context = server_context(vault.leaf())
    context.set_alpn(["two", "one"])
    with serving(context) as server:
        arguments = ("--alpn", "one", "--alpn", "two", "--json")
        status, _, err = talk(
            b"", f"localhost:{server.port}", "--ca", vault.roots, *arguments
        )

    assert 0 == status
    assert "two" == json.loads(err.splitlines()[0])["session"]["alpn"]


def test_keylog(vault, good, tmp_path):
    """Secrets go to the file, and nowhere else."""
    path = tmp_path / "keys"
    arguments = ("--keylog", str(path), "--report", "--ca", vault.roots)
    status, _, err = talk(b"", f"localhost:{good}", *arguments)
    lines = path.read_text().splitlines()

    assert 0 == status
    assert "CLIENT_TRAFFIC_SECRET_0" in {line.split()[0] for line in lines}
    assert all(line.split()[-1].encode() not in err for line in lines)


def test_session(vault, good, tmp_path):
    """--session keeps a session for the next time; it is a secret."""
    path = tmp_path / "session"
    arguments = ("--json", "--session", str(path))
    target = (f"localhost:{good}", "--ca", vault.roots)
    resumed = []
    for _ in range(2):
        status, _, err = talk(b"hello\n", *target, *arguments)
        assert 0 == status, err
        event = json.loads(err.splitlines()[0])
        resumed.append(event["session"]["resumed"])
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    path.write_bytes(b"damaged")
    status, _, _ = talk(b"hello\n", *target, *arguments)

    assert [False, True] == resumed
    assert 0 == status
    assert path.read_bytes() != b"damaged"


def writable_by_others(path):
    """Let anybody write it."""
    path.chmod(0o606)


def by_a_link(path):
    """Put a link in its place."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def a_fifo(path):
    """Put a FIFO in its place."""
    path.unlink()
    os.mkfifo(path)


def of_others(path):
    """Give it away."""
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (writable_by_others, "others may write"),
        (by_a_link, "symbolic link"),
        (a_fifo, "no regular file"),
        (of_others, "another user"),
    ],
)
def test_session_of_others(vault, good, tmp_path, change, why):
    """Who can write the file would decide who is verified: not taken."""
    path = tmp_path / "session"
    target = (f"localhost:{good}", "--ca", vault.roots)
    assert 0 == talk(b"hello\n", *target, "--session", str(path))[0]
    change(path)

    status, out, err = talk(b"hello\n", *target, "--session", str(path))

    assert (1, b"") == (status, out)
    assert why.encode() in err


def test_session_that_can_not_be(vault, good, tmp_path):
    """What can't be read is said, and what can't work is refused."""
    target = (f"localhost:{good}", "--ca", vault.roots)
    both = tlskit(
        *("connect", *target, "--starttls", "imap"),
        *("--session", str(tmp_path / "session")),
    )
    shut = tlskit("connect", *target, "--session", "/proc/self/mem")

    assert (1, 1) == (both.returncode, shut.returncode)
    assert "--starttls" in both.stderr
    assert "can't read" in shut.stderr
    assert "Traceback" not in shut.stderr


def test_starttls(vault):
    """The conversation begins behind the go-ahead."""
    with TcpServer(serve_starttls("ftp", vault.leaf())) as server:
        status, out, _ = talk(
            b"QUIT\n",
            *(f"localhost:{server.port}", "--starttls", "ftp", "--crlf"),
            *("--ca", vault.roots),
        )

        assert b"QUIT\r\n" == server.result()
    assert b"QUIT\r\n" == out
    assert status in {0, 2}  # The standard library may leave without a word.


@needs("dovecot")
def test_dovecot(vault):
    """A whole conversation with a real mail server, over TLS."""
    with dovecot(vault.leaf()) as ports:
        status, out, _ = talk(
            b"a NOOP\nb LOGOUT\n",
            *(f"localhost:{ports['imap']}", "--starttls", "imap"),
            *("--crlf", "--ca", vault.roots),
        )

    assert 0 == status
    assert b"a OK" in out
    assert b"b OK" in out


@needs("nginx")
def test_nginx(vault, tmp_path):
    """A page from a real web server, which ends the command."""
    with nginx(vault.leaf(), "a page", tmp_path) as port:
        process = start(
            *("connect", f"localhost:{port}", "--crlf"),
            *("--ca", str(vault.roots)),
        )
        with process:
            # Our end before its answer, and nginx may not say goodbye.
            process.stdin.write(b"GET / HTTP/1.0\n\n")
            process.stdin.flush()
            out = process.stdout.read()
            complaints = process.stderr.read()
            status = process.wait(PATIENCE)

    assert 0 == status, complaints
    assert out.startswith(b"HTTP/1.1 200 OK\r\n")
    assert out.endswith(b"\r\n\r\na page")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "HOST"),
        (("a b",), "is no host"),
        (("localhost", "--key", __file__), "--key needs --cert"),
        (("localhost", "--cert", "/no/such"), "/no/such"),
        (("localhost", "--cert", __file__), "no certificate"),
        (("localhost", "--keylog", "/no/such/file"), "/no/such"),
        (("localhost", "--alpn", "x" * 256), "1 to 255 bytes"),
        (("localhost", "--idle", "nan"), "finite"),
    ],
)
def test_wrong_usage(arguments, words):
    """Whatever is wrong with the arguments: 1, words, and no traceback."""
    done = tlskit("connect", *arguments)

    assert (1, "") == (done.returncode, done.stdout)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_encrypted_key_is_never_asked_for(vault):
    """Nobody is prompted for a password; it is told instead."""
    me = vault.leaf("visitor")
    key = vault._write("locked.pem", me.leaf.encrypted_key_pem(b"geheim"))
    status, out, err = talk(
        b"geheim\n", "localhost:1", "--cert", me.chain, "--key", key
    )

    assert (1, b"") == (status, out)
    assert b"password" in err


def test_a_proxy_that_can_be_none():
    """It is refused before anything is tried; a good one is parsed."""
    from tlskit.cli.exit import ExitCode
    from tlskit.cli.main import run

    assert ExitCode.USAGE == run(
        ["connect", "--proxy", "gopher://127.0.0.1:1", "localhost"]
    )
