"""What a handshake decided, and how the rest is asked of OpenSSL later.

Most connections are never asked whom they have met, and how.  So a handshake
notes no more than what the verdict rests on; the facts are written down when
somebody wants them, or before they can change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...openssl import native
from ...verify.evidence import readable_ders, sent_by
from ..facts import Facts
from ..presenting import own_pair

if TYPE_CHECKING:
    from ...errors import VerificationError
    from ...openssl.gate import SSL
    from ...x509.credentials import CertificateChain
    from ..callbacks import Record

__all__ = ["Findings", "facts_of", "last_for_good", "presented"]

_TLS_1_3 = 0x0304


class Findings(NamedTuple):
    """What was decided about a peer."""

    #: The number of the protocol on the wire.
    version: int
    #: The peer's own certificate, DER; None if it gave none.
    leaf: bytes | None
    #: The path to a root, DER; empty if there is none.
    path: tuple[bytes, ...]
    #: What is wrong with the peer, and tolerated.
    error: VerificationError | None
    #: Whether OpenSSL has resumed a session, or used a pre-shared key ...
    reused: bool
    #: ... and whose key.
    psk: str | None

    @property
    def verified(self) -> bool:
        """Whether the peer's chain leads to a root, and nothing is wrong."""
        return self.leaf is not None and self.error is None


def last_for_good(record: Record, findings: Findings) -> bool:
    """Say whether OpenSSL will tell the same of this session for ever.

    TLS 1.3 has no renegotiation, and before we ask for another certificate
    ourselves, the facts are written down.
    """
    return (
        findings.version >= _TLS_1_3
        # Who listens to the messages may ask in the middle of a step.
        and record.tracer is None
        # Asked once more, we may present another one.
        and len(record.settings.pairs) < 2
    )


def presented(
    connection: SSL.Connection, record: Record, findings: Findings
) -> tuple[bytes, ...]:
    """Give what the peer sent and can be read, its own certificate first."""
    if findings.leaf is None:
        return ()
    return readable_ders(sent_by(connection, record))


def facts_of(
    connection: SSL.Connection, record: Record, findings: Findings
) -> Facts:
    """Write down all that was established."""
    version, psk = findings.version, findings.psk
    own = (
        _own_chain(connection, record, findings.reused)
        if psk is None
        else None
    )
    cipher, group = _agreed(connection)
    return Facts(
        version=version,
        cipher=cipher,
        group=group,
        alpn=_alpn(connection) if record.talks_alpn else None,
        server_name=_server_name(connection, record),
        session_reused=findings.reused and psk is None,
        peer_verified=findings.verified,
        verify_error=findings.error,
        tls_unique=None  # RFC 9266: it is not defined there.
        if version >= _TLS_1_3
        else _tls_unique(connection, record, findings.reused),
        exporter_is_unique=version >= _TLS_1_3
        or (
            native.has("extended-master-secret")
            and native.has_extended_master_secret(connection)
        ),
        peer_ders=presented(connection, record, findings),
        verified_ders=findings.path,
        certificate_der=None if own is None else own.ders[0],
        psk_identity=psk,
    )


def _own_chain(
    connection: SSL.Connection, record: Record, reused: bool
) -> CertificateChain | None:
    settings = record.settings
    if len(settings.pairs) > 1 and reused:
        return None  # Nobody knows which one it was in the first handshake.
    pair = own_pair(connection, settings)
    return None if pair is None else pair.chain


def _agreed(connection: SSL.Connection) -> tuple[str | None, str | None]:
    """Give the cipher suite and the key-exchange group."""
    if native.has("agreed"):
        return native.agreed(connection)
    return connection.get_cipher_name(), connection.get_group_name() or None


def _alpn(connection: SSL.Connection) -> str | None:
    wire = connection.get_alpn_proto_negotiated()
    return wire.decode("utf-8", "replace") or None


def _server_name(connection: SSL.Connection, record: Record) -> str | None:
    wire = connection.get_servername() if record.server_side else record.sni
    return None if wire is None else wire.decode("ascii", "replace")


def _tls_unique(
    connection: SSL.Connection, record: Record, reused: bool
) -> bytes | None:
    """Give the first Finished message (RFC 5929, section 3.1)."""
    ours_is_first = record.server_side == reused
    if ours_is_first:
        return connection.get_finished()
    return connection.get_peer_finished()
