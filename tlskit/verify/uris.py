"""Identities that are no hosts: URIs, SPIFFE IDs above all, and services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigurationError
from ..x509.alternatives import Names
from ..x509.glimpse import Glimpse
from .hostname import is_pattern, parse_host

if TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "Complaint",
    "Service",
    "Uri",
    "complaint",
    "parse_service",
    "parse_uri",
    "service_or_none",
    "uri_or_none",
]

_LONGEST = 2048  # Bytes of a SPIFFE ID; nobody needs longer ones.
_SHOWN = 80
_LISTED = 8

# RFC 3986, section 2, without "?" and "#".
_FOREIGN = re.compile(r"[^A-Za-z0-9._~:/@!$&'()*+,;=%\[\]-]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_SERVICE = re.compile(r"_[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)

_URI_EXAMPLE = 'give a whole URI, such as "spiffe://example.org/billing"'
_SERVICE_EXAMPLE = (
    "give the service and its domain, such as "
    '"_xmpp-server.example.org" (RFC 4985)'
)


class Uri(NamedTuple):
    """A URI as it is compared: scheme and host in lower case."""

    scheme: str
    #: Host, and port if there is one; None if no ``//`` follows the scheme.
    host: str | None
    path: str

    @property
    def is_spiffe(self) -> bool:
        """Whether it is a SPIFFE ID, of which a certificate has one only."""
        return self.scheme == "spiffe"


class Service(NamedTuple):
    """A service of a domain, as it is compared: in lower case."""

    #: With its underscore.
    name: str
    #: In A-labels.
    domain: bytes

    def __str__(self) -> str:
        """Give the form of an entry in a certificate."""
        return f"{self.name}.{self.domain.decode('ascii')}"


class Complaint(NamedTuple):
    """What is wrong with a certificate, after the words "the certificate"."""

    text: str
    hint: str


# -- what a caller gives ----------------------------------------------------


def parse_uri(text: str) -> Uri:
    """Parse a URI.

    Raises:
        ConfigurationError: It is none that can be an identity; the code is
            ``"bad-identity"``.

    Source: RFC 3986; RFC 9525, section 6.5; the SPIFFE ID's specification.
    """
    uri = _split(text)
    if isinstance(uri, str):
        raise _bad("a URI", text, uri, _URI_EXAMPLE)
    return uri


def uri_or_none(text: str) -> Uri | None:
    """Parse a stranger's URI; None for what can be no identity."""
    uri = _split(text)
    return None if isinstance(uri, str) else uri


def _split(text: str) -> Uri | str:
    """Give the parts, or what is wrong."""
    if len(text) > _LONGEST:
        return f"has {len(text)} characters"
    if "?" in text or "#" in text:
        return "has a query or a fragment, which identifies nobody"
    if foreign := _FOREIGN.search(text):
        return f"has {foreign[0]!r} in it"
    scheme = _SCHEME.match(text)
    if scheme is None:
        return "has no scheme"
    name, rest = scheme[1].lower(), text[scheme.end() :]
    if not rest.startswith("//"):
        uri = Uri(name, None, rest)
    else:
        host, slash, path = rest[2:].partition("/")
        uri = Uri(name, host.lower(), slash + path)
    return _fault(uri) or uri


def _fault(uri: Uri) -> str | None:
    if uri.is_spiffe:
        return _spiffe_fault(uri)
    if uri.host is None:
        return None if uri.path else "has nothing behind its scheme"
    if "@" in uri.host:
        return "has a user name in it"
    return None if uri.host else "names no host"


def _spiffe_fault(uri: Uri) -> str | None:
    """Say what makes it no SPIFFE ID (section 2 of its specification)."""
    if uri.host is None or not _TRUST_DOMAIN.fullmatch(uri.host):
        return (
            "has no valid trust domain: letters, digits, dots, dashes and "
            "underscores, and no port"
        )
    for segment in uri.path.split("/")[1:]:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            return f"has the path segment {segment!r}, which no SPIFFE ID has"
    return None


def parse_service(text: str) -> Service:
    """Parse a service and its domain, joined by a dot.

    Raises:
        ConfigurationError: It can be none; the code is ``"bad-identity"``.

    Source: RFC 4985, section 2.
    """
    name, dot, domain = text.partition(".")
    if not dot or not _SERVICE.fullmatch(name):
        raise _bad(
            "a service",
            text,
            "does not begin with an underscore, a service's name and a dot",
            _SERVICE_EXAMPLE,
        )
    if domain.startswith("_"):
        raise _bad(
            "a service",
            text,
            f"has the protocol {domain.partition('.')[0]!r} in it",
            "leave the protocol out, which is in DNS only; "
            + _SERVICE_EXAMPLE,
        )
    host = parse_host(domain)
    if not isinstance(host, bytes):
        raise _bad("a service", text, "is of an address", _SERVICE_EXAMPLE)
    return Service(name.lower(), host)


def service_or_none(text: str) -> Service | None:
    """Read a certificate's entry; None for what matches nothing."""
    name, _, domain = text.partition(".")
    if (
        not _SERVICE.fullmatch(name)
        or not is_pattern(domain)
        or domain.startswith("*")
    ):
        return None
    return Service(name.lower(), domain.lower().encode("ascii"))


