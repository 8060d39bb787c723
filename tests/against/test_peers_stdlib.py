"""The standard library's ``ssl`` as the peer, in both roles."""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path

import pytest

import tlskit

from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Files,
    Program,
    Task,
    TcpServer,
    Vault,
    client_context,
    echo,
    needs,
    server_context,
    serving,
    stdlib_client,
    stdlib_server,
)

KINDS = ("rsa", "ecdsa", "ed25519")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def their_client(
    vault: Vault, version: str, own: Files | None = None
) -> ssl.SSLContext:
    """Make a verifying client's context of the standard library's."""
    context = ssl.create_default_context(cafile=vault.roots)
    return limited(context, version, own)


def their_server(files: Files, version: str) -> ssl.SSLContext:
    """Make a server's context of the standard library's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return limited(context, version, files)


def limited(
    context: ssl.SSLContext, version: str, files: Files | None
) -> ssl.SSLContext:
    """Give *context* one version and perhaps a certificate."""
    only = VERSIONS[version][2]
    context.minimum_version = context.maximum_version = only
    if files is not None:
        context.load_cert_chain(files.chain, files.key)
    return context


# -- both roles -------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_we_serve(vault: Vault, version: str, kind: str) -> None:
    """A verifying client of the standard library talks to us."""
    data = bytes(range(256)) * 2000
    with (
        serving(server_context(vault.leaf(kind=kind))) as server,
        stdlib_client(server.port, their_client(vault, version)) as client,
    ):
        client.settimeout(PATIENCE)
        client.sendall(data)
        answer = b""
        while len(answer) < len(data):
            answer += client.recv(65536)
        spoken = client.version()
        # unwrap() waits for our close_notify.
        client.unwrap().close()

        assert data == answer
        assert len(data) == server.result()
        assert f"TLSv1.{version[4]}" == spoken


@pytest.mark.parametrize("kind", KINDS)
def test_we_connect(vault: Vault, version: str, kind: str) -> None:
    """We verify a server of the standard library, and talk to it."""
    data = bytes(range(256)) * 2000
    files = vault.leaf(kind=kind)
    with (
        stdlib_server(their_server(files, version), echo) as server,
        tlskit.connect(
            HOST, server.port, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        port.sendall(data)
        answer = port.input.read(len(data))
        port.shutdown(socket.SHUT_WR)

        assert data == answer
        assert len(data) == server.result()
        assert port.peer_verified


@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_ipv6(vault: Vault, address: str) -> None:
    """An IPv6 address is connected to, and checked against the SANs."""
    context = server_context(vault.leaf())
    try:
        listener = tlskit.listen(hostname="::1", context=context)
    except OSError:
        pytest.skip("needs IPv6")
    with listener:
        task = Task(listener.accept, PATIENCE)
        with tlskit.connect(
            address, listener.port, client_context(vault), timeout=PATIENCE
        ) as port:
            assert port.peer_verified
            assert ("::1", listener.port) == port.peer
            assert port.server_name is None
        with task.result() as served:
            served.settimeout(PATIENCE)

            assert b"" == served.recv(100)


def test_we_demand_certificate(vault: Vault, version: str) -> None:
    """The standard library's client shows us its certificate and chain."""
    own = vault.leaf("client.example", ca=vault.intermediate)
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    with (
        serving(context, lambda port: (echo(port), port)) as server,
        stdlib_client(
            server.port, their_client(vault, version, own)
        ) as client,
    ):
        client.sendall(b"hello")
        assert b"hello" == client.recv(100)
        client.unwrap().close()
        _, port = server.result()

    # Facts stay readable after close.
    assert port.closed
    assert port.peer_verified
    assert own.leaf.certificate == port.peer_certificate
    assert b"/CN=" in port.peer_subject_name
    assert port.peer_issuer_name.endswith(b"/CN=tlskit middle CA")


def test_we_give_certificate(vault: Vault, version: str) -> None:
    """The standard library's server sees our certificate."""
    own = vault.leaf("client.example", ca=vault.intermediate)
    theirs = their_server(vault.leaf(), version)
    theirs.load_verify_locations(vault.roots)
    theirs.verify_mode = ssl.CERT_REQUIRED
    context = client_context(vault)
    context.load_certificate_chain(own.chain)
    context.load_private_key(own.key)

    def names(sock: ssl.SSLSocket) -> object:
        sock.recv(100)
        return sock.getpeercert()["subjectAltName"]  # type: ignore[index]

    with (
        stdlib_server(theirs, names) as server,
        tlskit.connect(HOST, server.port, context, timeout=PATIENCE) as port,
    ):
        port.sendall(b"x")

        assert (("DNS", "client.example"),) == server.result()


def test_alpn(vault: Vault, version: str) -> None:
    """Both sides name the same application protocol, in either role."""
    theirs = their_server(vault.leaf(), version)
    theirs.set_alpn_protocols(["h2", "http/1.1"])
    with (
        stdlib_server(
            theirs, lambda sock: sock.selected_alpn_protocol()
        ) as server,
        tlskit.connect(
            HOST,
            server.port,
            client_context(vault),
            alpn=["http/1.1", "h2"],
            timeout=PATIENCE,
        ) as port,
    ):
        assert server.result() == port.alpn_selected == "h2"

    ours = server_context(vault.leaf())
    ours.set_alpn(["http/1.1", "h2"])
    asking = their_client(vault, version)
    asking.set_alpn_protocols(["h2", "http/1.1"])
    with (
        serving(ours, lambda port: (echo(port), port)[1]) as serving_us,
        stdlib_client(serving_us.port, asking) as client,
    ):
        chosen = client.selected_alpn_protocol()
        client.unwrap().close()

        assert chosen == serving_us.result().alpn_selected == "http/1.1"


