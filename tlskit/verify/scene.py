"""What was on the table when a peer was judged, and the error made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..errors import IdentityError, VerificationError
from ..errors.codes import VerifyReason
from ..errors.verify_reasons import Story
from ..x509.gate import x509
from ..x509.glimpse import Glimpse, shown
from ..x509.reading import complaint_of

if TYPE_CHECKING:
    from .identity import Identity

__all__ = [
    "NAME_FAULTS",
    "Fault",
    "VerificationScene",
    "malformed",
    "refusal",
]

_MALFORMED = Story(
    "malformed-certificate",
    "is malformed",
    "have it reissued by a CA that follows RFC 5280",
)
#: The certificate may be trusted, but names someone else.
NAME_FAULTS = frozenset(
    {VerifyReason.HOSTNAME_MISMATCH, VerifyReason.IP_ADDRESS_MISMATCH}
)


@dataclass(frozen=True)
class Fault:
    """One complaint of OpenSSL's about a certificate."""

    #: An ``X509_V_ERR_`` number, or one of ``VerifyReason``'s own.
    code: int
    #: 0 is the peer's own certificate.
    depth: int
    #: The certificate, if there is one.
    der: bytes | None = None


@dataclass(frozen=True)
class VerificationScene:
    """What was on the table when a certificate was judged."""

    #: What the peer sent, DER, its own first.
    presented: tuple[bytes, ...] = ()
    #: The path as far as it could be built, DER, the peer's own first.
    built: tuple[bytes, ...] = ()
    #: Whom the certificate should name, as the caller wrote it.
    expected: str | None = None
    #: The trust sources that were loaded, one text each.
    sources: tuple[str, ...] = ()
    #: How many roots they hold together.
    roots: int = 0
    #: We are the server, the peer is a client.
    server_side: bool = False
    #: The moment of the verification; None for now.
    at: datetime | None = None
    #: The revocation lists that were loaded.
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    #: Whom the certificate should name.
    identity: Identity | None = None

    @property
    def peer(self) -> str:
        """What the peer is."""
        return "client" if self.server_side else "server"

    @property
    def now(self) -> datetime:
        """The moment of the verification, in UTC."""
        return (self.at or datetime.now(timezone.utc)).astimezone(timezone.utc)


def malformed(
    error: BaseException, scene: VerificationScene
) -> VerificationError:
    """Make the error for what OpenSSL reads, but ``cryptography`` does not.

    Args:
        error: What came of reading; one of ``unreadable()``.
        scene: What the certificates were judged by.
    """
    return refusal(
        VerifyReason.CERT_REJECTED,
        _MALFORMED,
        f"a certificate of the peer's is malformed: {complaint_of(error)}",
        scene,
    )


def refusal(
    reason: VerifyReason,
    story: Story,
    message: str,
    scene: VerificationScene,
    *,
    der: bytes | None = None,
    depth: int = 0,
    advice: tuple[str, ...] = (),
    **data: Any,
) -> VerificationError:
    """Make the error of *story*, with the whole *scene* in it.

    Args:
        reason: Decides the class, too.
        story: Gives code and hint.
        message: What happened.
        scene: What the certificates were judged by.
        der: The certificate at fault.
        depth: Its place in the chain.
        advice: Further lines for ``explain()``.
        data: What else the error keeps.

    Returns:
        An ``IdentityError`` for a wrong name, else a ``VerificationError``.
    """
    kind = IdentityError if reason in NAME_FAULTS else VerificationError
    # A server is told of a refused client's chain only what was built.
    leaf = Glimpse(next(iter(scene.presented or scene.built), None))
    return kind(
        message,
        code=story.code,
        hint=story.hint,
        reason=reason,
        der=Glimpse(der).readable_der,
        depth=depth,
        presented_chain=_readable(scene.presented),
        built_chain=_readable(scene.built),
        expected=scene.expected,
        presented=leaf.names,
        sources=scene.sources,
        roots=scene.roots,
        advice=(*advice, *_background(scene)),
        **data,
    )


def _readable(chain: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Leave out what could not be given back as a certificate."""
    found = (Glimpse(der).readable_der for der in chain)
    return tuple(der for der in found if der is not None)


def _background(scene: VerificationScene) -> tuple[str, ...]:
    """Tell what was expected, presented and trusted."""
    lines = []
    if scene.expected is not None:
        lines.append(f"expected: {shown(scene.expected)}")
    if scene.presented:
        chain = (
            f"{depth} {each.name!r} issued by {each.issuer!r}"
            for depth, each in enumerate(map(Glimpse, scene.presented))
        )
        lines.append("presented: " + "; ".join(chain))
    sources = ", ".join(scene.sources) or "no source at all"
    count = "1 root" if scene.roots == 1 else f"{scene.roots} roots"
    lines.append(f"trusted: {count} from {sources}")
    return tuple(lines)
