"""``tlskit check`` as a process, against servers good and bad."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
from cryptography.x509 import load_pem_x509_certificate

from tlskit import ClientContext, ServerContext, VerificationError
from tlskit.cli.check import finding as _finding
from tlskit.cli.check import formats, threads
from tlskit.cli.check.threads import in_threads
from tlskit.cli.exit import SEVERITY, ExitCode, worst
from tlskit.cli.main import run
from tlskit.cli.target import Target
from tlskit.openssl import native
from tlskit.testing import CA, memory_pair

from ..command import PATIENCE, PYTHON, start, tlskit
from ..dialogues import serve_starttls
from ..peers import Task, TcpServer, Vault, needs, s_server
from ..servers import (
    dovecot,
    echo_server,
    needs_postgres,
    nginx,
    postgres,
)

BAD = {
    "expired": 4,
    "not-yet-valid": 4,
    "wrong-host": 5,
    "no-san": 5,
    "self-signed": 6,
    "unknown-ca": 6,
    "missing-intermediate": 6,
    "wrong-purpose": 6,
    "weak-key": 8,
}


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    directory = tmp_path_factory.mktemp("vault")
    return Vault(directory)


@pytest.fixture(scope="module")
def good(vault):
    """The port of a good server."""
    with echo_server(vault.leaf()) as port:
        yield port


def refused_port():
    """Give a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


# -- one server -------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "status"),
    [("good", ExitCode.GOOD), ("revoked", ExitCode.REVOKED)],
)
def test_what_a_server_staples_counts(vault, said, status):
    """Its CA's word that it was revoked is heard; nothing is fetched."""
    files = vault.leaf()
    response = vault.ca.ocsp(files.leaf, said)
    with echo_server(files, set_ocsp_response=response) as port:
        done = tlskit("check", f"localhost:{port}", "--ca", vault.roots)

    assert status == done.returncode
    assert done.stdout.startswith(said)


def test_a_good_server_has_one_line(vault, good):
    """The verdict first, then what was agreed on, and the chain."""
    done = tlskit("check", f"localhost:{good}", "--ca", vault.roots)

    assert (0, "") == (done.returncode, done.stderr)
    assert 1 == done.stdout.count("\n")
    assert done.stdout.startswith(f"good            localhost:{good}  TLS 1.3")
    assert "(post-quantum)  no ALPN  89 days left" in done.stdout
    assert done.stdout.endswith("  localhost <- tlskit peers CA\n")


def test_the_data_of_a_good_server(vault, good):
    """The keys of the schema, and the library's values."""
    done = tlskit("check", f"localhost:{good}", "--ca", vault.roots, "--json")
    data = json.loads(done.stdout)
    (host,) = data["hosts"]

    assert set(formats.CheckData.__annotations__) == set(data)
    assert set(_finding.FindingData.__annotations__) == set(host)
    assert (1, 0, "good") == (data["schema"], data["status"], data["verdict"])
    assert ("localhost", good, "localhost", 0, "good") == (
        host["host"],
        host["port"],
        host["expected"],
        host["status"],
        host["verdict"],
    )
    assert host["session"]["version"] == "TLS 1.3"
    assert host["verification"]["verified"] is True
    assert host["certificate"] == host["verification"]["chain"][0]
    assert host["expires"] == host["certificate"]["not_after"]
    assert host["days_left"] == 89
    assert host["error"] is None
    assert host["seconds"] > 0


@needs("openssl")
@pytest.mark.parametrize(("kind", "status"), BAD.items())
def test_bad_certificates_have_their_status(vault, kind, status):
    """Each fault of a certificate of openssl's server has its number."""
    files = vault.leaf(bad=kind)
    with s_server(files, "-cipher", "ALL:@SECLEVEL=0") as (_, port):
        arguments = ("check", f"localhost:{port}", "--ca", vault.roots)
        text = tlskit(*arguments)
        data = json.loads(tlskit(*arguments, "--json").stdout)

    (host,) = data["hosts"]
    word = "not yet valid" if kind == "not-yet-valid" else data["verdict"]
    assert (status, "") == (text.returncode, text.stderr)
    assert text.stdout.startswith(f"{word}  ".ljust(16) + "localhost:")
    assert 1 == text.stdout.count("\n")
    assert (status, word) == (data["status"], data["verdict"])
    assert host["session"] is host["verification"] is None
    # What the clock says may have changed since.
    assert host["error"]["message"].partition("it is ")[0] in text.stdout
    assert host["certificate"] is not None
    assert (host["days_left"] < 0) == (kind == "expired")


