"""``tlskit demo`` as a process, and its report's darker branches."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tlskit import connect, listen
from tlskit.cli.demo import tour as _tour
from tlskit.cli.exit import ExitCode
from tlskit.cli.main import run

from ..command import tlskit


@pytest.fixture(scope="module")
def tour():
    """Take the tour once."""
    return _tour.take_tour()


def test_demo_reports_everything():
    """The text names all that was promised, and the refusal's reason."""
    done = tlskit("demo")

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("good")
    for label in (
        "version",
        "cipher",
        "key exchange",
        "ALPN",
        "handshake",
        "client verified",
        "server verified",
        "host name",
        "client said",
        "server said",
        "refused",
        "because",
        "server heard",
    ):
        assert f"\n  {label}" in done.stdout
    assert "TLS 1.3" in done.stdout
    assert "wrong.example" in done.stdout
    assert "\x1b" not in done.stdout


def test_demo_as_data():
    """``--json`` gives the same as data of schema 1."""
    done = tlskit("demo", "--json")
    data = json.loads(done.stdout)

    assert (0, "") == (done.returncode, done.stderr)
    assert data["schema"] == 1
    assert data["good"] is True
    assert data["session"]["version"] == "TLS 1.3"
    assert data["session"]["alpn"] == "tlskit-demo"
    assert data["session"]["server_name"] == "localhost"
    assert data["session"]["resumed"] is False
    assert 0 < data["handshake_seconds"] < data["seconds"]
    assert "visitor" in data["talk"]["server"]


def test_demo_tells_who_verified_whom():
    """Both sides give the chain, from the peer to the root."""
    data = json.loads(tlskit("demo", "--json").stdout)
    client, server = data["verification"]

    assert (client["by"], client["expected"]) == ("client", "localhost")
    assert (server["by"], server["expected"]) == ("server", None)
    for side in (client, server):
        assert side["verified"] is True
        issuers = [each["issuer"] for each in side["chain"][:-1]]
        assert issuers == [each["subject"] for each in side["chain"][1:]]
        assert "tlskit demo root" in side["chain"][-1]["subject"]
    assert "localhost" in client["chain"][0]["names"]
    assert client["chain"][0]["not_after"].endswith("Z")
    assert len(client["chain"][0]["sha256"]) == 64


def test_demo_refuses_a_wrong_name():
    """The client refuses, and the server hears why."""
    refusal = json.loads(tlskit("demo", "--json").stdout)["refusal"]

    assert refusal["expected"] == "wrong.example"
    assert refusal["client"]["error"] == "IdentityError"
    assert refusal["client"]["reason"] == "hostname-mismatch"
    assert "wrong.example" in refusal["client"]["message"]
    assert refusal["client"]["hint"]
    assert refusal["server"] is not None


def test_demo_leaves_nothing_open(tour):
    """Both ports are closed, and still tell what they established."""
    meeting = tour.meeting

    assert meeting.client.closed
    assert meeting.server.closed
    assert meeting.client.peer_verified
    assert meeting.server.peer_verified


def shown(monkeypatch, tour):
    """Give status and text of a demo that saw *tour*."""
    monkeypatch.setattr("tlskit.cli.demo.command.take_tour", lambda: tour)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    return run(["demo"]), stream.getvalue()


def test_a_wrong_name_that_is_not_refused_is_no_success(monkeypatch, tour):
    """If the client took the wrong server, the demo says so and fails."""
    naive = replace(tour, refusal=_tour.Refusal(None, None))
    status, text = shown(monkeypatch, naive)

    assert status == ExitCode.POLICY
    assert text.startswith("NOT GOOD")
    assert "refused       no, and that is wrong" in text
    assert "server heard  nothing" in text


def test_what_the_server_heard_may_be_no_alert(monkeypatch, tour):
    """An end without an alert is told in the error's words."""
    reset = ConnectionResetError("reset by peer")
    refusal = replace(tour.refusal, heard=reset)
    status, text = shown(monkeypatch, replace(tour, refusal=refusal))

    assert status == ExitCode.GOOD
    assert "server heard  reset by peer" in text


def bare_port(**facts):
    """A port of a session of which hardly anything is known."""
    return SimpleNamespace(
        version=SimpleNamespace(name="TLS_1_2"),
        cipher=None,
        group=None,
        alpn_selected=None,
        server_name=None,
        session_reused=False,
        peer_verified=False,
        verify_error=None,
        verified_chain=(),
        peer_certificate=None,
        peer_check_hostname=lambda _name: False,
        **facts,
    )


def test_what_is_not_known_is_not_invented(monkeypatch, tour):
    """A session without group, ALPN and certificates is told as that."""
    meeting = replace(tour.meeting, client=bare_port(), server=bare_port())
    status, text = shown(monkeypatch, replace(tour, meeting=meeting))

    assert status == ExitCode.POLICY
    assert "version          TLS 1.2\n" in text
    assert "key exchange     unknown\n" in text
    assert "ALPN             none\n" in text
    assert "nobody: there was no certificate" in text
    assert "localhost is not among the certificate's: nobody" in text


def test_a_post_quantum_group_is_pointed_out(monkeypatch, tour):
    """ML-KEM withstands a quantum computer, and the report says so."""
    client = bare_port()
    client.group = "X25519MLKEM768"
    meeting = replace(tour.meeting, client=client)
    _, text = shown(monkeypatch, replace(tour, meeting=meeting))

    assert "X25519MLKEM768 (post-quantum)" in text


def test_a_server_that_hears_nothing_wrong_says_so(tour):
    """The listening side of the refusal tells success from failure."""
    server, client = _tour._contexts()
    with (
        _tour.ThreadPoolExecutor(1) as pool,
        listen(hostname="127.0.0.1", context=server) as listener,
    ):
        heard = pool.submit(_tour._hear, listener)
        with connect(
            "127.0.0.1",
            listener.port,
            client,
            alpn=["tlskit-demo"],
            hostname="localhost",
            timeout=10,
        ):
            assert heard.result(10) is None


def test_a_refusal_that_does_not_happen_is_no_error(monkeypatch):
    """If the wrong name were right, the tour would come back without it."""
    monkeypatch.setattr(_tour, "WRONG_HOST", "localhost")

    assert _tour.take_tour().refusal == _tour.Refusal(None, None)
