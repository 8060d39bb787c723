"""The command line's hints name options, not methods of the library."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

import pytest

from tlskit import ServerContext, VerificationError, VerifyReason, errors
from tlskit.cli import data
from tlskit.cli.exit import ExitCode
from tlskit.cli.hints import hint_of, in_options, message_of, story_of
from tlskit.errors.alerts import ALERTS
from tlskit.errors.openssl_reasons import CASES
from tlskit.errors.verify_reasons import verification_story

from ..command import PATIENCE, start, tlskit
from ..peers import TcpServer, Vault, serving
from ..servers import echo_server

#: What only somebody who writes a program can use.
CODE = re.compile(r"\w\(\)|\w=")
HINTS = sorted(
    {
        verification_story(reason, depth).hint
        for reason in VerifyReason
        for depth in (0, 1)
    }
    | {hint for _, hint in ALERTS.values()}
    | {each.hint for each in CASES.values()}
)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.mark.parametrize("hint", HINTS)
def test_no_hint_of_a_handshake_is_for_programmers(hint):
    """Whatever goes wrong with a peer, nobody is told to call a method."""
    assert not CODE.search(in_options(hint))


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        ("check the clock", "check the clock"),
        (
            "load the root 'x' with load_verify_source()",
            "load the root 'x' with --ca",
        ),
        (
            (
                "call load_default_verify_sources(), or load_verify_source() "
                "with the root of your own CA"
            ),
            "name the root of your own CA with --ca",
        ),
        (
            "load a current revocation list (CRL) of 'x' with load_crls()",
            "load a current revocation list (CRL) of 'x' with --crl",
        ),
        (
            "call load_certificate_chain() and load_private_key() first",
            "show a certificate with --cert and --key",
        ),
        (
            "load_certificate_chain() and load_private_key()",
            "show a certificate with --cert and --key",
        ),
        ("add one to set_alpn(), or pass x=True", "add one with --alpn"),
        (
            "check the name, or pass hostname= with one",
            "check the name, or give --name one",
        ),
        (
            (
                "use tlskit.starttls.connect(host, 'smtp'), or "
                "SSLPort.start_tls() after the protocol's STARTTLS command, "
                "or connect to its TLS port"
            ),
            (
                "give --starttls smtp to check, explain or connect, or "
                "connect to its TLS port"
            ),
        ),
        ("call frobnicate(); or wait", "or wait"),
        ("call frobnicate()", ""),
        (
            "trust 'frobnicate() a=b' with --ca",
            "trust 'frobnicate() a=b' with --ca",
        ),
    ],
)
def test_hints_in_options(hint, words):
    """Methods become options; what no option does is left out."""
    assert words == in_options(hint)


def test_the_whole_story_has_the_same_hint():
    """Message, advice and hint, a line each; data have them, too."""
    error = VerificationError(
        "who is that?",
        reason=VerifyReason.CERT_UNTRUSTED,
        advice=("expected: you",),
        hint="load it with load_verify_source()",
    )
    told = "who is that?\nexpected: you\nload it with --ca"

    assert told == story_of(error) == data.error_data(error)["explanation"]
    assert "load it with --ca" == data.error_data(error)["hint"]
    assert "" == hint_of(TimeoutError())
    assert "TimeoutError" == story_of(TimeoutError())
    assert "x\n" not in story_of(errors.TLSError("x", hint="call y()"))


def test_a_host_without_address_is_named():
    """Whose address was looked up, and what to look at; both are wanted."""
    error = socket.gaierror(-2, "Name or service not known")
    assert "Name or service not known" == message_of(error)

    error.peer, error.phase = "typo.example:443", "resolve"
    told = story_of(error)

    assert told.startswith("can't find the address of typo.example:443: Name")
    assert "spelling" in hint_of(error) in told


@pytest.mark.parametrize(
    ("error", "phase", "words"),
    [
        (ConnectionRefusedError(), "connect", "whether the server runs"),
        (TimeoutError(), "connect", "firewalls"),
        (TimeoutError(), "handshake", "TLS is spoken on this port"),
        (TimeoutError(), "read", ""),
    ],
)
def test_errors_of_the_system_have_hints(error, phase, words):
    """What to look at depends on how far the connection came."""
    error.phase = phase

    assert words in hint_of(error)
    assert bool(words) is bool(hint_of(error))


def test_mail_in_clear_is_told_how_to_begin_tls():
    """A port that speaks SMTP before TLS: the option that does so."""

    def greet(sock):
        sock.sendall(b"220 a.example ESMTP\r\n")
        with suppress(OSError):
            while sock.recv(4096):
                pass

    with TcpServer(greet) as server:
        done = tlskit("explain", f"127.0.0.1:{server.port}")

    assert ExitCode.NOT_TLS == done.returncode
    assert "--starttls smtp" in done.stdout


def test_an_unknown_ca_is_told_with_an_option(vault):
    """``explain`` and ``connect`` name --ca."""
    with echo_server(vault.leaf(bad="unknown-ca")) as port:
        place = f"localhost:{port}"
        for command in ("explain", "connect"):
            done = tlskit(command, "--ca", vault.roots, place)
            told = done.stdout + done.stderr
            assert 6 == done.returncode
            assert "with --ca" in told
            assert "()" not in told


def test_a_client_certificate_is_told_with_options(vault):
    """A server that wants a certificate: --cert and --key show one."""
    files = vault.leaf()
    context = ServerContext(
        certificate_chain=files.chain, private_key=files.key
    )
    vault.ca.trust(context)
    context.set_verify()
    with serving(context) as server:
        process = start(
            *("connect", "--ca", vault.roots, f"localhost:{server.port}")
        )
        _, err = process.communicate(timeout=PATIENCE)

    assert 8 == process.returncode
    assert b"--cert and --key" in err
    assert b"()" not in err
