"""The gate to ``cryptography``: its modules, loaded when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tools.lazy import Lazy

if TYPE_CHECKING:
    from cryptography import exceptions, x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import (
        dsa,
        ec,
        ed448,
        ed25519,
        padding,
        rsa,
    )
    from cryptography.hazmat.primitives.ciphers import aead
    from cryptography.hazmat.primitives.kdf import hkdf as kdf
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        pkcs7,
        pkcs12,
    )
    from cryptography.x509 import ocsp, oid, verification
else:
    x509 = Lazy("cryptography.x509")
    ocsp = Lazy("cryptography.x509.ocsp")
    oid = Lazy("cryptography.x509.oid")
    verification = Lazy("cryptography.x509.verification")
    exceptions = Lazy("cryptography.exceptions")
    _PRIMITIVES = "cryptography.hazmat.primitives"
    aead = Lazy(f"{_PRIMITIVES}.ciphers.aead")
    hashes = Lazy(f"{_PRIMITIVES}.hashes")
    kdf = Lazy(f"{_PRIMITIVES}.kdf.hkdf")
    serialization = Lazy(f"{_PRIMITIVES}.serialization")
    Encoding = Lazy(f"{_PRIMITIVES}.serialization", "Encoding")
    pkcs7 = Lazy(f"{_PRIMITIVES}.serialization.pkcs7")
    pkcs12 = Lazy(f"{_PRIMITIVES}.serialization.pkcs12")
    dsa = Lazy(f"{_PRIMITIVES}.asymmetric.dsa")
    ec = Lazy(f"{_PRIMITIVES}.asymmetric.ec")
    ed448 = Lazy(f"{_PRIMITIVES}.asymmetric.ed448")
    ed25519 = Lazy(f"{_PRIMITIVES}.asymmetric.ed25519")
    padding = Lazy(f"{_PRIMITIVES}.asymmetric.padding")
    rsa = Lazy(f"{_PRIMITIVES}.asymmetric.rsa")

__all__ = [
    "Encoding",
    "aead",
    "dsa",
    "ec",
    "ed448",
    "ed25519",
    "exceptions",
    "hashes",
    "kdf",
    "ocsp",
    "oid",
    "padding",
    "pkcs7",
    "pkcs12",
    "rsa",
    "serialization",
    "verification",
    "x509",
]
