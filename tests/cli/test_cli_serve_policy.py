"""What ``tlskit serve`` presents, by name; and how that changes."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from contextlib import suppress

import pytest

from tlskit import ClientContext, ServerContext, listen, testing
from tlskit.cli.exit import ExitCode
from tlskit.cli.serve import command
from tlskit.cli.serve import policy as _policy

from ..command import PATIENCE, serving
from ..peers import needs

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="no SIGINT between processes"
)


@pytest.fixture(scope="module")
def authority():
    """A CA."""
    return testing.CA()


class Folder:
    """A directory with certificates of a CA."""

    def __init__(self, path, authority):
        self.path = path
        self.authority = authority
        self.ca_file = path / "ca.pem"
        self.ca_file.write_bytes(authority.pem)

    def pair(self, base, *names):
        """Write a new certificate; give the options that name it."""
        leaf = self.authority.issue(*names)
        self.write(f"{base}-key.pem", leaf.key_pem)
        self.write(f"{base}.pem", leaf.chain_pem)
        return [
            *("--cert", str(self.path / f"{base}.pem")),
            *("--key", str(self.path / f"{base}-key.pem")),
        ]

    def write(self, name, data):
        """Put a file into place, as a whole."""
        fresh = self.path / f"{name}.new"
        fresh.write_bytes(data)
        fresh.replace(self.path / name)

    def presented(self, listening, name):
        """Give the names that a client that asks for *name* is shown."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.check_hostname = False
        with (
            socket.create_connection(
                (listening["host"], listening["port"]), PATIENCE
            ) as sock,
            context.wrap_socket(sock, server_hostname=name) as tls,
        ):
            found = tls.getpeercert()["subjectAltName"]
        return [value for _, value in found]


@pytest.fixture
def folder(tmp_path, authority):
    """A directory of the test's own."""
    return Folder(tmp_path, authority)


def until(server, event):
    """Skip what clients do, until *event*."""
    while True:
        found = server.event()
        if found["event"] == event:
            return found


# -- by name ----------------------------------------------------------------


@pytest.mark.native
def test_several_names_by_sni(folder):
    """The certificate is chosen by the names that are in it."""
    options = [
        *folder.pair("a", "a.example"),
        *folder.pair("b", "b.example", "other.example"),
        *folder.pair("c", "*.c.example", "127.0.0.1", "a.example"),
    ]
    with serving("--json", *options) as server:
        listening = server.event()
        shown = {
            name: folder.presented(listening, name)[0]
            for name in (
                *("a.example", "b.example", "OTHER.example", "x.c.example"),
                *("nobody.example", "x.y.c.example", None),
            )
        }

    assert shown == {
        "a.example": "a.example",
        "b.example": "b.example",
        "OTHER.example": "b.example",
        "x.c.example": "*.c.example",
        "nobody.example": "a.example",
        "x.y.c.example": "a.example",
        None: "a.example",
    }


@pytest.mark.native
def test_a_client_certificate_is_demanded_under_every_name(folder):
    """SNI chooses a certificate, and never a laxer policy."""
    options = [*folder.pair("a", "a.example"), *folder.pair("b", "b.example")]
    demand = ["--client-ca", str(folder.ca_file)]
    with serving("--json", *options, *demand) as server:
        listening = server.event()
        for name in ("a.example", "b.example"):
            # In TLS 1.3 the client may have left before it is told.
            with suppress(ssl.SSLError):
                folder.presented(listening, name)
            refused = server.event()

            assert refused["event"] == "refused"
            assert refused["error"]["reason"] == "no-certificate"


def test_names_that_are_none_are_left_out(authority):
    """What is no host name in a certificate leads nowhere."""
    good = ServerContext()
    authority.issue("good.example", "192.0.2.1", "*.example").apply(good)
    odd = ServerContext()
    authority.issue_bad("ip-as-dns", "192.0.2.1").apply(odd)
    table = _policy._by_name([good, odd])

    assert {"good.example", "*.example"} == set(table)


# -- reloading --------------------------------------------------------------


def test_a_changed_file_is_read_again(folder):
    """A renewed certificate is presented without a restart."""
    options = folder.pair("a", "old.example")
    with serving("--json", *options) as server:
        listening = server.event()
        before = folder.presented(listening, "x.example")
        folder.pair("a", "new.example")
        while until(server, "reloaded")["error"] is not None:
            pass  # The key came first.
        after = folder.presented(listening, "x.example")

    assert (["old.example"], ["new.example"]) == (before, after)


