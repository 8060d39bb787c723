"""Certificates and connected ports for tests, made in memory.

``CA`` issues good certificates, and deliberately bad ones.  ``memory_pair``
joins two ports without a socket.  As a plugin of pytest (name it in a
``conftest.py``: ``pytest_plugins = ["tlskit.testing"]``) this module offers
the fixtures ``tls_ca``, a ``CA`` for the whole session, and ``tls_leaf``, a
``Leaf`` of it for localhost, 127.0.0.1 and ::1.

It may be imported before pytest loads it, with nothing to warn about
(PYTEST_DONT_REWRITE).
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    ed25519,
    padding,
    rsa,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .errors import ConfigurationError
from .identity import Identity
from .pipes import pipe
from .wrapping import ports_to_ssl_ports

if TYPE_CHECKING:
    from .context import Context
    from .ports import SSLPort
    from .sides import ClientContext, ServerContext

__all__ = ["BAD_KINDS", "CA", "Leaf", "memory_pair", "pipe"]

Key = (
    ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
)

#: What ``CA.issue_bad`` can do wrong.
BAD_KINDS = (
    "expired",
    "not-yet-valid",
    "wrong-host",
    "self-signed",
    "unknown-ca",
    "no-san",
    "ip-as-dns",
    "missing-intermediate",
    "wrong-purpose",
    "weak-key",
    "weak-digest",
    "name-constraints",
    "path-length",
    "revoked",
)

_DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM
_DER = serialization.Encoding.DER


def _new_key(kind: str) -> Key:
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"key_type is 'ecdsa', 'rsa' or 'ed25519', not {kind!r}")


@dataclass(frozen=True)
class Leaf:
    """A certificate of an end, with its key and its issuers."""

    key: Key
    #: As it is presented, this certificate first; no root.
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return self.chain[0]

    @property
    def chain_pem(self) -> bytes:
        """The chain as PEM."""
        return b"".join(each.public_bytes(_PEM) for each in self.chain)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM (PKCS#8), not encrypted."""
        return self.encrypted_key_pem(None)

    def encrypted_key_pem(self, password: bytes | None) -> bytes:
        """Give the private key as PEM, encrypted if there is a password."""
        return self.key.private_bytes(
            _PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password),
        )

    def write(self, directory: str | Path) -> tuple[Path, Path]:
        """Write ``chain.pem`` and ``key.pem``; give their paths."""
        chain = Path(directory, "chain.pem")
        key = Path(directory, "key.pem")
        chain.write_bytes(self.chain_pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem)
        return chain, key

    def apply(self, context: Context) -> None:
        """Load chain and key into *context*."""
        context.load_certificate_chain(self.chain)
        context.load_private_key(self.key)


