"""Does a server keep to a dated policy, and where does it not?

A server that refuses what the policy offers is called once more without it:
what it agrees to then shows who wants what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding

from ...openssl.protocols import TLSVersion
from ...policy.policies import Policy, find_policy
from ...x509.credentials import kind_of
from ...x509.pairs import is_pss
from ..data import glimpse_of, subject_of

if TYPE_CHECKING:
    from ...ports.port import SSLPort

__all__ = ["Rule", "key_kind", "withstands", "words_of_certificate"]

#: OpenSSL's names for the groups that policies name otherwise.
_ALIASES = {
    "p-256": "secp256r1",
    "p-384": "secp384r1",
    "p-521": "secp521r1",
}
_CURVES = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}
_POST_QUANTUM = ("MLDSA", "SLHDSA")


@dataclass(frozen=True)
class Rule:
    """A policy that servers are held to.

    Args:
        name: One of ``policies()``.
    """

    name: str

    @property
    def policy(self) -> Policy:
        """What it wants."""
        return find_policy(self.name)

    def misfits(self, port: SSLPort) -> tuple[str, ...]:
        """Say where a server that was talked to does not keep to it.

        Args:
            port: It may have been opened without the policy.
        """
        policy = self.policy
        return (
            *_misfits(port, policy),
            *_of_chain(port.verified_chain, policy),
        )


def _misfits(port: SSLPort, policy: Policy) -> Iterator[str]:
    """Compare what was negotiated with what is wanted."""
    version, versions = port.version, policy.protocol
    assert version is not None
    if not versions.minimum <= version <= versions.maximum:
        yield f"it speaks {_words(version)}, not {_words(versions.minimum)}"
    group = port.group
    if group is not None and _group(group) not in map(_group, policy.groups):
        yield _none_of("exchanges keys by", group, policy.groups)
    cipher = port.cipher
    if (
        cipher is not None
        and version == TLSVersion.TLS_1_3
        and cipher not in policy.ciphersuites
    ):
        yield _none_of("encrypts by", cipher, policy.ciphersuites)
    scheme = port.peer_signature_algorithm
    if scheme is not None and scheme not in policy.signature_algorithms:
        yield _none_of("signs by", scheme, policy.signature_algorithms)


def _none_of(does: str, what: str, wanted: tuple[str, ...]) -> str:
    return f"it {does} {what}, which is none of {', '.join(wanted)}"


def _group(name: str) -> str:
    return _ALIASES.get(name.lower(), name.lower())


def _words(version: int) -> str:
    return TLSVersion(version).name.replace("_", " ", 1).replace("_", ".")


def _of_chain(
    chain: tuple[x509.Certificate, ...], policy: Policy
) -> Iterator[str]:
    """Look at the signatures of all but the root, whose own proves nothing."""
    for certificate, issuer in pairwise(chain):
        scheme = _scheme_of(certificate, issuer)
        if scheme not in policy.signature_algorithms:
            yield (
                f"the certificate of {subject_of(certificate)} is signed by "
                f"{scheme}, which is none of "
                + ", ".join(policy.signature_algorithms)
            )


def _scheme_of(certificate: x509.Certificate, issuer: x509.Certificate) -> str:
    return glimpse_of(certificate)._field(
        lambda it: _scheme(it, issuer), "what can't be read"
    )


def _scheme(certificate: x509.Certificate, issuer: x509.Certificate) -> str:
    """Name the scheme of a certificate's signature as RFC 8446 does."""
    key = issuer.public_key()
    digest = certificate.signature_hash_algorithm
    if digest is None:
        return kind_of(key).lower()
    name = digest.name.replace("-", "")
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = key.curve.name
        if _CURVES.get(curve) == name:
            return f"ecdsa_{curve}_{name}"
        return f"ecdsa_{curve} with {name}"
    parameters: Any = certificate.signature_algorithm_parameters
    if isinstance(parameters, padding.PSS):
        return f"rsa_pss_{'pss' if is_pss(issuer) else 'rsae'}_{name}"
    return f"rsa_pkcs1_{name}"


def key_kind(certificate: x509.Certificate) -> str | None:
    """Name the kind of a certificate's key; None if it can't be read."""
    return glimpse_of(certificate)._field(
        lambda it: kind_of(it.public_key()), None
    )


def withstands(chain: tuple[x509.Certificate, ...]) -> bool:
    """Say whether every key of a chain withstands a quantum computer."""
    kinds = list(map(key_kind, chain))
    return bool(kinds) and all(
        kind is not None and kind.startswith(_POST_QUANTUM) for kind in kinds
    )


def words_of_certificate(chain: tuple[x509.Certificate, ...]) -> str:
    """Name the kind of a server's key, and what it is worth some day."""
    kinds = list(dict.fromkeys(key_kind(e) or "unreadable" for e in chain))
    quantum = "post-quantum" if withstands(chain) else "not post-quantum"
    signed = f", signed by {', '.join(kinds[1:])}" if kinds[1:] else ""
    return f"certificate {kinds[0]}{signed} ({quantum})"
