"""The ``openssl`` program as the peer, in both roles, and curl."""

from __future__ import annotations

import re
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
    Vault,
    client_context,
    needs,
    s_client,
    s_server,
    server_context,
    serving,
)

pytestmark = needs("openssl")

KINDS = ("rsa", "ecdsa", "ed25519")
# What ``s_client`` says of the key that signed the handshake: the kind of
# signature up to OpenSSL 3.4, RFC 8446's name of the algorithm from 3.5 on.
SIGNATURES = {
    "rsa": "(RSA-PSS|rsa_pss_rsae_)",
    "ecdsa": "(ECDSA|ecdsa_secp256r1_)",
    "ed25519": "ed25519",
}
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


def checked(vault: Vault, version: str, name: str = HOST) -> tuple[str, ...]:
    """Options by which ``s_client`` verifies the server, and its name."""
    return (
        VERSIONS[version][0],
        *("-CAfile", vault.roots),
        *("-verify_hostname", name, "-verify_return_error"),
        *("-servername", name),
    )


def one_line(port: tlskit.SSLPort) -> tlskit.SSLPort:
    """Answer one line with the same line in capitals, and give the port."""
    line = port.input.readline()
    port.sendall(line.upper())
    return port


# -- s_client against a listener --------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_s_client_accepts_us(vault: Vault, version: str, kind: str) -> None:
    """``s_client`` verifies our certificate of any kind, and is answered."""
    context = server_context(vault.leaf(kind=kind))
    with (
        serving(context, one_line) as server,
        s_client(server.port, *checked(vault, version)) as client,
    ):
        client.say("hello\n")
        client.until("HELLO$")
        client.until("Verified peername: localhost")
        client.until("Verify return code: 0 ")
        client.until(f"Peer signature type: {SIGNATURES[kind]}")
        port = server.result()

        assert tlskit.TLSVersion[version[:3].upper() + "_1_" + version[4]] == (
            port.version
        )
        assert port.cipher in client.until(r"Cipher is (\S+)")[1]
        assert HOST == port.server_name
        assert port.peer_certificate is None
        assert not port.peer_verified


def test_s_client_gets_intermediate(vault: Vault, version: str) -> None:
    """We send the whole chain, so a client that has only the root verifies."""
    files = vault.leaf(ca=vault.intermediate)
    with (
        serving(server_context(files), one_line) as server,
        s_client(server.port, *checked(vault, version)) as client,
    ):
        client.until(r"^ 0 s:.*\n   i:.*tlskit middle CA")
        client.until(r"^ 1 s:.*tlskit middle CA")
        client.until("Verify return code: 0 ")
        client.say("x\n")

        assert server.result().closed


def test_s_client_gives_certificate(vault: Vault, version: str) -> None:
    """A client's certificate and intermediate are asked for and verified."""
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    own = vault.leaf("client.example", ca=vault.intermediate)
    with (
        serving(context, one_line) as server,
        s_client(
            server.port,
            *checked(vault, version),
            *own.options,
        ) as client,
    ):
        client.say("hello\n")
        client.until("HELLO$")
        port = server.result()

        assert port.peer_verified
        assert own.leaf.certificate == port.peer_certificate
        assert own.leaf.certificate == port.peer_chain[0]
        assert vault.intermediate.certificate in port.peer_chain
        assert vault.ca.certificate == port.verified_chain[-1]


def test_s_client_sees_close_notify(vault: Vault, version: str) -> None:
    """Closing a port sends close_notify, which the peer takes for the end."""
    with (
        serving(server_context(vault.leaf()), one_line) as server,
        s_client(server.port, *checked(vault, version), "-msg") as client,
    ):
        client.say("hello\n")
        client.finish()

        assert "close_notify" in [
            alert.name for alert in client.alerts if not alert.sent
        ]
        assert "unexpected eof" not in client.output


def test_s_client_says_close_notify(vault: Vault, version: str) -> None:
    """The peer's close_notify reads as end of file."""
    with (
        serving(
            server_context(vault.leaf()), lambda port: port.recv(100)
        ) as server,
        s_client(server.port, *checked(vault, version)) as client,
    ):
        client.until("Verify return code")
        client.hang_up()

        assert b"" == server.result()


