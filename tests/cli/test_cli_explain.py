"""``tlskit explain`` as a process: servers and files, good and bad."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tlskit.cli.exit import ExitCode
from tlskit.cli.explain import command
from tlskit.cli.explain.policies import OpinionData
from tlskit.cli.main import run
from tlskit.testing import CA
from tlskit.verify.offline import Policy

from ..command import PATIENCE, PYTHON, start, tlskit
from ..dialogues import serve_starttls
from ..peers import TcpServer, Vault, needs, s_server
from ..servers import dovecot, echo_server, nginx

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


def policies(data):
    """Say what each policy says: None if it accepts, or the code."""
    return {
        each["policy"]: each["error"] and each["error"]["code"]
        for each in data["policies"]
    }


def explained(*arguments):
    """Run it twice: give its status, its text and its data."""
    text = tlskit("explain", *arguments)
    data = tlskit("explain", *arguments, "--json")

    assert text.returncode == data.returncode
    assert "" == text.stderr == data.stderr
    return text.returncode, text.stdout, json.loads(data.stdout)


# -- servers ----------------------------------------------------------------


def test_a_good_server(vault):
    """What is good is told as well: chain, name, session and roots."""
    with echo_server(vault.leaf()) as port:
        status, text, data = explained(
            f"localhost:{port}", "--ca", vault.roots
        )

    assert 0 == status
    assert text.startswith(f"good: localhost:{port} is accepted\n")
    assert "chain     CN=localhost <- CN=tlskit peers CA\n" in text
    assert f"trusted   1 root from file {vault.roots}\n" in text
    assert set(command.ExplainData.__annotations__) == set(data)
    assert set(OpinionData.__annotations__) == set(data["policies"][0])
    assert (1, 0, "good", None, "localhost", 1) == (
        data["schema"],
        data["status"],
        data["verdict"],
        data["error"],
        data["expected"],
        data["roots"],
    )
    assert data["session"]["version"] == "TLS 1.3"
    assert {None} == set(policies(data).values())
    assert ["CN=localhost", "CN=tlskit peers CA"] == [
        each["subject"] for each in data["chain"]
    ]


@needs("openssl")
@pytest.mark.parametrize(
    ("kind", "status", "words", "accepting"),
    [
        (
            "wrong-host",
            5,
            (
                "names wrong.example, but 'localhost' was expected",
                "check that",
            ),
            {"any-name"},
        ),
        (
            "unknown-ca",
            6,
            (
                "issued by 'tlskit unknown CA'",
                "load 'tlskit unknown CA' with --ca",
            ),
            {"trusting-its-ca"},
        ),
        (
            "self-signed",
            6,
            ("is self-signed and not trusted here", "if this is the peer"),
            {"trusting-its-ca"},
        ),
        (
            "wrong-purpose",
            6,
            ("is meant for codeSigning", "have it reissued"),
            set(),
        ),
        ("weak-key", 8, ("RSA 1024 bits", "issue a new certificate"), set()),
    ],
)
def test_a_refusal_is_a_story(vault, kind, status, words, accepting):
    """What happened, what was expected, presented and trusted, what to do."""
    files = vault.leaf(bad=kind)
    with s_server(files, "-cipher", "ALL:@SECLEVEL=0") as (_, port):
        found, text, data = explained(f"localhost:{port}", "--ca", vault.roots)

    assert status == found == data["status"]
    assert text.split("\n")[0].endswith(f": localhost:{port} is refused")
    because, advice = words
    assert because in text.split("\n")[1]
    assert text.split("\n")[1].startswith("  because ")
    assert "  expected    localhost\n" in text
    assert "  presented   0 " in text
    assert f"  trusted     1 root from file {vault.roots}\n" in text
    assert f"  what to do  {advice}" in text
    assert data["error"]["message"] in text
    assert data["chain"] == []
    assert data["session"] is None
    assert data["presented"][0]["sha256"] in text
    assert accepting == {
        name for name, code in policies(data).items() if code is None
    }
    for name, code in policies(data).items():
        verdict = "accepts" if code is None else f"refuses, {code}"
        assert f"  {name.ljust(15)}  {verdict}  (" in text


def test_since_when_it_has_expired(vault):
    """The date, how long ago, and that it was good when it was new."""
    now = datetime.now(timezone.utc)
    old = CA("tlskit old CA", valid=(now - 999 * DAY, now + 999 * DAY))
    leaf = old.issue("localhost", valid=(now - 90 * DAY, now - 2.5 * DAY))
    files = vault.files(leaf)
    roots = vault._write("old.pem", old.pem)
    with echo_server(files) as port:
        status, text, data = explained(f"localhost:{port}", "--ca", roots)

    assert 4 == status
    assert "expired on " in text
    assert ", 2 days ago; it is " in text
    assert ", over 2 days ago\n" in text
    assert {"when-issued"} == {
        name for name, code in policies(data).items() if code is None
    }


def test_a_ca_that_is_younger_than_what_it_issued(vault):
    """When-issued looks at each certificate in its own time."""
    now = datetime.now(timezone.utc)
    for kind, valid in (
        ("expired", (now - 90 * DAY, now - 30 * DAY)),
        ("not-yet-valid", (now + 900 * DAY, now + 930 * DAY)),
    ):
        pem = vault._write(
            f"{kind}.pem", vault.ca.issue("a.example", valid=valid).chain_pem
        )
        status, text, data = explained(
            pem, "--name", "a.example", "--ca", vault.roots
        )
        assert 4 == status
        assert kind.replace("-", " ") == data["verdict"]
        assert text.startswith(f"{data['verdict']}: {pem} is refused\n")
        assert {"when-issued"} == {
            name for name, code in policies(data).items() if code is None
        }


def test_what_the_revocation_list_takes_back(vault):
    """``explain --crl`` judges as ``check --crl``, a server and a file."""
    files = vault.leaf()
    crls = {
        "revoking": (7, vault.ca.crl([files.leaf.certificate])),
        "empty": (0, vault.ca.crl()),
    }
    with echo_server(files) as port:
        for name, (wanted, pem) in crls.items():
            options = ("--ca", vault.roots, "--crl", vault._write(name, pem))
            for subject in (f"localhost:{port}", files.chain):
                status, _, data = explained(subject, *options)
                assert wanted == status
                accepted = {e["accepts"] for e in data["policies"]}
                assert accepted == {wanted == 0}


def test_what_the_server_staples_is_no_policys_matter(vault):
    """A stapled "revoked" refuses the server, whatever the policy."""
    files = vault.leaf()
    response = vault.ca.ocsp(files.leaf, "revoked")
    with echo_server(files, set_ocsp_response=response) as port:
        status, text, data = explained(
            f"localhost:{port}", "--ca", vault.roots
        )

    assert ExitCode.REVOKED == status
    assert "as the stapled OCSP response tells" in text
    assert {"revoked"} == set(policies(data).values())


@needs("openssl")
def test_our_certificate_is_shown(vault):
    """A server that demands one is explained with --cert and --key."""
    mine = vault.leaf("me")
    demand = ("-tls1_2", "-Verify", "1", "-verify_return_error")
    with s_server(vault.leaf(), *demand, "-CAfile", vault.roots) as (_, port):
        pair = ("--cert", mine.chain, "--key", mine.key)
        status, _, _ = explained(
            f"localhost:{port}", "--ca", vault.roots, *pair
        )
        refused = tlskit("explain", f"localhost:{port}", "--ca", vault.roots)

    assert 0 == status
    assert 8 == refused.returncode


@pytest.mark.native
def test_a_server_that_asks_for_a_certificate(vault):
    """It is told, with the option that shows one."""
    settings = {"load_verify_source": vault.roots, "set_verify": True}
    with echo_server(vault.leaf(), **settings) as port:
        _, text, data = explained(f"localhost:{port}", "--ca", vault.roots)

    assert data["asks_for_certificate"] is True
    assert "for a client certificate, which --cert shows" in text


@pytest.mark.timeout(180)
def test_a_protocol_that_a_server_insists_on(vault):
    """What ``check`` offers is offered here; --alpn offers another one."""
    for protocol, options, wanted in (
        ("h2", (), 0),
        ("mqtt", (), 8),
        ("mqtt", ("--alpn", "mqtt"), 0),
    ):
        with echo_server(vault.leaf(), set_alpn=[protocol]) as port:
            place = f"localhost:{port}"
            for command_ in ("check", "explain"):
                done = tlskit(command_, place, "--ca", vault.roots, *options)
                assert wanted == done.returncode


def test_what_only_a_stricter_policy_minds(vault):
    """A server that is accepted may be refused by set_strict()."""
    no_san = vault.ca.issue("localhost", with_san=False)
    pem = vault._write("lax.pem", no_san.chain_pem)
    status, text, data = explained(pem, "--ca", vault.roots)

    assert 0 == status
    assert "expected  no name in particular" in text
    assert "second-verifier" == policies(data)["strict"]
    assert policies(data)["default"] is None


def test_an_intermediate_that_is_trusted(vault):
    """What only a partial chain would do is told."""
    below = vault.ca.intermediate()
    roots = vault._write("below.pem", below.pem)
    with echo_server(vault.files(below.issue("localhost"))) as port:
        status, _, data = explained(f"localhost:{port}", "--ca", roots)

    assert 6 == status
    assert {"partial-chain", "trusting-its-ca"} == {
        name for name, code in policies(data).items() if code is None
    }


def test_no_certificate_to_explain():
    """A server that can't be reached has no certificates and no policies."""
    with TcpServer(lambda sock: sock.sendall(b"SSH-2.0-x\r\n")) as server:
        place = f"127.0.0.1:{server.port}"
        done = tlskit("explain", place)

    assert 9 == done.returncode
    assert done.stdout.startswith(f"not TLS: {place} can't be verified\n")
    assert "because" in done.stdout
    assert "what to do" in done.stdout
    assert "policies" not in done.stdout


