"""Every refusal has its own error: class, code, message and a hint."""

from __future__ import annotations

import errno
import inspect
import pickle
import re
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

import tlskit
from tlskit.testing import CA

from ..peers import (
    HOST,
    PATIENCE,
    VERSIONS,
    Files,
    Task,
    TcpServer,
    Vault,
    client_context,
    reset,
    server_context,
    serving,
    stdlib_client,
    stdlib_server,
)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this module."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version, by the name of its protocol."""
    name: str = request.param
    return name


def well_told(
    error: BaseException, kind: type, code: str, *patterns: str
) -> None:
    """Check class, code and words of an error, and that it helps."""
    assert isinstance(error, tlskit.TLSError)
    assert type(error) is kind
    assert code == error.code
    for pattern in patterns:
        assert re.search(pattern, str(error)), (pattern, str(error))
    assert error.hint
    assert "\n" not in error.hint
    assert str(error) in error.explain()
    assert error.hint in error.explain()
    assert str(error) == str(pickle.loads(pickle.dumps(error)))


def words(error: BaseException | None) -> str:
    """Give the standard library's words for an error, in one spelling."""
    return str(error).upper().replace(" ", "_")


def refused_server(
    files: Files,
    version: str,
    context: tlskit.ClientContext,
    host: str = HOST,
) -> tlskit.TLSError:
    """Connect to a server with *files*, and give what we say of it."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.minimum_version = theirs.maximum_version = VERSIONS[version][2]
    theirs.set_ciphers("DEFAULT:@SECLEVEL=0")  # For the weak key.
    theirs.load_cert_chain(files.chain, files.key)
    with (
        stdlib_server(theirs, lambda sock: sock.recv(100)) as server,
        pytest.raises(tlskit.TLSError) as caught,
    ):
        tlskit.connect(
            "127.0.0.1",
            server.port,
            context,
            hostname=host,
            timeout=PATIENCE,
        )
    # Nothing of ours went out but an alert, or nothing at all.
    assert isinstance(server.task.settle(), (OSError, type(None)))
    return caught.value


def refused_client(
    context: tlskit.ServerContext,
    files: Files | None,
    version: str,
    vault: Vault,
) -> tlskit.TLSError:
    """Let a client with *files* come, and give what we say of it."""
    asking = ssl.create_default_context(cafile=vault.roots)
    asking.minimum_version = asking.maximum_version = VERSIONS[version][2]
    if files is not None:
        asking.load_cert_chain(files.chain, files.key)

    def ask(port: int) -> None:
        with stdlib_client(port, asking) as client:
            client.settimeout(PATIENCE)
            client.recv(100)

    with serving(context) as server:
        asked = Task(ask, server.port)
        error = server.refusal()
        # The client hears of it, too, by an alert.
        heard = asked.settle()

    assert isinstance(heard, ssl.SSLError)
    assert "ALERT" in words(heard)
    assert isinstance(error, tlskit.TLSError)
    assert error.peer is not None
    assert error.peer.startswith("127.0.0.1:")
    assert "handshake" == error.phase
    assert f"(peer {error.peer})" in str(error)
    return error


# -- certificates -----------------------------------------------------------


class Case(NamedTuple):
    """A server's certificate, and what we say of it."""

    bad: str | None
    names: tuple[str, ...]
    host: str
    kind: type[tlskit.VerificationError]
    code: str
    reason: tlskit.VerifyReason
    words: tuple[str, ...]


