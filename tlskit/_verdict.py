"""Read a finished or failed handshake: its facts, or its error."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import _native
from ._openssl import SSL
from ._reasons import describe_failure
from .codes import VerifyReason
from .errors import HandshakeError, IdentityError, TLSError, VerificationError
from .facts import Facts
from .settings import Verify
from .sniff import not_tls
from .verification import (
    VerificationScene,
    check_pins,
    explain_faults,
    no_certificate,
    second_opinion,
)

if TYPE_CHECKING:
    from ._callbacks import Record

__all__ = ["failure_of", "settle"]

_TLS_1_3 = 0x0304
#: What cryptography says of certificates that OpenSSL can read.
_UNREADABLE = (ValueError, x509.InvalidVersion)


def failure_of(
    error: Exception,
    connection: SSL.Connection,
    record: Record,
    default: type[TLSError],
    first: bytes,
) -> BaseException:
    """Find the best words for a failed step.

    Args:
        error: What pyOpenSSL raised.
        connection: Where it did.
        record: What the callbacks saw before.
        default: The class for what no table knows.
        first: The first bytes that the peer sent.
    """
    if record.error is not None:
        return record.error
    stack = error.args[0] if error.args else []
    reasons = {entry[2] for entry in stack}
    if "certificate verify failed" in reasons:
        if record.identity_error is not None:
            return _place(record.identity_error, connection, record)
        if record.faults:
            return explain_faults(
                tuple(record.faults), _scene(connection, record)
            )
    if "peer did not return a certificate" in reasons:
        return no_certificate(_scene(connection, record))
    if issubclass(default, HandshakeError):
        spoken = not_tls(first)
        if spoken is not None:
            return spoken
    return describe_failure(
        stack,
        default,
        "the handshake failed"
        if issubclass(default, HandshakeError)
        else "the session broke",
    )


def _scene(connection: SSL.Connection, record: Record) -> VerificationScene:
    """Gather what an error about the peer's certificate should tell."""
    return VerificationScene(
        presented=_presented_ders(connection, record),
        built=tuple(der for _, der in sorted(record.chain.items())),
        expected=None if record.identity is None else record.identity.text,
        sources=record.settings.source_names,
        roots=record.settings.root_count,
        server_side=record.server_side,
        at=datetime.fromtimestamp(time.time(), timezone.utc),
    )


def _place(
    error: IdentityError, connection: SSL.Connection, record: Record
) -> IdentityError:
    """Tell *error* of which handshake it is."""
    scene = _scene(connection, record)
    error.sources, error.roots = scene.sources, scene.roots
    error._presented_chain = scene.presented
    error._built_chain = scene.built
    return error


def _ders(chain: tuple[x509.Certificate, ...]) -> tuple[bytes, ...]:
    return tuple(each.public_bytes(Encoding.DER) for each in chain)


def _presented_ders(
    connection: SSL.Connection, record: Record
) -> tuple[bytes, ...]:
    try:
        return _ders(_presented(connection))
    except _UNREADABLE:  # Malformed; what the callbacks saw has to do.
        return tuple(der for _, der in sorted(record.chain.items()))


def _presented(
    connection: SSL.Connection,
) -> tuple[x509.Certificate, ...]:
    """Give what the peer sent, its own certificate first."""
    chain = connection.get_peer_cert_chain(as_cryptography=True) or []
    own = connection.get_peer_certificate(as_cryptography=True)
    # OpenSSL leaves the client's own certificate out of a server's view.
    if own is not None and own not in chain:
        return (own, *chain)
    return tuple(chain)


def settle(connection: SSL.Connection, record: Record) -> Facts:
    """Accept the peer, or raise, and write down what was established.

    Raises:
        VerificationError: The peer is not acceptable.
    """
    try:
        return _settle(connection, record)
    except _UNREADABLE as error:  # What OpenSSL reads, but cryptography not.
        raise VerificationError(
            f"a certificate of the peer's is malformed: {error}",
            code="malformed-certificate",
            reason=VerifyReason.CERT_REJECTED,
            presented_chain=_presented_ders(connection, record),
            hint="have it reissued by a CA that follows RFC 5280",
        ) from error


