"""Check a certificate's names: is this the host, or the URI, that was meant?

The rules are RFC 9525's, and of two readings the stricter one:

* A host name is compared with the dNSName entries of the subjectAltName
  extension only, an IP address with its iPAddress entries only.  The common
  name is never looked at.
* A wildcard is the whole left-most label of an entry, before two labels or
  more, and stands for exactly one label; never for an A-label ("xn--").
* An entry that is no host name matches nothing, whatever it resembles: white
  space, NUL, a trailing or leading dot, U-labels, an address as dNSName.

service-identity decides.  It is more lenient about entries (it strips white
space), so those are sorted out before it sees them; see ``naming.presented``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from ..errors import ConfigurationError, IdentityError
from ..errors.codes import VerifyReason
from ..tools.bounded import Bounded
from ..tools.public import public
from ..x509.alternatives import (
    Names,
    UnreadableError,
    certificate_hostnames,
    presented_names,
    read_names,
)
from ..x509.gate import Encoding, x509
from ..x509.names import issuer_oneline, oneline, subject_oneline
from ..x509.reading import readable
from .hostname import Address, Host, is_pattern, parse_host
from .naming.presented import LARGEST, known, presented_by
from .naming.refusing import nameless, refusal, unreadable, wrong_host
from .uris import (
    Complaint,
    Service,
    Uri,
    complaint,
    parse_service,
    parse_uri,
    service_or_none,
    uri_or_none,
)

__all__ = [
    "Identity",
    "certificate_hostnames",
    "checked_identity",
    "identities_of",
    "issuer_oneline",
    "match_hostname",
    "oneline",
    "presented_names",
    "subject_oneline",
]

_LABEL = rb"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PLAIN = re.compile(rb"(?=..)" + _LABEL + rb"(?:\." + _LABEL + rb")*")
# Who has been accepted as whom: the name, and the certificate's bytes.
# Refusals are made anew, lest strangers fill the memory with their names.
_accepted: Bounded[tuple[Host | Uri | Service, bytes], bool] = Bounded(512)


@public
@dataclass(frozen=True)
class Identity:
    """Whom a peer's certificate has to name.

    Made by ``host()``, ``address()``, ``uri()`` or ``service()``.  Two are
    equal if the same peer is meant, however it was spelled.
    """

    #: As it was given.
    text: str = field(compare=False)
    #: As it was understood.
    wanted: Host | Uri | Service

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Parse a host name or an IP address.

        Args:
            text: A host name, in any script, with at most one trailing dot;
                an IPv4 address of four decimal numbers; or an IPv6 address,
                bare or in brackets, with or without a zone.

        Raises:
            TypeError: It is no ``str``.
            ValueError: It is empty.
            ConfigurationError: It can be neither of them; the code is
                ``"bad-hostname"``.

        Source: RFC 9525, section 3; RFC 1123, section 2.1; UTS 46.
        """
        return _parsed(_text(text, "a host name"))

    @classmethod
    def host(cls, name: str) -> Identity:
        """Mean a host: one dNSName of the certificate must match.

        Args:
            name: A host name, in any script, with at most one trailing dot.

        Returns:
            The identity.

        Raises:
            TypeError: It is no ``str``.
            ValueError: It is empty.
            ConfigurationError: It can be no host name; the code is
                ``"bad-hostname"``.

        Source: RFC 9525, section 6.3.
        """
        found = cls.parse(name)
        if found.dns is None:
            raise ConfigurationError(
                f"expected a host name, found the address {name!r}",
                code="bad-hostname",
                hint="use Identity.address()",
            )
        return found

    @classmethod
    def address(cls, ip: str | Address) -> Identity:
        """Mean an IP address: one iPAddress of the certificate is the same.

        Args:
            ip: An IPv4 or IPv6 address, as text or of ``ipaddress``.

        Returns:
            The identity.

        Raises:
            TypeError: It is neither.
            ValueError: It is empty.
            ConfigurationError: It can be no address; the code is
                ``"bad-hostname"``.

        Source: RFC 9525, section 6.5; RFC 5280, section 4.2.1.6.
        """
        found = cls.parse(str(ip) if isinstance(ip, Address) else ip)
        if found.ip is None:
            raise ConfigurationError(
                f"expected an IP address, found the host name {found.text!r}",
                code="bad-hostname",
                hint="use Identity.host()",
            )
        return found

    @classmethod
    def uri(cls, uri: str) -> Identity:
        """Mean a URI, such as a SPIFFE ID.

        The whole URI is compared with the certificate's: scheme and host
        without case, the path exactly.  For a ``spiffe:`` URI the certificate
        must have no other URI, and must not be a CA's.

        Args:
            uri: A URI without user name, query and fragment.

        Returns:
            The identity.

        Raises:
            TypeError: It is no ``str``.
            ValueError: It is empty.
            ConfigurationError: It can be no identity; the code is
                ``"bad-identity"``.

        Source: RFC 5280, section 4.2.1.6; RFC 3986; SPIFFE's X.509-SVID.
        """
        return cls(_text(uri, "a URI"), parse_uri(uri))

    @classmethod
    def service(cls, service: str) -> Identity:
        """Mean a service of a domain: one SRVName of the certificate.

        A certificate for the domain as a host does not stand for it.

        Args:
            service: An underscore, the service's name, a dot and the domain:
                ``"_xmpp-server.example.org"``.

        Returns:
            The identity.

        Raises:
            TypeError: It is no ``str``.
            ValueError: It is empty.
            ConfigurationError: It can be no service; the code is
                ``"bad-identity"``, or ``"bad-hostname"`` for the domain.

        Source: RFC 4985; RFC 9525, section 6.4.
        """
        return cls(_text(service, "a service"), parse_service(service))

    def __str__(self) -> str:
        """Give the text, and the A-labels where they are not the same."""
        if self.dns is None or self.text.isascii():
            return self.text
        return f"{self.text} ({self.dns.decode('ascii')})"

    @property
    def dns(self) -> bytes | None:
        """The host name in A-labels, lower case, without trailing dot."""
        return self.wanted if isinstance(self.wanted, bytes) else None

    @property
    def plain_dns(self) -> bytes | None:
        """The host name, if OpenSSL can check it, too.

        It refuses to expect a single letter, or a hyphen at the end of a
        label, and no wildcard of its covers an underscore.
        """
        if self.dns is None or not _PLAIN.fullmatch(self.dns):
            return None
        return self.dns

    @property
    def ip(self) -> Address | None:
        """The IP address, without zone."""
        return self.wanted if isinstance(self.wanted, Address) else None

    @property
    def kind(self) -> str:
        """What it is: ``"host"``, ``"address"``, ``"uri"``, ``"service"``."""
        if isinstance(self.wanted, bytes):
            return "host"
        return (
            type(self.wanted).__name__.lower()
            if self.ip is None
            else ("address")
        )

    @property
    def is_host(self) -> bool:
        """Whether it is a host name or an IP address."""
        return isinstance(self.wanted, Host)

    @property
    def sni(self) -> bytes | None:
        """The server name to announce; RFC 6066 has none but for a host."""
        return self.dns

    def check(self, certificate: x509.Certificate | None) -> None:
        """Check that *certificate* was issued to this identity.

        It is not checked here who issued it, or when.

        Args:
            certificate: The peer's own, or None if it gave none.

        Raises:
            IdentityError: It was not; the codes are ``"wrong-identity"``,
                ``"no-san"``, ``"unreadable-san"`` and ``"no-certificate"``.

        Source: RFC 9525, section 6; ``ssl-peer-check-hostname``.
        """
        if certificate is None:
            raise IdentityError(
                f"expected a certificate for {self}, but the peer gave none",
                code="no-certificate",
                reason=VerifyReason.NO_CERTIFICATE,
                expected=self.text,
                hint="check that this peer speaks TLS with certificates here",
            )
        self._check(certificate.public_bytes(Encoding.DER), certificate)

    def check_der(self, der: bytes) -> None:
        """Do ``check()`` without a certificate that is parsed already.

        Args:
            der: The peer's own, DER.

        Raises:
            IdentityError: As ``check()``.
            Exception: It can't be read; one of ``unreadable()``.
        """
        if not _accepted.get((self.wanted, der)):
            self._check(der, None)

    def _check(self, der: bytes, certificate: x509.Certificate | None) -> None:
        key = self.wanted, der
        if _accepted.get(key):
            return
        shown = known(der)
        if not (
            shown is not None
            and shown.names is not None
            and isinstance(self.wanted, Host)
            and shown.fits(self.wanted)
        ):
            self._decide(certificate or readable(der), der)
        if len(der) <= LARGEST:
            _accepted.put(key, True)

    def matches(self, certificate: x509.Certificate | None) -> bool:
        """Say whether ``check()`` accepts a certificate.

        Args:
            certificate: The peer's own, or None if it gave none.
        """
        try:
            self.check(certificate)
        except IdentityError:
            return False
        return True

    def complaint(self, certificate: x509.Certificate) -> Complaint | None:
        """Say what is wrong with *certificate* for a URI or a service.

        Args:
            certificate: The peer's own.

        Returns:
            None if nothing is, and always for a host or an address.

        Raises:
            UnreadableError: Its extensions are malformed.
        """
        if isinstance(self.wanted, Host):
            return None
        names = read_names(certificate) or Names(())
        return complaint(self.wanted, self.text, certificate, names)

    def _decide(self, certificate: x509.Certificate, der: bytes) -> None:
        try:
            shown = presented_by(certificate, der)
            wrong = self.complaint(certificate)
        except UnreadableError as error:
            raise unreadable(self, certificate, error) from error
        found = shown.names
        if wrong is not None:
            raise refusal(
                self,
                certificate,
                f"the certificate {wrong.text}",
                "wrong-identity",
                hint=wrong.hint,
                presented=() if found is None else found.everybody,
            )
        if not isinstance(self.wanted, Host):
            return
        if found is None:
            raise nameless(self, self.wanted, certificate)
        if not shown.fits(self.wanted):
            raise wrong_host(self, self.wanted, certificate, found)