Reason = tlskit.VerifyReason
BAD_SERVERS = {
    "wrong host": Case(
        None,
        ("right.example",),
        "wrong.example",
        tlskit.IdentityError,
        "wrong-identity",
        Reason.HOSTNAME_MISMATCH,
        ("wrong.example", "right.example"),
    ),
    "address not in the SANs": Case(
        None,
        (HOST, "127.0.0.2"),
        "127.0.0.1",
        tlskit.IdentityError,
        "wrong-identity",
        Reason.IP_ADDRESS_MISMATCH,
        ("127.0.0.1", "127.0.0.2"),
    ),
    "address as a DNS name": Case(
        None,
        (HOST,),
        "::1",
        tlskit.IdentityError,
        "wrong-identity",
        Reason.IP_ADDRESS_MISMATCH,
        ("::1", HOST),
    ),
    "no SAN": Case(
        "no-san",
        (HOST,),
        HOST,
        tlskit.IdentityError,
        "no-san",
        Reason.HOSTNAME_MISMATCH,
        (HOST, "no subjectAltName"),
    ),
    "expired": Case(
        "expired",
        (HOST,),
        HOST,
        tlskit.VerificationError,
        "expired",
        Reason.CERT_HAS_EXPIRED,
        (r"expired on \d{4}-\d\d-\d\d", r"depth 0"),
    ),
    "not yet valid": Case(
        "not-yet-valid",
        (HOST,),
        HOST,
        tlskit.VerificationError,
        "not-yet-valid",
        Reason.CERT_NOT_YET_VALID,
        (r"valid from \d{4}-\d\d-\d\d", r"depth 0"),
    ),
    "self-signed": Case(
        "self-signed",
        (HOST,),
        HOST,
        tlskit.VerificationError,
        "self-signed",
        Reason.DEPTH_ZERO_SELF_SIGNED_CERT,
        ("self-signed", "depth 0"),
    ),
    "unknown CA": Case(
        "unknown-ca",
        (HOST,),
        HOST,
        tlskit.VerificationError,
        "unknown-issuer",
        Reason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        ("tlskit stranger CA", "depth 0"),
    ),
    "missing intermediate": Case(
        "missing-intermediate",
        (HOST,),
        HOST,
        tlskit.VerificationError,
        "unknown-issuer",
        Reason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        ("did not send that intermediate", "depth 0"),
    ),
    "wrong purpose": Case(
        "wrong-purpose",
        (HOST,),
        HOST,
        tlskit.VerificationError,
        "wrong-purpose",
        Reason.INVALID_PURPOSE,
        ("codeSigning", "serverAuth was expected"),
    ),
    "weak key": Case(
        "weak-key",
        (HOST,),
        HOST,
        tlskit.VerificationError,
        "weak-key",
        Reason.EE_KEY_TOO_SMALL,
        ("1024",),
    ),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_bad_server(vault: Vault, version: str, name: str) -> None:
    """A server's bad certificate is refused with the error that fits."""
    case = BAD_SERVERS[name]
    files = bad_files(vault, case)
    error = refused_server(files, version, client_context(vault), case.host)

    well_told(error, case.kind, case.code, *case.words)
    assert isinstance(error, tlskit.VerificationError)
    assert case.reason == error.reason
    assert 0 == error.depth
    assert files.leaf.certificate == error.certificate
    assert files.leaf.certificate == error.presented_chain[0]
    assert case.host == error.expected
    assert 1 == error.roots
    assert vault.roots in "".join(error.sources)


def bad_files(vault: Vault, case: Case) -> Files:
    """Give the credentials of a case."""
    if case.bad == "unknown-ca":
        return vault.leaf(*case.names, ca=vault.stranger)
    return vault.leaf(*case.names, bad=case.bad)


def test_secure_context_refuses(vault: Vault) -> None:
    """The default context refuses a server of a private CA."""
    error = refused_server(
        vault.leaf(), "tls13", tlskit.ClientContext.secure()
    )

    assert isinstance(error, tlskit.VerificationError)
    assert error.code in ("unknown-issuer", "no-roots")
    assert error.hint


def test_pin_mismatch(vault: Vault, version: str) -> None:
    """A trusted certificate with another key than pinned is refused."""
    context = client_context(vault)
    context.set_pins(["sha256/" + "A" * 43 + "="])

    error = refused_server(vault.leaf(), version, context)
    well_told(error, tlskit.VerificationError, "pin-mismatch", "sha256/AAAA")


class Client(NamedTuple):
    """A client's certificate, and what a server says of it."""

    bad: str | None
    code: str
    words: tuple[str, ...]


BAD_CLIENTS = {
    "none": Client(None, "no-certificate", ("client sent no certificate",)),
    "unknown CA": Client(
        "unknown-ca", "unknown-issuer", ("tlskit stranger CA",)
    ),
    "expired": Client("expired", "expired", ("expired on",)),
    "self-signed": Client("self-signed", "self-signed", ("self-signed",)),
    "not yet valid": Client("not-yet-valid", "not-yet-valid", ("valid from",)),
}


@pytest.mark.parametrize("name", BAD_CLIENTS)
def test_bad_client(vault: Vault, version: str, name: str) -> None:
    """A client whose certificate is bad or absent is refused, and told so."""
    case = BAD_CLIENTS[name]
    context = server_context(vault.leaf())
    context.load_verify_root_certificates(vault.roots)
    context.set_verify()
    files = None
    if case.bad == "unknown-ca":
        files = vault.leaf("client.example", ca=vault.stranger)
    elif case.bad is not None:
        files = vault.leaf("client.example", bad=case.bad)

    error = refused_client(context, files, version, vault)
    well_told(error, tlskit.VerificationError, case.code, *case.words)
    assert isinstance(error, tlskit.VerificationError)
    assert (error.certificate is None) is (name == "none")


# -- not TLS ----------------------------------------------------------------


def test_plain_http_to_us(vault: Vault) -> None:
    """Plain HTTP spoken to a TLS port is recognised."""
    with serving(server_context(vault.leaf())) as server:
        with socket.create_connection(
            ("127.0.0.1", server.port), PATIENCE
        ) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            error = server.refusal()
            # The connection ends, and not by a reset.
            while client.recv(100):
                pass

        well_told(error, tlskit.NotTLSError, "plain-http", "plain HTTP")
        assert "https://" in error.hint  # type: ignore[attr-defined]


def answer_http(sock: socket.socket) -> None:
    """Be an HTTP server that takes a ClientHello for a bad request."""
    sock.recv(4096)
    sock.sendall(
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n"
    )


def greet_as_ssh(sock: socket.socket) -> None:
    """Be an SSH server; it speaks first."""
    sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    sock.recv(4096)


def greet_as_smtp(sock: socket.socket) -> None:
    """Be a mail server; it speaks first."""
    sock.sendall(b"220 mail.example ESMTP\r\n")
    sock.recv(4096)


def talk_nonsense(sock: socket.socket) -> None:
    """Send what is no record at all."""
    sock.recv(4096)
    sock.sendall(bytes(range(200, 256)) * 40)


@pytest.mark.parametrize(
    ("talk", "code", "pattern"),
    [
        (answer_http, "plain-http", "plain HTTP"),
        (greet_as_ssh, "not-tls", "SSH"),
        (greet_as_smtp, "not-tls", "SMTP"),
        (talk_nonsense, "not-tls", "no TLS record"),
    ],
)
def test_server_speaks_no_tls(
    vault: Vault,
    talk: Callable[[socket.socket], None],
    code: str,
    pattern: str,
) -> None:
    """A server that speaks something else is recognised."""
    with TcpServer(talk) as server:
        with pytest.raises(tlskit.TLSError) as caught:
            tlskit.connect(
                HOST, server.port, client_context(vault), timeout=PATIENCE
            )

    well_told(caught.value, tlskit.NotTLSError, code, pattern)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x16\x03\x01\x00\x10" + b"\xff" * 16, id="handshake"),
        pytest.param(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00", id="empty"),
        pytest.param(b"\x16\x03\x03\xff\xff" + b"\0" * 70000, id="too long"),
        pytest.param(b"\x15\x03\x03\x00\x02\x07\x07", id="odd alert"),
        pytest.param(b"\x16\x03\x03\x00\x00" * 40, id="empty records"),
    ],
)
def test_garbage_in_records(vault: Vault, garbage: bytes) -> None:
    """Records with nonsense in them fail the handshake, with words."""

    def talk(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(garbage)
        while sock.recv(4096):
            pass

    with TcpServer(talk) as server:
        with pytest.raises(tlskit.HandshakeError) as caught:
            tlskit.connect(
                HOST, server.port, client_context(vault), timeout=PATIENCE
            )

    assert caught.value.hint
    assert str(caught.value)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\xff" * 300, id="no record"),
        pytest.param(b"\x16\x03\x01\x00\x10" + b"\xff" * 16, id="handshake"),
        pytest.param(b"\x17\x03\x03\x00\x10" + b"\xff" * 16, id="data"),
        pytest.param(b"\x80\x2e\x01\x00\x02" + b"\x00" * 44, id="SSL 2"),
        pytest.param(b"SSH-2.0-client\r\n", id="SSH"),
        pytest.param(b"\0" * 20, id="zeros"),
    ],
)
def test_client_sends_garbage(vault: Vault, garbage: bytes) -> None:
    """A client's garbage is an error of the tree, with its address."""
    with serving(server_context(vault.leaf())) as server:
        with socket.create_connection(
            ("127.0.0.1", server.port), PATIENCE
        ) as client:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            error = server.refusal()

    assert isinstance(error, tlskit.HandshakeError)
    assert str(error)
    assert error.hint
    assert error.peer is not None


