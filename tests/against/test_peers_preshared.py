"""Pre-shared keys with OpenSSL, GnuTLS and the standard library."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

import tlskit

from ..peers import (
    PATIENCE,
    TcpServer,
    Vault,
    gnutls_cli,
    gnutls_serv,
    needs,
    s_client,
    s_server,
    serving,
    stdlib_client,
    stdlib_server,
)

pytestmark = pytest.mark.native

KEY = bytes(range(32))
OTHER = bytes(32)
GNUTLS = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+DHE-PSK:+ECDHE-PSK:+PSK"

needs_psk = pytest.mark.skipif(
    not getattr(ssl, "HAS_PSK", False), reason="this ssl has no keys"
)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


def asking(key: bytes = KEY) -> tlskit.ClientContext:
    """Make a client that insists on its key."""
    context = tlskit.ClientContext("auto")
    context.set_psk_client(("me", key))
    return context


def answering() -> tlskit.ServerContext:
    """Make a server that has nothing but keys."""
    context = tlskit.ServerContext()
    context.set_psk_server({"me": KEY})
    return context


def one_line(port: tlskit.SSLPort) -> str | None:
    """Answer one line in capitals; give whose key it was."""
    port.sendall(port.input.readline().upper())
    assert port.facts is not None
    return port.facts.psk_identity


def talk(port: int, key: bytes = KEY) -> tuple[bytes, str | None]:
    """Connect with a key, say a line, and give the answer."""
    with tlskit.connect(
        "127.0.0.1", port, asking(key), hostname="localhost", timeout=PATIENCE
    ) as ours:
        ours.sendall(b"hello\n")
        line = ours.input.readline()
        assert ours.facts is not None
        return line, ours.facts.psk_identity


@needs("openssl")
def test_s_client() -> None:
    """OpenSSL's client proves the key; with another one it is refused."""
    with (
        serving(answering(), one_line) as server,
        s_client(
            server.port, "-psk_identity", "me", "-psk", KEY.hex(), "-quiet"
        ) as peer,
    ):
        peer.say("hello\n")
        peer.until("HELLO")

        assert "me" == server.result()
    with (
        serving(answering(), one_line) as server,
        s_client(server.port, "-psk_identity", "me", "-psk", OTHER.hex()),
    ):
        refusal = server.refusal()

        assert isinstance(refusal, tlskit.TLSError)
        assert "psk-mismatch" == refusal.code


@needs("openssl")
def test_s_server(vault: Vault) -> None:
    """OpenSSL's server proves the key; another key is refused."""
    options = ("-psk_identity", "me", "-psk", KEY.hex(), "-rev", "-tls1_3")
    suites = ("-ciphersuites", "TLS_AES_128_GCM_SHA256")
    with s_server(vault.leaf(), *options, *suites) as (_, port):
        assert (b"olleh\n", "me") == talk(port)
        with pytest.raises(tlskit.TLSError):
            talk(port, OTHER)


def key_file(directory: Path) -> str:
    """Write the key as GnuTLS reads it."""
    path = directory / "keys"
    path.write_text(f"me:{KEY.hex()}\n", encoding="ascii")
    return str(path)


@needs("gnutls-cli")
def test_gnutls_cli() -> None:
    """GnuTLS's client proves the key; with another one it is refused."""

    def client(key: bytes, port: int):
        return gnutls_cli(
            port, GNUTLS, "--pskusername", "me", "--pskkey", key.hex()
        )

    with (
        serving(answering(), one_line) as server,
        client(KEY, server.port) as peer,
    ):
        peer.say("hello\n")
        peer.until("HELLO")

        assert "me" == server.result()
    with (
        serving(answering(), one_line) as server,
        client(OTHER, server.port),
    ):
        refusal = server.refusal()

        assert isinstance(refusal, tlskit.TLSError)
        assert "psk-mismatch" == refusal.code


@needs("gnutls-serv")
def test_gnutls_serv(vault: Vault, tmp_path: Path) -> None:
    """GnuTLS's server proves the key; another key is refused."""
    keys = key_file(tmp_path)
    with gnutls_serv(vault.leaf(), GNUTLS, "--pskpasswd", keys) as (_, port):
        assert (b"hello\n", "me") == talk(port)
        with pytest.raises(tlskit.TLSError):
            talk(port, OTHER)


def theirs(protocol: int) -> ssl.SSLContext:
    """Make a context of the standard library's for TLS 1.3."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


@needs_psk
def test_client_of_the_standard_library() -> None:
    """Python's own client proves the key; with another one it is refused."""
    for key in (KEY, OTHER):
        context = theirs(ssl.PROTOCOL_TLS_CLIENT)
        context.set_psk_client_callback(lambda _, key=key: ("me", key))
        with serving(answering(), one_line) as server:
            if key == OTHER:
                with pytest.raises(ssl.SSLError):
                    stdlib_client(server.port, context)
                assert "psk-mismatch" == server.refusal().code
                continue
            with stdlib_client(server.port, context) as peer:
                peer.sendall(b"hello\n")

                assert b"HELLO\n" == peer.recv(10)
                assert "me" == server.result()


@needs_psk
def test_server_of_the_standard_library() -> None:
    """Python's own server proves the key; another key is refused."""

    def run() -> TcpServer[None]:
        context = theirs(ssl.PROTOCOL_TLS_SERVER)
        context.set_psk_server_callback(
            lambda identity: KEY if identity == "me" else b""
        )
        return stdlib_server(context, lambda sock: sock.sendall(sock.recv(9)))

    with run() as server:
        assert (b"hello\n", "me") == talk(server.port)
        server.result()
    with run() as server:
        with pytest.raises(tlskit.TLSError):
            talk(server.port, OTHER)
        with pytest.raises(ssl.SSLError):
            server.result()
