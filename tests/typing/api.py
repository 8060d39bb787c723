"""Use the public API as an application would; type-checked, never run."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from typing_extensions import assert_type

import tlskit
from tlskit import hashing
from tlskit.acme import AcmeCredentials, AcmeOnDemand
from tlskit.testing import CA, Leaf, memory_pair


class Port(tlskit.SSLPort):
    """A port with a method of its own."""

    def greet(self) -> None:
        """Say hello."""
        self.sendall(b"hello")


class Client(tlskit.ClientContext):
    """A client with every hook of its side."""

    port_class = Port

    def verify_certificate(
        self, certificate: x509.Certificate, depth: int, ok: bool
    ) -> bool:
        """Demand what OpenSSL demands, and a serial number."""
        return ok and certificate.serial_number > depth

    def verify_peer(self, verdict: tlskit.Facts) -> None:
        """Look at who was accepted."""
        assert_type(verdict.peer_verified, bool)
        assert_type(verdict.peer_identities, tuple[tlskit.Identity, ...])

    def log_key(self, line: str) -> None:
        """Keep the line."""


class Server(tlskit.ServerContext):
    """A server with every hook of its side."""

    async def choose_for(
        self, hello: tlskit.ClientHello
    ) -> tlskit.ServerContext | None:
        """Serve the wary otherwise."""
        assert_type(hello.server_name, str | None)
        return Server() if "mldsa65" in hello.signature_algorithms else None

    def choose_context(self, server_name: str) -> tlskit.ServerContext | None:
        """Serve others otherwise."""
        return None if server_name == "mine.example" else Server()

    def select_alpn(self, offered: tuple[str, ...]) -> str | None:
        """Take the client's first."""
        return offered[0] if offered else None


def contexts(ca: CA, path: Path) -> None:
    """Make contexts, change them, seal them."""
    client = tlskit.ClientContext("auto", certificate_chain=path)
    client.load_private_key(b"PEM", password="secret")
    client.load_private_key(path, password=lambda: b"secret")
    client.load_verify_source(tlskit.VerifySource.pem(ca.pem))
    client.load_verify_source("roots.pem", try_=True)
    client.load_default_verify_sources()
    client.load_verify_root_certificates(path)
    client.set_verify()
    client.set_verify_hostname(False)
    client.set_alpn(["h2", b"http/1.1"])
    client.set_keylog("SSLKEYLOGFILE")
    client.set_keylog(print)
    client.set_pins(["sha256/AAAA"])
    client.set_strict()
    chain = client.verify_chain(b"PEM", hostname="a.example")
    assert_type(chain, tuple[x509.Certificate, ...])
    client.load_crls(path, check="chain")
    client.load_crls(b"DER")
    client.set_ocsp("require")
    client.set_verification_time(datetime.now(timezone.utc))
    client.set_verify_depth(2)
    client.set_partial_chain()
    client.load_intermediates(path)
    client.load_intermediates(b"PEM")
    client.set_purpose("any")
    client.set_groups(["X25519"])
    client.set_certificate_verifier(lambda depth, ok, certificate: ok)
    client.load_verify_source(tlskit.ReloadableRoots("roots.pem", interval=5))
    client.load_credentials(
        tlskit.ReloadableCredentials(path, on_failure=lambda error: None)
    )
    client.set_session_cache(tlskit.SessionCache(size=10, max_age=60))
    client.seal()
    client.reload()
    assert_type(client.session_cache, tlskit.SessionCache | None)
    assert_type(client.frozen, bool)
    assert_type(client.copy(), tlskit.ClientContext)
    assert_type(tlskit.ClientContext.secure(), tlskit.ClientContext)

    server = tlskit.ServerContext(private_key=path, certificate_chain=path)
    server.load_suggested_certificate_authorities(path)
    server.set_ocsp_response(path)
    server.set_ocsp_response(lambda: b"DER")
    server.enable_dhe()
    server.enable_ecdhe("secp384r1")
    server.set_server_names({"a.example": server}, default=server)
    server.set_server_name_callback(lambda name: None)
    server.set_session_lifetime(None)


def presharing(
    client: tlskit.ClientContext, server: tlskit.ServerContext
) -> None:
    """Use keys that both sides have."""
    client.set_psk_client(("me", b"key"), hash="sha384")
    client.set_psk_client(lambda: None)
    client.set_ech_grease()
    server.set_psk_server({"me": b"key"})
    server.set_psk_server({b"me": b"key"}, hash="sha384")
    server.set_psk_server(lambda identity: b"key")
    server.set_psk_server(None)


def renewing(path: Path) -> None:
    """Follow files, and keep sessions."""
    credentials = tlskit.ReloadableCredentials(path, path, password="secret")
    assert_type(credentials.reload(), bool)
    assert_type(credentials.last_error, tlskit.ConfigurationError | None)
    assert_type(credentials.certificate_chain, tlskit.CertificateChain)
    cache = tlskit.SessionCache()
    assert_type(cache.dump(), bytes)
    assert_type(cache.load(b""), int)