# -- nothing in common ------------------------------------------------------


def test_no_common_version_told_by_us(vault: Vault) -> None:
    """A client that is too old is refused, and told so."""
    asking = ssl.create_default_context(cafile=vault.roots)
    asking.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving(server_context(vault.leaf(), "tls13")) as server:
        asked = Task(stdlib_client, server.port, asking)
        error = server.refusal()

        well_told(error, tlskit.NegotiationError, "no-common-version")
        assert "PROTOCOL_VERSION" in words(asked.settle())


def test_no_common_version_told_to_us(vault: Vault) -> None:
    """A server that is too old for us says so."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = vault.leaf()
    theirs.load_cert_chain(files.chain, files.key)
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    with stdlib_server(theirs, lambda sock: None) as server:
        with pytest.raises(tlskit.TLSError) as caught:
            tlskit.connect(
                HOST,
                server.port,
                client_context(vault, "tls13"),
                timeout=PATIENCE,
            )

    error = caught.value
    well_told(
        error, tlskit.AlertError, "alert-protocol-version", "TLS version"
    )
    assert isinstance(error, tlskit.AlertError)
    assert tlskit.Alert.PROTOCOL_VERSION == error.alert


def test_no_common_cipher_told_by_us(vault: Vault, version: str) -> None:
    """A client whose ciphers we don't have is refused, and told so."""
    context = server_context(vault.leaf(), version)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    context.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256")
    asking = ssl.create_default_context(cafile=vault.roots)
    asking.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    if version == "tls13":
        # The standard library can't choose these, so we take one away.
        context.set_ciphersuites("TLS_AES_128_CCM_SHA256")
    with serving(context) as server:
        asked = Task(stdlib_client, server.port, asking)
        error = server.refusal()

        well_told(error, tlskit.NegotiationError, "no-shared-cipher", "cipher")
        assert "HANDSHAKE_FAILURE" in words(asked.settle())