def test_an_error_that_nobody_can_advise_on():
    """It has its words, and no advice."""
    case = command._Case(
        "host", Policy((), None), (), error=OSError("something odd")
    )

    assert [("because", "something odd")] == list(command._story(case))


def test_no_server_to_explain():
    """The system's errors have words, and what to check."""
    done = tlskit("explain", "127.0.0.1:1", "--json")
    data = json.loads(done.stdout)

    assert 2 == done.returncode == data["status"]
    assert [] == data["presented"] == data["policies"]
    hint = "what to do  check host and port, and whether the server runs"
    assert hint in tlskit("explain", "127.0.0.1:1").stdout


@needs("nginx")
def test_nginx(vault, tmp_path):
    """nginx with a certificate that is not valid yet."""
    files = vault.leaf(bad="not-yet-valid")
    with nginx(files, "hi", tmp_path) as port:
        status, text, _ = explained(f"localhost:{port}", "--ca", vault.roots)

    assert 4 == status
    assert "is valid from" in text
    assert ", not valid yet\n" in text


@needs("dovecot")
def test_starttls_with_dovecot(vault):
    """A mail server behind STARTTLS is explained like any other."""
    with dovecot(vault.leaf(bad="expired")) as ports:
        status, text, _ = explained(
            f"localhost:{ports['imap']}",
            *("--starttls", "imap", "--ca", vault.roots),
        )

    assert 4 == status
    assert "expired on " in text


