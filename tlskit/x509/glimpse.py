"""Read from a certificate what a message needs, however broken it is.

A peer's certificate may be anything.  ``cryptography`` parses much of it
only on access, and raises then; a message about a bad certificate must not
fail because the certificate is bad.  Hence nothing in here ever raises.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from . import reading
from .der import fields
from .gate import Encoding, oid, rsa, x509

__all__ = ["Glimpse", "shown", "stamp"]

T = TypeVar("T")
X = TypeVar("X", bound="x509.ExtensionType")

_LONGEST = 80


@cache
def _purposes() -> dict[x509.ObjectIdentifier, str]:
    """Name the extended key usages, as OpenSSL's configuration does."""
    known = oid.ExtendedKeyUsageOID
    return {
        known.SERVER_AUTH: "serverAuth",
        known.CLIENT_AUTH: "clientAuth",
        known.CODE_SIGNING: "codeSigning",
        known.EMAIL_PROTECTION: "emailProtection",
        known.TIME_STAMPING: "timeStamping",
        known.OCSP_SIGNING: "OCSPSigning",
        known.ANY_EXTENDED_KEY_USAGE: "any",
    }


@cache
def _decisive() -> tuple[type[x509.ExtensionType], ...]:
    """Name the extensions by which OpenSSL builds a path."""
    return (
        x509.SubjectAlternativeName,
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.NameConstraints,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
        x509.CRLDistributionPoints,
    )


def shown(text: str, longest: int = _LONGEST) -> str:
    """Make a stranger's *text* fit for a terminal and a log."""
    clean = "".join(
        each if each.isprintable() else ascii(each)[1:-1] for each in text
    )
    if len(clean) <= longest:
        return clean
    return clean[: longest - 3] + "..."


