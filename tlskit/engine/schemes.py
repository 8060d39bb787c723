"""Which signature scheme was used, where it follows from the key.

OpenSSL's interface does not tell.  In TLS 1.3 the key of a certificate leaves
no choice, but for RSA; there the server's own rule says which it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..x509.credentials import kind_of
from ..x509.pairs import is_pss

if TYPE_CHECKING:
    from cryptography import x509

    from ..policy.settings import Settings
    from .facts import Facts
    from .hello.client_hello import ClientHello

__all__ = ["scheme_in_use"]

_TLS_1_3 = 0x0304
_BY_KEY = {
    "EC-secp256r1": ("ecdsa_secp256r1_sha256",),
    "EC-secp384r1": ("ecdsa_secp384r1_sha384",),
    "EC-secp521r1": ("ecdsa_secp521r1_sha512",),
    "Ed25519": ("ed25519",),
    "Ed448": ("ed448",),
    "MLDSA44": ("mldsa44",),
    "MLDSA65": ("mldsa65",),
    "MLDSA87": ("mldsa87",),
}
_HASHES = ("sha256", "sha384", "sha512")


def scheme_in_use(
    facts: Facts | None,
    settings: Settings,
    hello: ClientHello | None,
    *,
    peer: bool,
) -> str | None:
    """Name the scheme, or None if there is none or it can't be known."""
    if facts is None or facts.version < _TLS_1_3 or facts.session_reused:
        return None
    certificate = facts.peer_certificate if peer else facts.certificate
    if certificate is None or (not peer and hello is None):
        return None
    ours = settings.signature_algorithms
    fitting = _schemes(certificate)
    # Of what both take, a server of ours picks the first in its own order.
    order = [each for each in ours if each in fitting] or list(fitting)
    if not peer and hello is not None:
        order = [each for each in order if each in hello.signature_algorithms]
        return order[0] if order else None
    return order[0] if len(order) == 1 else None


def _schemes(certificate: x509.Certificate) -> tuple[str, ...]:
    kind = kind_of(certificate.public_key())
    if kind in _BY_KEY:
        return _BY_KEY[kind]
    family = "rsa_pss_pss" if is_pss(certificate) else "rsa_pss_rsae"
    return tuple(f"{family}_{each}" for each in _HASHES)
