"""What a connection can tell of its peer's certificates, as one scene."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ..errors import VerificationError
from ..errors.codes import VerifyReason
from ..openssl.gate import SSL
from ..x509.gate import Encoding, exceptions, x509
from .chain import VerificationScene

if TYPE_CHECKING:
    from ..engine.callbacks import Record

__all__ = [
    "certificates_of",
    "ders_of",
    "parsed",
    "presented_by",
    "scene_of",
    "unreadable",
]


def unreadable() -> tuple[type[Exception], ...]:
    """Give what ``cryptography`` raises for what OpenSSL may read."""
    return (
        ValueError,
        TypeError,
        exceptions.UnsupportedAlgorithm,
        x509.InvalidVersion,
        Warning,  # Where warnings are errors.
    )


def scene_of(connection: SSL.Connection, record: Record) -> VerificationScene:
    """Gather what an error about the peer's certificate should tell."""
    settings = record.settings
    return VerificationScene(
        presented=_presented_ders(connection, record),
        built=_built_ders(record),
        expected=None if record.identity is None else record.identity.text,
        sources=settings.source_names,
        roots=settings.root_count,
        server_side=record.server_side,
        at=settings.verification_time
        or datetime.fromtimestamp(time.time(), timezone.utc),
        crls=settings.crls,
        identity=record.identity,
    )


def _built_ders(record: Record) -> tuple[bytes, ...]:
    return tuple(der for _, der in sorted(record.chain.items()))


def _presented_ders(
    connection: SSL.Connection, record: Record
) -> tuple[bytes, ...]:
    try:
        return ders_of(presented_by(connection, record))
    except unreadable():  # Malformed; what the callbacks saw has to do.
        return _built_ders(record)


def ders_of(chain: Iterable[x509.Certificate]) -> tuple[bytes, ...]:
    """Encode a chain."""
    return tuple(each.public_bytes(Encoding.DER) for each in chain)


def certificates_of(ders: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """Decode a chain."""
    return tuple(map(x509.load_der_x509_certificate, ders))


def presented_by(
    connection: SSL.Connection, record: Record
) -> tuple[x509.Certificate, ...]:
    """Give what the peer sent, its own certificate first.

    In a resumed session that is what it sent in the first handshake.

    Raises:
        Exception: One of ``unreadable()``, if a certificate is.
    """
    if record.earlier is not None:
        return certificates_of(record.earlier.peer_chain)
    chain = tuple(connection.get_peer_cert_chain(as_cryptography=True) or ())
    if not record.server_side:
        return chain
    # OpenSSL leaves the client's own certificate out of a server's view.
    own = connection.get_peer_certificate(as_cryptography=True)
    return chain if own is None or own in chain else (own, *chain)


def parsed(der: bytes) -> x509.Certificate:
    """Read a certificate that OpenSSL has read already.

    Raises:
        VerificationError: ``cryptography`` finds it malformed.
    """
    try:
        return x509.load_der_x509_certificate(der)
    except unreadable() as error:
        raise VerificationError(
            f"the peer's certificate is malformed: {error}",
            code="malformed-certificate",
            reason=VerifyReason.CERT_REJECTED,
            hint="have it reissued by a CA that follows RFC 5280",
        ) from error
