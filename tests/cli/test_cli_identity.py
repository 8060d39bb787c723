"""``--identity``: a server that has to prove more than a host name."""

from __future__ import annotations

import json

import pytest

import tlskit as toolkit
from tlskit.cli.calling import parse_identity
from tlskit.cli.exit import ExitCode
from tlskit.testing import CA

from ..command import tlskit
from ..peers import PATIENCE, Task

CA_ = CA("tlskit workloads CA")
BILLING = "spiffe://example.org/billing"
LEAF = CA_.issue(BILLING, common_name="billing")
WRONG = ExitCode.WRONG_NAME


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The roots and the chain, in files."""
    directory = tmp_path_factory.mktemp("identity")
    directory.joinpath("roots.pem").write_bytes(CA_.pem)
    directory.joinpath("chain.pem").write_bytes(LEAF.chain_pem)
    return directory


@pytest.fixture
def server():
    """Serve whoever comes; give the port."""
    context = toolkit.ServerContext()
    LEAF.apply(context)
    with toolkit.listen(hostname="127.0.0.1", context=context) as listener:
        task = Task(lambda: listener.serve(lambda port: port.sendall(b"hi")))
        yield listener.port
        listener.shutdown(PATIENCE)
        task.result()


@pytest.mark.parametrize(
    ("identity", "status", "words"),
    [
        (BILLING, ExitCode.GOOD, ""),
        (BILLING + "/x", WRONG, "the path differs"),
        ("spiffe://example.net/billing", WRONG, "the trust domain differs"),
        ("_imap.example.org", WRONG, "and no service"),
        ("www.example.org", WRONG, "no subjectAltName with a host name"),
    ],
)
def test_connect(files, server, identity, status, words):
    """The right one is connected to, any other is refused with its words."""
    done = tlskit(
        "connect",
        f"127.0.0.1:{server}",
        *("--ca", files / "roots.pem"),
        *("--identity", identity),
    )

    assert status == done.returncode
    assert words in " ".join(done.stderr.split())


def test_check(files, server):
    """``check`` says whom it has expected."""
    arguments = (f"127.0.0.1:{server}", "--ca", files / "roots.pem")
    good = tlskit("check", *arguments, "--identity", BILLING)
    bad = tlskit("check", *arguments, "--identity", BILLING + "/x", "--json")

    assert 0 == good.returncode
    assert 0 != bad.returncode
    assert "wrong-identity" in bad.stdout


def test_explain(files):
    """A file is judged by a URI, too, and its URI is shown."""
    arguments = (files / "chain.pem", "--ca", files / "roots.pem", "--json")
    good = tlskit("explain", *arguments, "--identity", BILLING)
    bad = tlskit("explain", *arguments, "--identity", "spiffe://example.net/a")
    shown = json.loads(good.stdout)
    refused = json.loads(bad.stdout)

    assert 0 == good.returncode
    assert BILLING == shown["expected"]
    assert [BILLING] == shown["presented"][0]["names"]
    assert "wrong-identity" == refused["error"]["code"]
    assert "trust domain differs" in refused["error"]["hint"]
    assert None is next(
        each["error"]
        for each in refused["policies"]
        if each["policy"] == "any-name"
    )
    assert None is next(
        each["error"]
        for each in shown["policies"]
        if each["policy"] == "strict"
    )


def test_inspect(files):
    """The URI is among the names."""
    done = tlskit("inspect", files / "chain.pem")

    assert 0 == done.returncode
    assert BILLING in done.stdout


def test_nonsense(files):
    """What can be no identity costs no connection."""
    done = tlskit("connect", "localhost:1", "--identity", "spiffe://a b/")

    assert ExitCode.USAGE == done.returncode
    assert "expected a URI" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (BILLING, "uri"),
        ("urn:uuid:1", "uri"),
        ("_imap.example.org", "service"),
        ("example.org", "host"),
        ("192.0.2.1", "address"),
        ("2001:db8::1", "address"),
    ],
)
def test_kinds(text, kind):
    """What is meant follows from how it is written."""
    assert kind == parse_identity(text).kind