def test_sighup_reads_again(folder):
    """SIGHUP reloads also what has not changed, and ends nothing."""
    options = folder.pair("a", "a.example")
    with serving("--json", *options) as server:
        listening = server.event()
        server.process.send_signal(signal.SIGHUP)
        told = server.event()
        still = folder.presented(listening, "a.example")

    assert {
        "schema": 1,
        "event": "reloaded",
        "files": [options[1], options[3]],
        "error": None,
    } == told
    assert ["a.example"] == still


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.pem", b"garbage", "a.pem"),
        ("a.pem", b"", "a.pem"),
        ("a-key.pem", testing.CA().issue("x").key_pem, "does not belong"),
        ("ca.pem", b"no CA any more", "ca.pem"),
    ],
)
def test_what_is_bad_changes_nothing(folder, name, data, words):
    """A broken file is told, and the old policy stays in force."""
    options = folder.pair("a", "a.example")
    alice = folder.authority.issue("alice.example")
    demand = ["--client-ca", str(folder.ca_file)]
    with serving("--json", *options, *demand) as server:
        listening = server.event()
        trusted = ssl.create_default_context(cafile=folder.ca_file)
        trusted.check_hostname = False
        folder.write(name, data)
        told = until(server, "reloaded")
        alice.write(folder.path)
        trusted.load_cert_chain(
            folder.path / "chain.pem", folder.path / "key.pem"
        )
        with (
            socket.create_connection(
                (listening["host"], listening["port"]), PATIENCE
            ) as sock,
            trusted.wrap_socket(sock, server_hostname="a.example") as tls,
        ):
            tls.sendall(b"hello")
            echoed = tls.recv(5)

    assert words in told["error"]["message"]
    assert echoed == b"hello"


def test_a_file_that_vanishes_changes_nothing(folder):
    """The same in text, where it is said in words."""
    options = folder.pair("a", "a.example")
    with serving(*options) as server:
        head = server.head()
        folder.path.joinpath("a.pem").unlink()
        line = server.line()
        hint = server.line()
        folder.pair("a", "a.example")
        while not line.startswith("reloaded"):
            line = server.line()

    assert "listening" in head
    assert hint.startswith("    ")
    assert options[1] in line


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may read everything",
)
def test_a_file_that_may_not_be_read_changes_nothing(folder):
    """No permission is one more reason to go on as before."""
    options = folder.pair("a", "a.example")
    with serving("--json", *options) as server:
        listening = server.event()
        folder.path.joinpath("a-key.pem").chmod(0)
        server.process.send_signal(signal.SIGHUP)
        told = until(server, "reloaded")

        assert "Permission denied" in told["error"]["message"]
        assert ["a.example"] == folder.presented(listening, "a.example")


def test_a_development_certificate_survives_sighup():
    """There are no files to read; the server goes on."""
    with serving("--json") as server:
        server.event()
        server.process.send_signal(signal.SIGHUP)
        told = server.event()

    assert ("reloaded", [], None) == (
        told["event"],
        told["files"],
        told["error"],
    )


def test_the_handler_of_sighup_is_given_back(authority):
    """What was there before comes back with the end of the server."""
    before = signal.getsignal(signal.SIGHUP)
    policy = _policy.Policy((), authority.issue("localhost"))
    with listen(hostname="127.0.0.1", context=policy.build()) as listener:
        with command._reloading(policy, listener, None):
            assert before is not signal.getsignal(signal.SIGHUP)

    assert before is signal.getsignal(signal.SIGHUP)


def test_a_listener_refuses_a_client_s_context(authority):
    """Only a server's context can decide about clients."""
    first = ServerContext()
    authority.issue("localhost").apply(first)
    second = first.copy()
    with listen(hostname="127.0.0.1", context=first) as listener:
        listener.context = second
        with pytest.raises(TypeError):
            listener.context = ClientContext("auto")

        assert second is listener.context


# -- hangups ----------------------------------------------------------------


def test_a_terminal_that_hangs_up_ends_the_server():
    """SIGHUP comes from a closed terminal, too; then nobody reads on."""
    from ..command import PYTHON, new_terminal

    ours, theirs = new_terminal()
    process = subprocess.Popen(
        [*PYTHON, "-m", "tlskit", "serve", "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        os.close(theirs)
        assert b"listening" in os.read(ours, 10_000)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        status = process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait(PATIENCE)

    # Python itself adds a status if stdout can't be flushed at the end.
    assert status in {1, 120}


# -- usage ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cert", "a", "--cert", "b", "--key", "c"], "one for each"),
        (["--echo", "--dir", "."], "exclude each other"),
        (["--dir", ".", "--forward", "x:1"], "exclude each other"),
        (["--most", "0"], "--most"),
        (["--name", "a b"], "white space"),
    ],
)
def test_what_does_not_go_together_is_status_1(options, words):
    """Contradictions are named, not resolved."""
    with serving(*options) as server:
        status, complaint = server.end()

    assert status == ExitCode.USAGE
    assert words in complaint
    assert "Traceback" not in complaint


def test_a_certificate_that_openssl_refuses_is_status_1(folder):
    """What can't be served is found out before the first client."""
    leaf = folder.authority.issue_bad("weak-key", "a.example")
    folder.write("a.pem", leaf.chain_pem)
    folder.write("a-key.pem", leaf.key_pem)
    with serving(
        *("--cert", str(folder.path / "a.pem")),
        *("--key", str(folder.path / "a-key.pem")),
    ) as server:
        status, complaint = server.end()

    assert status == ExitCode.USAGE
    assert "Traceback" not in complaint
    assert "listening" not in server.line()


@needs("gnutls-cli")
def test_gnutls_sees_the_certificate_of_its_name(folder):
    """Another implementation's SNI is understood, too."""
    options = [*folder.pair("a", "a.example"), *folder.pair("b", "localhost")]
    with serving("--json", *options) as server:
        listening = server.event()
        done = subprocess.run(
            [
                "gnutls-cli",
                f"--port={listening['port']}",
                f"--x509cafile={folder.ca_file}",
                "localhost",
            ],
            input="",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    assert (0, True) == (
        done.returncode,
        "certificate is trusted" in done.stdout,
    )
