"""What a finished handshake established, one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import VerificationError
from ..tools.public import public
from ..verify.identity import Identity, identities_of
from ..x509 import gate
from ..x509.reading import readable
from .gateways import asgi, environ

__all__ = ["Facts"]


@public
@dataclass(frozen=True)
class Facts:
    """One handshake's results; they stay readable after the port's close."""

    #: The number on the wire, such as 0x0304.
    version: int
    #: The cipher suite by OpenSSL's name.
    cipher: str | None
    #: The key-exchange group, where the library tells it.
    group: str | None
    #: The protocol that ALPN selected.
    alpn: str | None
    #: The name that the client asked for.
    server_name: str | None
    session_reused: bool
    #: The peer's chain leads to a root of ours and nothing is wrong with it.
    peer_verified: bool
    verify_error: VerificationError | None
    #: The Finished message of RFC 5929, section 3; None in TLS 1.3.
    tls_unique: bytes | None
    #: Whether RFC 9266 defines a binding: TLS 1.3, or RFC 7627 on 1.2.
    exporter_is_unique: bool
    #: As the peer sent it, DER, its own certificate first; others that can't
    #: be read are left out.
    peer_ders: tuple[bytes, ...] = ()
    #: The path to a root, DER, the peer's own first; empty if there is none.
    verified_ders: tuple[bytes, ...] = ()
    #: Our own certificate, DER, if we presented one.
    certificate_der: bytes | None = None
    #: Whose pre-shared key both sides have proved; then there are no
    #: certificates.
    psk_identity: str | None = None

    # Parsed certificates take ten times the memory, and few ask for them.
    # Names that break the rules of their kind of string are written as
    # another kind there, to be readable.

    @property
    def peer_certificate(self) -> gate.x509.Certificate | None:
        """The peer's own, if it gave one."""
        return readable(self.peer_ders[0]) if self.peer_ders else None

    @property
    def peer_chain(self) -> tuple[gate.x509.Certificate, ...]:
        """What ``peer_ders`` has."""
        return tuple(map(readable, self.peer_ders))

    @property
    def verified_chain(self) -> tuple[gate.x509.Certificate, ...]:
        """What ``verified_ders`` has."""
        return tuple(map(readable, self.verified_ders))

    @property
    def certificate(self) -> gate.x509.Certificate | None:
        """Our own, if we presented one."""
        der = self.certificate_der
        return None if der is None else readable(der)

    @cached_property
    def peer_identities(self) -> tuple[Identity, ...]:
        """Whom the peer has proved to be; empty unless it is verified.

        Host names, addresses, URIs and services of its certificate, so that
        ``Identity.uri("spiffe://...") in facts.peer_identities`` says all.
        Wildcards are left out; so are all URIs where one of several is a
        SPIFFE ID, because an SVID has exactly one.
        """
        certificate = self.peer_certificate if self.peer_verified else None
        return () if certificate is None else identities_of(certificate)

    def asgi(self) -> dict[str, Any]:
        """Give what a server puts into ``scope["extensions"]["tls"]``.

        Returns:
            ``server_cert``, ``client_cert_chain`` and ``client_cert_name``
            (None unless the client is verified), ``client_cert_error`` (None
            if nothing is wrong), ``tls_version`` and ``cipher_suite``, as
            the TLS extension of ASGI has them: certificates as PEM.

        Source: https://asgi.readthedocs.io/en/latest/specs/tls.html
        """
        return asgi(self)

    def environ(self) -> dict[str, str]:
        """Give what a server puts into the environment of WSGI or CGI.

        Returns:
            ``HTTPS``, ``SSL_PROTOCOL``, ``SSL_CIPHER``, ``SSL_CLIENT_VERIFY``
            (``NONE``, ``SUCCESS``, or ``FAILED:`` and a code) and more of
            mod_ssl's names.  What the client's certificate says is there only
            if it is verified: ``SSL_CLIENT_CERT``, ``SSL_CLIENT_S_DN``,
            ``SSL_CLIENT_SAN_DNS_0``, ``SSL_CLIENT_SAN_URI_0``, ...

        Source: https://httpd.apache.org/docs/current/mod/mod_ssl.html
        """
        return environ(self)
