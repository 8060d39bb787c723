"""GnuTLS as the peer, in both roles."""

from __future__ import annotations

from pathlib import Path

import pytest

import tlskit

from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Program,
    Vault,
    client_context,
    gnutls_cli,
    gnutls_serv,
    needs,
    server_context,
    serving,
)

pytestmark = [needs("gnutls-cli"), needs("gnutls-serv")]

KINDS = ("rsa", "ecdsa", "ed25519")
LABEL = "EXPORTER-Channel-Binding"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def only(version: str) -> str:
    """Give GnuTLS's priority for one version."""
    return f"NORMAL:-VERS-ALL:{VERSIONS[version][1]}"


def client(
    vault: Vault,
    version: str,
    port: int,
    *options: str,
    env: dict[str, str] | None = None,
) -> Program:
    """Start a ``gnutls-cli`` that verifies us and our name."""
    return gnutls_cli(
        port,
        only(version),
        *("--x509cafile", vault.roots, "--verify-hostname", HOST),
        *options,
        env=env,
    )


def one_line(port: tlskit.SSLPort) -> tlskit.SSLPort:
    """Answer one line with the same line in capitals, and give the port."""
    line = port.input.readline()
    port.sendall(line.upper())
    return port


@pytest.mark.parametrize("kind", KINDS)
def test_gnutls_cli_accepts_us(vault: Vault, version: str, kind: str) -> None:
    """``gnutls-cli`` verifies our certificate of any kind, and is answered."""
    files = vault.leaf(kind=kind, ca=vault.intermediate)
    with (
        serving(server_context(files), one_line) as server,
        client(vault, version, server.port) as peer,
    ):
        peer.until("The certificate is trusted")
        peer.until("Handshake was completed")
        peer.say("hello\n")
        peer.until("^HELLO$")
        # It tells a close_notify from a mere end of the connection.
        peer.until("Peer has closed the GnuTLS connection")

        assert int(version[4]) == server.result().version - 0x0301


def test_gnutls_cli_gives_certificate(vault: Vault, version: str) -> None:
    """``gnutls-cli`` shows its certificate to a server that demands one."""
    own = vault.leaf("client.example")
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.load_suggested_certificate_authorities(vault.roots)
    context.set_verify()
    with (
        serving(context, one_line) as server,
        client(
            vault,
            version,
            server.port,
            *("--x509certfile", own.chain, "--x509keyfile", own.key),
        ) as peer,
    ):
        peer.say("hello\n")
        peer.until("^HELLO$")
        port = server.result()

        assert port.peer_verified
        assert own.leaf.certificate == port.peer_certificate


def test_gnutls_cli_refused(vault: Vault, version: str) -> None:
    """``gnutls-cli`` without a certificate gets the alert that says so."""
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    with (
        serving(context) as server,
        client(vault, version, server.port) as peer,
    ):
        error = server.refusal()
        peer.until(
            "Certificate is required"
            if version == "tls13"
            else "Handshake failed"
        )

        assert isinstance(error, tlskit.VerificationError)
        assert "no-certificate" == error.code


def test_gnutls_cli_agrees(vault: Vault, version: str) -> None:
    """ALPN, server name and exporter are what ``gnutls-cli`` has."""
    context = server_context(vault.leaf())
    context.set_alpn(["second", "first"])
    with (
        serving(context, one_line) as server,
        client(
            vault,
            version,
            server.port,
            *("--alpn", "first", "--alpn", "second"),
            *("--sni-hostname", "name.example"),
            *("--keymatexport", LABEL, "--keymatexportsize", "32"),
        ) as peer,
    ):
        peer.until("Application protocol: second")
        shown = bytes.fromhex(peer.until("Key material: ([0-9a-f]{64})")[1])
        peer.say("hello\n")
        port = server.result()

    assert "second" == port.alpn_selected
    assert "name.example" == port.server_name
    assert shown == port.export_keying_material(LABEL, 32)
    if version == "tls13":
        assert shown == port.channel_binding("tls-exporter")


