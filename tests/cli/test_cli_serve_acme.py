"""``tlskit serve --acme``: a certificate that orders and renews itself."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from tlskit import ConfigurationError
from tlskit.cli.exit import ExitCode
from tlskit.cli.main import run
from tlskit.cli.serve.acme import Ordered, allowing
from tlskit.tools.deadline import Deadline

from ..acme_server import needs_pebble, pebble
from ..command import PATIENCE, serving
from ..peers import HOST, stdlib_client

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="no SIGINT between processes"
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--domain", "a.example"], "belong to --acme"),
        (["--on-demand", "a.example"], "belong to --acme"),
        (["--acme-challenge", "http-01"], "belong to --acme"),
        (["--http-port", "0"], "belong to --acme"),
        (["--acme", "https://a.example/dir"], "needs a --domain"),
        (
            (
                *("--acme", "https://a.example", "--domain", "a.example"),
                *("--http-port", "8080"),
            ),
            "belongs to --acme-challenge http-01",
        ),
        (
            (
                *("--acme", "https://a.example", "--domain", "a.example"),
                *("--on-demand-most", "5"),
            ),
            "belongs to --on-demand",
        ),
        (
            ["--acme", "https://a.example/dir", "--domain", "a.example"],
            "--agree-terms",
        ),
        (
            ["--acme", "https://x", "--domain", "a.example", "--name", "b"],
            "without --cert, --name",
        ),
    ],
)
def test_options_that_do_not_fit(arguments, told, capsys):
    """What is missing, or too much, is a mistake in usage."""
    assert ExitCode.USAGE == run(["serve", *arguments])
    assert told in " ".join(capsys.readouterr().err.split())


def test_an_address_that_is_none(tmp_path, capsys):
    """What can't be ordered is refused before anybody is served."""
    arguments = ["--acme", "http://a.example", "--domain", "a.example"]
    storage = ["--agree-terms", "--acme-storage", str(tmp_path / "acme")]

    assert ExitCode.USAGE == run(["serve", *arguments, *storage])
    assert "https:" in capsys.readouterr().err


def events(server, wanted):
    """Read lines of JSON up to the first *wanted*; give all of them."""
    found = []
    deadline = time.monotonic() + PATIENCE
    while not found or found[-1]["event"] != wanted:
        assert time.monotonic() < deadline
        found.append(server.event())
    return found


def renewed(server):
    """Read up to a new certificate: on a busy machine an order may fail."""
    found = events(server, "reloaded")
    while found[-1]["error"] is not None:
        found += events(server, "reloaded")
    return found


@needs_pebble
def test_it_orders_and_serves(tmp_path):
    """It orders, tells of it, and serves what came; questions are no news."""
    pytest.importorskip("acme")
    with pebble(tmp_path) as ca:
        issuer = tmp_path / "issuer.pem"
        issuer.write_text(ca.issuer())
        with serving(
            *("--port", str(ca.tls_port), "--json", "--agree-terms"),
            *("--acme", ca.directory, "--acme-ca", str(ca.roots)),
            *("--domain", HOST, "--contact", "mailto:us@a.example"),
            *("--acme-storage", str(tmp_path / "acme")),
        ) as server:
            found = renewed(server)
            outside = ssl.create_default_context(cafile=str(issuer))
            with stdlib_client(ca.tls_port, outside) as client:
                client.sendall(b"hello")
                assert b"hello" == client.recv(5)

    assert {"listening", "reloaded"} == {each["event"] for each in found}


def acme_options(ca, storage):
    """Give the options that every order has."""
    return (
        *("--json", "--agree-terms", "--acme", ca.directory),
        *("--acme-ca", str(ca.roots), "--acme-storage", str(storage)),
    )


@needs_pebble
def test_it_proves_by_http(tmp_path):
    """HTTP-01 is answered on a port of its own; others are sent to https."""
    pytest.importorskip("acme")
    with (
        pebble(tmp_path) as ca,
        serving(
            *acme_options(ca, tmp_path / "acme"),
            *("--domain", HOST, "--acme-challenge", "http-01"),
            *("--http-port", str(ca.http_port)),
        ) as server,
    ):
        first, *_ = renewed(server)
        plain = http.client.HTTPConnection(
            "127.0.0.1", first["http_port"], timeout=PATIENCE
        )
        with closing(plain):
            plain.request("GET", "/page", headers={"Host": HOST})
            answer = plain.getresponse()
            answer.read()

    assert ca.http_port == first["http_port"]
    assert 308 == answer.status
    assert f"https://{HOST}/page" == answer.headers["Location"]


@needs_pebble
def test_names_that_are_asked_for(tmp_path):
    """A name's certificate is ordered by the first client that asks."""
    pytest.importorskip("acme")
    with pebble(tmp_path) as ca:
        issuer = tmp_path / "issuer.pem"
        issuer.write_text(ca.issuer())
        outside = ssl.create_default_context(cafile=str(issuer))
        with serving(
            *acme_options(ca, tmp_path / "acme"),
            *("--port", str(ca.tls_port), "--on-demand", f"*.{HOST}.example"),
        ) as server:
            assert "listening" == server.event()["event"]
            name = f"shop.{HOST}.example"
            first = refusal(ca.tls_port, outside, name)
            strange = refusal(ca.tls_port, outside, "stranger.example")
            deadline, pause = Deadline.after(PATIENCE), threading.Event()
            # On a busy machine an order may fail; who asks later has it tried
            # again.
            while refusal(ca.tls_port, outside, name):
                deadline.check("nothing came of the order")
                pause.wait(0.1)
            renewed(server)

    assert "UNRECOGNIZED_NAME" in first
    assert "UNRECOGNIZED_NAME" in strange


def refusal(port, context, name):
    """Say why a server refuses a client that asks for *name*, if it does."""
    try:
        with stdlib_client(port, context, name) as client:
            client.sendall(b"hello")
            assert b"hello" == client.recv(5)
    except ssl.SSLError as error:
        return str(error).upper()
    return None


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("a.example", True),
        ("x.b.example", True),
        ("b.example", False),
        ("x.a.example", False),
        ("y.x.b.example", False),
        ("xb.example", False),
    ],
)
def test_a_pattern_allows_one_label(name, allowed):
    """The star stands for one label, as it does in certificates."""
    assert allowed is allowing(["A.example", "*.b.example"])(name)


@pytest.mark.parametrize("pattern", ["*", "*.", "*.com", "192.0.2.1", "a b"])
def test_what_would_allow_too_much(pattern):
    """Neither the whole world, nor what can be no host, is allowed."""
    with pytest.raises(ConfigurationError):
        allowing([pattern])


def test_news_are_told_once(tmp_path):
    """Looking again tells nothing that is known."""
    told = []

    class Paper:
        def reloaded(self, sources, error):
            told.append((sources, error))

    news = SimpleNamespace(generation=0)
    watched = Ordered(lambda **_: news, Paper())
    for news.generation in (0, 1, 1):
        watched.look()

    assert [([str(news)], None)] == told


def test_it_tells_of_a_failure(tmp_path):
    """An order that fails is told, and the server goes on."""
    pytest.importorskip("acme")
    with serving(
        *("--json", "--agree-terms", "--acme", "https://127.0.0.1:1/dir"),
        *("--domain", HOST, "--acme-storage", str(tmp_path / "acme")),
    ) as server:
        found = events(server, "reloaded")

    assert "order-failed" == found[-1]["error"]["code"]