def _settle(connection: SSL.Connection, record: Record) -> Facts:
    certificate = connection.get_peer_certificate(as_cryptography=True)
    _check_identity(connection, record, certificate)
    verified = connection.get_verified_chain(as_cryptography=True) or []
    _check_policy(connection, record, verified)
    version = connection.get_protocol_version()
    error = _complaint(connection, record, certificate)
    return Facts(
        version=version,
        cipher=connection.get_cipher_name(),
        group=_group(connection),
        alpn=connection.get_alpn_proto_negotiated().decode("utf-8", "replace")
        or None,
        server_name=_server_name(connection, record),
        session_reused=_reused(connection),
        peer_certificate=certificate,
        peer_chain=_presented(connection),
        verified_chain=tuple(verified) if error is None else (),
        certificate=connection.get_certificate(as_cryptography=True),
        peer_verified=certificate is not None and error is None,
        verify_error=error,
        tls_unique=_tls_unique(connection, record, version),
        exporter_is_unique=version >= _TLS_1_3
        or (
            _native.has("extended-master-secret")
            and _native.has_extended_master_secret(connection)
        ),
    )


def _check_identity(
    connection: SSL.Connection,
    record: Record,
    certificate: x509.Certificate | None,
) -> None:
    """Check the name again, now also of a session that was resumed."""
    if not record.settings.verify_hostname or record.identity is None:
        return
    try:
        record.identity.check(certificate)
    except IdentityError as error:
        raise _place(error, connection, record) from None


def _check_policy(
    connection: SSL.Connection,
    record: Record,
    verified: list[x509.Certificate],
) -> None:
    """Apply what OpenSSL knows nothing of: pins, and a second verifier."""
    settings = record.settings
    if not settings.pins and not settings.strict:
        return
    scene = _scene(connection, record)
    if not scene.presented:
        if record.server_side and settings.verify is not Verify.REQUIRE:
            return
        raise no_certificate(scene)
    if settings.pins:
        check_pins(
            _ders(tuple(verified)) or scene.presented, settings.pins, scene
        )
    if settings.strict:
        identity = record.identity
        second_opinion(
            scene.presented,
            tuple(map(x509.load_der_x509_certificate, settings.root_ders)),
            name=None
            if identity is None or identity.dns is None
            else identity.dns.decode("ascii"),
            address=None if identity is None else identity.address,
            at=scene.at,
            server_side=record.server_side,
            scene=scene,
        )


def _complaint(
    connection: SSL.Connection,
    record: Record,
    certificate: x509.Certificate | None,
) -> VerificationError | None:
    """Give what was found wrong and tolerated."""
    if record.faults:
        return explain_faults(tuple(record.faults), _scene(connection, record))
    if certificate is None and record.settings.verify is not Verify.NONE:
        return no_certificate(_scene(connection, record))
    return None


def _group(connection: SSL.Connection) -> str | None:
    name = connection.get_group_name()
    return name or None


def _server_name(connection: SSL.Connection, record: Record) -> str | None:
    wire = connection.get_servername()
    if wire is None and record.identity is not None:
        wire = record.identity.sni
    return None if wire is None else wire.decode("ascii", "replace")


def _reused(connection: SSL.Connection) -> bool:
    # Only servers resume without it: a client needs it to do so at all.
    return _native.has("session-reused") and _native.session_reused(connection)


def _tls_unique(
    connection: SSL.Connection, record: Record, version: int
) -> bytes | None:
    """Give the first Finished message (RFC 5929, section 3.1)."""
    if version >= _TLS_1_3:  # RFC 9266: it is not defined there.
        return None
    ours_is_first = record.server_side == _reused(connection)
    if ours_is_first:
        return connection.get_finished()
    return connection.get_peer_finished()
