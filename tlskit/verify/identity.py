"""Is this the peer that was meant?  Names of certificates, and the match.

The rules are RFC 9525's, and of two readings the stricter one:

* A host name is compared with the dNSName entries of the subjectAltName
  extension only, an IP address with its iPAddress entries only.  The common
  name is never looked at.
* A wildcard is the whole left-most label of an entry, before two labels or
  more, and stands for exactly one label; never for an A-label ("xn--").
* An entry that is no host name matches nothing, whatever it resembles: white
  space, NUL, a trailing or leading dot, U-labels, an address as dNSName.

service-identity decides.  It is more lenient about entries (it strips white
space), so those are sorted out before it sees them.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, IdentityError
from ..errors.codes import VerifyReason
from ..tools.versioned import VersionedCache
from ..x509.names import common_names, issuer_oneline, oneline, subject_oneline
from .hostname import Address, Host, is_pattern, parse_host
from .mismatch import entry_for, mismatch_hint, names, quoted

if TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "Identity",
    "certificate_hostnames",
    "issuer_oneline",
    "match_hostname",
    "oneline",
    "presented_names",
    "subject_oneline",
]

_LABEL = rb"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PLAIN = re.compile(rb"(?=..)" + _LABEL + rb"(?:\." + _LABEL + rb")*")
# A certificate may present thousands of names.
_LISTED = 8
# Who has been accepted as whom: the name, and the certificate's SHA-256.
# Refusals are made anew, lest strangers fill the memory with their names.
_accepted: VersionedCache[tuple[Identity, bytes], None] = VersionedCache(512)


@dataclass(frozen=True)
class Identity:
    """The host name or IP address that a peer has to prove.

    Made by ``parse()``.  Two are equal if the same peer is meant, however it
    was spelled.
    """

    #: As it was given.
    text: str = field(compare=False)
    #: As it was understood.
    host: Host

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
        if not isinstance(text, str):
            raise TypeError(f"a host name is a str, not {text!r}")
        if not text:
            raise ValueError("the host name is empty")
        return cls(text, parse_host(text))

    def __str__(self) -> str:
        """Give the text, and the A-labels where they are not the same."""
        if self.dns is None or self.text.isascii():
            return self.text
        return f"{self.text} ({self.dns.decode('ascii')})"

    @property
    def dns(self) -> bytes | None:
        """The host name in A-labels, lower case, without trailing dot."""
        return self.host if isinstance(self.host, bytes) else None

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
    def address(self) -> Address | None:
        """The IP address, without zone."""
        return None if isinstance(self.host, bytes) else self.host

    @property
    def sni(self) -> bytes | None:
        """The server name to announce; RFC 6066 has none for an address."""
        return self.dns

    def check(self, certificate: x509.Certificate | None) -> None:
        """Check that *certificate* was issued to this host or address.

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
        _accepted.get(
            (self, _sha256(certificate)),
            None,
            lambda: self._decide(certificate),
        )

    def matches(self, certificate: x509.Certificate | None) -> bool:
        """Say whether ``check()`` accepts *certificate*."""
        try:
            self.check(certificate)
        except IdentityError:
            return False
        return True

    def _decide(self, certificate: x509.Certificate) -> None:
        try:
            found = _read(certificate)
        except _UnreadableError as error:
            raise _unreadable(self, certificate, error) from error
        if found is None:
            raise _nameless(self, certificate)
        if not self._fits(found):
            raise _wrong(self, certificate, found)

    def _fits(self, found: _Names) -> bool:
        """Ask service-identity; RFC 9525, sections 6.3 and 6.5."""
        # It costs a third of what all of pyOpenSSL does: not before the
        # first handshake.
        from service_identity import (
            CertificateError,
            VerificationError,
            hazmat,
        )

        wanted: hazmat.DNS_ID | hazmat.IPAddress_ID
        patterns: list[hazmat.CertificatePattern]
        if isinstance(self.host, bytes):
            wanted = hazmat.DNS_ID(self.host.decode("ascii"))
            # A wildcard has two labels and more; service-identity 24.2 can't
            # compare it with a name of one.
            one_label = b"." not in self.host
            patterns = [
                hazmat.DNSPattern.from_bytes(name.encode("ascii"))
                for name in found.dns
                if is_pattern(name) and not (one_label and "*" in name)
            ]
        else:
            wanted = hazmat.IPAddress_ID(str(self.host))
            patterns = [
                hazmat.IPAddressPattern(pattern=address)
                for address in found.addresses
            ]
        try:
            hazmat.verify_service_identity(patterns, [wanted], [])
        except (VerificationError, CertificateError):
            return False
        return True


def match_hostname(certificate: x509.Certificate, hostname: str) -> bool:
    """Say whether *certificate* was issued to a host, as a handshake would.

    It is not looked at who issued it, or when.

    Args:
        certificate: The peer's own.
        hostname: A host name or an IP address.

    Returns:
        False also for a text that can't be a host name.

    Source: RFC 9525, section 6.
    """
    try:
        wanted = Identity.parse(hostname)
    except (ValueError, ConfigurationError):
        return False
    return wanted.matches(certificate)