def test_s_client_updates_keys(vault: Vault) -> None:
    """TLS 1.3: the peer may change its keys and ask us to change ours."""

    def three_lines(port: tlskit.SSLPort) -> bytes:
        lines = b""
        for _ in range(3):
            lines += port.input.readline()
            port.sendall(b"seen\n")
        return lines

    with (
        serving(server_context(vault.leaf()), three_lines) as server,
        s_client(server.port, *checked(vault, "tls13")) as client,
    ):
        client.say("one\n")
        client.until("seen$")
        client.say("K\n")
        client.until("^KEYUPDATE$")
        client.say("two\n")
        client.until("seen$", 2)
        client.say("three\n")

        assert b"one\ntwo\nthree\n" == server.result()


@pytest.mark.native
def test_s_client_resumes(vault: Vault, version: str, tmp_path: Path) -> None:
    """A session that we gave to ``s_client`` is resumed."""
    context = server_context(vault.leaf())
    ticket = tmp_path / "session.pem"
    reused = []
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for option in ("-sess_out", "-sess_in"):

            def serve() -> bool:
                with listener.accept(timeout=PATIENCE) as port:
                    port.settimeout(PATIENCE)
                    one_line(port)
                    return port.session_reused

            task = Task(serve)
            with s_client(
                listener.port, *checked(vault, version), option, str(ticket)
            ) as client:
                client.say("hello\n")
                client.until("HELLO$")
                client.finish()
            reused.append(task.result())

    assert [False, True] == reused


# -- certificates asked for later -------------------------------------------


@pytest.mark.native
@pytest.mark.parametrize("has", [True, False])
def test_live_set_verify(vault: Vault, version: str, has: bool) -> None:
    """Asked in mid-session, a peer shows its certificate or is refused.

    TLS 1.2 renegotiates; TLS 1.3 has post-handshake authentication.
    """
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    own = vault.leaf("client.example")
    options = [*own.options] if has else []
    if version == "tls13":
        options.append("-enable_pha")

    def ask(port: tlskit.SSLPort) -> tlskit.SSLPort:
        port.input.readline()
        assert port.peer_certificate is None
        port.set_verify()
        # What came in the middle of a renegotiation would break it.
        port.sendall(b"asked\n")
        return one_line(port)

    with (
        serving(context, ask) as server,
        s_client(server.port, *checked(vault, version), *options) as client,
    ):
        client.say("first\n")
        if has:
            client.until("asked$")
            client.say("hello\n")
            client.until("HELLO$")
            port = server.result()
            assert port.peer_verified
            assert own.leaf.certificate == port.peer_certificate
            return
        error = server.refusal()

        assert isinstance(error, tlskit.VerificationError)
        assert "no-certificate" == error.code


