"""Handshakes told: ``connect --trace``, and what ``explain`` adds."""

from __future__ import annotations

import json
import socket

import pytest

from tlskit import HandshakeMessage
from tlskit.cli.connect import command as connecting
from tlskit.cli.connect.told import HandshakeData, MessageData, Told
from tlskit.cli.main import run
from tlskit.openssl import native

from ..command import tlskit
from ..peers import TcpServer, Vault, needs, s_server
from ..servers import echo_server

pytestmark = pytest.mark.native


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def retrying(vault):
    """The port of a server that wants another key share first."""
    with echo_server(vault.leaf(), enable_ecdhe="secp384r1") as port:
        yield port


# -- connect ----------------------------------------------------------------


def test_each_message_is_told(vault, retrying):
    """In order, with its direction; then who waited for whom, how long."""
    done = tlskit(
        "connect", "--trace", "--ca", vault.roots, f"localhost:{retrying}"
    )
    lines = done.stderr.splitlines()

    assert (0, "") == (done.returncode, done.stdout)
    assert [
        "-> client_hello",
        "<- hello_retry_request",
        "-> client_hello",
    ] == [line.split(" s ")[1].split(",")[0] for line in lines[:3]]
    assert "wants a key share of secp384r1" in lines[1]
    assert "versions TLS 1.3, TLS 1.2; suites TLS_AES_256" in lines[0]
    (summary,) = (line for line in lines if line.startswith("handshake: "))
    assert "2 round trips" in summary
    assert " s for network and server, " in summary
    assert lines.index(summary) + 1 == lines.index(
        f"connected to localhost:{retrying}, TLS 1.3"
    )
    assert any("warning close_notify" in line for line in lines)


def test_without_the_option_nothing_is_told(vault, retrying):
    """Then there is the one line, as ever."""
    done = tlskit("connect", "--ca", vault.roots, f"localhost:{retrying}")

    assert 1 == done.stderr.count("\n")


def test_the_data_of_messages(vault, retrying):
    """Each is a line of its own, before that of the session."""
    place = f"localhost:{retrying}"
    done = tlskit("connect", "--trace", "--json", "--ca", vault.roots, place)
    events = list(map(json.loads, done.stderr.splitlines()))
    names = [each["event"] for each in events]

    assert set(connecting.ToldData.__annotations__) == set(events[0])
    assert "client_hello" == events[0]["type"]
    assert events[0]["sent"] is True
    assert {"message", "connected", "ended"} == set(names)
    assert "message" == names[names.index("connected") - 1]


def test_a_refusal_is_told_to_its_end(vault):
    """The alert is the last message, and says who sent it."""
    with echo_server(vault.leaf(bad="expired")) as port:
        place = f"localhost:{port}"
        done = tlskit("connect", "--trace", "--ca", vault.roots, place)

    assert 4 == done.returncode
    (alert,) = (line for line in done.stderr.splitlines() if "alert" in line)
    assert "-> alert, 2 bytes: fatal certificate_expired" in alert


def test_a_binding_that_can_not_tell(vault, capsys):
    """It says so, and does not connect."""
    with native.without("messages"):
        status = run(
            ["connect", "--trace", "--ca", vault.roots, "localhost:1"]
        )

    assert 1 == status
    assert "capability 'messages'" in capsys.readouterr().err


# -- explain ----------------------------------------------------------------


def explained(port, *arguments):
    """Explain a server of this machine: text and data."""
    place = f"localhost:{port}"
    text = tlskit("explain", place, *arguments)
    data = tlskit("explain", place, *arguments, "--json")
    return text, json.loads(data.stdout)["handshake"]


@needs("openssl")
def test_nothing_in_common(vault):
    """What was offered, that nothing was answered, and whose alert it was."""
    options = ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA")
    with s_server(vault.leaf(), *options) as (_, port):
        done, data = explained(port, "--ca", vault.roots)
    text = done.stdout

    assert 8 == done.returncode
    assert "\nhow far the handshake came\n  we offered   localhost\n" in text
    assert "versions TLS 1.3, TLS 1.2" in text
    assert "alert        fatal handshake_failure, sent by the server" in text
    assert "round trips  1\n" in text
    assert "it answered" not in text
    assert set(HandshakeData.__annotations__) == set(data)
    assert set(MessageData.__annotations__) == set(data["messages"][0])
    assert ["client_hello", "alert"] == [e["type"] for e in data["messages"]]
    assert data["sent"] > 100
    assert 2 == data["received"]
    assert data["waited"] >= 0 <= data["worked"]


def test_a_server_that_says_nothing():
    """It is told that nothing was answered."""

    def leave(sock):
        sock.recv(4096)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(4096)

    with TcpServer(leave) as server:
        done = tlskit("explain", f"127.0.0.1:{server.port}")

    assert 2 == done.returncode
    assert "  it answered  nothing in TLS\n" in done.stdout
    assert "for network and server" not in done.stdout
    assert "round trips  0\n" in done.stdout


def test_a_certificate_in_the_way_is_told_as_ever(vault, retrying):
    """Where there is a certificate, the text is about it; data have both."""
    done, data = explained(retrying)

    assert 6 == done.returncode
    assert "how far the handshake came" not in done.stdout
    assert data["hello_retry"] is True
    assert 2 == data["round_trips"]


def test_no_handshake_to_tell():
    """Neither without a server, nor of a file."""
    done = tlskit("explain", "127.0.0.1:1")

    assert "handshake" not in done.stdout
    assert Told().data is None
    assert [] == list(Told().rows())


def test_a_handshake_is_told_within_bounds():
    """A peer that talks on and on is heard, and not kept."""
    heard = []
    told = Told(heard.append)
    hello = HandshakeMessage(True, "client_hello", 9, 0.0, "x; y")
    answer = HandshakeMessage(False, "hello_retry_request", 9, 1.0, "z")
    alert = HandshakeMessage(True, "alert", 2, 1.5, "fatal unknown_ca")
    for message in (hello, answer, alert):
        told(message)

    assert {
        "we offered": "x\ny",
        "it answered": "z",
        "alert": "fatal unknown_ca, sent by us",
        "round trips": "1, one to agree on a group",
        "messages": "11 bytes sent, 9 received",
        "time": "1.0000 s for network and server, 0.5000 s for our own work",
    } == dict(told.rows())
    ticket = HandshakeMessage(False, "new_session_ticket", 1, 2.0, "")
    for _ in range(100):
        told(ticket)
    assert 103 == len(heard)
    assert 64 == len(told.messages)
    assert 1 == told.data["round_trips"]


def test_what_the_library_can_not_tell_is_left_out(vault, retrying, capsys):
    """Explaining goes on without it."""
    with native.without("messages"):
        run(
            ["explain", "--json", "--ca", vault.roots, f"localhost:{retrying}"]
        )

    assert json.loads(capsys.readouterr().out)["handshake"] is None
