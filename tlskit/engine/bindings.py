"""Values that tie an authentication to one TLS session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import StreamError, UnsupportedError
from .facts import Facts

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["TYPES", "channel_binding", "default_type"]

Export = Callable[[bytes, int, "bytes | None"], bytes]

#: The types that are defined, by IANA's names.
TYPES = ("tls-unique", "tls-server-end-point", "tls-exporter")

_TLS_1_3 = 0x0304


def default_type(facts: Facts) -> str:
    """Name the binding to use when nobody says (RFC 9266, section 3)."""
    return "tls-exporter" if facts.version >= _TLS_1_3 else "tls-unique"


def channel_binding(
    kind: str, facts: Facts, export: Export, *, server_side: bool
) -> bytes:
    """Give the channel binding of type *kind*.

    Raises:
        ValueError: There is no such type.
        UnsupportedError: It is not defined for this session.
    """
    if kind == "tls-unique":
        return _unique(facts)
    if kind == "tls-server-end-point":
        if server_side:
            return _end_point(facts.certificate, facts.certificate_der)
        der = next(iter(facts.peer_ders), None)
        return _end_point(facts.peer_certificate, der)
    if kind == "tls-exporter":
        return _exporter(facts, export)
    raise ValueError(
        f"there is no channel binding {kind!r}; there are: {', '.join(TYPES)}"
    )


def _unique(facts: Facts) -> bytes:
    """Give the first Finished message (RFC 5929, section 3)."""
    if facts.tls_unique is None:
        raise UnsupportedError(
            "the tls-unique channel binding is undefined for TLS 1.3 "
            "(RFC 9266)",
            hint="use 'tls-exporter'",
        )
    return facts.tls_unique


def _end_point(
    certificate: x509.Certificate | None, der: bytes | None
) -> bytes:
    """Hash the server's certificate (RFC 5929, section 4)."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes

    if certificate is None or der is None:
        raise StreamError("the server has no certificate to bind to")
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if algorithm is None:
        raise UnsupportedError(
            "tls-server-end-point is undefined for a certificate whose "
            "signature names no hash, such as Ed25519",
            hint="use 'tls-exporter'",
        )
    if isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(der)
    return digest.finalize()


def _exporter(facts: Facts, export: Export) -> bytes:
    """Derive the value of RFC 9266; its context is present, and empty."""
    if not facts.exporter_is_unique:
        raise UnsupportedError(
            "the tls-exporter channel binding is undefined here: it requires "
            "TLS 1.3, or the extended master secret (RFC 7627)",
            hint="use 'tls-server-end-point'",
        )
    return export(b"EXPORTER-Channel-Binding", 32, b"")