# -- connect against s_server -----------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_s_server_accepted(vault: Vault, version: str, kind: str) -> None:
    """We verify ``s_server`` with a certificate of any kind, and talk."""
    files = vault.leaf(kind=kind)
    with (
        s_server(files, VERSIONS[version][0], "-rev") as (_, number),
        tlskit.connect(
            HOST, number, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        port.sendall(b"hello\n")

        assert b"olleh\n" == port.input.readline()
        assert port.peer_verified
        assert port.verify_error is None
        assert files.leaf.certificate == port.peer_certificate
        assert (vault.ca.certificate, 2) == (
            port.verified_chain[-1],
            len(port.verified_chain),
        )
        assert int(version[4]) == port.version - 0x0301
        assert port.peer_certificate_hostnames == (HOST,)
        assert port.peer_check_hostname("127.0.0.1")


def test_s_server_sends_intermediate(vault: Vault, version: str) -> None:
    """A chain with an intermediate is verified up to the root."""
    files = vault.leaf(ca=vault.intermediate)
    with (
        s_server(files, VERSIONS[version][0]) as (_, number),
        tlskit.connect(
            HOST, number, client_context(vault), timeout=PATIENCE
        ) as port,
    ):
        assert [
            files.leaf.certificate,
            vault.intermediate.certificate,
        ] == list(port.peer_chain)
        assert [
            files.leaf.certificate,
            vault.intermediate.certificate,
            vault.ca.certificate,
        ] == list(port.verified_chain)


@pytest.mark.parametrize("kind", KINDS)
def test_s_server_takes_our_certificate(
    vault: Vault, version: str, kind: str
) -> None:
    """We show a certificate of any kind to a server that demands one."""
    own = vault.leaf("client.example", kind=kind, ca=vault.intermediate)
    context = client_context(vault)
    context.load_certificate_chain(own.chain)
    context.load_private_key(own.key)
    with s_server(
        vault.leaf(),
        VERSIONS[version][0],
        *("-Verify", "3", "-verify_return_error", "-rev"),
        *("-CAfile", vault.roots),
    ) as (server, number):
        with tlskit.connect(HOST, number, context, timeout=PATIENCE) as port:
            port.sendall(b"hello\n")

            assert b"olleh\n" == port.input.readline()
            assert own.leaf.certificate == port.certificate
        server.until(r"depth=2 .*tlskit peers CA\nverify return:1")
        server.until(r"depth=0 .*\nverify return:1")


def test_s_server_demands_our_certificate(vault: Vault, version: str) -> None:
    """Without a certificate we are refused, in TLS 1.3 at the first read."""
    with s_server(vault.leaf(), VERSIONS[version][0], "-Verify", "3") as (
        _,
        number,
    ):
        with pytest.raises(tlskit.AlertError) as caught:
            with tlskit.connect(
                HOST, number, client_context(vault), timeout=PATIENCE
            ) as port:
                assert "tls13" == version
                port.recv(100)

    error = caught.value
    wanted = {
        "tls12": tlskit.Alert.HANDSHAKE_FAILURE,
        "tls13": tlskit.Alert.CERTIFICATE_REQUIRED,
    }[version]
    assert wanted == error.alert
    assert "alert-" + wanted.name.lower().replace("_", "-") == error.code
    assert "certificate" in error.hint


@pytest.mark.parametrize("address", ["127.0.0.1", HOST])
def test_https_page(
    vault: Vault, version: str, tmp_path: Path, address: str
) -> None:
    """An HTTPS page comes whole through ``connect(...).makefile``."""
    page = "".join(f"line {number}\n" for number in range(20000))
    (tmp_path / "page.txt").write_text(page)
    with (
        s_server(vault.leaf(), VERSIONS[version][0], "-WWW", cwd=tmp_path) as (
            _,
            number,
        ),
        tlskit.connect(
            address, number, client_context(vault), timeout=PATIENCE
        ) as port,
        port.makefile("rw", encoding="ascii", newline="") as file,
    ):
        file.write("GET /page.txt HTTP/1.0\r\n\r\n")
        file.flush()
        head, _, body = file.read().partition("\r\n\r\n")

        assert head.startswith("HTTP/1.0 200 ok")
        assert page == body


# -- what both must agree on ------------------------------------------------


def test_exporter_as_client(vault: Vault, version: str) -> None:
    """The exporter gives what ``s_server -keymatexport`` prints."""
    with s_server(
        vault.leaf(),
        VERSIONS[version][0],
        *("-keymatexport", LABEL, "-keymatexportlen", "32"),
    ) as (server, number):
        with tlskit.connect(
            HOST, number, client_context(vault), timeout=PATIENCE
        ) as port:
            shown = bytes.fromhex(
                server.until(r"Keying material: ([0-9A-F]{64})")[1]
            )

            assert shown == port.export_keying_material(LABEL, 32)
            if version == "tls13":
                assert shown == port.channel_binding("tls-exporter")
                assert ("tls-exporter", shown) == (
                    port.default_channel_binding()
                )


def test_exporter_as_server(vault: Vault, version: str) -> None:
    """The exporter gives what ``s_client -keymatexport`` prints."""
    with (
        serving(server_context(vault.leaf()), one_line) as server,
        s_client(
            server.port,
            *checked(vault, version),
            *("-keymatexport", LABEL, "-keymatexportlen", "32"),
        ) as client,
    ):
        shown = bytes.fromhex(
            client.until(r"Keying material: ([0-9A-F]{64})")[1]
        )
        client.say("hello\n")
        port = server.result()

        # Also after close.
        assert shown == port.export_keying_material(LABEL, 32)
        if version == "tls13":
            assert shown == port.channel_binding("tls-exporter")


def test_alpn_as_client(vault: Vault, version: str) -> None:
    """We offer protocols; ``s_server`` selects by its own preference."""
    with s_server(
        vault.leaf(), VERSIONS[version][0], "-alpn", "h2,first,second"
    ) as (server, number):
        with tlskit.connect(
            HOST,
            number,
            client_context(vault),
            alpn=["none", b"second", "first"],
            timeout=PATIENCE,
        ) as port:
            assert "first" == port.alpn_selected
        server.until("protocols advertised by the client: none, second, first")


def test_alpn_as_server(vault: Vault, version: str) -> None:
    """``s_client`` offers protocols; we select by our own preference."""
    context = server_context(vault.leaf())
    context.set_alpn(["h2", "first", "second"])
    with (
        serving(context, one_line) as server,
        s_client(
            server.port, *checked(vault, version), "-alpn", "none,second,first"
        ) as client,
    ):
        client.until("^ALPN protocol: first$")
        client.say("hello\n")

        assert "first" == server.result().alpn_selected


def test_alpn_not_asked_for(vault: Vault, version: str) -> None:
    """A client without ALPN is served by a server with it."""
    context = server_context(vault.leaf())
    context.set_alpn(["h2"])
    with (
        serving(context, one_line) as server,
        s_client(server.port, *checked(vault, version)) as client,
    ):
        client.until("^No ALPN negotiated$")
        client.say("hello\n")

        assert server.result().alpn_selected is None


def test_server_name_as_client(vault: Vault, version: str) -> None:
    """The server name we send selects ``s_server``'s second certificate."""
    other = vault.leaf("other.example")
    with s_server(
        vault.leaf(),
        VERSIONS[version][0],
        *("-servername", "other.example"),
        *("-cert2", other.chain, "-key2", other.key),
    ) as (_, number):
        for host, files in (
            ("other.example", other),
            ("OTHER.example.", other),
            (HOST, vault.leaf()),
        ):
            with tlskit.connect(
                "127.0.0.1",
                number,
                client_context(vault),
                hostname=host,
                timeout=PATIENCE,
            ) as port:
                assert files.leaf.certificate == port.peer_certificate


def test_no_server_name_for_address(vault: Vault, version: str) -> None:
    """No server name is sent for an IP address (RFC 6066, section 3)."""
    with s_server(
        vault.leaf(), VERSIONS[version][0], "-tlsextdebug", "-msg"
    ) as (server, number):
        with tlskit.connect(
            "127.0.0.1", number, client_context(vault), timeout=PATIENCE
        ):
            server.until("^CIPHER is|^Cipher is|New, TLS|Shared ciphers")

    assert 'TLS client extension "supported_groups"' in server.output
    assert 'TLS client extension "server name"' not in server.output


def test_server_name_as_server(vault: Vault, version: str) -> None:
    """``s_client -servername`` selects one of our contexts."""
    files = {
        name: vault.leaf(name)
        for name in ("main.example", "a.example", "*.b.example")
    }
    context = server_context(files["main.example"])
    context.set_server_names(
        {
            name: server_context(files[name])
            for name in ("a.example", "*.b.example")
        }
    )
    for name, wanted in (
        ("a.example", "a.example"),
        ("x.b.example", "*.b.example"),
        ("main.example", "main.example"),
    ):
        with (
            serving(context, one_line) as server,
            s_client(server.port, *checked(vault, version, name)) as client,
        ):
            client.until("Verify return code: 0 ")
            client.say("hello\n")
            port = server.result()

            assert files[wanted].leaf.certificate == port.certificate
            assert name == port.server_name


@pytest.mark.parametrize("has", [True, False])
def test_server_name_moves_verification(
    vault: Vault, version: str, has: bool
) -> None:
    """A context chosen by name that demands certificates gets them."""
    chosen = server_context(vault.leaf("a.example"))
    chosen.load_verify_root_certificates(vault.roots)
    chosen.set_verify()
    context = server_context(vault.leaf())
    context.set_server_names({"a.example": chosen})
    own = vault.leaf("client.example")
    with (
        serving(context, one_line) as server,
        s_client(
            server.port,
            *checked(vault, version, "a.example"),
            *(own.options if has else ()),
        ) as client,
    ):
        client.try_to_say("hello\n")
        if has:
            client.until("HELLO$")
            assert own.leaf.certificate == server.result().peer_certificate
            return
        error = server.refusal()

        assert isinstance(error, tlskit.VerificationError)
        assert "no-certificate" == error.code


def test_suggested_authorities(vault: Vault, version: str) -> None:
    """``s_client`` prints the names of the authorities that we suggest."""
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.load_suggested_certificate_authorities(vault.stranger.pem)
    # The second call replaces the first.
    context.load_suggested_certificate_authorities(
        vault.intermediate.pem + vault.ca.pem
    )
    context.try_verify()
    with (
        serving(context, one_line) as server,
        s_client(server.port, *checked(vault, version)) as client,
    ):
        shown = client.until(
            r"Acceptable client certificate CA names\n((?:.*CN ?= ?.*\n)+)"
        )[1]
        client.say("hello\n")
        server.result()

    assert ["tlskit middle CA", "tlskit peers CA"] == re.findall(
        r"CN ?= ?([^,\n]+)", shown
    )


def test_no_suggested_authorities(vault: Vault, version: str) -> None:
    """Trusted roots are not suggested by themselves."""
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.try_verify()
    with (
        serving(context, one_line) as server,
        s_client(server.port, *checked(vault, version)) as client,
    ):
        client.until("No client certificate CA names sent")
        client.say("hello\n")

        assert not server.result().peer_verified


def test_keylog_as_server(vault: Vault, version: str, tmp_path: Path) -> None:
    """Our key log has the lines that ``s_client -keylogfile`` writes."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    context = server_context(vault.leaf())
    context.set_keylog(ours)
    with (
        serving(context, one_line) as server,
        s_client(
            server.port,
            *checked(vault, version),
            *("-keylogfile", str(theirs)),
        ) as client,
    ):
        client.say("hello\n")
        server.result()
        client.finish()

    assert secrets(theirs) == secrets(ours)
    assert len(secrets(ours)) == (1 if version == "tls12" else 5)


def test_keylog_as_client(vault: Vault, version: str, tmp_path: Path) -> None:
    """Our key log has the lines that ``s_server -keylogfile`` writes."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    context = client_context(vault)
    context.set_keylog(ours)
    with s_server(
        vault.leaf(),
        VERSIONS[version][0],
        *("-keylogfile", str(theirs), "-rev"),
    ) as (server, number):
        with tlskit.connect(HOST, number, context, timeout=PATIENCE) as port:
            port.sendall(b"x\n")
            assert b"x\n" == port.input.readline()
        server.until("CONNECTION CLOSED")

    assert secrets(theirs) == secrets(ours)
    assert secrets(ours)


def secrets(path: Path) -> set[str]:
    """Read the lines of a key log that are no comments."""
    return {
        line.lower()
        for line in path.read_text().splitlines()
        if line and not line.startswith("#")
    }


# -- curl -------------------------------------------------------------------


def http_page(body: bytes) -> bytes:
    """Make a whole HTTP/1.1 response."""
    return (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


@needs("curl")
@pytest.mark.parametrize("limit", ["1.2", "1.3"])
def test_curl(vault: Vault, limit: str) -> None:
    """curl verifies us and fetches a page."""

    def serve(port: tlskit.SSLPort) -> bytes:
        request = b""
        for line in port.input:
            request += line
            if line == b"\r\n":
                break
        port.sendall(http_page(b"page of tlskit\n" * 5000))
        return request

    with (
        serving(server_context(vault.leaf()), serve) as server,
        curl(vault.roots, server.port, "--tls-max", limit) as client,
    ):
        assert "page of tlskit\n" * 5000 == client.finish()
        assert 0 == client.status
        assert server.result().startswith(b"GET /page HTTP/1.1\r\n")


@needs("curl")
def test_curl_refuses(vault: Vault) -> None:
    """curl refuses us for its own reasons, and we can tell which."""
    with (
        serving(server_context(vault.leaf(ca=vault.stranger))) as server,
        curl(vault.roots, server.port) as client,
    ):
        error = server.refusal()

        # curl 8 looks at the chain when the handshake is over, and closes
        # without an alert; and a reset right behind one may take it along.
        if isinstance(error, tlskit.AlertError):
            assert tlskit.Alert.UNKNOWN_CA == error.alert
        else:
            assert isinstance(
                error, (tlskit.TruncatedError, ConnectionResetError)
            )
        assert 60 == client.status


def curl(roots: str, port: int, *options: str) -> Program:
    """Start curl for a page on this machine."""
    return Program(
        *("curl", "--silent", "--show-error", "--noproxy", "*", "--http1.1"),
        *("--cacert", roots, *options, f"https://{HOST}:{port}/page"),
    )


def test_files_are_kept_apart(vault: Vault) -> None:
    """The credentials of these tests are made once, and are different."""
    first: Files = vault.leaf()

    assert first is vault.leaf()
    assert first != vault.leaf("other.example")
