"""Modern defaults, held fast: what is offered, and what is refused.

A change of these is a decision, and has to be made here, too.
"""

from __future__ import annotations

import re
import socket
import ssl

import pytest

import tlskit

from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Task,
    TcpServer,
    Vault,
    client_context,
    needs,
    s_client,
    s_server,
    server_context,
    serving,
    stdlib_client,
    stdlib_server,
)

# The standard library warns of the very versions that we want refused.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:ssl\.TLSVersion:DeprecationWarning"
)

# TLS 1.2: ephemeral keys and authenticated ciphers only, the server's order.
ECDSA_CIPHERS = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
]
RSA_CIPHERS = [name.replace("ECDSA", "RSA") for name in ECDSA_CIPHERS]
TLS13_CIPHERS = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


def asking(vault: Vault) -> ssl.SSLContext:
    """Make a client of the standard library's that would take anything."""
    context = ssl.create_default_context(cafile=vault.roots)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return context


# -- what a server takes ----------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "wanted"), [("ecdsa", ECDSA_CIPHERS), ("rsa", RSA_CIPHERS)]
)
def test_server_ciphers(vault: Vault, kind: str, wanted: list[str]) -> None:
    """A TLS 1.2 server takes these ciphers, in this order, and no other.

    Each time the client leaves out what was chosen the time before.
    """
    context = server_context(vault.leaf(kind=kind))
    theirs = asking(vault)
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    # The client's own order is the reverse.
    offered = [
        each["name"]
        for each in reversed(theirs.get_ciphers())
        if not each["name"].startswith("TLS_")
    ]
    assert len(offered) > 50
    chosen: list[str] = []
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        while True:
            theirs.set_ciphers(":".join([*offered, "@SECLEVEL=0"]))
            task = Task(stdlib_client, listener.port, theirs)
            try:
                port = listener.accept(timeout=PATIENCE)
            except tlskit.NegotiationError:
                assert isinstance(task.settle(), ssl.SSLError)
                break
            with task.result() as client, port:
                name = client.cipher()[0]  # type: ignore[index]
                assert client.compression() is None
            chosen.append(name)
            offered.remove(name)

    assert wanted == chosen


@pytest.mark.parametrize("old", ["TLSv1", "TLSv1_1"])
def test_server_versions(vault: Vault, old: str) -> None:
    """TLS 1.0 and 1.1 are refused, whatever ciphers the client has."""
    theirs = asking(vault)
    theirs.maximum_version = ssl.TLSVersion[old]
    with serving(server_context(vault.leaf(kind="rsa"))) as server:
        task = Task(stdlib_client, server.port, theirs)
        error = server.refusal()

        assert isinstance(error, tlskit.NegotiationError)
        assert "no-common-version" == error.code
        assert "VERSION" in str(task.settle()).upper()


@needs("openssl")
def test_server_tls13_ciphers(vault: Vault) -> None:
    """A TLS 1.3 server takes these ciphers, in this order, and no other."""
    context = server_context(vault.leaf())
    offered = [
        "TLS_AES_128_CCM_8_SHA256",
        "TLS_AES_128_CCM_SHA256",
        *reversed(TLS13_CIPHERS),
    ]
    chosen: list[str] = []
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        while True:
            with s_client(
                listener.port,
                *("-tls1_3", "-ciphersuites", ":".join(offered)),
            ) as client:
                try:
                    port = listener.accept(timeout=PATIENCE)
                except tlskit.NegotiationError:
                    break
                port.close()
                name = client.until("Cipher is (TLS_.*)$")[1]
            chosen.append(name)
            offered.remove(name)

    assert TLS13_CIPHERS == chosen


@needs("openssl")
@pytest.mark.parametrize("version", VERSIONS)
def test_no_compression(vault: Vault, version: str) -> None:
    """No compression, even for a client that wants it (CRIME)."""
    with (
        serving(server_context(vault.leaf())) as server,
        s_client(server.port, VERSIONS[version][0], "-comp") as client,
    ):
        client.until("^Compression: NONE$")
        client.until("^Expansion: NONE$")
        client.hang_up()
        server.result()


@needs("openssl")
def test_no_renegotiation_by_clients(vault: Vault) -> None:
    """A client that wants to renegotiate is refused; it goes on or leaves."""

    def talk(port: tlskit.SSLPort) -> bytes:
        line: bytes = port.input.readline()
        port.sendall(b"ready\n")
        try:
            return line + port.recv(100)
        except tlskit.TLSError as error:
            return type(error).__name__.encode()

    with (
        serving(server_context(vault.leaf()), talk) as server,
        s_client(server.port, "-tls1_2", "-msg") as client,
    ):
        client.until("Secure Renegotiation IS supported")
        client.say("hello\n")
        client.until("ready$")
        client.say("R\n")
        client.until("^RENEGOTIATING$")
        client.finish()

        assert "warning no_renegotiation" in [
            f"{alert.level} {alert.name}"
            for alert in client.alerts
            if not alert.sent
        ]
        assert "no renegotiation" in client.output
        assert server.result() in (b"AlertError", b"hello\n")
        # One handshake, and no second.
        assert 1 == client.output.count(">>> TLS 1.2, Handshake [length 0010]")


# -- what a client offers ---------------------------------------------------