def stamp(moment: datetime) -> str:
    """Write an aware *moment* in UTC, as ISO 8601 does it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(call: Callable[[], T], default: T) -> T:
    try:
        return call()
    except Exception:  # noqa: BLE001 - whatever the parser thinks of
        return default


class Glimpse:
    """What can be read from one certificate.

    Args:
        der: The certificate, or something that claims to be one.
    """

    def __init__(self, der: bytes | None) -> None:
        self._certificate = (
            None if der is None else _read(lambda: reading.readable(der), None)
        )
        #: As it was given, if it could be parsed at all.
        self.der = None if self._certificate is None else der

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Glimpse:
        """Look at a certificate that has been parsed."""
        return cls(certificate.public_bytes(Encoding.DER))

    @property
    def certificate(self) -> x509.Certificate | None:
        """The certificate, if it could be parsed at all; to look at only."""
        return self._certificate

    @property
    def readable_der(self) -> bytes | None:
        """The same in DER; see ``reading.readable()`` for where it differs."""
        if self._certificate is None:
            return None
        return self._certificate.public_bytes(Encoding.DER)

    def _field(self, call: Callable[[x509.Certificate], T], default: T) -> T:
        certificate = self._certificate
        if certificate is None:
            return default
        return _read(lambda: call(certificate), default)

    def _extension(self, kind: type[X]) -> X | None:
        return self._field(lambda found: reading.extension(found, kind), None)

    @cached_property
    def name(self) -> str:
        """The subject: its common name, or whatever else there is."""
        if self._certificate is None:
            return "(unreadable)"
        subject = self._field(lambda found: _called(found.subject), "")
        return shown(subject or next(iter(self.names), "") or "(no name)")

    @cached_property
    def issuer(self) -> str:
        """The issuer, in the same way."""
        name = self._field(lambda found: _called(found.issuer), "")
        return shown(name or "(no name)")

    @cached_property
    def common_names(self) -> tuple[str, ...]:
        """The common names of the subject."""
        return self._field(
            lambda found: tuple(_common_names(found.subject)), ()
        )

    @cached_property
    def self_issued(self) -> bool:
        """Whether it claims to have issued itself."""
        return self._field(lambda found: found.issuer == found.subject, False)

    @cached_property
    def not_before(self) -> datetime | None:
        """The first moment of its life."""
        return self._field(lambda found: found.not_valid_before_utc, None)

    @cached_property
    def not_after(self) -> datetime | None:
        """The last moment of its life."""
        return self._field(lambda found: found.not_valid_after_utc, None)

    @cached_property
    def dns(self) -> tuple[str, ...]:
        """Its DNS names, just as they stand there."""
        return tuple(
            name.value
            for name in self._alternatives
            if isinstance(name, x509.DNSName)
        )

    @cached_property
    def addresses(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """Its IP addresses."""
        return tuple(
            name.value
            for name in self._alternatives
            if isinstance(name, x509.IPAddress)
            and isinstance(name.value, (IPv4Address, IPv6Address))
        )

    @cached_property
    def _alternatives(self) -> tuple[x509.GeneralName, ...]:
        return tuple(self._extension(x509.SubjectAlternativeName) or ())

    @cached_property
    def unreadable(self) -> str:
        """Why an extension can't be read that decides; empty if all can."""
        for kind in _decisive():
            complaint = self._unreadable(kind)
            if complaint:
                return complaint
        return ""

    @cached_property
    def unreadable_names(self) -> str:
        """Why its names can't be read; empty if they can."""
        return self._unreadable(x509.SubjectAlternativeName)

    def _unreadable(self, kind: type[x509.ExtensionType]) -> str:
        if self._certificate is None:
            return ""
        try:
            reading.extension(self._certificate, kind)
        except Exception as error:  # noqa: BLE001 - as in _read()
            return shown(reading.complaint_of(error))
        return ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Its DNS names and IP addresses, fit for a message."""
        return tuple(map(shown, (*self.dns, *map(str, self.addresses))))

    @cached_property
    def issuer_url(self) -> str | None:
        """Where its CA publishes the certificate that issued it."""
        access = self._extension(x509.AuthorityInformationAccess) or ()
        for each in access:
            if (
                each.access_method
                == oid.AuthorityInformationAccessOID.CA_ISSUERS
                and isinstance(
                    each.access_location, x509.UniformResourceIdentifier
                )
            ):
                return shown(each.access_location.value)
        return None

    @cached_property
    def purposes(self) -> tuple[str, ...]:
        """Its extended key usages; empty if it has none or they are bad."""
        return tuple(
            _purposes().get(each) or each.dotted_string
            for each in self._extension(x509.ExtendedKeyUsage) or ()
        )

    @cached_property
    def critical(self) -> tuple[str, ...]:
        """Its critical extensions, by their numbers."""
        return self._field(reading.critical_extensions, ())

    @cached_property
    def is_ca(self) -> bool:
        """Whether it says that it is a CA's."""
        constraints = self._extension(x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @cached_property
    def authority_key(self) -> bytes:
        """The identifier of the key that issued it; empty if not told."""
        found = self._extension(x509.AuthorityKeyIdentifier)
        return b"" if found is None else found.key_identifier or b""

    @cached_property
    def key(self) -> str:
        """The kind and size of its key."""
        return self._field(_key_kind, "of an unknown kind")

    @cached_property
    def digest(self) -> str:
        """The digest of its signature; empty for Ed25519 and the like."""
        return self._field(_digest_name, "")

    @cached_property
    def spki(self) -> bytes | None:
        """Its SubjectPublicKeyInfo as it stands there, DER."""
        return self._field(
            lambda found: fields(found.tbs_certificate_bytes).key.whole, None
        )

    def issued(self, other: Glimpse) -> bool:
        """Whether it issued *other*: by name and by signature."""
        issuer, subject = self._certificate, other.der
        if issuer is None or subject is None:
            return False

        def check() -> bool:
            # What was changed to be readable is signed by nobody.
            signed = reading.certificate(subject)
            signed.verify_directly_issued_by(issuer)
            return True

        return _read(check, False)

    def issuer_is(self, name: x509.Name) -> bool:
        """Whether it names *name* as its issuer."""
        return self._field(lambda found: found.issuer == name, False)

    def named_like_issuer_of(self, other: Glimpse) -> bool:
        """Whether *other* claims to be issued by one of this name."""
        issuer = self._certificate
        return issuer is not None and other._field(
            lambda found: found.issuer == issuer.subject, False
        )


def _common_names(name: x509.Name) -> list[str]:
    return [
        str(each.value)
        for each in name.get_attributes_for_oid(oid.NameOID.COMMON_NAME)
    ]


def _called(name: x509.Name) -> str:
    """Give the common name, or the whole name if there is none."""
    names = _common_names(name)
    return names[-1] if names else name.rfc4514_string()


def _key_kind(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size} bits"
    size = getattr(key, "key_size", None)
    kind = type(key).__name__.lstrip("_").replace("PublicKey", "")
    kind = {"EllipticCurve": "EC"}.get(kind, kind)
    return f"{kind} {size} bits" if size else kind


def _digest_name(certificate: x509.Certificate) -> str:
    algorithm = certificate.signature_hash_algorithm
    return "" if algorithm is None else algorithm.name.upper()
