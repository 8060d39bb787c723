"""Read a private key by writing it anew, as ``cryptography`` wants it.

Other programs follow the same RFCs and make other use of what these leave
open: GnuTLS begins the number of an elliptic key with a zero byte wherever an
INTEGER would have one, OpenSSL writes an ML-DSA key both as its seed and
expanded, and Rust's libraries write PKCS#8 of the second version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from ...errors import CredentialError
from ..der import Element, dotted, element, elements
from ..gate import Encoding, ec, exceptions, serialization, x509

__all__ = ["read_otherwise"]

_INTEGER, _OCTETS, _SEQUENCE, _SEED, _CURVE = 0x02, 0x04, 0x30, 0x80, 0xA0
_ATTRIBUTES, _PUBLIC, _CONSTRUCTED = 0xA0, 0x81, 0x20
_FIRST, _SECOND = b"\0", b"\1"
_VERSIONS = (_FIRST, _SECOND)
_ELLIPTIC = "1.2.840.10045.2.1"
#: RFC 9881, section 2.
_ML_DSA = {
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}


def read_otherwise(der: bytes, name: str) -> Any:
    """Read a key whose form ``cryptography`` does not know.

    Args:
        der: The key, not encrypted: PKCS#8 (RFC 5958) or RFC 5915.
        name: Where from, for messages.

    Returns:
        The key of ``cryptography``; None if nothing can be done.

    Raises:
        CredentialError: It has no form that can be read, or contradicts
            itself.
    """
    other = _rewritten(der, name)
    if other is None:
        return None
    try:
        key = serialization.load_der_private_key(other.der, password=None)
    except (ValueError, exceptions.UnsupportedAlgorithm):
        return None
    if other.expanded:
        _check_halves(other.expanded, key, name)
    if other.public:
        _check_public(other.public, key, name)
    return key


class _Other(NamedTuple):
    """A key in another form."""

    der: bytes
    #: Of an ML-DSA key, what was left out.
    expanded: bytes = b""
    #: The public key that came along, as a BIT STRING; empty for none.
    public: bytes = b""


def _rewritten(der: bytes, name: str) -> _Other | None:
    try:
        (whole,) = elements(der)
        parts = list(elements(whole.content))
        tags = [each.tag for each in parts]
        if tags[:2] == [_INTEGER, _OCTETS]:
            return _elliptic(whole, parts, None)
        if tags[:3] == [_INTEGER, _SEQUENCE, _OCTETS]:
            return _inner(whole, parts, name)
    except (ValueError, IndexError, OverflowError):
        pass
    return None


def _inner(whole: Element, parts: list[Element], name: str) -> _Other | None:
    """Look into PKCS#8: a version, an algorithm, a key, and what may follow.

    RFC 5958 has a second version, with the public key behind the rest.
    """
    version, algorithm, packed, *more = parts
    public = b"".join(map(_bits, more))
    new = _key(list(elements(algorithm.content)), packed, name)
    plain = version.content == _FIRST and not public
    if version.content not in _VERSIONS or (new is None and plain):
        return None
    new = new or _Other(packed.content)
    body = b"".join(
        (
            element(_INTEGER, _FIRST),
            algorithm.whole,
            element(_OCTETS, new.der),
            *(each.whole for each in more if each.tag == _ATTRIBUTES),
        )
    )
    return new._replace(der=element(whole.tag, body), public=public)


def _bits(part: Element) -> bytes:
    """Give a public key, as a BIT STRING; empty if it is none.

    Its tag is implicit in RFC 5958; Rust's libraries make it explicit.
    """
    if part.tag == _PUBLIC:
        return part.content
    if part.tag != _PUBLIC | _CONSTRUCTED:
        return b""
    (bits,) = elements(part.content)
    return bits.content


def _key(
    algorithm: list[Element], packed: Element, name: str
) -> _Other | None:
    kind = dotted(algorithm[0].content)
    (key,) = elements(packed.content)
    if kind in _ML_DSA:
        return _seed(key, _ML_DSA[kind], name)
    if kind == _ELLIPTIC and len(algorithm) > 1:
        return _elliptic(key, list(elements(key.content)), algorithm[1])
    return None


def _elliptic(
    key: Element, parts: list[Element], curve: Element | None
) -> _Other | None:
    """Give the number the length that its curve demands (RFC 5915)."""
    version, number, *rest = parts
    if curve is None:
        tagged = next((each for each in rest if each.tag == _CURVE), number)
        (curve,) = elements(tagged.content)
    identifier = x509.ObjectIdentifier(dotted(curve.content))
    size = (_curve_of(identifier)().key_size + 7) // 8
    value = int.from_bytes(number.content, "big").to_bytes(size, "big")
    if value == number.content:
        return None
    old = b"".join(each.whole for each in rest)
    new = version.whole + element(_OCTETS, value) + old
    return _Other(element(key.tag, new))


def _curve_of(
    identifier: x509.ObjectIdentifier,
) -> Callable[[], ec.EllipticCurve]:
    try:
        return ec.get_curve_for_oid(identifier)
    except LookupError as error:
        raise ValueError(str(error)) from error


def _seed(key: Element, kind: str, name: str) -> _Other | None:
    """Leave out the expanded key beside the seed (RFC 9881, section 6)."""
    if key.tag == _OCTETS:
        raise CredentialError(
            f"the private key in {name} is an {kind} key in its expanded "
            "form, without the seed, and can't be read here",
            code="unsupported-key-form",
            hint="the seed can't be found again: make another key, and have a "
            f"certificate issued for it: openssl genpkey -algorithm {kind} "
            "-provparam ml-dsa.output_formats=seed-only -out NEW",
        )
    if key.tag != _SEQUENCE:
        return None
    seed, expanded = elements(key.content)
    return _Other(element(_SEED, seed.content), expanded.content)


def _check_public(bits: bytes, key: Any, name: str) -> None:
    """See that the public key beside a private one is its own."""
    (whole,) = elements(
        key.public_key().public_bytes(
            Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    *_, own = elements(whole.content)
    if bits != own.content:
        raise CredentialError(
            f"the private key in {name} has a public key beside it that is "
            "another one's",
            code="malformed-key",
            hint="get the key anew from where it was made",
        )


def _check_halves(expanded: bytes, key: Any, name: str) -> None:
    """See that the seed is that of the expanded key.

    What is expanded begins with what the public key begins with, and has the
    digest of the whole public key behind 32 more bytes (FIPS 204, algorithm
    24).
    """
    public = key.public_key().public_bytes_raw()
    digest = hashlib.shake_256(public).digest(64)
    if expanded[:32] != public[:32] or expanded[64:128] != digest:
        raise CredentialError(
            f"the private key in {name} has a seed and an expanded key that "
            "do not belong together",
            code="malformed-key",
            hint="get the key anew from where it was made",
        )