def test_no_common_cipher_told_to_us(vault: Vault) -> None:
    """A server without any of our ciphers says no more than that it failed."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = vault.leaf()
    theirs.load_cert_chain(files.chain, files.key)
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    theirs.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    context = client_context(vault)
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with stdlib_server(theirs, lambda sock: None) as server:
        with pytest.raises(tlskit.TLSError) as caught:
            tlskit.connect(HOST, server.port, context, timeout=PATIENCE)

    well_told(
        caught.value, tlskit.AlertError, "alert-handshake-failure", "cipher"
    )


def test_no_common_group(vault: Vault) -> None:
    """Peers without a common group are told that it is the group."""
    context = server_context(vault.leaf(), "tls13")
    context.enable_ecdhe("secp521r1")
    asking = ssl.create_default_context(cafile=vault.roots)
    asking.set_ecdh_curve("prime256v1")
    with serving(context) as server:
        asked = Task(stdlib_client, server.port, asking)

        well_told(
            server.refusal(),
            tlskit.NegotiationError,
            "no-shared-group",
            "group",
        )
        assert isinstance(asked.settle(), ssl.SSLError)


def test_no_common_application_protocol(vault: Vault, version: str) -> None:
    """Peers without a common application protocol don't talk."""
    context = server_context(vault.leaf(), version)
    context.set_alpn(["h2"])
    asking = ssl.create_default_context(cafile=vault.roots)
    asking.set_alpn_protocols(["http/1.1"])
    with serving(context) as server:
        asked = Task(stdlib_client, server.port, asking)

        well_told(
            server.refusal(),
            tlskit.NegotiationError,
            "no-application-protocol",
            "http/1.1",
            "h2",
        )
        assert "NO_APPLICATION_PROTOCOL" in words(asked.settle())


# -- peers that leave or stay silent ----------------------------------------


def hear_and_leave(sock: socket.socket) -> None:
    """Read the ClientHello and close."""
    sock.recv(65536)


def begin_and_leave(sock: socket.socket) -> None:
    """Send the beginning of a record and close."""
    sock.recv(65536)
    sock.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00")


