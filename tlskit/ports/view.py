"""What a port of any kind tells about its session and its peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..engine import bindings
from ..engine.engine import Engine
from ..engine.facts import Facts
from ..errors import StreamError, UnsupportedError, VerificationError
from ..errors.copies import is_copy
from ..errors.whereabouts import locate, place_of
from ..openssl.protocols import TLSVersion
from ..tools.instead import Instead
from ..tools.whole import check_whole
from ..verify.identity import (
    certificate_hostnames,
    issuer_oneline,
    match_hostname,
    subject_oneline,
)

if TYPE_CHECKING:
    from cryptography import x509

    from ..engine.hello.client_hello import ClientHello
    from ..engine.trace import HandshakeReport
    from ..server.proxy_protocol import ProxyHeader

__all__ = ["Endpoints", "InfoValues", "SessionView"]

#: TLS 1.3 writes the length in two bytes (RFC 8446, section 7.1).
_MOST_EXPORTED = 65535


class InfoValues(NamedTuple):
    """Who is at the other end; ``tls-socket-info-values``."""

    hostname: str
    ip: str
    port: int


class Endpoints(NamedTuple):
    """The two ends of a TCP connection, each as host and port."""

    local: tuple[str, int]
    remote: tuple[str, int]
    #: The name by which the remote end was looked up, if it was.
    hostname: str | None = None
    #: What a proxy said of the connection, and where that proxy is.
    header: ProxyHeader | None = None
    proxy: tuple[str, int] | None = None


class SessionView:
    """The facts of a session; they stay readable after close.

    Before the handshake is done, what it will establish is None, empty or
    False.
    """

    _driver: Any  # Each kind of port has its own; all say "closed".
    _engine: Engine
    _endpoints: Endpoints | None
    #: The peer as whoever opened the connection called it, for errors.
    _called: str | None = None

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Refuse to be copied or pickled: a connection has one owner."""
        raise TypeError("a connection can't be copied or pickled")

    def _locate(self, error: BaseException, phase: str) -> None:
        """Have *error* say to whom and when it happened."""
        self._engine.name_first(error)
        called, ends = self._called, self._endpoints
        if called is None and ends is not None:
            host, number = ends.remote
            called = place_of((ends.hostname or host, number))
        locate(error, called, phase)
        failure = self._engine.failure
        # That is raised again.
        if failure is not None and is_copy(error, failure):
            locate(failure, called, phase)

    def _during(self, phase: str) -> Instead[Exception]:
        """Have whatever is raised say to whom and when it happened."""
        return Instead(Exception, lambda error: self._locate(error, phase))

    def __repr__(self) -> str:
        """Tell side, peer, version and state; no secret."""
        side = "server" if self._engine.server_side else "client"
        where = "{}:{} ".format(*self.peer) if self.peer else ""
        version = "" if self.version is None else f"{self.version.name} "
        state = "closed" if self.closed else self._engine.state.name.lower()
        return f"<{type(self).__name__} {side} {where}{version}{state}>"

    @property
    def closed(self) -> bool:
        """Whether the port was closed.  Source: ``tls-socket-closed?``."""
        closed: bool = self._driver.closed
        return closed

    @property
    def facts(self) -> Facts | None:
        """All that the handshake has established; None before it is done."""
        return self._engine.facts

    @property
    def _facts(self) -> Facts | None:
        return self._engine.facts

    # -- the peer -----------------------------------------------------------

    @property
    def peer_verified(self) -> bool:
        """Whether the peer gave a certificate that leads to a root of ours.

        It tells what was found, whether or not it was demanded.
        Source: ``ssl-peer-verified?``.
        """
        return self._facts is not None and self._facts.peer_verified

    @property
    def verify_error(self) -> VerificationError | None:
        """What is wrong with the peer's certificate, or None."""
        return None if self._facts is None else self._facts.verify_error

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """The peer's certificate, verified or not, or None."""
        return None if self._facts is None else self._facts.peer_certificate

    @property
    def peer_chain(self) -> tuple[x509.Certificate, ...]:
        """What the peer sent, its own certificate first."""
        return () if self._facts is None else self._facts.peer_chain

    @property
    def verified_chain(self) -> tuple[x509.Certificate, ...]:
        """The path from the peer's certificate to a root of ours."""
        return () if self._facts is None else self._facts.verified_chain

    @property
    def certificate(self) -> x509.Certificate | None:
        """Our own certificate, if we presented one."""
        return None if self._facts is None else self._facts.certificate

    @property
    def peer_certificate_hostnames(self) -> tuple[str, ...]:
        """The names in the peer's certificate (RFC 2818, section 3.1).

        Its DNS names in order; if there are none, its last common name.
        Source: ``ssl-peer-certificate-hostnames``.
        """
        certificate = self.peer_certificate
        return (
            () if certificate is None else certificate_hostnames(certificate)
        )

    def peer_check_hostname(self, name: str) -> bool:
        """Say whether the peer's certificate is valid for *name*.

        Args:
            name: A host name or an IP address.

        Returns:
            False also if the peer gave no certificate, or if *name* can't be
            a host name.

        Raises:
            TypeError: *name* is no ``str``.

        Source: ``ssl-peer-check-hostname``; the rules are RFC 9525's.
        """
        return match_hostname(self.peer_certificate, name)

    @property
    def peer_subject_name(self) -> bytes | None:
        """The subject in OpenSSL's one-line form; None unless verified.

        Source: ``ssl-peer-subject-name``.
        """
        certificate = self.peer_certificate
        if certificate is None or not self.peer_verified:
            return None
        return subject_oneline(certificate)

    @property
    def peer_issuer_name(self) -> bytes | None:
        """The issuer in OpenSSL's one-line form; None unless verified.

        Source: ``ssl-peer-issuer-name``.
        """
        certificate = self.peer_certificate
        if certificate is None or not self.peer_verified:
            return None
        return issuer_oneline(certificate)

    def _insist(self) -> None:
        """Raise what is wrong with the peer's certificate."""
        if self.verify_error is not None:
            raise self.verify_error
        if not self.peer_verified:
            raise VerificationError("the peer has presented no certificate")

    # -- the session --------------------------------------------------------

    @property
    def version(self) -> TLSVersion | None:
        """The negotiated version.  Source: ``ssl-protocol-version``."""
        return None if self._facts is None else TLSVersion(self._facts.version)

    @property
    def cipher(self) -> str | None:
        """The cipher suite, by OpenSSL's name."""
        return None if self._facts is None else self._facts.cipher

    @property
    def group(self) -> str | None:
        """The key-exchange group, where the library tells it."""
        return None if self._facts is None else self._facts.group

    @property
    def alpn_selected(self) -> str | None:
        """The application protocol, or None (RFC 7301).

        Source: ``ssl-get-alpn-selected``.
        """
        return None if self._facts is None else self._facts.alpn

    @property
    def handshake_report(self) -> HandshakeReport | None:
        """What ``Context.set_trace()`` heard, summed up; None without it."""
        return self._engine.handshake_report

    @property
    def signature_algorithm(self) -> str | None:
        """What we signed the handshake with, by RFC 8446's name.

        None if we signed nothing, such as in a session that was resumed, and
        where only a trace (``Context.set_trace()``) could tell: in TLS 1.2.
        """
        return self._engine.signature_algorithm(peer=False)

    @property
    def peer_signature_algorithm(self) -> str | None:
        """What the peer signed the handshake with, by RFC 8446's name.

        None if it signed nothing, and where only a trace
        (``Context.set_trace()``) could tell: in TLS 1.2, and of an RSA key
        that could sign with several hashes.
        """
        return self._engine.signature_algorithm(peer=True)

    @property
    def client_hello(self) -> ClientHello | None:
        """What the client has offered; None for a client's own port.

        A server's port has it as soon as it came in, and for good.
        """
        return self._engine.client_hello

    @property
    def server_name(self) -> str | None:
        """The name that the client announced (RFC 6066), or None."""
        return None if self._facts is None else self._facts.server_name

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed.

        Source: RFC 8446, section 2.2.
        """
        return self._facts is not None and self._facts.session_reused

    def channel_binding(self, type: str) -> bytes:
        """Give a value that both ends, and nobody between them, have.

        Args:
            type: ``"tls-unique"`` or ``"tls-server-end-point"`` (RFC 5929),
                or ``"tls-exporter"`` (RFC 9266).

        Raises:
            ValueError: There is no such type.
            UnsupportedError: It is not defined for this session.
            StreamError: The handshake is not done.

        Source: ``ssl-channel-binding``.
        """
        return bindings.channel_binding(
            type,
            self._established("channel binding"),
            self._engine.export,
            server_side=self._engine.server_side,
        )

    def default_channel_binding(self) -> tuple[str, bytes]:
        """Give the usual binding for this version: its type and its value.

        Source: ``ssl-default-channel-binding``.
        """
        facts = self._established("channel binding")
        kind = bindings.default_type(facts)
        return kind, self.channel_binding(kind)

    def export_keying_material(
        self,
        label: str | bytes,
        length: int,
        context: bytes | None = None,
    ) -> bytes:
        """Derive secret bytes that both ends have.

        Args:
            label: Which secret; RFC 5705 has a registry of labels.
            length: How many bytes.
            context: Further input.  Below TLS 1.3, none is not the same as
                an empty one.

        Raises:
            ValueError: *length* is not positive, or far too large.
            TypeError: *label* is no text, or *context* no bytes.
            StreamError: The handshake is not done.

        Source: RFC 5705; RFC 8446, section 7.5.
        """
        check_whole(length, "length")
        if not 1 <= length <= _MOST_EXPORTED:
            raise ValueError(f"length is a number of bytes, not {length!r}")
        wire = label.encode() if isinstance(label, str) else label
        for what, found in (("a label", wire), ("a context", context or b"")):
            if not isinstance(found, bytes):
                raise TypeError(f"{what} is bytes, not {found!r}")
        self._established("keying material")
        return self._engine.export(wire, length, context)

    def _established(self, what: str) -> Facts:
        if self._facts is None:
            raise StreamError(
                f"there is no {what} before the handshake",
                code="no-session",
                hint="call handshake() first",
            )
        return self._facts

    # -- where it runs ------------------------------------------------------

    def addresses(
        self, port_numbers: bool = False
    ) -> tuple[str, str] | tuple[str, int, str, int]:
        """Give both ends' addresses, ours first.

        Args:
            port_numbers: Whether to give the TCP ports, too.

        Returns:
            ``(local, remote)``, or ``(local, port, remote, port)``.

        Raises:
            UnsupportedError: The port does not run over TCP.

        Source: ``ssl-addresses``.
        """
        if self._endpoints is None:
            raise UnsupportedError("this port does not run over TCP")
        local, remote, *_ = self._endpoints
        if port_numbers:
            return (*local, *remote)
        return local[0], remote[0]

    @property
    def peer(self) -> tuple[str, int] | None:
        """The remote ``(host, port)``; None if not over TCP.

        Source: ``tls-socket-peer``.
        """
        return None if self._endpoints is None else self._endpoints.remote

    @property
    def name(self) -> tuple[str, int] | None:
        """Our own ``(host, port)``; None if not over TCP.

        Source: ``tls-socket-name``.
        """
        return None if self._endpoints is None else self._endpoints.local

    @property
    def proxy(self) -> tuple[str, int] | None:
        """The ``(host, port)`` of the proxy in between; None without one.

        ``peer``, ``name`` and ``addresses()`` are then what it said of the
        client.  See ``Listener.set_proxy_protocol()``.
        """
        return None if self._endpoints is None else self._endpoints.proxy

    @property
    def proxy_header(self) -> ProxyHeader | None:
        """All that the proxy in between said; None without one."""
        return None if self._endpoints is None else self._endpoints.header

    def info_values(self) -> InfoValues:
        """Give the peer's host name, IP address and TCP port.

        Raises:
            UnsupportedError: The port does not run over TCP.

        Source: ``tls-socket-info-values``.
        """
        if self._endpoints is None:
            raise UnsupportedError("this port does not run over TCP")
        _, (ip, port), hostname, *_ = self._endpoints
        return InfoValues(hostname or ip, ip, port)