def _bad(what: str, text: str, fault: str, hint: str) -> ConfigurationError:
    # Before an "@" there may be a password.
    head, at, tail = text.rpartition("@")
    shown = f"...@{tail}" if head and at else text
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "..."
    return ConfigurationError(
        f"expected {what}, found {shown!r}, which {fault}",
        code="bad-identity",
        hint=hint,
    )


# -- what a certificate has -------------------------------------------------


def complaint(
    wanted: Uri | Service,
    expected: str,
    certificate: x509.Certificate,
    names: Names,
) -> Complaint | None:
    """Compare an identity that is no host with a certificate.

    Args:
        wanted: Whom the certificate should name.
        expected: The same, as the caller wrote it.
        certificate: The certificate, whose extensions can be read.
        names: Whom it names.

    Returns:
        What to say; None if it names whom it should.
    """
    if isinstance(wanted, Service):
        return _service_complaint(wanted, expected, names)
    uris = names.uris
    if wanted.is_spiffe and len(uris) > 1:
        return Complaint(
            f"has {len(uris)} URIs ({_listed(uris)}), but an SVID has "
            f"exactly one, and {_shown(expected)} was expected "
            "(SPIFFE X.509-SVID, section 2)",
            "have it reissued with its SPIFFE ID as the only URI",
        )
    found = [uri for uri in map(uri_or_none, uris) if uri is not None]
    if wanted in found:
        return _no_svid(certificate) if wanted.is_spiffe else None
    if not uris:
        others = (*names.texts, *names.services)
        return _other_kind("URI", f"URI:{expected}", expected, others)
    return Complaint(
        f"names the URI {_listed(uris)}, but {_shown(expected)} was expected",
        _nearest(wanted, found, f"URI:{expected}"),
    )


def _no_svid(certificate: x509.Certificate) -> Complaint | None:
    """Say what makes a certificate no SVID, whatever it names."""
    if not Glimpse.of(certificate).is_ca:
        return None
    return Complaint(
        "is a CA's, and that is no workload's identity "
        "(SPIFFE X.509-SVID, section 4)",
        "let the peer present its SVID, and not what issued that",
    )


def _service_complaint(
    wanted: Service,
    expected: str,
    names: Names,
) -> Complaint | None:
    services = names.services
    if _names_service(wanted, services):
        return None
    entry = f"SRVName:{wanted}"
    if not services:
        others = (*names.texts, *names.uris)
        return _other_kind("service", entry, expected, others)
    return Complaint(
        f"names the service {_listed(services)}, but {_shown(expected)} was "
        "expected",
        f"check that this is the right peer; if it is, have it reissued with "
        f"{entry}",
    )


def _names_service(wanted: Service, services: tuple[str, ...]) -> bool:
    """Ask service-identity; RFC 9525, section 6.4."""
    from service_identity import (
        CertificateError,
        VerificationError,
        hazmat,
    )

    patterns = [
        hazmat.SRVPattern.from_bytes(str(found).encode("ascii"))
        for found in map(service_or_none, services)
        if found is not None
    ]
    try:
        hazmat.verify_service_identity(
            patterns, [hazmat.SRV_ID(str(wanted))], []
        )
    except (VerificationError, CertificateError):
        return False
    return True


def _other_kind(
    kind: str, entry: str, expected: str, others: tuple[str, ...]
) -> Complaint:
    """Tell of a certificate that has no name of the kind that is wanted."""
    named = f"names {_listed(others)}" if others else "names nobody"
    return Complaint(
        f"{named} and no {kind}, but the {kind} {_shown(expected)} was "
        "expected",
        f"have it reissued with {_shown(entry)[1:-1]}; nothing else stands "
        "for it",
    )


def _nearest(wanted: Uri, found: Iterable[Uri], entry: str) -> str:
    """Say in which part the first URI differs."""
    check = (
        "check that this is the right peer; if it is, have its certificate "
        f"reissued with {_shown(entry)[1:-1]}"
    )
    return next(_differences(wanted, found), None) or check


def _differences(wanted: Uri, found: Iterable[Uri]) -> Iterator[str]:
    for uri in found:
        if uri.scheme != wanted.scheme:
            continue
        if uri.host != wanted.host:
            what = "trust domain" if wanted.is_spiffe else "host"
            yield (
                f"the {what} differs: {_shown(uri.host or '')} instead of "
                f"{_shown(wanted.host or '')}; check whom you talk to, and "
                "whose roots are loaded"
            )
        elif uri.path.lower() == wanted.path.lower():
            yield "the path differs in upper and lower case only, which counts"
        else:
            yield (
                f"the path differs: {_shown(uri.path)} instead of "
                f"{_shown(wanted.path)}; check that this is the right peer"
            )


def _listed(texts: tuple[str, ...]) -> str:
    more = len(texts) - _LISTED
    listed = ", ".join(map(_shown, texts[:_LISTED]))
    return f"{listed}, and {more} more" if more > 0 else listed


def _shown(text: str) -> str:
    """Quote *text*, without its unprintable parts, and short."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "..."
    return ascii(text)