def hello(context: tlskit.ClientContext) -> bytes:
    """Give the first record that a client sends."""

    def hear_and_leave(sock: socket.socket) -> bytes:
        return sock.recv(65536)

    with TcpServer(hear_and_leave) as server:
        with pytest.raises(tlskit.HandshakeError):
            tlskit.connect(
                "127.0.0.1",
                server.port,
                context,
                hostname=HOST,
                timeout=PATIENCE,
            )
        return server.result()


def parsed(record: bytes) -> tuple[list[int], list[int], dict[int, bytes]]:
    """Give ciphers, compression methods and extensions of a ClientHello."""
    at = 5 + 4 + 2 + 32

    def take(width: int) -> bytes:
        nonlocal at
        size = int.from_bytes(record[at : at + width], "big")
        at += width + size
        return record[at - size : at]

    take(1)
    ciphers = [int.from_bytes(pair, "big") for pair in pairs(take(2))]
    compression = list(take(1))
    rest = take(2)
    extensions = {}
    while rest:
        size = int.from_bytes(rest[2:4], "big")
        extensions[int.from_bytes(rest[:2], "big")] = rest[4 : 4 + size]
        rest = rest[4 + size :]
    return ciphers, compression, extensions


def pairs(data: bytes) -> list[bytes]:
    """Cut into pieces of two bytes."""
    return [data[at : at + 2] for at in range(0, len(data), 2)]


@pytest.mark.parametrize("name", ["secure", "auto"])
def test_client_hello(name: str) -> None:
    """A client offers these versions and ciphers, and no compression."""
    ciphers, compression, extensions = parsed(
        hello(tlskit.ClientContext(name))
    )

    assert [
        *(0x1302, 0x1303, 0x1301),  # TLS 1.3
        *(0xC02C, 0xC030, 0xC02B, 0xC02F, 0xCCA9, 0xCCA8),  # TLS 1.2
    ] == [cipher for cipher in ciphers if cipher != 0x00FF]
    # Secure renegotiation (RFC 5746), in one of its two forms.
    assert 0x00FF in ciphers or 0xFF01 in extensions
    assert [0] == compression
    # supported_versions: TLS 1.3 and 1.2.
    assert b"\x04\x03\x04\x03\x03" == extensions[43]
    # server_name
    assert HOST.encode() in extensions[0]
    # extended_master_secret, needed by tls-exporter.
    assert 23 in extensions


def test_client_groups() -> None:
    """A client's first groups: post-quantum if there are any, then X25519."""
    _, _, extensions = parsed(hello(tlskit.ClientContext()))
    groups = [
        int.from_bytes(pair, "big") for pair in pairs(extensions[10][2:])
    ]
    # Those with ML-KEM have numbers of their own, and come first.
    classic = [group for group in groups if group not in range(0x11EB, 0x11EF)]

    assert 0x001D == classic[0]
    assert classic == groups[-len(classic) :]
    assert {0x0017, 0x0018} <= set(groups)
    # None of the curves below 256 bits, nor secp256k1.
    assert not set(range(0x0017)) & set(groups)


@pytest.mark.parametrize("old", ["TLSv1", "TLSv1_1"])
def test_client_versions(vault: Vault, old: str) -> None:
    """A client refuses servers that speak TLS 1.0 and 1.1 only."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = vault.leaf(kind="rsa")
    theirs.load_cert_chain(files.chain, files.key)
    theirs.minimum_version = theirs.maximum_version = ssl.TLSVersion[old]
    theirs.set_ciphers("ALL:@SECLEVEL=0")
    with stdlib_server(theirs, lambda sock: None) as server:
        with pytest.raises(tlskit.HandshakeError) as caught:
            tlskit.connect(
                HOST, server.port, client_context(vault), timeout=PATIENCE
            )

    error = caught.value
    assert isinstance(error, tlskit.AlertError)
    assert tlskit.Alert.PROTOCOL_VERSION == error.alert


@needs("openssl")
def test_client_refuses_weak_server(vault: Vault) -> None:
    """A server with nothing but static RSA and CBC has nothing for us."""
    with s_server(
        vault.leaf(kind="rsa"),
        *(
            "-tls1_2",
            "-cipher",
            "AES256-SHA:AES128-SHA256:ECDHE-RSA-AES256-SHA",
        ),
    ) as (_, number):
        with pytest.raises(tlskit.AlertError) as caught:
            tlskit.connect(
                HOST, number, client_context(vault), timeout=PATIENCE
            )

    assert tlskit.Alert.HANDSHAKE_FAILURE == caught.value.alert


# -- what is decided --------------------------------------------------------


def test_secure_client() -> None:
    """The default client verifies chain and name, and is sealed."""
    context = tlskit.ClientContext()

    assert context.frozen
    assert "require" == context.settings.verify.value
    assert context.settings.verify_hostname
    assert not context.settings.allow_truncation
    assert re.search("verify=require hostname .*sealed", repr(context))


def test_secure_server(vault: Vault) -> None:
    """The default server asks for no certificate and may be changed."""
    context = server_context(vault.leaf())

    assert not context.frozen
    assert "none" == context.settings.verify.value
    assert not context.settings.alpn
    assert context.settings.ciphers is None


def test_protocols() -> None:
    """The protocols, the worst first; the newest is TLS 1.3."""
    expected = ("secure", "auto", "tls", "tls11", "tls12", "tls13")

    assert expected == tlskit.supported_client_protocols()
    assert expected == tlskit.supported_server_protocols()
    assert "tls13" == tlskit.max_client_protocol()
    assert "tls13" == tlskit.max_server_protocol()
