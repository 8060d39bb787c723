"""Walk through the DER of a certificate that has been parsed already.

``cryptography`` gives no access to some of what stands there: names that it
refuses to decode, and a key just as it was encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "Element",
    "Fields",
    "dotted",
    "element",
    "elements",
    "fields",
]

_VERSION = 0xA0


class Element(NamedTuple):
    """One DER element: its tag, its content, and the whole of it."""

    tag: int
    content: bytes
    whole: bytes


class Fields(NamedTuple):
    """The first fields of a TBSCertificate (RFC 5280, section 4.1)."""

    serial_number: Element
    signature: Element
    issuer: Element
    validity: Element
    subject: Element
    #: The SubjectPublicKeyInfo.  Encoding the parsed key again would lose
    #: what the parser does not model, such as the parameters of an
    #: RSASSA-PSS key, and so change its digest.
    key: Element


def fields(tbs: bytes) -> Fields:
    """Give the fields of a TBSCertificate as they are encoded."""
    (body,) = elements(tbs)
    found = list(elements(body.content))
    # The version is absent in version 1.
    start = 1 if found[0].tag == _VERSION else 0
    return Fields(*found[start : start + len(Fields._fields)])


def element(tag: int, content: bytes) -> bytes:
    """Encode one element."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def elements(der: bytes) -> Iterator[Element]:
    """Split *der*, which ``cryptography`` has found well-formed before."""
    start = 0
    while start < len(der):
        body = start + 1
        if der[start] & 0x1F == 0x1F:  # Long form: the tag goes on.
            while der[body] & 0x80:
                body += 1
            body += 1
        length, body = der[body], body + 1
        if length & 0x80:  # Long form: that many bytes of length follow.
            count = length & 0x7F
            length = int.from_bytes(der[body : body + count], "big")
            body += count
        end = body + length
        yield Element(der[start], der[body:end], der[start:end])
        start = end


def dotted(oid: bytes) -> str:
    """Write an object identifier with dots."""
    arcs = []
    arc = 0
    for byte in oid:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    # The first two arcs share a number (X.690, section 8.19.4).
    root = min(arcs[0] // 40, 2)
    return ".".join(map(str, [root, arcs[0] - 40 * root, *arcs[1:]]))
