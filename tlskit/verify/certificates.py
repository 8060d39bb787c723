"""Certificates as values: their names, dates, fingerprints and pins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from ..tools.public import public
from ..x509.gate import hashes, x509
from ..x509.glimpse import Glimpse, stamp
from ..x509.reading import serial_number
from .chain import pin_of
from .identity import presented_names

__all__ = ["CertificateInfo", "fingerprint"]

_DIGESTS = ("sha256", "sha384", "sha512")


def fingerprint(certificate: x509.Certificate, digest: str = "sha256") -> str:
    """Give a digest of the whole certificate, as ``openssl x509`` does.

    Args:
        certificate: The certificate.
        digest: ``"sha256"``, ``"sha384"`` or ``"sha512"``.

    Returns:
        Pairs of upper-case hexadecimal digits, with colons between them.

    Raises:
        ValueError: There is no such digest, or it is broken.
    """
    if digest not in _DIGESTS:
        raise ValueError(
            f"{digest!r} is no digest; there are: {', '.join(_DIGESTS)}"
        )
    algorithm = getattr(hashes, digest.upper())()
    return certificate.fingerprint(algorithm).hex(":").upper()


@public
@dataclass(frozen=True)
class CertificateInfo:
    """What people ask of a certificate, as text and dates.

    All texts are harmless to print, whatever the certificate holds.  What
    can't be read is empty, never an error.  Made by ``of()``.
    """

    #: The subject's common name, or its whole name if there is none.
    subject: str
    #: The issuer's, in the same way.
    issuer: str
    #: Its DNS names and IP addresses in order.
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    #: In hexadecimal digits.
    serial_number: str
    #: Of the certificate, with SHA-256; a new certificate has a new one.
    fingerprint: str
    #: Of the key, as ``set_pins()`` takes it; it may outlive certificates.
    pin: str
    #: Kind and size, such as ``"EC 256 bits"``.
    key: str
    #: The digest of the signature, such as ``"SHA256"``; may be empty.
    digest: str
    #: Extended key usages, such as ``"serverAuth"``; without any, all uses.
    purposes: tuple[str, ...]
    is_ca: bool

    @classmethod
    def of(cls, certificate: x509.Certificate) -> CertificateInfo:
        """Read a certificate.

        Args:
            certificate: One of ``cryptography``.

        Returns:
            What is in it.
        """
        seen = Glimpse.of(certificate)
        return cls(
            subject=seen.name,
            issuer=seen.issuer,
            names=presented_names(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            serial_number=f"{serial_number(certificate):X}",
            fingerprint=fingerprint(certificate),
            pin=pin_of(certificate),
            key=seen.key,
            digest=seen.digest,
            purposes=seen.purposes,
            is_ca=seen.is_ca,
        )

    def days_left(self, now: datetime | None = None) -> int:
        """Tell how many whole days of its life are left.

        Args:
            now: The moment that counts; None for the present.

        Returns:
            A negative number after its end.
        """
        return (self.not_after - (now or datetime.now(timezone.utc))).days

    def as_dict(self) -> dict[str, Any]:
        """Give all of it in the types of JSON; dates as ISO 8601 in UTC."""
        return {
            **asdict(self),
            "names": list(self.names),
            "purposes": list(self.purposes),
            "not_before": stamp(self.not_before),
            "not_after": stamp(self.not_after),
        }

    def __str__(self) -> str:
        """Give the most important in one line."""
        return (
            f"{self.subject!r} issued by {self.issuer!r}, valid from "
            f"{stamp(self.not_before)} to {stamp(self.not_after)}"
        )
