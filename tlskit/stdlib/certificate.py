"""A certificate as the dictionary that ``ssl.SSLSocket.getpeercert`` gives."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from ..x509.names import common_names
from ..x509.reading import extension, serial_number, unreadable

__all__ = ["certificate_dict"]

E = TypeVar("E", bound=x509.ExtensionType)

_MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]


def certificate_dict(certificate: x509.Certificate) -> dict[str, Any]:
    """Describe *certificate* as the standard library does.

    Source: the documentation of ``ssl.SSLSocket.getpeercert``.
    """
    described: dict[str, Any] = {
        "subject": _subject(certificate),
        "issuer": _issuer(certificate),
        "version": certificate.version.value + 1,
        "serialNumber": _hex(serial_number(certificate)),
        "notBefore": _time(certificate.not_valid_before_utc),
        "notAfter": _time(certificate.not_valid_after_utc),
    }
    access = _extension(certificate, x509.AuthorityInformationAccess)
    further = {
        "subjectAltName": tuple(
            map(
                _general_name,
                _extension(certificate, x509.SubjectAlternativeName),
            )
        ),
        "OCSP": _locations(access, AuthorityInformationAccessOID.OCSP),
        "caIssuers": _locations(
            access, AuthorityInformationAccessOID.CA_ISSUERS
        ),
        "crlDistributionPoints": _uris(
            name
            for point in _extension(certificate, x509.CRLDistributionPoints)
            for name in point.full_name or ()
        ),
    }
    described.update({key: value for key, value in further.items() if value})
    return described


def _extension(certificate: x509.Certificate, kind: type[E]) -> Iterable[Any]:
    try:
        found = extension(certificate, kind)
    except unreadable():
        return ()
    if found is None:
        return ()
    assert isinstance(found, Iterable)
    return found


def _subject(certificate: x509.Certificate) -> tuple[Any, ...]:
    try:
        return _name(certificate.subject)
    except unreadable():  # It has parts that can't be decoded.
        names = common_names(certificate)
        return tuple((("commonName", each),) for each in names)


def _issuer(certificate: x509.Certificate) -> tuple[Any, ...]:
    try:
        return _name(certificate.issuer)
    except unreadable():
        return ()


def _name(name: x509.Name) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(
        tuple((_long_name(each.oid), str(each.value)) for each in rdn)
        for rdn in name.rdns
    )


def _long_name(oid: x509.ObjectIdentifier) -> str:
    """Give OpenSSL's long name of an attribute, which libraries look for."""
    try:
        found: str = ssl._ASN1Object(oid.dotted_string).longname
    except ValueError:  # OpenSSL has never heard of it.
        return oid.dotted_string
    return found


def _hex(number: int) -> str:
    size = max(1, (number.bit_length() + 7) // 8)
    return number.to_bytes(size, "big").hex().upper()


def _time(moment: datetime) -> str:
    """Write a time as OpenSSL's ``ASN1_TIME_print`` does, in any locale."""
    return (
        f"{_MONTHS[moment.month - 1]} {moment.day:2d} "
        f"{moment:%H:%M:%S} {moment.year} GMT"
    )


def _address(value: object) -> str:
    if isinstance(value, ipaddress.IPv4Address):
        return str(value)
    if isinstance(value, ipaddress.IPv6Address):
        groups = value.exploded.split(":")
        return ":".join(format(int(group, 16), "X") for group in groups)
    return "<invalid>"  # A network: eight or 32 bytes.


_WRITERS: dict[type[x509.GeneralName], tuple[str, Callable[[Any], Any]]] = {
    x509.DNSName: ("DNS", str),
    x509.IPAddress: ("IP Address", _address),
    x509.RFC822Name: ("email", str),
    x509.UniformResourceIdentifier: ("URI", str),
    x509.DirectoryName: ("DirName", _name),
    x509.RegisteredID: ("Registered ID", lambda oid: oid.dotted_string),
    x509.OtherName: ("othername", lambda _: "<unsupported>"),
}


def _general_name(name: x509.GeneralName) -> tuple[str, Any]:
    label, write = _WRITERS[type(name)]
    return label, write(name.value)


def _uris(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(
        name.value
        for name in names
        if isinstance(name, x509.UniformResourceIdentifier)
    )


def _locations(
    access: Iterable[x509.AccessDescription], method: x509.ObjectIdentifier
) -> tuple[str, ...]:
    return _uris(
        each.access_location for each in access if each.access_method == method
    )
