"""What a context's security level asks of keys and signatures.

OpenSSL knows six levels (``SSL_CTX_set_security_level(3)``), and its binding
can tell none; so it is read from where it is set, the list of ciphers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..x509.gate import dsa, ec, ed448, ed25519, rsa

if TYPE_CHECKING:
    from ..policy.settings import Settings

__all__ = ["LEVEL", "is_short", "is_weak", "level_of"]

#: What OpenSSL is built with.
LEVEL = 2
#: The strength in bits that each level asks for.
_BITS = (0, 80, 112, 128, 192, 256)
#: The least sizes for these, but the first.  What an RSA key gives is
#: reckoned by a formula (SP 800-56B, appendix D) and rounded to the next
#: multiple of eight, so 2048 bits are not the least; a test asks OpenSSL.
_SIZES = (
    ((rsa.RSAPublicKey,), (0, 920, 1963, 2672, 6952, 13920)),
    ((dsa.DSAPublicKey,), (0, 1024, 2048, 3072, 7680, 15360)),
    ((ec.EllipticCurvePublicKey,), (0, 160, 224, 256, 384, 512)),
)
#: Whose strength does not depend on a size.
_FIXED = (
    ((ed25519.Ed25519PublicKey,), 128),
    ((ed448.Ed448PublicKey,), 224),
)
_NAMED = {"MLDSA44PublicKey": 128, "MLDSA65PublicKey": 192}
#: A collision costs half of a digest's bits, and of these even less.
_BROKEN = {"sha1": 63, "md5": 39}

_OLD = 0x0303  # TLS 1.2; what is older is of level 0.
_RULE = re.compile(r"(?P<before>[^@]*)@SECLEVEL=(?P<level>[0-5])")


def level_of(settings: Settings) -> int:
    """Give the security level of a context's connections.

    Where OpenSSL may skip a rule, since something stands before it that may
    be unknown, the higher level counts.
    """
    old = settings.protocol.maximum < _OLD
    spec = settings.ciphers or ""
    level = 0 if old and "@SECLEVEL" not in spec else LEVEL
    for each in re.split(r"[:;, ]", spec):
        for rule in _RULE.finditer(each):
            found = int(rule["level"])
            sure = rule["before"] in {"", "DEFAULT"}
            level = found if sure else max(level, found)
    return level


def is_short(key: object, level: int) -> bool:
    """Whether a public key is too short for a level."""
    for kinds, sizes in _SIZES:
        if isinstance(key, kinds):
            return bool(key.key_size < sizes[level])
    for kind, bits in _FIXED:
        if isinstance(key, kind):
            return bits < _BITS[level]
    return _NAMED.get(type(key).__name__, _BITS[-1]) < _BITS[level]


def is_weak(name: str, size: int, level: int) -> bool:
    """Whether a digest of *size* bytes is too weak for a level.

    A signature without a digest is as strong as the key that made it.
    """
    return _BROKEN.get(name, size * 4) < _BITS[level]