@pytest.mark.parametrize("talk", [hear_and_leave, begin_and_leave])
def test_server_leaves_in_handshake(
    vault: Vault, talk: Callable[[socket.socket], None]
) -> None:
    """A server that closes in mid-handshake is told from one that refuses."""
    with TcpServer(talk) as server:
        with pytest.raises(tlskit.TLSError) as caught:
            tlskit.connect(
                HOST, server.port, client_context(vault), timeout=PATIENCE
            )

    well_told(
        caught.value,
        tlskit.HandshakeError,
        "closed-in-handshake",
        "closed the connection during the handshake",
    )
    assert "syscall" == caught.value.status


def test_server_resets_in_handshake(vault: Vault) -> None:
    """A reset in mid-handshake stays the system's error."""

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        reset(sock)

    with TcpServer(talk) as server:
        with pytest.raises(ConnectionResetError) as caught:
            tlskit.connect(
                HOST, server.port, client_context(vault), timeout=PATIENCE
            )

    assert not isinstance(caught.value, tlskit.TLSError)


@pytest.mark.parametrize(
    "first",
    [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01"],
    ids=["at once", "after a byte", "in the ClientHello"],
)
def test_client_leaves_in_handshake(vault: Vault, first: bytes) -> None:
    """A client that leaves in mid-handshake is reported, with its address."""
    with serving(server_context(vault.leaf())) as server:
        with socket.create_connection(
            ("127.0.0.1", server.port), PATIENCE
        ) as client:
            client.sendall(first)
            own = client.getsockname()
        error = server.refusal()

    well_told(
        error,
        tlskit.HandshakeError,
        "closed-in-handshake",
        re.escape(f"(peer 127.0.0.1:{own[1]})"),
    )


@pytest.mark.parametrize("greeting", [b"", b"\x16\x03\x03"])
def test_silent_server(vault: Vault, greeting: bytes) -> None:
    """A server that says nothing, or too little, costs only the time."""

    def talk(sock: socket.socket) -> None:
        sock.sendall(greeting)
        while sock.recv(65536):
            pass

    with TcpServer(talk) as server:
        with pytest.raises(TimeoutError) as caught:
            tlskit.connect(
                HOST, server.port, client_context(vault), timeout=0.1
            )
        # Our socket is closed: the server has read to its end.
        server.result()

    assert not isinstance(caught.value, tlskit.TLSError)
    assert "timed out" in str(caught.value)


def test_dripping_server(vault: Vault) -> None:
    """One deadline holds for the whole handshake, if bytes only drip."""
    hello = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + b"\x03" * 1000

    def talk(sock: socket.socket) -> bool:
        for byte in hello:
            sock.settimeout(0.02)
            try:
                while data := sock.recv(4096):
                    pass
            except TimeoutError:
                data = b"x"
            if not data:
                return True
            sock.sendall(bytes([byte]))
        return False

    with TcpServer(talk) as server:
        with pytest.raises(TimeoutError):
            tlskit.connect(
                HOST, server.port, client_context(vault), timeout=0.15
            )

        assert server.result()


def test_silent_client_delays_nobody(vault: Vault) -> None:
    """While one client is silent, others are served; then it is reported."""
    context = server_context(vault.leaf())
    asking = ssl.create_default_context(cafile=vault.roots)
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        listener.handshake_timeout = 0.3
        with socket.create_connection(
            ("127.0.0.1", listener.port), PATIENCE
        ) as silent:
            for _ in range(3):
                task = Task(stdlib_client, listener.port, asking)
                listener.accept(timeout=PATIENCE).close()
                task.result().close()
            with pytest.raises(TimeoutError) as caught:
                listener.accept(timeout=PATIENCE)

            assert "{}:{}".format(*silent.getsockname()) == caught.value.peer  # type: ignore[attr-defined]
            assert not isinstance(caught.value, tlskit.TLSError)


def test_broken_client_is_skipped(vault: Vault) -> None:
    """``raise_error=False`` skips who fails, and gives the next client."""
    asking = ssl.create_default_context(cafile=vault.roots)
    context = server_context(vault.leaf())
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        with socket.create_connection(
            ("127.0.0.1", listener.port), PATIENCE
        ) as broken:
            broken.sendall(b"no TLS at all")
            task = Task(stdlib_client, listener.port, asking)
            with listener.accept(timeout=PATIENCE, raise_error=False) as port:
                client = task.result()

                assert client.getsockname() == port.peer
            client.close()


def test_accept_deadline(vault: Vault) -> None:
    """``accept`` gives up in time, and goes on later."""
    context = server_context(vault.leaf())
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for seconds in (0, 0.01):
            with pytest.raises(TimeoutError) as caught:
                listener.accept(timeout=seconds)

            assert "waiting for a client" in str(caught.value)


def test_nobody_listens(vault: Vault) -> None:
    """A refused TCP connection stays the system's error."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]

    with pytest.raises(ConnectionRefusedError):
        tlskit.connect(
            "127.0.0.1", number, client_context(vault), timeout=PATIENCE
        )


# -- credentials ------------------------------------------------------------

LOADERS: dict[str, Callable[[tlskit.Context, Path], None]] = {
    "load_certificate_chain": lambda context, path: (
        context.load_certificate_chain(path)
    ),
    "load_private_key": lambda context, path: context.load_private_key(path),
    "load_pkcs12": lambda context, path: context.load_pkcs12(path),
    "load_verify_source": lambda context, path: context.load_verify_source(
        path
    ),
    "load_verify_root_certificates": lambda context, path: (
        context.load_verify_root_certificates(path)
    ),
    "load_suggested_certificate_authorities": lambda context, path: (
        context.load_suggested_certificate_authorities(path)
    ),
}


def loader_error(name: str) -> type[tlskit.ConfigurationError]:
    """Give the class of what a loader raises."""
    if "verify" in name:
        return tlskit.TrustSourceError
    return tlskit.CredentialError


@pytest.mark.parametrize("name", LOADERS)
def test_missing_file(tmp_path: Path, name: str) -> None:
    """A missing file is named, with the system's number and cause."""
    path = tmp_path / "absent.pem"
    with pytest.raises(tlskit.ConfigurationError) as caught:
        LOADERS[name](tlskit.ServerContext(), path)

    error = caught.value
    well_told(error, loader_error(name), error.code, re.escape(str(path)))
    assert errno.ENOENT == error.errno
    assert str(path) == error.filename
    assert isinstance(error.__cause__, FileNotFoundError)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("content", [b"", b"no PEM at all\n"])
def test_empty_file(tmp_path: Path, name: str, content: bytes) -> None:
    """A file without what was looked for says so, and is named."""
    path = tmp_path / "empty.pem"
    path.write_bytes(content)
    with pytest.raises(tlskit.ConfigurationError) as caught:
        LOADERS[name](tlskit.ServerContext(), path)

    error = caught.value
    well_told(error, loader_error(name), error.code, re.escape(str(path)))


@pytest.mark.parametrize("first", ["chain", "key"])
def test_key_of_another_certificate(vault: Vault, first: str) -> None:
    """A key that doesn't fit the certificate names both, in either order."""
    ours, other = vault.leaf(), vault.leaf("other.example", kind="rsa")
    context = tlskit.ServerContext()
    with pytest.raises(tlskit.ConfigurationError) as caught:
        if first == "chain":
            context.load_certificate_chain(ours.chain)
            context.load_private_key(other.key)
        else:
            # The chain may come before its own key; seal() has the last word.
            context.load_private_key(other.key)
            context.load_certificate_chain(ours.chain)
            context.seal()

    error = caught.value
    well_told(error, tlskit.CredentialError, "key-mismatch", "RSA")
    common = ours.leaf.certificate.subject.rfc4514_string()
    assert common.partition("=")[2] in str(error)


def test_mismatch_at_first_use(vault: Vault) -> None:
    """A pair that doesn't fit is refused before a byte is sent."""
    context = client_context(vault)
    context.load_private_key(vault.leaf("other.example").key)
    context.load_certificate_chain(vault.leaf().chain)

    def talk(sock: socket.socket) -> bytes:
        return sock.recv(100)

    with TcpServer(talk) as server:
        with pytest.raises(tlskit.CredentialError) as caught:
            tlskit.connect(HOST, server.port, context, timeout=PATIENCE)

        assert "key-mismatch" == caught.value.code
        assert b"" == server.result()


def encrypted(files: Files, password: bytes) -> bytes:
    """Give a leaf's key, encrypted."""
    key = files.leaf.key
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)
    )