@needs("openssl")
def test_revocation_lists(vault, tmp_path):
    """--crl refuses what the list takes back, and what none covers."""
    files = vault.leaf()
    leaf = load_pem_x509_certificate(Path(files.chain).read_bytes())
    made = {
        "revoking": vault.ca.crl([leaf]),
        "empty": vault.ca.crl(),
        "foreign": vault.stranger.crl(),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    with s_server(files) as (_, port):
        arguments = ("check", f"localhost:{port}", "--ca", vault.roots)
        told = {
            name: tlskit(*arguments, "--crl", str(tmp_path / name))
            for name in made
        }

    assert ExitCode.REVOKED == told["revoking"].returncode
    assert told["revoking"].stdout.startswith("revoked")
    assert ExitCode.GOOD == told["empty"].returncode
    assert told["foreign"].returncode not in (0, ExitCode.REVOKED)
    assert "revocation list" in told["foreign"].stdout
    for done in told.values():
        assert not done.stderr


@needs("nginx")
@pytest.mark.parametrize(
    ("bad", "status", "word"),
    [(None, 0, "good"), ("expired", 4, "expired")],
)
def test_nginx(vault, tmp_path, bad, status, word):
    """A web server selects HTTP/2, and its certificate decides."""
    with nginx(vault.leaf(bad=bad), "hi", tmp_path) as port:
        done = tlskit("check", f"localhost:{port}", "--ca", vault.roots)

    assert status == done.returncode
    assert done.stdout.startswith(word)
    assert ("  h2  " in done.stdout) == (status == 0)


def test_a_certificate_that_expires_soon(vault, good):
    """--min-days decides what is soon."""
    arguments = ("check", f"localhost:{good}", "--ca", vault.roots)
    soon = tlskit(*arguments, "--min-days", "90")
    late = tlskit(*arguments, "--min-days", "89")

    assert (3, 0) == (soon.returncode, late.returncode)
    assert soon.stdout.startswith("expires soon    localhost:")
    assert "89 days left" in soon.stdout


def test_the_first_certificate_to_expire_counts(vault):
    """An intermediate may expire before what it issued."""
    from datetime import datetime, timedelta, timezone

    now = datetime.now(timezone.utc)
    day = timedelta(days=1)
    below = vault.ca.intermediate(
        "old", valid=(now - 9 * day, now + 1.5 * day)
    )
    with echo_server(vault.files(below.issue("localhost"))) as port:
        done = tlskit("check", f"localhost:{port}", "--ca", vault.roots)

    assert 3 == done.returncode
    assert "  1 day left  " in done.stdout


def test_another_name_may_be_expected(vault, good):
    """--name takes the place of the host's own name."""
    arguments = ("check", f"127.0.0.1:{good}", "--ca", vault.roots)

    assert 0 == tlskit(*arguments, "--name", "localhost").returncode
    assert 5 == tlskit(*arguments, "--name", "other.example").returncode


def test_this_machines_roots_do_not_know_a_private_ca(vault, good):
    """Without --ca, the usual sources count; SSL_CERT_FILE is one."""
    target = f"localhost:{good}"

    assert 6 == tlskit("check", target).returncode
    assert 0 == tlskit("check", target, SSL_CERT_FILE=vault.roots).returncode


def test_no_connection_is_status_2():
    """A refused connection is told from a bad certificate."""
    port = refused_port()
    done = tlskit("check", f"127.0.0.1:{port}", "--json")
    (host,) = json.loads(done.stdout)["hosts"]

    assert 2 == done.returncode
    assert "ConnectionRefusedError" == host["error"]["error"]
    assert host["certificate"] is host["expires"] is host["days_left"] is None


def test_a_silent_server_is_given_up():
    """--timeout bounds it all."""
    with TcpServer(lambda sock: sock.recv(9999) and sock.recv(1)) as server:
        done = tlskit("check", f"127.0.0.1:{server.port}", "--timeout", "0.5")
        assert b"" == server.result()

    assert 2 == done.returncode
    assert "timed out" in done.stdout


def test_what_is_not_tls_is_status_9():
    """Another protocol is named."""
    with TcpServer(lambda sock: sock.sendall(b"SSH-2.0-x\r\n")) as server:
        done = tlskit("check", f"127.0.0.1:{server.port}")

    assert 9 == done.returncode
    assert done.stdout.startswith("not TLS ")
    assert "SSH" in done.stdout


def test_a_strangers_words_do_not_paint_the_terminal(vault):
    """Control characters of a server's come out as escapes."""
    talk = b"\x1b[32mgood\r\n"
    with TcpServer(lambda sock: sock.sendall(talk)) as server:
        done = tlskit(
            "check", f"127.0.0.1:{server.port}", "--starttls", "pop3"
        )

    assert 9 == done.returncode
    assert "\x1b" not in done.stdout
    assert "[32mgood" in done.stdout


# -- STARTTLS ---------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["ftp", "ldap", "xmpp"])
def test_starttls(vault, protocol):
    """The certificate behind a plaintext beginning is verified."""
    with TcpServer(serve_starttls(protocol, vault.leaf())) as server:
        done = tlskit(
            *("check", f"localhost:{server.port}", "--ca", vault.roots),
            *("--starttls", protocol),
        )

    assert 0 == done.returncode
    assert done.stdout.startswith("good ")


@needs("dovecot")
def test_starttls_with_dovecot(vault):
    """A real mail server, under a right and under a wrong name."""
    with dovecot(vault.leaf()) as ports:
        for protocol, port in ports.items():
            arguments = ("--starttls", protocol, "--ca", vault.roots)
            done = tlskit("check", f"localhost:{port}", *arguments)
            assert 0 == done.returncode, done.stdout
            arguments = (*arguments, "--name", "wrong.example")
            done = tlskit("check", f"localhost:{port}", *arguments)
            assert 5 == done.returncode, done.stdout


@needs_postgres
def test_starttls_with_postgresql(vault):
    """A real database with a certificate that has expired."""
    with postgres(vault.leaf(bad="expired")) as port:
        done = tlskit(
            *("check", f"localhost:{port}", "--ca", vault.roots),
            *("--starttls", "postgres"),
        )

    assert 4 == done.returncode


# -- many servers -----------------------------------------------------------


def test_the_worst_of_many_decides(vault, good):
    """Lines come in the order that was asked for; the worst is the status."""
    with ExitStack() as stack:
        ports = [
            stack.enter_context(echo_server(vault.leaf(bad=kind)))
            for kind in ("expired", "unknown-ca")
        ]
        targets = [f"localhost:{port}" for port in (good, *ports)]
        targets.append(f"localhost:{refused_port()}")
        done = tlskit("check", *targets, "--ca", vault.roots, "--jobs", "2")

    lines = done.stdout.splitlines()
    assert 6 == done.returncode
    assert targets == [line[16:].split()[0] for line in lines]
    assert ["good", "expired", "untrusted", "cannot connect"] == [
        line[:16].strip() for line in lines
    ]


def test_hosts_from_a_file_and_from_stdin(vault, good, tmp_path):
    """One host a line; comments, blank lines and CR LF are fine."""
    path = tmp_path / "hosts"
    path.write_bytes(f"# mine\r\n\nlocalhost:{good}  # good\r\n".encode())
    arguments = ("check", "--ca", vault.roots, "--file")
    read = tlskit(*arguments, str(path), f"127.0.0.1:{good}")
    piped = subprocess.run(
        [*PYTHON, "-m", "tlskit", *arguments, "-"],
        input=path.read_bytes(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (0, 2) == (read.returncode, read.stdout.count("\n"))
    assert (0, 1) == (piped.returncode, piped.stdout.count(b"\n"))


def test_ipv6_literals(vault):
    """An address of IPv6 is bracketed, and checked against the SANs."""
    import tlskit as library

    files = vault.leaf()
    context = library.ServerContext(
        certificate_chain=files.chain, private_key=files.key
    )
    try:
        listener = library.listen(hostname="::1", context=context)
    except OSError:
        pytest.skip("needs IPv6")
    with listener:
        process = subprocess.Popen(
            [
                *(*PYTHON, "-m", "tlskit", "check", "--ca", vault.roots),
                f"[::1]:{listener.port}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        listener.accept(PATIENCE).close()
        out, _ = process.communicate(timeout=PATIENCE)

    assert 0 == process.returncode
    assert f"  [::1]:{listener.port}  TLS 1.3" in out


def test_prometheus(vault, good):
    """Every metric has its type, every host its labels."""
    targets = [f"localhost:{good}", f"localhost:{refused_port()}"]
    done = tlskit(
        *("check", *targets, "--ca", vault.roots, "--format", "prometheus")
    )
    lines = done.stdout.splitlines()
    values = [line for line in lines if not line.startswith("#")]

    assert 2 == done.returncode
    assert 4 == sum(line.startswith("# TYPE ") for line in lines)
    assert f'tlskit_check_status{{host="{targets[0]}"}} 0' in values
    assert f'tlskit_check_status{{host="{targets[1]}"}} 2' in values
    assert 1 == sum("expiry_timestamp" in line for line in values)
    (info,) = [line for line in values if "session_info" in line]
    assert 'version="TLS 1.3"' in info
    assert info.endswith('post_quantum="true",alpn=""} 1')


def test_labels_are_escaped():
    """Quotes, backslashes and line ends can't end a label."""
    assert r"a\"b\\c\\nd" == formats._escaped('a"b\\c\nd')


def test_nagios(vault, good):
    """A plug-in's words, performance data, and its own statuses."""
    arguments = ("check", "--ca", vault.roots, "--format", "nagios")
    target = f"localhost:{good}"
    fine = tlskit(*arguments, target)
    soon = tlskit(*arguments, target, "--min-days", "99")
    bad = tlskit(*arguments, target, f"localhost:{refused_port()}")
    none = tlskit(*arguments, f"localhost:{refused_port()}")

    assert (0, 1, 2, 2) == (
        fine.returncode,
        soon.returncode,
        bad.returncode,
        none.returncode,
    )
    assert fine.stdout.startswith(f"TLS OK - {target} good: TLS 1.3")
    assert fine.stdout.endswith(f" | '{target}'=89;14:;0:\n")
    assert soon.stdout.startswith("TLS WARNING - ")
    lines = bad.stdout.splitlines()
    refused = lines[2].split()[0]
    assert lines[0].startswith(
        f"TLS CRITICAL - 1 of 2 good; {refused} cannot connect | "
    )
    assert 3 == len(lines)
    assert "|" not in none.stdout


# -- usage ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "which hosts?"),
        (("a b",), "is no host"),
        (("example.org:0",), "is no host"),
        (("example.org:70000",), "is no host"),
        (("example.org:x",), "is no host"),
        (("",), "is no host"),
        (("[::1",), "is no host"),
        (("\udcff",), "is no host"),
        (("a?b:443",), "is no host"),
        (("localhost", "--name", ""), "host name is empty"),
        (("localhost", "--name", "a b"), "a b"),
        (("localhost", "--alpn", ""), "1 to 255 bytes"),
        (("localhost", "--alpn", "\udcff"), "surrogates"),
        (("localhost", "--timeout", "0"), "--timeout"),
        (("localhost", "--timeout", "nan"), "finite"),
        (("localhost", "--min-days", "1e99"), "--min-days"),
        (("localhost", "--jobs", "0"), "--jobs"),
        (("localhost", "--ca", "/no/such"), "does not exist"),
        (("localhost", "--ca", os.devnull), ""),
        (("localhost", "--starttls", "gopher"), "smtp"),
        (("localhost", "--format", "xml"), "prometheus"),
        (("--file", "/no/such"), "can't read"),
        (("--file", "/"), "can't read"),
    ],
)
def test_wrong_usage(arguments, words):
    """Whatever is wrong with the arguments: 1, words, and no traceback."""
    done = tlskit("check", *arguments)

    assert (1, "") == (done.returncode, done.stdout)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_line_of_a_list_is_named(tmp_path):
    """Which line it is, and what is wrong with it."""
    path = tmp_path / "hosts"
    path.write_bytes(b"localhost\n\xff\xfe\n")
    done = tlskit("check", "--file", str(path))

    assert 1 == done.returncode
    assert "line 2 of " in done.stderr


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("example.org", Target("example.org", 443)),
        ("example.org:8443", Target("example.org", 8443)),
        ("example.org:", Target("example.org", 443)),
        ("https://example.org/path?x=1", Target("example.org", 443)),
        ("https://example.org:8443/", Target("example.org", 8443)),
        ("192.0.2.1:1", Target("192.0.2.1", 1)),
        ("::1", Target("::1", 443)),
        ("[::1]", Target("::1", 443)),
        ("[2001:db8::1]:8443", Target("2001:db8::1", 8443)),
        ("müller.example:1", Target("müller.example", 1)),
    ],
)
def test_targets_are_read_as_people_write_them(text, target):
    """Host, port and IPv6's colons are told apart; a URL will do."""
    from tlskit.cli.target import parse_target

    assert target == parse_target(text, 443)
    assert target == parse_target(str(target), 1)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
def test_ctrl_c_is_status_130_at_once():
    """Nobody waits for the time-out, and no socket is left."""
    heard = threading.Event()

    def listen(sock):
        while sock.recv(65536):
            heard.set()

    with TcpServer(listen) as server:
        place = f"127.0.0.1:{server.port}"
        process = start("check", "--timeout", "600", place)
        assert heard.wait(PATIENCE)  # It has said hello, and now waits.
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)

    assert b"Traceback" not in err
    assert ExitCode.INTERRUPTED == process.returncode


