"""What ``inspect --json`` says of each object; see ``data`` for the rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, TypedDict, final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from cryptography.x509.oid import SignatureAlgorithmOID

from ...verify.chain import Pin, pin_of
from ...x509.glimpse import Glimpse, shown, stamp
from ...x509.reading import extension, serial_number
from ..data import CertificateData, certificate_data
from .logged import TimestampData

__all__ = [
    "CertificateObject",
    "KeyData",
    "KeyObject",
    "OtherObject",
    "RequestObject",
    "RevocationObject",
    "algorithm_name",
    "certificate_object",
    "key_data",
    "request_object",
    "revocation_object",
]

#: So many of a list's revoked certificates are named.
_MOST_REVOKED = 100

#: Key usages: as ``cryptography`` calls them, and as RFC 5280 does.
_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_AGREEMENTS = {
    "encipher_only": "encipherOnly",
    "decipher_only": "decipherOnly",
}
_ALGORITHMS = {
    value: name.replace("_WITH_", " with ").replace("_", "-")
    for name, value in vars(SignatureAlgorithmOID).items()
    if isinstance(value, x509.ObjectIdentifier)
}


class KeyData(TypedDict):
    """A public key, alone or of something else; never a private one."""

    #: Such as ``"RSA"``, ``"EC"``, ``"Ed25519"``; null if it is not known.
    type: str | None
    #: In bits; null where the type says it.
    size: int | None
    curve: str | None
    #: As ``set_pins`` takes it.
    pin: str


class CertificateObject(CertificateData):
    """``kind`` is ``"certificate"``."""

    kind: Literal["certificate"]
    #: Which of the sources it comes from.
    source: str
    #: Which chain of those found, and where in it; 0 is an end's own.
    chain: int
    depth: int
    #: Which of ``objects`` issued it, by name and signature; null if none.
    issued_by: int | None
    serial: str
    #: ``"valid"``, ``"expired"`` or ``"not-yet-valid"``.
    validity: str
    #: Whole days until ``not_after``; negative when that is over.
    days_left: int
    key: KeyData
    signature: str
    #: Whether it may issue others, and how many CAs may follow below.
    ca: bool
    path_length: int | None
    key_usage: list[str]
    extended_key_usage: list[str]
    sha1: str
    #: What logs of Certificate Transparency promise of it.
    timestamps: list[TimestampData]
    #: Why not everything could be read, or null.
    problem: str | None


@final
class KeyObject(TypedDict):
    """``kind`` is ``"private-key"`` or ``"public-key"``."""

    kind: Literal["private-key", "public-key"]
    source: str
    #: Null if the key is encrypted, and its password was not given.
    key: KeyData | None
    #: Which of ``objects`` have this key.
    fits: list[int]


class RequestObject(TypedDict):
    """``kind`` is ``"request"``: a certificate signing request."""

    kind: Literal["request"]
    source: str
    subject: str
    names: list[str]
    key: KeyData
    signature: str
    #: Whether who made it has the key.
    signature_valid: bool


class RevocationObject(TypedDict):
    """``kind`` is ``"revocation-list"``."""

    kind: Literal["revocation-list"]
    source: str
    issuer: str
    number: int | None
    this_update: str
    next_update: str | None
    #: Whether ``next_update`` is over.
    stale: bool
    signature: str
    revoked_count: int
    #: Serial numbers, the first hundred.
    revoked: list[str]


@final
class OtherObject(TypedDict):
    """``kind`` is ``"other"``, or ``"unreadable"`` with a reason."""

    kind: Literal["other", "unreadable"]
    source: str
    #: What it says to be.
    label: str
    reason: str | None


# -- certificates -----------------------------------------------------------


def certificate_object(
    certificate: x509.Certificate, source: str, now: datetime
) -> CertificateObject:
    """Describe a certificate whose place is not known yet.

    Raises:
        Exception: It is broken; ``cryptography`` parses it only now.
    """
    glimpse = Glimpse(certificate.public_bytes(Encoding.DER))
    basic, usage, problem = None, None, None
    with suppress(Exception):  # What is wrong with them is told below.
        basic = extension(certificate, x509.BasicConstraints)
        usage = extension(certificate, x509.KeyUsage)
    try:
        certificate.extensions  # noqa: B018 - parsed on access
    except Exception as error:  # noqa: BLE001 - a parser of strangers' bytes
        problem = f"its extensions are malformed: {shown(str(error))}"
    start = certificate.not_valid_before_utc
    end = certificate.not_valid_after_utc
    return CertificateObject(
        **certificate_data(certificate),
        kind="certificate",
        source=source,
        chain=0,
        depth=0,
        issued_by=None,
        serial=f"{serial_number(certificate):x}",
        validity=_validity(start, end, now),
        days_left=(end - now).days,
        key=_certified_key(certificate),
        signature=_algorithm(certificate),
        ca=basic is not None and basic.ca,
        path_length=None if basic is None else basic.path_length,
        key_usage=[] if usage is None else list(_usages(usage)),
        extended_key_usage=list(glimpse.purposes),
        sha1=certificate.fingerprint(hashes.SHA1()).hex(),  # noqa: S303
        timestamps=[],
        problem=problem,
    )


def _validity(start: datetime, end: datetime, now: datetime) -> str:
    if now < start:
        return "not-yet-valid"
    return "valid" if now <= end else "expired"


def _usages(usage: x509.KeyUsage) -> Iterator[str]:
    asked = _USAGES
    if usage.key_agreement:
        # Without it, cryptography raises for these two.
        asked = asked | _AGREEMENTS
    for attribute, name in asked.items():
        if getattr(usage, attribute):
            yield name


def _algorithm(
    signed: x509.Certificate
    | x509.CertificateSigningRequest
    | x509.CertificateRevocationList,
) -> str:
    return algorithm_name(signed.signature_algorithm_oid)


def algorithm_name(identifier: x509.ObjectIdentifier) -> str:
    """Name a signature algorithm, or give its number."""
    return _ALGORITHMS.get(identifier, identifier.dotted_string)


# -- keys -------------------------------------------------------------------


def key_data(public_key: PublicKeyTypes) -> KeyData:
    """Describe a public key."""
    spki = public_key.public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return _key(public_key, str(Pin(hashlib.sha256(spki).digest())))


def _certified_key(certificate: x509.Certificate) -> KeyData:
    pin = pin_of(certificate)
    try:
        return _key(certificate.public_key(), pin)
    except Exception:  # noqa: BLE001 - a kind that the library does not know
        return KeyData(type=None, size=None, curve=None, pin=pin)


def _key(public_key: PublicKeyTypes, pin: str) -> KeyData:
    curve = None
    kind = type(public_key).__name__.lstrip("_").replace("PublicKey", "")
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        kind, curve = "EC", public_key.curve.name
    size: int | None = getattr(public_key, "key_size", None)
    return KeyData(type=kind, size=size, curve=curve, pin=pin)


# -- requests and lists -----------------------------------------------------


def request_object(
    request: x509.CertificateSigningRequest, source: str
) -> RequestObject:
    """Describe a certificate signing request.

    Raises:
        Exception: It is broken.
    """
    try:
        names: Iterable[Any] = request.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        names = ()
    return RequestObject(
        kind="request",
        source=source,
        subject=request.subject.rfc4514_string(),
        names=[shown(str(each.value)) for each in names],
        key=key_data(request.public_key()),
        signature=_algorithm(request),
        signature_valid=request.is_signature_valid,
    )


def revocation_object(
    found: x509.CertificateRevocationList, source: str, now: datetime
) -> RevocationObject:
    """Describe a certificate revocation list.

    Raises:
        Exception: It is broken.
    """
    end = found.next_update_utc
    return RevocationObject(
        kind="revocation-list",
        source=source,
        issuer=found.issuer.rfc4514_string(),
        number=_number(found),
        this_update=stamp(found.last_update_utc),
        next_update=None if end is None else stamp(end),
        stale=end is not None and end < now,
        signature=_algorithm(found),
        revoked_count=len(found),
        revoked=[
            f"{found[index].serial_number:x}"
            for index in range(min(len(found), _MOST_REVOKED))
        ],
    )


def _number(found: x509.CertificateRevocationList) -> int | None:
    try:
        return found.extensions.get_extension_for_class(
            x509.CRLNumber
        ).value.crl_number
    except x509.ExtensionNotFound:
        return None
