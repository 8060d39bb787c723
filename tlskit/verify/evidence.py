"""What a connection can tell of its peer's certificates, as one scene."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ..errors import VerificationError
from ..errors.codes import VerifyReason
from ..openssl import native
from ..openssl.gate import SSL, crypto
from ..tools.bounded import Bounded
from ..x509.reading import complaint_of, readable, unreadable
from .chain import VerificationScene
from .naming.presented import LARGEST

if TYPE_CHECKING:
    from cryptography import x509

    from ..engine.callbacks import Record

__all__ = [
    "can_be_read",
    "certificates_of",
    "leaf_of",
    "parsed",
    "path_of",
    "readable_ders",
    "scene_of",
    "sent_by",
    "shared",
    "shared_path",
]

_log = logging.getLogger("tlskit.verify")
# What could be read; that follows from the bytes alone.
_shared: Bounded[bytes, bytes] = Bounded(512)
_paths: Bounded[tuple[bytes, ...], tuple[bytes, ...]] = Bounded(256)


def scene_of(connection: SSL.Connection, record: Record) -> VerificationScene:
    """Gather what an error about the peer's certificate should tell."""
    settings = record.settings
    return VerificationScene(
        presented=sent_by(connection, record),
        built=tuple(der for _, der in sorted(record.chain.items())),
        expected=None if record.identity is None else record.identity.text,
        sources=settings.source_names,
        roots=settings.root_count,
        server_side=record.server_side,
        at=settings.verification_time
        or datetime.fromtimestamp(time.time(), timezone.utc),
        crls=settings.crls,
        identity=record.identity,
    )


def certificates_of(ders: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """Decode a chain."""
    return tuple(map(readable, ders))


def shared(der: bytes) -> bytes:
    """Give the one copy of a certificate, if it can be read.

    Many connections see the same few certificates.

    Raises:
        Exception: It can't be read; one of ``unreadable()``.
    """
    kept = _shared.get(der)
    if kept is None:
        readable(der)
        kept = der
        if len(der) <= LARGEST:
            _shared.put(der, der)
    return kept


def shared_path(ders: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Give the one copy of a path, if all of it can be read.

    Raises:
        Exception: One of it can't be read; one of ``unreadable()``.
    """
    kept = _paths.get(ders)
    if kept is None:
        kept = tuple(map(shared, ders))
        if sum(map(len, ders)) <= LARGEST:
            _paths.put(kept, kept)
    return kept


def readable_ders(ders: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Leave out, and log, what comes with a peer's own and can't be read.

    OpenSSL has judged what it needed; anybody may send more along.
    """
    kept = [shared(der) for der in ders[:1]]
    for number, der in enumerate(ders[1:], 2):
        try:
            kept.append(shared(der))
        except unreadable() as error:
            _log.info(
                "certificate number %d that the peer sent is left out, since "
                "it can't be read: %s",
                *(number, complaint_of(error)),
            )
    return tuple(kept)


def sent_by(connection: SSL.Connection, record: Record) -> tuple[bytes, ...]:
    """Give what the peer sent, DER, its own certificate first.

    In a resumed session that is what it sent in the first handshake.
    """
    if record.earlier is not None:
        return record.earlier.peer_chain
    if record.path and not record.server_side and native.has("certificates"):
        # OpenSSL has verified the first one, so that is known.
        return (record.path[0], *native.sent_chain(connection, 1))
    chain = _chain_of(connection)
    if not record.server_side:
        return chain
    # OpenSSL leaves the client's own certificate out of a server's view.
    own = leaf_of(connection)
    return chain if own is None or own in chain else (own, *chain)


# Not by way of cryptography, which may refuse to read a certificate.


def _chain_of(connection: SSL.Connection) -> tuple[bytes, ...]:
    if native.has("certificates"):
        return native.sent_chain(connection)
    return tuple(map(_der, connection.get_peer_cert_chain() or ()))


def leaf_of(connection: SSL.Connection) -> bytes | None:
    """Give the peer's own certificate, DER."""
    if native.has("certificates"):
        return native.peer_leaf(connection)
    own = connection.get_peer_certificate()
    return None if own is None else _der(own)


def path_of(connection: SSL.Connection) -> tuple[bytes, ...]:
    """Give the path that OpenSSL has verified, DER, the peer's own first."""
    if native.has("certificates"):
        return native.verified_chain(connection)
    return tuple(map(_der, connection.get_verified_chain() or ()))


def _der(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def parsed(der: bytes) -> x509.Certificate:
    """Read a certificate that OpenSSL has read already.

    Raises:
        VerificationError: ``cryptography`` finds it malformed.
    """
    try:
        return readable(der)
    except unreadable() as error:
        raise VerificationError(
            f"the peer's certificate is malformed: {complaint_of(error)}",
            code="malformed-certificate",
            reason=VerifyReason.CERT_REJECTED,
            hint="have it reissued by a CA that follows RFC 5280",
        ) from error


def can_be_read(der: bytes, *, needed: bool) -> bool:
    """Say whether a certificate can be read that OpenSSL has read already.

    Raises:
        VerificationError: It can't, and it is *needed*.
    """
    try:
        shared(der)
    except unreadable():
        if needed:
            parsed(der)
        return False
    return True