# -- inside -----------------------------------------------------------------


def test_a_bar_on_a_terminal_only(monkeypatch, capsys):
    """stderr shows how far it is, if somebody looks; stdout does not."""

    class Terminal(io.StringIO):
        """A fake of a terminal."""

        def isatty(self):
            """Say so."""
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    port = refused_port()
    status = run(["check", f"localhost:{port}", f"127.0.0.1:{port}"])
    out = capsys.readouterr().out

    assert ExitCode.CANNOT_CONNECT == status
    assert 2 == out.count("\n")
    assert "\x1b" not in out
    assert "checking" in terminal.getvalue()


def test_every_status_that_a_host_can_have_is_ranked():
    """Of each pair of findings it is clear which one is worse."""
    hosts = {code for code in ExitCode if code < 100} - {ExitCode.USAGE}

    assert hosts == set(SEVERITY)
    assert ExitCode.GOOD == worst([])
    assert ExitCode.REVOKED == worst(reversed(SEVERITY))


def test_an_error_without_words_still_has_some():
    """A line is never empty."""
    finding = _finding.Finding(
        Target("a.example", 1),
        "a.example",
        ExitCode.CANNOT_CONNECT,
        datetime.now(timezone.utc),
        0.0,
        error=OSError(),
    )

    assert ["OSError"] == list(formats._words(finding))
    assert "no end known" == formats._days(None)
    assert finding.chain == ()


