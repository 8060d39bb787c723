"""``tlskit serve --acme``: a certificate that orders and renews itself."""

from __future__ import annotations

import os
import ssl
import time
from types import SimpleNamespace

import pytest

from tlskit.cli.exit import ExitCode
from tlskit.cli.main import run
from tlskit.cli.serve.acme import Ordered

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
        (["--acme", "https://a.example/dir"], "needs a --domain"),
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
            found = events(server, "reloaded")
            outside = ssl.create_default_context(cafile=str(issuer))
            with stdlib_client(ca.tls_port, outside) as client:
                client.sendall(b"hello")
                assert b"hello" == client.recv(5)

    assert ["listening", "reloaded"] == [each["event"] for each in found]
    assert found[-1]["error"] is None


def test_news_are_told_once(tmp_path):
    """Looking again tells nothing that is known."""
    told = []

    class Paper:
        def reloaded(self, sources, error):
            told.append((sources, error))

    news = SimpleNamespace(generation=0)
    watched = Ordered(lambda _failed: news, Paper())
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