def connections(context: tlskit.ClientContext, sock: socket.socket) -> None:
    """Connect, and read what the handshake established."""
    with tlskit.connect(
        "a.example", 443, context, alpn=("h2",), timeout=5
    ) as port:
        assert_type(port, tlskit.SSLPort)
        port.sendall(bytearray(b"data"))
        assert_type(port.recv(10), bytes)
        assert_type(port.recv_into(bytearray(10)), int)
        assert_type(port.input.readline(), bytes)
        port.output.write(memoryview(b"data"))
        assert_type(port.version, tlskit.TLSVersion | None)
        assert_type(port.peer_certificate, x509.Certificate | None)
        if port.peer_certificate is not None:
            info = tlskit.CertificateInfo.of(port.peer_certificate)
            assert_type(info.names, tuple[str, ...])
            assert_type(info.days_left(), int)
            assert_type(tlskit.fingerprint(port.peer_certificate), str)
            assert_type(
                tlskit.match_hostname(port.peer_certificate, "a.example"), bool
            )
        assert_type(port.peer_chain, tuple[x509.Certificate, ...])
        assert_type(port.alpn_selected, str | None)
        assert_type(port.verify_error, tlskit.VerificationError | None)
        assert_type(port.export_keying_material("label", 32), bytes)
    reader, writer = tlskit.ports_to_ssl_ports(
        sock, sock, mode="connect", context=context, hostname="a.example"
    )
    writer.write(reader.read(1))


def listening(context: tlskit.ServerContext) -> None:
    """Listen, and accept."""
    with tlskit.listen(0, hostname="localhost", context=context) as listener:
        assert_type(listener.port, int)
        assert_type(listener.fileno(), int)
        assert_type(listener.accept(timeout=1), tlskit.SSLPort)
        for port in listener:
            port.close()


def serving(listener: tlskit.Listener) -> None:
    """Serve, behind a proxy, and count."""
    listener.set_proxy_protocol(["10.0.0.0/8"], required=False)
    listener.set_plain_http("redirect", hosts=["a.example"])
    listener.serve(lambda port: port.sendall(b"hello"), workers=2)
    listener.serve(print, max_connections=None, timeout=None)
    listener.serve(print, processes=2, on_refused=lambda error: None)
    listener.shutdown(timeout=5)
    assert_type(listener.statistics, tlskit.ListenerStatistics)
    assert_type(listener.statistics.refused, Mapping[str, int])
    assert_type(tlskit.prometheus_text(listener.statistics), str)
    with listener.accept() as port:
        assert_type(port.proxy, tuple[str, int] | None)
        assert_type(port.proxy_header, tlskit.ProxyHeader | None)


def errors() -> None:
    """Sort errors by blame."""
    try:
        tlskit.connect("a.example", timeout=1)
    except tlskit.IdentityError as error:
        assert_type(error.expected, str | None)
        assert_type(error.code, str)
        assert_type(error.hint, str)
    except tlskit.TLSError as error:
        assert_type(error.status, str | None)
    except OSError as error:
        assert_type(error.errno, int | None)


def library() -> None:
    """Ask what there is."""
    assert_type(tlskit.available, bool)
    assert_type(tlskit.load_fail_reason, str | None)
    assert_type(tlskit.capabilities(), Mapping[str, bool])
    assert_type(tlskit.max_client_protocol(), str | None)
    assert_type(tlskit.supported_server_protocols(), tuple[str, ...])
    with tlskit.set_default_verify_sources([tlskit.VerifySource.certifi()]):
        tlskit.default_verify_sources()
    assert_type(hashing.bytes_to_hex_string(b"data"), str)


def testing() -> None:
    """Make certificates, and ports without a network."""
    ca = CA(key_type="rsa")
    leaf = ca.intermediate().issue("right.example", "127.0.0.1")
    assert_type(leaf, Leaf)
    client, server = tlskit.ClientContext(), tlskit.ServerContext()
    leaf.apply(server)
    here, there = memory_pair(client, server, hostname="right.example")
    here.sendall(b"data")
    there.close()


def driver(client: Client, server: Server) -> None:
    """Move the ciphertext of a session, and ask for more than a host."""
    workload = tlskit.Identity.uri("spiffe://example.org/billing")
    ours = client.new_engine(identity=workload, hostname="a.example")
    theirs: tlskit.Engine = server.new_engine(alpn=())
    assert_type(ours.handshake(), bool | None)
    theirs.receive(ours.outgoing())
    assert_type(ours.write(b"data"), int | None)
    assert_type(ours.read_into(bytearray(10)), int | None)
    ours.finish()
    assert_type(ours.state, tlskit.State)
    assert_type(ours.facts, tlskit.Facts | None)
    for identity in (
        tlskit.Identity.host("a.example"),
        tlskit.Identity.address("192.0.2.1"),
        tlskit.Identity.service("_imap.a.example"),
    ):
        tlskit.connect("a.example", identity=identity).close()


def acme() -> tlskit.ServerContext:
    """Have certificates that renew themselves."""
    credentials = AcmeCredentials(
        ["www.example"],
        directory="https://acme.example/directory",
        storage=Path("acme"),
        contact=["mailto:us@www.example"],
        profile="shortlived",
        trust=tlskit.VerifySource.of("roots.pem"),
        terms_agreed=True,
        on_failure=lambda error: error.hint,
    )
    assert_type(credentials.obtain(timeout=60), bool)
    assert_type(credentials.last_error, tlskit.ConfigurationError | None)
    assert_type(credentials.certificate_chain, tlskit.CertificateChain)
    others = AcmeOnDemand(
        lambda name: name.endswith(".www.example"),
        directory="https://acme.example/directory",
        storage=Path("acme"),
        most=10,
        terms_agreed=True,
    )
    assert_type(others.names, tuple[str, ...])
    context = tlskit.ServerContext()
    context.load_credentials(credentials, others)
    return context