def test_words_of_a_session_that_has_neither_group_nor_chain():
    """A key is sent by RSA alone, and nobody has looked at a certificate."""
    client = ClientContext("tls12")
    client.set_verify(False)
    server = ServerContext("tls12")
    CA().issue("a.example", key_type="rsa").apply(server)
    for each in (client, server):
        each.set_ciphers("AES128-GCM-SHA256")
    here, there = memory_pair(client, server)
    with here, there:
        finding = _finding.Finding(
            Target("a.example", 1),
            "a.example",
            ExitCode.GOOD,
            datetime.now(timezone.utc),
            0.0,
            port=here,
        )
        words = list(formats._words(finding))

    assert ["TLS 1.2", "unknown group"] == words[:2]
    assert "no end known" in words
    assert "" == words[-1]
    assert not finding.chain


def test_results_come_in_order_from_many_threads():
    """However many threads there are, the first comes first."""
    things = list(range(50))

    assert things == list(in_threads(lambda x: x, things, workers=7))
    assert [] == list(in_threads(lambda x: x, [], workers=7))


def test_a_signal_that_ended_no_wait_is_heard(monkeypatch):
    """Python may have looked for it just before it began to wait."""
    waits = []

    class Queue(SimpleQueue):
        def get(self, block=True, timeout=None):
            waits.append(timeout)
            if len(waits) == 1:
                raise Empty
            return super().get(block, timeout)

    monkeypatch.setattr(threads, "SimpleQueue", Queue)

    assert [1, 2] == list(in_threads(lambda x: x, [1, 2], workers=1))
    assert len(waits) > 2
    assert all(0 < each < 1 for each in waits)