@pytest.mark.native
def test_gnutls_cli_resumes(vault: Vault, version: str) -> None:
    """``gnutls-cli --resume`` comes twice, and resumes its session."""
    context = server_context(vault.leaf())
    reused = []
    with (
        tlskit.listen(hostname="127.0.0.1", context=context) as listener,
        client(vault, version, listener.port, "--resume") as peer,
    ):
        peer.hang_up()
        for _ in range(2):
            with listener.accept(timeout=PATIENCE) as port:
                port.settimeout(PATIENCE)
                assert b"" == port.recv(100)
                reused.append(port.session_reused)
        peer.until("This is a resumed session")

    assert [False, True] == reused


@pytest.mark.parametrize("kind", KINDS)
def test_gnutls_serv_accepted(vault: Vault, version: str, kind: str) -> None:
    """We verify ``gnutls-serv`` with a certificate of any kind, and talk."""
    files = vault.leaf(kind=kind, ca=vault.intermediate)
    with (
        gnutls_serv(files, only(version), "--disable-client-cert") as (
            _,
            number,
        ),
        tlskit.connect(
            HOST, number, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        port.sendall(b"hello\n")

        assert b"hello\n" == port.input.readline()
        assert port.peer_verified
        assert files.leaf.certificate == port.peer_certificate
        assert 3 == len(port.verified_chain)


def test_gnutls_serv_takes_our_certificate(vault: Vault, version: str) -> None:
    """``gnutls-serv`` demands our certificate, and accepts it."""
    own = vault.leaf("client.example")
    context = client_context(vault)
    context.load_certificate_chain(own.chain)
    context.load_private_key(own.key)
    with (
        gnutls_serv(
            vault.leaf(),
            only(version),
            *("--require-client-cert", "--verify-client-cert"),
            *("--x509cafile", vault.roots),
        ) as (_, number),
        tlskit.connect(HOST, number, context, timeout=PATIENCE) as port,
    ):
        port.sendall(b"hello\n")

        assert b"hello\n" == port.input.readline()
        assert own.leaf.certificate == port.certificate


def test_gnutls_serv_refuses_us(vault: Vault, version: str) -> None:
    """Without a certificate we are refused, and can tell why."""
    with gnutls_serv(vault.leaf(), only(version), "--require-client-cert") as (
        _,
        number,
    ):
        with pytest.raises(tlskit.AlertError) as caught:
            with tlskit.connect(
                HOST, number, client_context(vault), timeout=PATIENCE
            ) as port:
                port.recv(100)

    assert caught.value.alert is not None
    assert caught.value.code.startswith("alert-")
    assert "load_certificate_chain()" in caught.value.hint or (
        version == "tls12"
    )


def test_gnutls_serv_agrees(vault: Vault, version: str) -> None:
    """ALPN and exporter are what ``gnutls-serv`` has."""
    with gnutls_serv(
        vault.leaf(),
        only(version),
        *("--disable-client-cert", "--alpn", "first", "--alpn", "second"),
        *("--keymatexport", LABEL, "--keymatexportsize", "32"),
    ) as (peer, number):
        with tlskit.connect(
            HOST,
            number,
            client_context(vault),
            alpn=["second", "none"],
            timeout=PATIENCE,
        ) as port:
            port.sendall(b"hello\n")
            assert b"hello\n" == port.input.readline()
            shown = bytes.fromhex(
                peer.until("Key material: ([0-9a-f]{64})")[1]
            )

            assert "second" == port.alpn_selected
            assert shown == port.export_keying_material(LABEL, 32)


def test_keylog(vault: Vault, version: str, tmp_path: Path) -> None:
    """The secrets in our key log are those in GnuTLS's."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    context = server_context(vault.leaf())
    context.set_keylog(ours)
    with (
        serving(context, one_line) as server,
        client(
            vault,
            version,
            server.port,
            env={"SSLKEYLOGFILE": str(theirs)},
        ) as peer,
    ):
        peer.say("hello\n")
        peer.until("^HELLO$")
        server.result()

    assert set(theirs.read_text().split("\n")) == set(
        ours.read_text().split("\n")
    )
    assert ours.read_text()
