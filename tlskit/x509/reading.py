"""Read a stranger's certificate, however it is written.

``cryptography`` is stricter than OpenSSL, which decides whom we trust.  What
OpenSSL takes should not fail because of a part that nobody needs: so each
extension is read by itself here, and names are shown in spite of characters
that their kind of string does not have.
"""

from __future__ import annotations

import re
import string
from typing import TypeVar

from ..tools.quiet import quiet
from .der import Element, dotted, element, elements, fields
from .gate import Encoding, exceptions, x509

__all__ = [
    "certificate",
    "complaint_of",
    "critical_extensions",
    "extension",
    "extension_value",
    "readable",
    "serial_number",
    "unreadable",
]

E = TypeVar("E", bound="x509.ExtensionType")

_UTF8_STRING, _PRINTABLE_STRING, _TELETEX_STRING = 0x0C, 0x13, 0x14
_EXTENSIONS = 0xA3
_TRUE = (0x01, b"\xff")
#: X.680, section 41.4.
_PRINTABLE = frozenset(
    f"{string.ascii_letters}{string.digits} '()+,-./:=?".encode()
)


#: How the parser of ``cryptography`` puts it, which is written in Rust.
_PARSE_ERROR = re.compile(r"ParseError \{ kind: (?P<kind>\w+)(?P<rest>.*)")
_FIELD = re.compile(r'"(?:\w+::)?(\w+)"')
_KINDS = {
    "EncodedDefault": "a default value that is written out",
    "ExtraData": "bytes behind its end",
    "IntegerOverflow": "a number that is too large",
    "InvalidLength": "a length that does not fit",
    "InvalidSetOrdering": "a set that is out of order",
    "InvalidTag": "an impossible tag",
    "InvalidValue": "a value that is not allowed",
    "ShortData": "an end before its time",
    "UnexpectedTag": "something of another type",
}


def unreadable() -> tuple[type[Exception], ...]:
    """Give what ``cryptography`` raises for what it can't, or won't, read."""
    return (
        ValueError,
        TypeError,
        LookupError,  # For kinds of strings that an older one does not know.
        exceptions.UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        Warning,  # Where warnings are errors.
    )


def complaint_of(error: BaseException) -> str:
    """Put a parser's complaint into words that people know.

    What is shown of it is no secret: where it stumbled, and over what.
    """
    found = _PARSE_ERROR.search(str(error))
    if found is None:
        return str(error) or type(error).__name__
    kind = _KINDS.get(found["kind"], found["kind"])
    names = _FIELD.findall(found["rest"])
    if not names:
        return f"it is no valid DER: {kind}"
    return f"it is no valid DER: {kind} in {names[-1].replace('_', ' ')}"


def certificate(der: bytes) -> x509.Certificate:
    """Read a certificate, just as it is.

    Raises:
        Exception: One of ``unreadable()``.
    """
    quiet()
    return x509.load_der_x509_certificate(der)


def readable(der: bytes) -> x509.Certificate:
    """Read a certificate to look at it.

    Devices write ``&`` and the like into a PrintableString, which has no such
    characters, and ``cryptography`` then refuses the whole certificate.  Here
    such a string becomes one that may hold them.  So take nothing for proved
    by the bytes of what is returned: its digest, its signature.

    Args:
        der: The certificate, DER.

    Raises:
        Exception: One of ``unreadable()``.
    """
    try:
        return certificate(der)
    except ValueError:
        other = _with_other_strings(der)
        if other == der:
            raise
        return certificate(other)


def _with_other_strings(der: bytes) -> bytes:
    """Give names other kinds of strings, where what they hold demands it."""
    try:
        tbs, *rest = elements(_content(der))
        found = fields(tbs.whole)
        old, new = list(elements(tbs.content)), []
        for each in old:
            is_name = each in (found.issuer, found.subject)
            new.append(_name(each) if is_name else each.whole)
    except (ValueError, IndexError, TypeError):
        return der
    body = element(tbs.tag, b"".join(new))
    return element(der[0], body + b"".join(each.whole for each in rest))


def _content(der: bytes) -> bytes:
    (whole,) = elements(der)
    return whole.content


def _name(name: Element) -> bytes:
    """Write a name anew (RFC 5280, section 4.1.2.4)."""
    parts = b"".join(
        element(rdn.tag, b"".join(map(_attribute, elements(rdn.content))))
        for rdn in elements(name.content)
    )
    return element(name.tag, parts)


def _attribute(attribute: Element) -> bytes:
    kind, value = elements(attribute.content)
    tag = value.tag
    if tag == _PRINTABLE_STRING:
        tag = _kind(value.content)
    return element(attribute.tag, kind.whole + element(tag, value.content))


def _kind(content: bytes) -> int:
    if _PRINTABLE.issuperset(content):
        return _PRINTABLE_STRING
    try:
        content.decode()
    except ValueError:
        return _TELETEX_STRING
    return _UTF8_STRING


def serial_number(found: x509.Certificate) -> int:
    """Give the serial number, also one of zero, without a warning."""
    number = fields(found.tbs_certificate_bytes).serial_number
    return int.from_bytes(number.content, "big", signed=True)


def extension(
    found: x509.Certificate | x509.CertificateRevocationList, kind: type[E]
) -> E | None:
    """Read one extension, whatever is the matter with the others.

    Args:
        found: The certificate, or the list.
        kind: The class of the extension.

    Returns:
        None if there is none.

    Raises:
        Exception: It can't be read, or is there twice; one of
            ``unreadable()``.
    """
    try:
        extensions = found.extensions
    except unreadable():
        extensions = _with_only(found, kind).extensions
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def extension_value(found: x509.Certificate, number: str) -> bytes | None:
    """Give what an extension holds, DER, whoever could read it.

    Args:
        found: The certificate.
        number: Of the extension, with dots.

    Returns:
        The first one; None if there is none.
    """
    for each in _extensions(found):
        if _oid(each) == number:
            *_, value = elements(each.content)
            return value.content
    return None


def critical_extensions(found: x509.Certificate) -> tuple[str, ...]:
    """Name the critical extensions, by their numbers, readable or not."""
    return tuple(
        _oid(each)
        for each in _extensions(found)
        # The second part is the flag; where it is left out, the value.
        if list(elements(each.content))[1][:2] == _TRUE
    )


def _extensions(found: x509.Certificate) -> tuple[Element, ...]:
    (body,) = elements(found.tbs_certificate_bytes)
    *_, last = elements(body.content)
    if last.tag != _EXTENSIONS:
        return ()
    return tuple(elements(_content(last.content)))


def _with_only(
    found: x509.Certificate | x509.CertificateRevocationList, kind: type[E]
) -> x509.Certificate | x509.CertificateRevocationList:
    """Leave out all extensions but those of one kind."""
    tbs, *rest = elements(_content(found.public_bytes(Encoding.DER)))
    *others, last = elements(tbs.content)  # They are the last field of both.
    kept = b"".join(
        each.whole
        for each in elements(_content(last.content))
        if _oid(each) == kind.oid.dotted_string
    )
    if kept:
        kept = element(last.tag, element(0x30, kept))
    body = b"".join(each.whole for each in others) + kept
    der = element(
        0x30, element(0x30, body) + b"".join(each.whole for each in rest)
    )
    if isinstance(found, x509.CertificateRevocationList):
        return x509.load_der_x509_crl(der)
    return certificate(der)


def _oid(extension: Element) -> str:
    identifier, *_ = elements(extension.content)
    return dotted(identifier.content)