def presented_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give all DNS names and IP addresses that *certificate* presents.

    They stand in the order of the subjectAltName extension, written so that
    they are harmless to print: what is not ASCII, and what is unprintable,
    is escaped.  An extension that can't be read presents nothing.
    """
    try:
        found = _read(certificate)
    except _UnreadableError:
        return ()
    return () if found is None else found.texts


def certificate_hostnames(certificate: x509.Certificate) -> tuple[str, ...]:
    """List the host names of *certificate*.

    These are the dNSName entries of its subjectAltName extension in order;
    if there are none, its last common name.  An extension that can't be read
    gives no names.

    The list is for reading, not for matching: its entries are as the
    certificate has them, patterns and nonsense included.

    Source: RFC 2818, section 3.1; ``ssl-peer-certificate-hostnames``.
    """
    try:
        found = _read(certificate)
    except _UnreadableError:
        return ()
    if found is not None and found.dns:
        return found.dns
    return common_names(certificate)[-1:]


# -- reading a certificate --------------------------------------------------


class _UnreadableError(Exception):
    """The extensions of a certificate are malformed."""


@dataclass(frozen=True)
class _Names:
    """What a subjectAltName extension says about hosts."""

    #: Names and addresses in order; networks too, which should not be there.
    entries: tuple[object, ...]

    @property
    def dns(self) -> tuple[str, ...]:
        """The dNSName entries, as they are."""
        return tuple(name for name in self.entries if isinstance(name, str))

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The iPAddress entries; eight or 32 bytes make no address."""
        return tuple(
            name
            for name in self.entries
            if isinstance(name, ipaddress.IPv4Address | ipaddress.IPv6Address)
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, harmless to print."""
        return tuple(
            str(name).encode("unicode_escape").decode("ascii")
            for name in self.entries
        )


def _read(certificate: x509.Certificate) -> _Names | None:
    """Read the subjectAltName extension; None if there is none."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        return None
    except Exception as error:
        # A parser may have any complaint about a stranger's bytes:
        # ValueError, TypeError and several classes of its own have been seen.
        raise _UnreadableError(f"{type(error).__name__}: {error}") from error
    return _Names(
        tuple(
            name.value
            for name in found
            if isinstance(name, x509.DNSName | x509.IPAddress)
        )
    )


def _sha256(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256

    return certificate.fingerprint(SHA256())


# -- saying no --------------------------------------------------------------


def _wrong(
    identity: Identity, certificate: x509.Certificate, found: _Names
) -> IdentityError:
    """Say whom the certificate names instead, and what may be amiss."""
    return _refusal(
        identity,
        certificate,
        f"expected {identity}, but the certificate names {_listed(found)}",
        "wrong-identity",
        hint=mismatch_hint(
            identity.host,
            found.dns,
            found.addresses,
            common_names(certificate),
        ),
        presented=found.texts,
    )


def _nameless(
    identity: Identity, certificate: x509.Certificate
) -> IdentityError:
    """Say that the certificate is of a kind obsolete since 2000."""
    hint = f"have it reissued with {entry_for(identity.host)}"
    if names(common_names(certificate), identity.host):
        hint += "; its common name is never looked at (RFC 9525)"
    return _refusal(
        identity,
        certificate,
        f"expected {identity}, but the certificate has no subjectAltName "
        "extension, so it names nobody",
        "no-san",
        hint=hint,
    )


def _unreadable(
    identity: Identity, certificate: x509.Certificate, error: Exception
) -> IdentityError:
    """Say that nobody can tell whom the certificate names."""
    return _refusal(
        identity,
        certificate,
        f"expected {identity}, but the certificate's extensions are "
        f"malformed: {quoted(str(error))}",
        "unreadable-san",
        hint="have the certificate reissued by other software",
    )


def _refusal(
    identity: Identity,
    certificate: x509.Certificate,
    message: str,
    code: str,
    *,
    hint: str,
    presented: tuple[str, ...] = (),
) -> IdentityError:
    from cryptography.hazmat.primitives.serialization import Encoding

    return IdentityError(
        message,
        code=code,
        hint=hint,
        reason=VerifyReason.HOSTNAME_MISMATCH
        if identity.address is None
        else VerifyReason.IP_ADDRESS_MISMATCH,
        der=certificate.public_bytes(Encoding.DER),
        expected=identity.text,
        presented=presented,
    )


def _listed(found: _Names) -> str:
    """List what is presented, as far as anybody would read on."""
    texts = [
        quoted(entry)
        if isinstance(entry, str) and not is_pattern(entry)
        else str(entry)
        for entry in found.entries[:_LISTED]
    ]
    more = len(found.entries) - len(texts)
    if more:
        texts.append(f"and {more} more")
    return ", ".join(texts) or "no host and no address"
