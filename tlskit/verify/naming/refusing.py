"""Say no to a certificate that names somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import IdentityError
from ...errors.codes import VerifyReason
from ...x509.names import common_names
from ..hostname import Host, is_pattern
from .mismatch import entry_for, mismatch_hint, names, quoted

if TYPE_CHECKING:
    from cryptography import x509

    from ...x509.alternatives import Names
    from ..identity import Identity

__all__ = ["nameless", "refusal", "unreadable", "wrong_host"]

# A certificate may present thousands of names.
_LISTED = 8


def wrong_host(
    identity: Identity,
    host: Host,
    certificate: x509.Certificate,
    found: Names,
) -> IdentityError:
    """Say whom the certificate names instead, and what may be amiss."""
    return refusal(
        identity,
        certificate,
        f"expected {identity}, but the certificate names {_listed(found)}",
        "wrong-identity",
        hint=mismatch_hint(
            host,
            found.dns,
            found.addresses,
            common_names(certificate),
        ),
        presented=found.texts,
    )


def nameless(
    identity: Identity, host: Host, certificate: x509.Certificate
) -> IdentityError:
    """Say that the certificate is of a kind obsolete since 2000."""
    hint = f"have it reissued with {entry_for(host)}"
    if names(common_names(certificate), host):
        hint += "; its common name is never looked at (RFC 9525)"
    return refusal(
        identity,
        certificate,
        f"expected {identity}, but the certificate has no subjectAltName "
        "extension, so it names nobody",
        "no-san",
        hint=hint,
    )


def unreadable(
    identity: Identity, certificate: x509.Certificate, error: Exception
) -> IdentityError:
    """Say that nobody can tell whom the certificate names."""
    return refusal(
        identity,
        certificate,
        f"expected {identity}, but the certificate's subjectAltName is "
        f"malformed: {quoted(str(error))}",
        "unreadable-san",
        hint="have the certificate reissued by other software",
    )


def refusal(
    identity: Identity,
    certificate: x509.Certificate,
    message: str,
    code: str,
    *,
    hint: str,
    presented: tuple[str, ...] = (),
) -> IdentityError:
    """Make the error for a certificate that names somebody else."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return IdentityError(
        message,
        code=code,
        hint=hint,
        reason=VerifyReason.HOSTNAME_MISMATCH
        if identity.ip is None
        else VerifyReason.IP_ADDRESS_MISMATCH,
        der=certificate.public_bytes(Encoding.DER),
        expected=identity.text,
        presented=presented,
    )


def _listed(found: Names) -> str:
    """List what is presented, as far as anybody would read on."""
    texts = [
        quoted(entry)
        if isinstance(entry, str) and not is_pattern(entry)
        else str(entry)
        for entry in found.entries[:_LISTED]
    ]
    more = len(found.entries) - len(texts)
    if more:
        texts.append(f"and {more} more")
    return ", ".join(texts) or "no host and no address"