class CA:
    """A certification authority.

    Args:
        name: Its common name.
        key_type: ``"ecdsa"`` (P-256), ``"rsa"`` (2048 bits) or
            ``"ed25519"``.
        parent: Who issues its certificate; None makes a root.
        key: A key to use instead of a new one.
        valid: From when to when; by default from yesterday, ten years.
        extensions: More of them, each with whether it is critical.
        path_length: How many CAs may follow below this one.
    """

    def __init__(
        self,
        name: str = "tlskit test CA",
        *,
        key_type: str = "ecdsa",
        parent: CA | None = None,
        key: Key | None = None,
        valid: tuple[datetime, datetime] | None = None,
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
        path_length: int | None = None,
    ) -> None:
        self.key = _new_key(key_type) if key is None else key
        self.parent = parent
        self._made_revoked: list[x509.Certificate] = []
        subject = _name(name)
        now = datetime.now(timezone.utc)
        self.certificate = _sign(
            subject,
            self.key.public_key(),
            parent,
            self.key,
            extensions=(
                (x509.BasicConstraints(True, path_length), True),
                (_key_usage(ca=True), True),
                *extensions,
            ),
            valid=valid or (now - _DAY, now + 3650 * _DAY),
        )

    @property
    def pem(self) -> bytes:
        """Its certificate as PEM."""
        return self.certificate.public_bytes(_PEM)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Itself and the CAs above it, without the root."""
        if self.parent is None:
            return ()
        return (self.certificate, *self.parent.chain)

    def trust(self, context: Context) -> None:
        """Have *context* trust this CA."""
        from .trust import VerifySource

        context.load_verify_source(VerifySource.pem(self.pem))

    def intermediate(
        self, name: str = "tlskit test intermediate CA", **keywords: Any
    ) -> CA:
        """Make a CA below this one; further keywords as for ``CA``."""
        return CA(name, parent=self, **keywords)

    def issue(
        self,
        *names: str,
        common_name: str | None = None,
        key_type: str = "ecdsa",
        key: Key | None = None,
        valid: tuple[datetime, datetime] | None = None,
        usages: Iterable[x509.ObjectIdentifier] | None = None,
        san: x509.SubjectAlternativeName | None = None,
        with_san: bool = True,
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    ) -> Leaf:
        """Issue a certificate for a server or a client.

        Args:
            names: Host names, IP addresses and mail addresses; without any
                there are no subject alternative names.
            common_name: The subject's; the first name by default.
            key_type: As for ``CA``.
            key: A key to use instead of a new one.
            valid: From when to when; by default from yesterday, 90 days.
            usages: Extended key usages; by default server and client.
            san: The subject alternative names, instead of *names*.
            with_san: False leaves them out.
            extensions: More of them, each with whether it is critical.
        """
        own = _new_key(key_type) if key is None else key
        now = datetime.now(timezone.utc)
        if usages is None:
            usages = (
                ExtendedKeyUsageOID.SERVER_AUTH,
                ExtendedKeyUsageOID.CLIENT_AUTH,
            )
        described: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(False, None), True),
            (_key_usage(ca=False), True),
            (x509.ExtendedKeyUsage(usages), False),
            *extensions,
        ]
        # An empty list of names would make the certificate malformed.
        if with_san and (names or san is not None):
            described.append((san or _san(names), False))
        certificate = _sign(
            _name(common_name or (names[0] if names else "nobody")),
            own.public_key(),
            self,
            self.key,
            extensions=described,
            valid=valid or (now - _DAY, now + 90 * _DAY),
        )
        return Leaf(own, (certificate, *self.chain))

    def issue_bad(self, kind: str, *names: str) -> Leaf:
        """Issue a certificate with one thing wrong.

        Args:
            kind: One of ``BAD_KINDS``.  ``"ip-as-dns"`` is wrong for the
                addresses among the names only; what is ``"revoked"`` is in
                every later ``crl()``.
            names: As for ``issue``.

        Raises:
            ValueError: There is no such kind.
        """
        if kind not in BAD_KINDS:
            raise ValueError(
                f"{kind!r} is no kind; there are: {', '.join(BAD_KINDS)}"
            )
        maker = getattr(self, "_" + kind.replace("-", "_"))
        leaf: Leaf = maker(names)
        return leaf

    def crl(self, revoked: Iterable[Leaf | x509.Certificate] = ()) -> bytes:
        """Give a certificate revocation list as PEM, good for a week.

        Args:
            revoked: What it lists, besides what was issued as revoked.
        """
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _DAY)
            .next_update(now + 7 * _DAY)
            .add_extension(x509.CRLNumber(int(now.timestamp())), False)
            .add_extension(_authority(self.key), False)
        )
        for each in (*self._made_revoked, *revoked):
            certificate = each.certificate if isinstance(each, Leaf) else each
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now - _DAY)
                .build()
            )
        return builder.sign(self.key, _digest(self.key)).public_bytes(_PEM)

    # -- what can be wrong --------------------------------------------------

    def _expired(self, names: tuple[str, ...]) -> Leaf:
        now = datetime.now(timezone.utc)
        return self.issue(*names, valid=(now - 30 * _DAY, now - 2 * _DAY))

    def _not_yet_valid(self, names: tuple[str, ...]) -> Leaf:
        now = datetime.now(timezone.utc)
        return self.issue(*names, valid=(now + 2 * _DAY, now + 30 * _DAY))

    def _wrong_host(self, _names: tuple[str, ...]) -> Leaf:
        return self.issue("wrong.example")

    def _self_signed(self, names: tuple[str, ...]) -> Leaf:
        key = _new_key("ecdsa")
        now = datetime.now(timezone.utc)
        certificate = _sign(
            _name(names[0] if names else "nobody"),
            key.public_key(),
            None,
            key,
            extensions=(
                (x509.BasicConstraints(False, None), True),
                (_key_usage(ca=False), True),
                (_san(names), False),
            ),
            valid=(now - _DAY, now + 90 * _DAY),
        )
        return Leaf(key, (certificate,))

    def _unknown_ca(self, names: tuple[str, ...]) -> Leaf:
        return CA("tlskit unknown CA").issue(*names)

    def _no_san(self, names: tuple[str, ...]) -> Leaf:
        return self.issue(*names, with_san=False)

    def _ip_as_dns(self, names: tuple[str, ...]) -> Leaf:
        return self.issue(*names, san=_san(names, address=x509.DNSName))

    def _missing_intermediate(self, names: tuple[str, ...]) -> Leaf:
        leaf = self.intermediate("tlskit hidden CA").issue(*names)
        return Leaf(leaf.key, leaf.chain[:1])

    def _wrong_purpose(self, names: tuple[str, ...]) -> Leaf:
        return self.issue(*names, usages=[ExtendedKeyUsageOID.CODE_SIGNING])

    def _weak_key(self, names: tuple[str, ...]) -> Leaf:
        key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - on purpose
        return self.issue(*names, key=key)

    def _weak_digest(self, names: tuple[str, ...]) -> Leaf:
        below = self.intermediate("tlskit SHA-1 CA", key_type="rsa")
        leaf = below.issue(*names)
        weak = _signed_with_sha1(leaf.certificate, below.key)
        return Leaf(leaf.key, (weak, *below.chain))

    def _name_constraints(self, names: tuple[str, ...]) -> Leaf:
        permitted = [
            x509.DNSName("permitted.example"),
            # Else any address would do: a name says nothing about them.
            x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
        ]
        below = self.intermediate(
            "tlskit constrained CA",
            extensions=[(x509.NameConstraints(permitted, None), True)],
        )
        return below.issue(*names)

    def _path_length(self, names: tuple[str, ...]) -> Leaf:
        last = self.intermediate("tlskit last CA", path_length=0)
        return last.intermediate("tlskit one CA too many").issue(*names)

    def _revoked(self, names: tuple[str, ...]) -> Leaf:
        leaf = self.issue(*names)
        self._made_revoked.append(leaf.certificate)
        return leaf


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]
    )


def _ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def _san(
    names: Iterable[str], *, address: Callable[[str], x509.GeneralName] = _ip
) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        _general_name(each, address) for each in names
    )


def _general_name(
    text: str, address: Callable[[str], x509.GeneralName]
) -> x509.GeneralName:
    if "@" in text:
        return x509.RFC822Name(text)
    with suppress(ValueError):
        ipaddress.ip_address(text)
        return address(text)
    star = "*." if text.startswith("*.") else ""
    dns = Identity.parse(text[len(star) :]).dns
    assert dns is not None
    return x509.DNSName(star + dns.decode("ascii"))


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _digest(key: Key) -> hashes.SHA256 | None:
    return (
        None
        if isinstance(key, ed25519.Ed25519PrivateKey)
        else (hashes.SHA256())
    )


def _authority(signer: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(
        signer.public_key()
    )


def _sign(
    subject: x509.Name,
    public_key: Any,
    issuer: CA | None,
    signer: Key,
    *,
    extensions: Iterable[tuple[x509.ExtensionType, bool]],
    valid: tuple[datetime, datetime],
) -> x509.Certificate:
    """Sign a certificate; without an issuer, it signs itself."""
    if issuer is not None:
        signer = issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(public_key), False
        )
        .add_extension(_authority(signer), False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, _digest(signer))


# sha256WithRSAEncryption and sha1WithRSAEncryption (RFC 8017, appendix C).
_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_RSA = bytes.fromhex("06092a864886f70d010105")


def _signed_with_sha1(
    certificate: x509.Certificate, signer: Key
) -> x509.Certificate:
    """Sign again with SHA-1, which ``cryptography`` refuses to issue.

    The names of both algorithms are as long, so in the DER one replaces the
    other: in what is signed, and beside the signature.
    """
    assert isinstance(signer, rsa.RSAPrivateKey)
    signed = certificate.tbs_certificate_bytes
    head, _, tail = certificate.public_bytes(_DER).partition(signed)
    signed = signed.replace(_SHA256_RSA, _SHA1_RSA)
    signature = signer.sign(
        signed,
        padding.PKCS1v15(),
        hashes.SHA1(),  # noqa: S303 - on purpose
    )
    tail = tail.replace(_SHA256_RSA, _SHA1_RSA)[: -len(signature)]
    return x509.load_der_x509_certificate(head + signed + tail + signature)


def memory_pair(
    client: ClientContext,
    server: ServerContext,
    *,
    hostname: str | None = "localhost",
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = 10.0,
    capacity: int | None = None,
) -> tuple[SSLPort, SSLPort]:
    """Join two ports in memory, and shake hands.

    Args:
        client: The client's context.
        server: The server's context.
        hostname: The name that the client announces and checks.
        alpn: Application protocols that the client offers.
        timeout: The ports' time-out in seconds, also for the handshake.
        capacity: How many bytes fit between them; None is no limit.

    Returns:
        The client's port and the server's.

    Raises:
        TLSError: What the client raised, or else what the server did; first
            of all what is wrong with a context.
    """
    left, right = pipe(capacity)
    accepted: list[SSLPort | BaseException] = []

    def accept() -> None:
        try:
            accepted.append(
                ports_to_ssl_ports(
                    right,
                    right,
                    mode="accept",
                    context=server,
                    close_original=True,
                    shutdown_on_close=True,
                )
            )
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            accepted.append(error)
            right.close_streams = True
            right.close()

    left.settimeout(timeout)
    right.settimeout(timeout)
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        port = ports_to_ssl_ports(
            left,
            left,
            mode="connect",
            context=client,
            hostname=hostname,
            alpn=alpn,
            close_original=True,
            shutdown_on_close=True,
        )
    except BaseException:
        left.close_streams = True
        left.close()
        thread.join(timeout)
        if accepted and isinstance(accepted[0], ConfigurationError):
            raise accepted[0] from None
        raise
    thread.join(timeout)
    other = accepted[0] if accepted else TimeoutError("the server hangs")
    if isinstance(other, BaseException):
        with suppress(OSError):  # The other end is gone.
            port.close()
        raise other
    for each in (port, other):
        each.settimeout(timeout)
    return port, other


def pytest_configure(config: Any) -> None:
    """Offer the fixtures; pytest calls this when it loads the plugin."""
    # Not imported above: the rest of this module works without pytest.
    fixture = import_module("pytest").fixture(scope="session")
    fixtures = ModuleType("tlskit fixtures")
    for make in (_tls_ca, _tls_leaf):
        setattr(fixtures, make.__name__[1:], fixture(make))
    config.pluginmanager.register(fixtures, fixtures.__name__)


def _tls_ca() -> CA:
    """A certification authority, for the whole session."""
    return CA()


def _tls_leaf(tls_ca: CA) -> Leaf:
    """A certificate of ``tls_ca`` for this machine."""
    return tls_ca.issue("localhost", "127.0.0.1", "::1")
