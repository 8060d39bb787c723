"""Alerts arrive: the peer is told why, every time.

A TCP socket that is closed with unread input resets the connection, and the
reset destroys the alert that was just sent.  So each of these refusals is
tried fifty times, with a peer who keeps talking; five times in a short run.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import tlskit

from ..peers import (
    ALERT,
    HOST,
    PATIENCE,
    VERSIONS,
    Vault,
    client_context,
    needs,
    s_client,
    s_server,
    server_context,
)

pytestmark = needs("openssl")

TRIES, FEW = 50, 5
# What pyOpenSSL's public interface can't say, and what it says instead.
INSTEAD = {
    "bad_certificate": ("verify-error", "internal_error"),
}
AT_ONCE = 3


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture
def tries(short: bool) -> int:
    """How often each refusal is tried."""
    return FEW if short else TRIES


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def sayable(alert: str) -> str:
    """Give *alert*, or what comes instead without a capability."""
    capability, instead = INSTEAD.get(alert, (None, alert))
    if capability is None or tlskit.capabilities()[capability]:
        return alert
    return instead


# -- servers that refuse a client -------------------------------------------


def demanding(vault: Vault) -> tlskit.ServerContext:
    """Make a server that demands certificates."""
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    return context


def refuse_absent(
    vault: Vault,
) -> tuple[tlskit.ServerContext, tuple[str, ...]]:
    """Demand a certificate of a client that has none."""
    return demanding(vault), ()


def refuse_stranger(
    vault: Vault,
) -> tuple[tlskit.ServerContext, tuple[str, ...]]:
    """Meet a client with a certificate of a CA that nobody trusts."""
    own = vault.leaf("client.example", ca=vault.stranger)
    return demanding(vault), own.options


def refuse_expired(
    vault: Vault,
) -> tuple[tlskit.ServerContext, tuple[str, ...]]:
    """Meet a client whose certificate has expired."""
    own = vault.leaf("client.example", bad="expired")
    return demanding(vault), own.options


def refuse_protocol(
    vault: Vault,
) -> tuple[tlskit.ServerContext, tuple[str, ...]]:
    """Have no application protocol in common."""
    context = server_context(vault.leaf())
    context.set_alpn(["h2"])
    return context, ("-alpn", "other")


def refuse_name(vault: Vault) -> tuple[tlskit.ServerContext, tuple[str, ...]]:
    """Raise in the server name callback."""
    context = server_context(vault.leaf())

    def callback(name: str) -> None:
        raise LookupError(name)

    context.set_server_name_callback(callback)
    return context, ("-servername", "some.example")


def refuse_cipher(
    vault: Vault,
) -> tuple[tlskit.ServerContext, tuple[str, ...]]:
    """Have no cipher in common."""
    context = server_context(vault.leaf())
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    context.set_ciphersuites("TLS_AES_256_GCM_SHA384")
    return context, (
        *("-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        *("-ciphersuites", "TLS_AES_128_GCM_SHA256"),
    )


Setup = Callable[[Vault], tuple[tlskit.ServerContext, tuple[str, ...]]]
SERVERS: list[tuple[Setup, dict[str, str], type[BaseException]]] = [
    (
        refuse_absent,
        {"tls12": "handshake_failure", "tls13": "certificate_required"},
        tlskit.VerificationError,
    ),
    (
        refuse_stranger,
        {"tls12": "unknown_ca", "tls13": "unknown_ca"},
        tlskit.VerificationError,
    ),
    (
        refuse_expired,
        {"tls12": "certificate_expired", "tls13": "certificate_expired"},
        tlskit.VerificationError,
    ),
    (
        refuse_protocol,
        dict.fromkeys(VERSIONS, "no_application_protocol"),
        tlskit.NegotiationError,
    ),
    (refuse_name, dict.fromkeys(VERSIONS, "unrecognized_name"), LookupError),
    (
        refuse_cipher,
        dict.fromkeys(VERSIONS, "handshake_failure"),
        tlskit.NegotiationError,
    ),
]


@pytest.mark.parametrize(
    ("setup", "alerts", "kind"),
    SERVERS,
    ids=[setup.__name__ for setup, *_ in SERVERS],
)
def test_client_hears_why(
    vault: Vault,
    version: str,
    *,
    setup: Setup,
    alerts: dict[str, str],
    kind: type[BaseException],
    tries: int,
) -> None:
    """``s_client`` sees the right alert in every try.

    It sends data as soon as it can, which we have not read when we close.
    """
    context, options = setup(vault)
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        seen, errors = refused(
            listener, kind, tries, VERSIONS[version][0], *options
        )

    assert [f"fatal {sayable(alerts[version])}"] * tries == seen
    assert {kind} == set(map(type, errors))


def test_old_client_hears_why(vault: Vault, tries: int) -> None:
    """``protocol_version`` is what a client that is too old sees."""
    context = server_context(vault.leaf(), "tls13")
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        seen, _ = refused(listener, tlskit.NegotiationError, tries, "-tls1_2")

    assert ["fatal protocol_version"] * tries == seen


def refused(
    listener: tlskit.Listener,
    kind: type[BaseException],
    tries: int,
    *options: str,
) -> tuple[list[str], list[BaseException]]:
    """Have many clients refused; give what they saw, and what we raised."""

    def ask(_: int) -> str:
        with s_client(listener.port, "-msg", *options) as client:
            # It goes out behind the handshake, where there is one.
            client.try_to_say("x\n" * 5000)
            client.finish()
            return ", ".join(
                f"{alert.level} {alert.name}"
                for alert in client.alerts
                if not alert.sent
            )

    errors = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(ask, number) for number in range(tries)]
        for _ in range(tries):
            with pytest.raises(kind) as caught:
                listener.accept(timeout=PATIENCE)
            errors.append(caught.value)
        # The listener drains those whom it refused, as long as it is used.
        with pytest.raises(TimeoutError):
            while not all(each.done() for each in asked):
                listener.accept(timeout=0.05)
            raise TimeoutError
        return [each.result() for each in asked], errors


def test_deferred_handshake_tells_why(vault: Vault, version: str) -> None:
    """The alert arrives as well if the port does the handshake itself."""
    context, options = refuse_absent(vault)
    wanted = SERVERS[0][1][version]
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for _ in range(10):
            with s_client(
                listener.port, "-msg", VERSIONS[version][0], *options
            ) as client:
                client.try_to_say("x\n" * 5000)
                with (
                    listener.accept(timeout=PATIENCE, handshake=False) as port,
                    pytest.raises(tlskit.VerificationError),
                ):
                    port.settimeout(PATIENCE)
                    port.handshake()
                client.finish()

                assert (False, "fatal", wanted) in client.alerts


# -- clients that refuse a server -------------------------------------------

BAD_SERVERS = {
    "wrong host": (None, ("right.example",), "bad_certificate"),
    "wrong address": (None, (HOST, "127.0.0.2"), "bad_certificate"),
    "no SAN": ("no-san", (HOST,), "bad_certificate"),
    "expired": ("expired", (HOST,), "certificate_expired"),
    "not yet valid": ("not-yet-valid", (HOST,), "bad_certificate"),
    "self-signed": ("self-signed", (HOST,), "unknown_ca"),
    "unknown CA": ("unknown-ca", (HOST,), "unknown_ca"),
    "missing intermediate": ("missing-intermediate", (HOST,), "unknown_ca"),
    "wrong purpose": ("wrong-purpose", (HOST,), "unsupported_certificate"),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_server_hears_why(
    vault: Vault, version: str, name: str, tries: int
) -> None:
    """``s_server`` sees the right alert in every try."""
    bad, names, alert = BAD_SERVERS[name]
    # Of a certificate's dates OpenSSL itself tells, with or without us.
    wanted = alert if bad == "not-yet-valid" else sayable(alert)
    if bad == "unknown-ca":
        files = vault.leaf(*names, ca=vault.stranger)
    else:
        files = vault.leaf(*names, bad=bad)
    host = "127.0.0.1" if name == "wrong address" else HOST
    context = client_context(vault)
    with s_server(files, VERSIONS[version][0], "-msg") as (server, number):
        for _ in range(tries):
            with pytest.raises(tlskit.VerificationError):
                tlskit.connect(
                    "127.0.0.1",
                    number,
                    context,
                    hostname=host,
                    timeout=PATIENCE,
                )
        # After the last of them there is nothing left to wait for.
        server.until(ALERT, tries)
        seen = [alert for alert in server.alerts if not alert.sent]

    assert [(False, "fatal", wanted)] * tries == seen
    assert not re.search("unexpected eof|reset by peer", server.output)


@pytest.mark.parametrize(
    ("garbage", "wanted"),
    [
        pytest.param(
            b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c" + b"\xff" * 12,
            tlskit.Alert.DECODE_ERROR,
            id="no ClientHello",
        ),
        pytest.param(
            b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
            tlskit.Alert.UNEXPECTED_MESSAGE,
            id="a ServerHello",
        ),
        pytest.param(
            b"\x16\x03\x01\x7f\xff" + b"\0" * 0x7FFF,
            tlskit.Alert.RECORD_OVERFLOW,
            id="a long record",
        ),
    ],
)
def test_garbage_is_answered(
    vault: Vault, garbage: bytes, wanted: tlskit.Alert, tries: int
) -> None:
    """A client that breaks the rules, and goes on, is told which."""
    context = server_context(vault.leaf())
    heard = []
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for _ in range(tries):
            with socket.create_connection(
                ("127.0.0.1", listener.port), PATIENCE
            ) as client:
                client.sendall(garbage + b"more of it" * 1000)
                with pytest.raises(tlskit.HandshakeError):
                    listener.accept(timeout=PATIENCE)
                with client.makefile("rb") as file:
                    heard.append(file.read())

    assert {b"\x02" + bytes([wanted])} == {answer[5:] for answer in heard}


def test_plain_http_is_closed_orderly(vault: Vault, tries: int) -> None:
    """An HTTP client is not reset while it is still sending."""
    context = server_context(vault.leaf())
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for _ in range(tries):
            with socket.create_connection(
                ("127.0.0.1", listener.port), PATIENCE
            ) as client:
                client.sendall(b"POST / HTTP/1.1\r\n\r\n" + b"x" * 20000)
                with pytest.raises(tlskit.NotTLSError):
                    listener.accept(timeout=PATIENCE)
                # A reset would raise here.
                while client.recv(1000):
                    pass