def test_a_stripped_offer_is_told(vault):
    """Injected plaintext is no certificate's fault, and has its own words."""
    talk = serve_starttls("pop3", vault.leaf(), b"+OK injected\r\n")
    with TcpServer(talk) as server:
        done = tlskit(
            *("explain", f"localhost:{server.port}", "--json"),
            *("--starttls", "pop3", "--ca", vault.roots),
        )
        server.task.settle()

    assert 9 == done.returncode
    assert "starttls-injection" == json.loads(done.stdout)["error"]["code"]


# -- files ------------------------------------------------------------------


def test_a_chain_in_a_file(vault):
    """Without a network: the same story, for PEM and for DER."""
    files = vault.leaf("www.example")
    der = files.leaf.certificate.public_bytes(Encoding.DER)
    path = vault._write("leaf.der", der)
    for each in (files.chain, path):
        name = ("--name", "www.example", "--ca", vault.roots)
        status, text, data = explained(each, *name)
        assert 0 == status
        assert text.startswith(f"good: {each} is accepted\n")
        assert data["session"] is None
        assert (each, "www.example") == (data["subject"], data["expected"])
        wrong = tlskit("explain", each, "--ca", vault.roots, "--name", "b.c")
        assert 5 == wrong.returncode


def test_a_chain_from_stdin(vault):
    """The file ``-`` is stdin."""
    files = vault.leaf()
    process = start("explain", "-", "--ca", vault.roots)
    out, err = process.communicate(files.leaf.chain_pem, PATIENCE)

    assert (0, b"") == (process.returncode, err)
    assert out.startswith(b"good: stdin is accepted\n")