def test_encrypted_key_without_password(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encrypted key never prompts; it asks for ``password=``."""
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr("getpass.getpass", None)
    pem = encrypted(vault.leaf(), b"secret-word")
    context = tlskit.ServerContext()
    with pytest.raises(tlskit.CredentialError) as caught:
        context.load_private_key(pem)

    error = caught.value
    well_told(error, tlskit.CredentialError, error.code, "encrypted")
    assert "password" in error.hint


def test_encrypted_key_with_wrong_password(vault: Vault) -> None:
    """A wrong password is an error, which doesn't tell the password."""
    pem = encrypted(vault.leaf(), b"secret-word")
    with pytest.raises(tlskit.CredentialError) as caught:
        tlskit.ServerContext().load_private_key(pem, password="other-word")

    error = caught.value
    well_told(error, tlskit.CredentialError, error.code, "password")
    assert "other-word" not in error.explain()


def test_encrypted_key_with_password(vault: Vault) -> None:
    """With its password, in any form, an encrypted key is loaded."""
    files = vault.leaf()
    pem = encrypted(files, b"secret-word")
    for password in ("secret-word", b"secret-word", lambda: "secret-word"):
        context = tlskit.ServerContext(certificate_chain=files.chain)
        context.load_private_key(pem, password=password)
        context.seal()


def test_listener_without_certificate() -> None:
    """``accept`` without a certificate complains at once."""
    with tlskit.listen(hostname="127.0.0.1") as listener:
        with pytest.raises(tlskit.CredentialError) as caught:
            listener.accept(timeout=PATIENCE)

    well_told(caught.value, tlskit.CredentialError, "no-certificate")


# -- what the caller forgot -------------------------------------------------


def test_no_host_name_to_check(vault: Vault) -> None:
    """A context that checks the host name needs one before a byte is sent."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(tlskit.ConfigurationError) as caught:
            tlskit.SSLPort.start_tls(ours, client_context(vault))
        ours.close()

        well_told(
            caught.value, tlskit.ConfigurationError, "no-hostname", "host name"
        )
        assert b"" == theirs.recv(100)


def test_empty_host_name(vault: Vault) -> None:
    """An empty host name is an error, and not a check left out."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="empty"):
        tlskit.SSLPort.start_tls(ours, client_context(vault), hostname="")


# -- sealed -----------------------------------------------------------------

# Every public mutator with arguments that would do, or fail, if it were not
# sealed: a missing file is not even looked for.
MUTATORS: dict[str, tuple[Any, ...]] = {
    "load_certificate_chain": ("/absent.pem",),
    "load_private_key": ("/absent.pem",),
    "load_pkcs12": ("/absent.p12",),
    "load_intermediates": ("/absent.pem",),
    "load_credentials": (None,),
    "add_credentials": ("/absent.pem", "/absent.pem"),
    "load_verify_source": (tlskit.VerifySource.file("/absent.pem"),),
    "load_default_verify_sources": (),
    "load_verify_root_certificates": ("/absent.pem",),
    "load_suggested_certificate_authorities": ("/absent.pem",),
    "set_verify": (False,),
    "try_verify": (True,),
    "set_verify_optional": (True,),
    "set_verify_hostname": (False,),
    "set_ciphers": ("ALL",),
    "set_ciphersuites": ("TLS_AES_128_GCM_SHA256",),
    "set_groups": (["X25519"],),
    "set_policy": ("2026-12-modern",),
    "set_signature_algorithms": (["ed25519"],),
    "set_alpn": (["h2"],),
    "set_keylog": (None,),
    "set_trace": (None,),
    "set_pins": ([],),
    "set_strict": (False,),
    "set_certificate_verifier": (False,),
    "load_crls": ("/absent.crl",),
    "set_verification_time": (None,),
    "set_verify_depth": (None,),
    "set_partial_chain": (False,),
    "set_purpose": (None,),
    "enable_dhe": (b"",),
    "enable_ecdhe": ("secp256r1",),
    "set_ech_grease": (False,),
    "set_certificate_transparency": (None,),
    "set_intermediate_fetching": (),
    "set_ocsp": ("check",),
    "set_ocsp_response": ("/absent.ocsp",),
    "set_psk_client": (None,),
    "set_psk_server": (None,),
    "set_server_name_callback": (None,),
    "set_server_names": ({},),
    "set_session_cache": (None,),
    "set_session_lifetime": (0,),
}
# Public, and change nothing.
HARMLESS = {
    "warn_if_unverified",
    "as_ssl_context",
    "new_engine",
    "choose_context",
    "choose_for",
    "copy",
    "frozen",
    "hooks_in_use",
    "log_key",
    "origin",
    "port_class",
    "prepared",
    "reload",
    "seal",
    "secure",
    "select_alpn",
    "server_side",
    "session_cache",
    "settings",
    "verify_certificate",
    "verify_chain",
    "verify_peer",
}
SIDES = (tlskit.ClientContext, tlskit.ServerContext)


def public(kind: type) -> set[str]:
    """Give the names that a class has for everybody."""
    return {name for name, _ in inspect.getmembers(kind) if name[0] != "_"}


def sealed(kind: type[tlskit.Context]) -> tlskit.Context:
    """Make a sealed context."""
    context = kind("auto")
    context.seal()
    return context


@pytest.mark.parametrize("kind", SIDES)
def test_every_mutator_is_known(kind: type[tlskit.Context]) -> None:
    """Whatever is public is tested as a mutator, or known as harmless."""
    assert public(kind) <= set(MUTATORS) | HARMLESS
    assert not set(MUTATORS) & HARMLESS
    assert set(MUTATORS) <= public(tlskit.ClientContext) | public(
        tlskit.ServerContext
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in SIDES
        for name in MUTATORS
        if hasattr(kind, name)
    ],
)
def test_sealed_mutator(kind: type[tlskit.Context], name: str) -> None:
    """A sealed context refuses every mutator, and stays what it was."""
    context = sealed(kind)
    before = context.settings
    with pytest.raises(tlskit.SealedError) as caught:
        getattr(context, name)(*MUTATORS[name])

    well_told(caught.value, tlskit.SealedError, "sealed", "sealed")
    assert before is context.settings
    assert context.frozen