def test_server_name(vault: Vault, version: str) -> None:
    """The standard library's server callback sees the name that we send."""
    seen = []
    theirs = their_server(vault.leaf(), version)
    theirs.sni_callback = lambda sock, name, context: seen.append(name)
    for host in (HOST, "127.0.0.1"):
        with (
            stdlib_server(theirs, lambda sock: sock.recv(1)) as server,
            tlskit.connect(
                host, server.port, client_context(vault), timeout=PATIENCE
            ) as port,
        ):
            port.sendall(b"x")
            server.result()

    assert [HOST, None] == seen


# -- what both must agree on ------------------------------------------------


def test_tls_unique_as_server(vault: Vault) -> None:
    """TLS 1.2: tls-unique is the one that the standard library gives."""
    with (
        serving(
            server_context(vault.leaf()), lambda port: (echo(port), port)[1]
        ) as server,
        stdlib_client(server.port, their_client(vault, "tls12")) as client,
    ):
        theirs = client.get_channel_binding("tls-unique")
        client.unwrap().close()
        port = server.result()

    # It is kept after close.
    assert theirs == port.channel_binding("tls-unique")
    assert ("tls-unique", theirs) == port.default_channel_binding()


def test_tls_unique_as_client(vault: Vault) -> None:
    """TLS 1.2: tls-unique is the one that the standard library gives."""
    with (
        stdlib_server(
            their_server(vault.leaf(), "tls12"),
            lambda sock: sock.get_channel_binding("tls-unique"),
        ) as server,
        tlskit.connect(
            HOST, server.port, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        assert server.result() == port.channel_binding("tls-unique")


def test_no_tls_unique_on_tls13(vault: Vault) -> None:
    """TLS 1.3 has no tls-unique (RFC 9266)."""
    with (
        stdlib_server(
            their_server(vault.leaf(), "tls13"), lambda sock: None
        ) as server,
        tlskit.connect(
            HOST, server.port, client_context(vault), timeout=PATIENCE
        ) as port,
        pytest.raises(tlskit.UnsupportedError),
    ):
        port.channel_binding("tls-unique")


def test_keylog(vault: Vault, version: str, tmp_path: Path) -> None:
    """Our key log and the standard library's of one connection are equal."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    asking = their_client(vault, version)
    asking.keylog_filename = str(theirs)
    context = server_context(vault.leaf())
    context.set_keylog(ours)
    with (
        serving(context) as server,
        stdlib_client(server.port, asking) as client,
    ):
        client.unwrap().close()
        server.result()

    def lines(path: Path) -> set[str]:
        return {
            line
            for line in path.read_text().splitlines()
            if not line.startswith("#")
        }

    assert lines(theirs) == lines(ours)
    assert lines(ours)


@needs("tshark")
def test_keylog_decrypts(vault: Vault, version: str, tmp_path: Path) -> None:
    """tshark decrypts a recorded connection by our key log."""
    context = server_context(vault.leaf())
    keys = tmp_path / "keys"
    context.set_keylog(keys)
    secret = b"GET /the-secret-page HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(context) as server:
        tape: list[tuple[bool, bytes]] = []
        with (
            TcpServer(
                lambda sock: record(sock, server.port, tape)
            ) as recorder,
            stdlib_client(
                recorder.port, their_client(vault, version)
            ) as client,
        ):
            client.sendall(secret)
            client.recv(100)
            client.close()
            recorder.result()
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(pcap(tape))
    command = ["tshark", "-r", str(capture), "-Y", "http.request"]
    with Program(
        *command,
        *("-o", f"tls.keylog_file:{keys}", "-T", "fields"),
        *("-e", "http.request.uri"),
    ) as with_keys:
        assert "/the-secret-page" in with_keys.finish()


def record(
    client: socket.socket, port: int, tape: list[tuple[bool, bytes]]
) -> None:
    """Join *client* to *port*, and record both directions."""
    import selectors

    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as server,
        selectors.DefaultSelector() as selector,
    ):
        selector.register(client, selectors.EVENT_READ, (True, server))
        selector.register(server, selectors.EVENT_READ, (False, client))
        while True:
            for key, _ in selector.select(PATIENCE):
                source = client if key.data[0] else server
                data = source.recv(65536)
                if not data:
                    return
                tape.append((key.data[0], data))
                key.data[1].sendall(data)


def pcap(tape: list[tuple[bool, bytes]]) -> bytes:
    """Make a capture file of a recorded TCP connection to port 443."""
    file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    count = [1, 1]  # Sequence numbers of client and server.
    ends = ((1024, b"\x7f\0\0\2"), (443, b"\x7f\0\0\1"))
    for from_client, data in tape:
        for start in range(0, len(data), 16000):
            piece = data[start : start + 16000]
            me, you = (0, 1) if from_client else (1, 0)
            tcp = struct.pack(
                "!HHIIBBHHH",
                *(ends[me][0], ends[you][0], count[me], count[you]),
                *(0x50, 0x18, 65535, 0, 0),
            )
            count[me] += len(piece)
            head = struct.pack(
                "!BBHHHBBH4s4s",
                *(0x45, 0, 40 + len(piece), 0, 0, 64, 6, 0),
                *(ends[me][1], ends[you][1]),
            )
            packet = head + tcp + piece
            size = len(packet)
            file += struct.pack("<IIII", 0, 0, size, size) + packet
    return file