def test_a_file_in_the_current_directory(vault, tmp_path):
    """A name without a slash is a file if there is one."""
    tmp_path.joinpath("chain").write_bytes(vault.leaf().leaf.chain_pem)
    done = subprocess.run(
        [*PYTHON, "-m", "tlskit", "explain", "chain", "--ca", vault.roots],
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert 0 == done.returncode


# -- usage ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "HOST"),
        (("a", "b"), "unexpected"),
        (("a b",), "is no host"),
        (("/no/such/file",), "No such file"),
        (("/",), "directory"),
        (("/dev/null",), "no certificate"),
        ((__file__,), "no certificate"),
        (("localhost", "--name", "a b"), "a b"),
        (("localhost", "--key", "/no/such"), "--key needs --cert"),
        (("localhost", "--crl", "/no/such"), "does not exist"),
    ],
)
def test_wrong_usage(arguments, words):
    """Whatever is wrong with the arguments: 1, words, and no traceback."""
    done = tlskit("explain", *arguments)

    assert (1, "") == (done.returncode, done.stdout)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.filterwarnings("ignore:Parsed a ")
def test_a_broken_certificate_is_no_bug_of_ours(vault, tmp_path, capsys):
    """Whatever a byte of it is changed to, a verdict comes of it."""
    der = vault.leaf().leaf.certificate.public_bytes(Encoding.DER)
    path = tmp_path / "broken"
    statuses = set()
    for at in range(0, len(der), 4):
        path.write_bytes(der[:at] + bytes([der[at] ^ 0x13]) + der[at + 1 :])
        for options in ((), ("--json",)):
            arguments = ("explain", str(path), "--ca", vault.roots, *options)
            statuses.add(run(arguments))
    capsys.readouterr()

    assert {1, 6} <= statuses <= {1, 4, 6, 8}


def test_what_cannot_be_read_has_a_word(vault):
    """Dates that a broken certificate does not give away are no dates."""
    from tlskit.cli import data as _data
    from tlskit.x509.glimpse import Glimpse

    now = datetime.now(timezone.utc)

    assert "(unreadable)" == command._validity(Glimpse(None), now)
    assert "(unreadable)" == _data._moment(None)


@pytest.mark.parametrize("junk", [b"", b"\x30\x82\xff\xff", b"\0" * 999])
def test_junk_on_stdin(junk):
    """What is no certificate is told, whatever it is."""
    process = start("explain", "-")
    out, err = process.communicate(junk, PATIENCE)

    assert (1, b"") == (process.returncode, out)
    assert err.startswith(b"tlskit: ")
    assert b"Traceback" not in err