# Clients mean the same few hosts again and again.
@lru_cache(256)
def _parsed(text: str) -> Identity:
    return Identity(text, parse_host(text))


def checked_identity(identity: Identity) -> Identity:
    """Refuse what is no identity, such as the text of one.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(identity, Identity):
        raise TypeError(
            "identity is Identity.host(...), .address(...), .uri(...) or "
            f".service(...), not {identity!r}"
        )
    return identity


def match_hostname(
    certificate: x509.Certificate | None, hostname: str
) -> bool:
    """Say whether *certificate* was issued to a host, as a handshake would.

    It is not looked at who issued it, or when.

    Args:
        certificate: The peer's own; None is one that gave none.
        hostname: A host name or an IP address.

    Returns:
        False also for a text that can't be a host name.

    Raises:
        TypeError: One of the two is something else.

    Source: RFC 9525, section 6.
    """
    if not isinstance(certificate, x509.Certificate | None):
        raise TypeError(
            f"a certificate is wanted, not {type(certificate).__name__!r}"
        )
    try:
        wanted = Identity.parse(hostname)
    except (ValueError, ConfigurationError):
        return False
    return wanted.matches(certificate)


def _text(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} is a str, not {text!r}")
    if not text:
        raise ValueError(f"{what.replace('a ', 'the ', 1)} is empty")
    return text


def identities_of(certificate: x509.Certificate) -> tuple[Identity, ...]:
    """Give whom *certificate* names, as far as it can be an identity.

    Patterns are nobody in particular, and left out.  So are all URIs where
    one of several is a SPIFFE ID: an SVID has exactly one.
    """
    try:
        found = read_names(certificate)
    except UnreadableError:
        return ()
    if found is None:
        return ()
    uris = [(text, uri_or_none(text)) for text in found.uris]
    if len(uris) > 1 and any(uri and uri.is_spiffe for _, uri in uris):
        uris = []
    services = [(text, service_or_none(text)) for text in found.services]
    return (
        *(
            Identity.parse(name)
            for name in found.dns
            if is_pattern(name) and "*" not in name
        ),
        *(Identity.address(address) for address in found.addresses),
        *(
            Identity(text, wanted)
            for text, wanted in (*uris, *services)
            if wanted is not None
        ),
    )