def test_what_a_thread_raises_is_raised():
    """Bugs don't vanish in a thread, and no more work is begun."""

    def fail(number):
        raise VerificationError(str(number))

    with pytest.raises(VerificationError):
        list(in_threads(fail, [1, 2, 3], workers=1))


def test_threads_of_others_are_left_their_ctrl_c():
    """Only the main thread hears signals; elsewhere nothing is changed."""
    before = signal.getsignal(signal.SIGINT)
    task = Task(lambda: list(in_threads(lambda x: x, [1, 2], workers=2)))

    assert [1, 2] == task.result()
    assert before is signal.getsignal(signal.SIGINT)


def test_ctrl_c_is_given_back():
    """While threads work it is told; afterwards it is as it was."""
    before = signal.getsignal(signal.SIGINT)
    during = []

    def see(thing):
        during.append(signal.getsignal(signal.SIGINT))
        return thing

    assert [1] == list(in_threads(see, [1], workers=1))
    assert [before] != during
    assert before is signal.getsignal(signal.SIGINT)


@pytest.mark.skipif(
    not native.has("groups"), reason="the binding can't choose groups"
)
@pytest.mark.native
def test_a_policy_is_checked_where_no_message_can_be_seen(
    vault, good, monkeypatch, capsys
):
    """A pyOpenSSL without that hook is enough for the verdict."""
    monkeypatch.setattr(native, "has", lambda name: name != "messages")
    arguments = ["--policy", "2026-12-modern", "--ca", vault.roots]

    assert 0 == run(["check", f"localhost:{good}", *arguments])
    assert capsys.readouterr().out.startswith("good")