def test_sealed_source_is_not_tried() -> None:
    """``try_=True`` forgives a missing source, and not the seal."""
    context = sealed(tlskit.ClientContext)
    with pytest.raises(tlskit.SealedError):
        context.load_verify_source("/absent.pem", try_=True)


@pytest.mark.parametrize("kind", SIDES)
def test_sealed_attributes(kind: type[tlskit.Context]) -> None:
    """A sealed context refuses every assignment and deletion."""
    context = sealed(kind)
    names = {
        *vars(context),
        *(name for name, _ in inspect.getmembers(kind)),
        "anything_else",
    }
    for name in names:
        with pytest.raises(tlskit.SealedError):
            setattr(context, name, None)
        with pytest.raises(tlskit.SealedError):
            delattr(context, name)

    assert context.frozen


def test_sealed_by_secure() -> None:
    """``ClientContext("secure")`` and ``secure()`` are sealed."""
    for context in (
        tlskit.ClientContext(),
        tlskit.ClientContext("secure"),
        tlskit.ClientContext.secure(),
    ):
        with pytest.raises(tlskit.SealedError):
            context.set_verify(False)


def test_sealed_through_listener(vault: Vault) -> None:
    """A listener's setters can't change a sealed context either."""
    context = server_context(vault.leaf())
    context.seal()
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        for name in sorted(public(tlskit.Listener) & set(MUTATORS)):
            with pytest.raises(tlskit.SealedError):
                getattr(listener, name)(*MUTATORS[name])


def test_sealed_subclass() -> None:
    """A subclass is sealed, too, attributes of its own included."""

    class Own(tlskit.ClientContext):
        def __init__(self) -> None:
            self.mine = 1
            super().__init__()

    context = Own()
    with pytest.raises(tlskit.SealedError):
        context.mine = 2

    assert 1 == context.mine


def test_copy_is_not_sealed() -> None:
    """A copy of a sealed context may change, and the original doesn't."""
    context = tlskit.ClientContext()
    copy = context.copy()
    copy.set_verify(False)

    assert not copy.frozen
    assert context.frozen
    assert copy != context


@pytest.mark.parametrize(
    "load",
    ["load_credentials", "load_verify_source", "load_certificate_chain"],
)
def test_a_key_in_the_wrong_place_is_not_told(load: str) -> None:
    """Who gives a private key where something else is wanted reads of it."""
    key = CA().issue("localhost").key_pem
    given: object = [key] if load == "load_certificate_chain" else key
    with pytest.raises(TypeError, match="bytes") as caught:
        getattr(tlskit.ServerContext(), load)(given)

    assert "PRIVATE" not in str(caught.value)
