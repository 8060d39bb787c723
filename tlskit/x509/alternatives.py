"""Whom a certificate names: its subjectAltName extension as it is."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from .der import elements
from .gate import x509
from .names import common_names
from .reading import complaint_of, extension

__all__ = [
    "Names",
    "UnreadableError",
    "certificate_hostnames",
    "everybody_in",
    "harmless",
    "presented_names",
    "read_names",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: id-on-dnsSRV, the kind of otherName that has a service (RFC 4985).
_SRV_NAME = "1.3.6.1.5.5.7.8.7"
_IA5_STRING = 0x16


class UnreadableError(Exception):
    """The names of a certificate are malformed, or there twice."""


@dataclass(frozen=True)
class Names:
    """What a subjectAltName extension says."""

    #: Names and addresses in order; networks too, which should not be there.
    entries: tuple[object, ...]
    uris: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

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
        """Hosts and addresses, harmless to print."""
        return tuple(map(harmless, self.entries))

    @property
    def everybody(self) -> tuple[str, ...]:
        """All of them, harmless to print."""
        return (
            *self.texts,
            *map(harmless, self.uris),
            *map(harmless, self.services),
        )


def harmless(name: object) -> str:
    """Escape what is not ASCII, and what is unprintable."""
    return str(name).encode("unicode_escape").decode("ascii")


def read_names(certificate: x509.Certificate) -> Names | None:
    """Read the subjectAltName extension; None if there is none."""
    try:
        found = extension(certificate, x509.SubjectAlternativeName)
    except Exception as error:
        # A parser may have any complaint about a stranger's bytes:
        # ValueError, TypeError and several classes of its own have been seen.
        raise UnreadableError(complaint_of(error)) from error
    if found is None:
        return None
    others = map(_service, found.get_values_for_type(x509.OtherName) or ())
    return Names(
        tuple(
            name.value
            for name in found
            if isinstance(name, x509.DNSName | x509.IPAddress)
        ),
        tuple(found.get_values_for_type(x509.UniformResourceIdentifier)),
        tuple(text for text in others if text is not None),
    )


def _service(name: x509.OtherName) -> str | None:
    """Give the service in an otherName; None for another kind of it."""
    if name.type_id.dotted_string != _SRV_NAME:
        return None
    (value,) = elements(name.value)
    if value.tag != _IA5_STRING:
        return None
    return value.content.decode("ascii", "replace")


def everybody_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give hosts, addresses, URIs and services, harmless to print.

    An extension that can't be read presents nobody.
    """
    try:
        found = read_names(certificate)
    except UnreadableError:
        return ()
    return () if found is None else found.everybody


def presented_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give all DNS names and IP addresses that *certificate* presents.

    They stand in the order of the subjectAltName extension, written so that
    they are harmless to print: what is not ASCII, and what is unprintable,
    is escaped.  An extension that can't be read presents nothing.
    """
    try:
        found = read_names(certificate)
    except UnreadableError:
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
        found = read_names(certificate)
    except UnreadableError:
        return ()
    if found is not None and found.dns:
        return found.dns
    return common_names(certificate)[-1:]
