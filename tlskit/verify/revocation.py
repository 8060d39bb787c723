"""Certificate revocation lists (RFC 5280, section 5): load them, ask them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ..errors import TrustSourceError
from ..tools.quiet import quiet
from ..x509 import pem
from ..x509.gate import x509
from ..x509.glimpse import Glimpse
from ..x509.reading import complaint_of, extension, serial_number, unreadable
from ..x509.sources import path_of

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "CrlSource",
    "Revocation",
    "is_special",
    "load_crls",
    "renewed",
    "revocation_of",
    "signer_of",
]

Crl: TypeAlias = "x509.CertificateRevocationList"
CrlSource: TypeAlias = "str | os.PathLike[str] | bytes | Crl | Iterable[Crl]"

_LABELS = ("X509 CRL", "CRL")
_HINT = "look at it with: openssl crl -text -noout -in FILE"


class Revocation(NamedTuple):
    """When a CA took a certificate back, and why."""

    #: In UTC.
    date: datetime
    #: As RFC 5280 calls it, such as ``"keyCompromise"``; empty if not told.
    reason: str

    def __str__(self) -> str:
        """Give both, fit for the middle of a sentence."""
        date = f"on {self.date:%Y-%m-%dT%H:%M:%SZ}"
        return f"{date} ({self.reason})" if self.reason else date


def load_crls(source: CrlSource) -> tuple[Crl, ...]:
    """Read revocation lists.

    Args:
        source: A path, bytes (PEM or DER), a list or several.

    Raises:
        TrustSourceError: There is none, or one is malformed.
        TypeError: *source* can't be one.
    """
    if isinstance(source, x509.CertificateRevocationList):
        return (_usable(source, "the revocation list"),)
    if isinstance(source, bytes | bytearray | memoryview):
        return _parsed(bytes(source), "the data given")
    if isinstance(source, str | os.PathLike):
        return _parsed(_read(source), repr(os.fspath(source)))
    if not isinstance(source, Iterable):
        raise TypeError(
            "revocation lists are a path, bytes, or objects of cryptography, "
            f"not {source!r}"
        )
    found = tuple(source)
    for each in found:
        if not isinstance(each, x509.CertificateRevocationList):
            raise TypeError(
                f"a revocation list is wanted, found {type(each).__name__!r}"
            )
    if not found:
        raise TrustSourceError(
            "there is no revocation list in an empty series"
        )
    return tuple(_usable(each, "a revocation list") for each in found)


def _read(source: str | os.PathLike[str]) -> bytes:
    path = path_of(source, "a revocation list", TrustSourceError)
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise TrustSourceError(
            f"can't read the revocation list {path!r}: {error}",
            errno=getattr(error, "errno", None),
            filename=path,
            hint="check the path",
        ) from error


def _parsed(data: bytes, name: str) -> tuple[Crl, ...]:
    if not pem.is_armoured(data):
        return (_crl(data, f"{name} holds no revocation list, PEM or DER"),)
    blocks = pem.blocks(data)
    found = [block for block in blocks if block.label in _LABELS]
    if not found:
        labels = sorted({block.label for block in blocks})
        raise TrustSourceError(
            f"a revocation list is wanted, but {name} holds only: "
            + ", ".join(labels),
            hint="give the file that has BEGIN X509 CRL in it",
        )
    crls = []
    for number, block in enumerate(found, 1):
        complaint = f"revocation list number {number} in {name} is malformed"
        try:
            der = block.der
        except ValueError as error:
            raise TrustSourceError(
                f"{complaint}: {error}", hint=_HINT
            ) from error
        crls.append(_crl(der, complaint))
    return tuple(crls)


def _crl(der: bytes, complaint: str) -> Crl:
    quiet()
    try:
        return _usable(x509.load_der_x509_crl(der), complaint)
    except unreadable() as error:
        raise TrustSourceError(
            f"{complaint}: {complaint_of(error)}", hint=_HINT
        ) from error


def _usable(crl: Crl, complaint: str) -> Crl:
    """Refuse what we, or OpenSSL, could make nothing of."""
    try:
        _scope(crl)
        _number(crl)
        delta = extension(crl, x509.DeltaCRLIndicator)
    except unreadable() as error:
        raise TrustSourceError(
            f"{complaint}: {complaint_of(error)}", hint=_HINT
        ) from error
    if delta is not None:
        raise TrustSourceError(
            f"{complaint}: it is a delta, which tells only what is new since "
            "another one",
            hint="load the complete list of that CA",
        )
    return crl


def renewed(old: tuple[Crl, ...], new: tuple[Crl, ...]) -> tuple[Crl, ...]:
    """Add *new* lists; of several with the same scope the newest stays.

    The order in which they come says nothing (RFC 5280, section 5.2.3).
    """
    table: dict[tuple[bytes, bytes, bytes], Crl] = {}
    for each in (*old, *new):
        scope = _scope(each)
        known = table.get(scope)
        if known is None or not _is_newer(known, each):
            table[scope] = each
    return tuple(table.values())


def _is_newer(one: Crl, other: Crl) -> bool:
    """Whether *one* is newer: by number, else by date."""
    numbers = _number(one), _number(other)
    if None in numbers or numbers[0] == numbers[1]:
        return one.last_update_utc > other.last_update_utc
    return cast("int", numbers[0]) > cast("int", numbers[1])


def _number(crl: Crl) -> int | None:
    found = extension(crl, x509.CRLNumber)
    return None if found is None else found.crl_number


def signer_of(crl: Crl) -> bytes:
    """Give the identifier of the key that signed *crl*, empty if not told.

    A CA with a new key under its old name has a list for each.
    """
    found = extension(crl, x509.AuthorityKeyIdentifier)
    return b"" if found is None else found.key_identifier or b""


def is_special(crl: Crl) -> bool:
    """Whether it is indirect, or for some reasons only (RFC 5280, 5.2.5).

    OpenSSL leaves such lists, unless it is told otherwise.
    """
    part = extension(crl, x509.IssuingDistributionPoint)
    return part is not None and (
        part.indirect_crl or part.only_some_reasons is not None
    )


def _scope(crl: Crl) -> tuple[bytes, bytes, bytes]:
    """Tell what *crl* covers: its CA and key, and the part of their issue."""
    part = extension(crl, x509.IssuingDistributionPoint)
    return (
        crl.issuer.public_bytes(),
        signer_of(crl),
        b"" if part is None else part.public_bytes(),
    )


def revocation_of(
    certificate: x509.Certificate | None, crls: Iterable[Crl]
) -> Revocation | None:
    """Look *certificate* up in the lists of its issuer.

    The lists' signatures are not checked: OpenSSL has done that.  In an
    indirect list, an entry is of the issuer that it names, or an entry before
    it (RFC 5280, section 5.3.3).
    """
    if certificate is None:
        return None
    for crl in crls:
        entry = _entry(certificate, crl)
        if entry is not None:
            return Revocation(entry.revocation_date_utc, _reason(entry))
    return None


def _entry(
    certificate: x509.Certificate, crl: Crl
) -> x509.RevokedCertificate | None:
    number = serial_number(certificate)
    glimpse = Glimpse.of(certificate)
    part = extension(crl, x509.IssuingDistributionPoint)
    if part is None or not part.indirect_crl:
        if not glimpse.issuer_is(crl.issuer):
            return None
        return crl.get_revoked_certificate_by_serial_number(number)
    issuers: tuple[x509.Name, ...] = (crl.issuer,)
    for each in crl:
        issuers = _issuers(each) or issuers
        if each.serial_number == number and any(
            map(glimpse.issuer_is, issuers)
        ):
            return each
    return None


def _issuers(entry: x509.RevokedCertificate) -> tuple[x509.Name, ...]:
    try:
        found = entry.extensions.get_extension_for_class(
            x509.CertificateIssuer
        )
    except x509.ExtensionNotFound:
        return ()
    except unreadable():
        return ()
    return tuple(found.value.get_values_for_type(x509.DirectoryName))


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        flag = entry.extensions.get_extension_for_class(x509.CRLReason)
    except x509.ExtensionNotFound:
        return ""
    except unreadable():
        return ""
    return str(flag.value.reason.value)
