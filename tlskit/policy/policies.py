"""Dated policies: what is offered and taken, as data that never changes.

A policy that is published stays as it is for ever; a better one gets a new
date.  A test holds a snapshot of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..openssl.protocols import Protocol, protocol

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["POLICIES", "Policy", "find_policy", "policies", "policy_in_use"]


@dataclass(frozen=True)
class Policy:
    """What a context with this policy negotiates."""

    summary: str
    #: A protocol's name, for the versions.
    versions: str
    #: For TLS 1.2, in the language of ``openssl ciphers``; the level bounds
    #: the sizes of keys.
    ciphers: str
    ciphersuites: tuple[str, ...]
    groups: tuple[str, ...]
    signature_algorithms: tuple[str, ...]
    #: Where each line comes from.
    sources: Mapping[str, str]

    @property
    def changes(self) -> dict[str, Any]:
        """What it replaces of a context's settings."""
        return {
            "ciphers": self.ciphers,
            "ciphersuites": ":".join(self.ciphersuites),
            "ecdh_curve": None,
            "groups": self.groups,
            "protocol": self.protocol,
            "signature_algorithms": self.signature_algorithms,
        }

    @property
    def protocol(self) -> Protocol:
        """The versions."""
        return protocol(self.versions)


_HYBRIDS = ("X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024")
_SUITES = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
)
# Level 2 refuses RSA keys below 2048 bits, and curves below 224.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
_SCHEMES = (
    *("mldsa65", "mldsa87", "mldsa44"),
    *("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384"),
    *("ed25519", "ed448"),
    *("rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"),
    *("rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512"),
    # In TLS 1.3 for the signatures in certificates only.
    *("rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"),
)
_COMMON = {
    "ciphers": "BSI TR-02102-2, 3.3.1; NIST SP 800-52 Rev. 2, 3.3.1",
    "ciphersuites": "RFC 8446, 9.1; Mozilla's guidelines 5.7",
    "signature_algorithms": "BSI TR-02102-2, 3.4.3; FIPS 204",
}

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        "2026-12-modern": Policy(
            "TLS 1.3; hybrid key exchange first, elliptic curves else",
            "tls13",
            _CIPHERS,
            _SUITES,
            ("X25519MLKEM768", "X25519", "P-256", "P-384"),
            _SCHEMES,
            {
                **_COMMON,
                "versions": "Mozilla's guidelines 5.7, modern",
                "groups": "Mozilla's guidelines 5.7, modern; FIPS 203",
            },
        ),
        "2026-12-compatible": Policy(
            "TLS 1.2 and 1.3; forward secrecy and authenticated ciphers only",
            "auto",
            _CIPHERS,
            _SUITES,
            ("X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"),
            (*_SCHEMES, "ecdsa_secp521r1_sha512"),
            {
                **_COMMON,
                "versions": "RFC 9325, 3.1.1; Mozilla's, intermediate",
                "groups": "RFC 9325, 4.2.1; FIPS 203",
            },
        ),
        "2026-12-pq": Policy(
            "TLS 1.3; hybrid post-quantum key exchange required",
            "tls13",
            _CIPHERS,
            _SUITES,
            _HYBRIDS,
            _SCHEMES,
            {
                **_COMMON,
                "versions": "draft-ietf-tls-ecdhe-mlkem: TLS 1.3 only",
                "groups": "draft-ietf-tls-ecdhe-mlkem; FIPS 203",
            },
        ),
        "2026-12-cnsa2": Policy(
            "TLS 1.3; the suite CNSA 2.0, with P-384 on the way there",
            "tls13",
            "ECDHE+AESGCM:!AES128:@SECLEVEL=2",
            ("TLS_AES_256_GCM_SHA384",),
            ("SecP384r1MLKEM1024", "MLKEM1024"),
            ("mldsa87", "ecdsa_secp384r1_sha384"),
            {
                "versions": "CNSA 2.0; draft-becker-cnsa2-tls-profile",
                "ciphers": "CNSA 2.0: AES-256 and SHA-384",
                "ciphersuites": "CNSA 2.0: AES-256 and SHA-384",
                "groups": "CNSA 2.0: ML-KEM-1024; CNSA 1.0: P-384",
                "signature_algorithms": "CNSA 2.0: ML-DSA-87; 1.0: P-384",
            },
        ),
    }
)


def policies() -> Mapping[str, str]:
    """Tell which policies there are, for ``Context.set_policy()``.

    Returns:
        A sentence for each name.
    """
    return MappingProxyType(
        {name: each.summary for name, each in POLICIES.items()}
    )


def find_policy(name: str) -> Policy:
    """Find a policy by its name.

    Raises:
        ConfigurationError: There is none.
    """
    if name not in POLICIES:
        raise ConfigurationError(
            f"{name!r} is no policy; there are: {', '.join(POLICIES)}"
        )
    return POLICIES[name]


def policy_in_use(settings: Settings) -> str | None:
    """Name the policy that *settings* are exactly, if there is one."""
    for name, each in POLICIES.items():
        if all(
            getattr(settings, field) == value
            for field, value in each.changes.items()
        ):
            return name
    return None
