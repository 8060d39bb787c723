"""A certificate chain with its key, in the form that OpenSSL takes."""

from __future__ import annotations

from typing import NamedTuple

from .credentials import CertificateChain, PrivateKey
from .der import Element, element, elements, fields
from .gate import serialization, x509

__all__ = ["Pair", "is_pss"]


class Pair(NamedTuple):
    """A chain, and the key of its first certificate."""

    chain: CertificateChain
    key: PrivateKey

    @property
    def slot(self) -> str:
        """Which of OpenSSL's places it takes; there it keeps one of a kind."""
        if is_pss(self.chain.leaf):
            return "RSASSA-PSS"
        name, _, _ = self.key.kind.partition("-")
        return name

    @property
    def key_der(self) -> bytes:
        """The private key as PKCS#8, DER, of the kind that is certified.

        ``cryptography`` makes a plain RSA key of one for RSASSA-PSS.
        """
        whole = self.key.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        if not is_pss(self.chain.leaf):
            return whole
        return pss_key(whole, _algorithm(self.chain.leaf).whole)


#: id-RSASSA-PSS (RFC 4055, section 1.2), as it is encoded.
_PSS = bytes.fromhex("06092a864886f70d01010a")


def _algorithm(certificate: x509.Certificate) -> Element:
    """Give the AlgorithmIdentifier of the certified key."""
    key = fields(certificate.tbs_certificate_bytes).key
    return next(elements(key.content))


def is_pss(certificate: x509.Certificate) -> bool:
    """Say whether the certified key is for RSASSA-PSS only (RFC 4055)."""
    return _algorithm(certificate).content.startswith(_PSS)


def pss_key(pkcs8: bytes, algorithm: bytes) -> bytes:
    """Make an RSA key of PKCS#8 one of another AlgorithmIdentifier."""
    (whole,) = elements(pkcs8)
    version, _, *rest = elements(whole.content)
    return element(
        whole.tag,
        version.whole + algorithm + b"".join(each.whole for each in rest),
    )
