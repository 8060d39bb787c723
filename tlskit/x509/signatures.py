"""Check a signature by a certified key, of every kind that there is.

``cryptography`` does it for certificates and revocation lists, but not for
OCSP responses.
"""

from __future__ import annotations

from typing import Any

from .der import Element, dotted, elements
from .gate import ec, exceptions, hashes, padding, rsa, x509
from .pairs import is_pss

__all__ = ["WeakSignatureError", "check_signature"]

_PSS = "1.2.840.113549.1.1.10"
_HASH_TAG, _MASK_TAG, _SALT_TAG = 0xA0, 0xA1, 0xA2
#: The digest of each algorithm (RFC 8017, RFC 5758, FIPS 180-4); sorted by
#: what has to be done with them.
_RSA = {
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA1",
    "1.2.840.113549.1.1.14": "SHA224",
    "1.2.840.113549.1.1.11": "SHA256",
    "1.2.840.113549.1.1.12": "SHA384",
    "1.2.840.113549.1.1.13": "SHA512",
}
_ECDSA = {
    "1.2.840.10045.4.1": "SHA1",
    "1.2.840.10045.4.3.1": "SHA224",
    "1.2.840.10045.4.3.2": "SHA256",
    "1.2.840.10045.4.3.3": "SHA384",
    "1.2.840.10045.4.3.4": "SHA512",
}
_DIGESTS = {
    "1.3.14.3.2.26": "SHA1",
    "2.16.840.1.101.3.4.2.4": "SHA224",
    "2.16.840.1.101.3.4.2.1": "SHA256",
    "2.16.840.1.101.3.4.2.2": "SHA384",
    "2.16.840.1.101.3.4.2.3": "SHA512",
}
#: Signatures that hash by themselves (RFC 8410, RFC 9881), and their keys.
_WHOLE = {
    "1.3.101.112": "Ed25519PublicKey",
    "1.3.101.113": "Ed448PublicKey",
    "2.16.840.1.101.3.4.3.17": "MLDSA44PublicKey",
    "2.16.840.1.101.3.4.3.18": "MLDSA65PublicKey",
    "2.16.840.1.101.3.4.3.19": "MLDSA87PublicKey",
}
_WEAK = ("MD5", "SHA1")


class WeakSignatureError(Exception):
    """A signature over a digest that can be forged; the text names it."""


def check_signature(
    signer: x509.Certificate, data: bytes, algorithm: Element, bits: Element
) -> None:
    """Check what *signer* has signed.

    Args:
        signer: Who has the key.
        data: What is signed.
        algorithm: The AlgorithmIdentifier beside the signature.
        bits: The signature, a BIT STRING.

    Raises:
        InvalidSignature: It is another one's, or of other data.
        UnsupportedAlgorithm: Nobody here knows its kind, or that of the key.
        WeakSignatureError: It proves nothing any more.
        ValueError: The algorithm is malformed.
    """
    if bits.content[:1] != b"\0":  # DER has no other way to write it.
        raise exceptions.InvalidSignature
    signature = bits.content[1:]
    identifier, *parameters = elements(algorithm.content)
    kind = dotted(identifier.content)
    key: Any = signer.public_key()
    if kind == _PSS and isinstance(key, rsa.RSAPublicKey):
        digest, padded = _pss(parameters)
        key.verify(signature, data, padded, digest)
    elif kind in _RSA and isinstance(key, rsa.RSAPublicKey):
        if is_pss(signer):  # Its key is for nothing else (RFC 4055).
            raise exceptions.InvalidSignature
        key.verify(signature, data, padding.PKCS1v15(), _hash(_RSA[kind]))
    elif kind in _ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(_hash(_ECDSA[kind])))
    elif _WHOLE.get(kind) == _name(key):
        key.verify(signature, data)
    else:
        raise exceptions.UnsupportedAlgorithm(f"signature algorithm {kind}")


def _name(key: Any) -> str:
    return type(key).__name__.lstrip("_")


def _hash(name: str) -> hashes.HashAlgorithm:
    if name in _WEAK:
        raise WeakSignatureError(name.lower())
    made: hashes.HashAlgorithm = getattr(hashes, name)()
    return made


def _pss(
    parameters: list[Element],
) -> tuple[hashes.HashAlgorithm, padding.PSS]:
    """Read RSASSA-PSS-params (RFC 4055, section 3.1)."""
    digest, mask, salt = "SHA1", "SHA1", 20
    for each in parameters:
        for field in elements(each.content):
            (value,) = elements(field.content)
            if field.tag == _HASH_TAG:
                digest = _digest(value)
            elif field.tag == _MASK_TAG:
                _, inner = elements(value.content)
                mask = _digest(inner)
            elif field.tag == _SALT_TAG:
                salt = int.from_bytes(value.content, "big")
    chosen = _hash(digest)
    return chosen, padding.PSS(padding.MGF1(_hash(mask)), salt)


def _digest(algorithm: Element) -> str:
    identifier, *_ = elements(algorithm.content)
    kind = dotted(identifier.content)
    if kind not in _DIGESTS:
        raise exceptions.UnsupportedAlgorithm(f"digest {kind}")
    return _DIGESTS[kind]
