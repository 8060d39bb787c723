"""The values behind ``--json``: documented, typed, and counted by version.

Every object that a subcommand prints has the key ``schema``, the number of
the version of this description.  New keys may come without a new number; a
key that goes or changes its meaning brings one.

Times are texts of ISO 8601 in UTC, durations are numbers of seconds, digests
are lower-case hexadecimal.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypedDict

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import AlertError, TLSError, VerificationError
from ..errors.codes import Alert
from ..x509.alternatives import everybody_in
from ..x509.glimpse import Glimpse
from .hints import hint_of, story_of
from .inspect.lifetimes import most_days, renewal_of, too_long

if TYPE_CHECKING:
    from cryptography import x509

    from ..ports.port import SSLPort

__all__ = [
    "SCHEMA",
    "CertificateData",
    "ErrorData",
    "SessionData",
    "VerificationData",
    "alert_name",
    "asks_for_certificate",
    "certificate_data",
    "error_data",
    "glimpse_of",
    "session_data",
    "subject_of",
    "verification_data",
]

#: The version of this description.
SCHEMA = 1

#: Stands for what a broken certificate does not give away.
_UNREADABLE = "(unreadable)"


class SessionData(TypedDict):
    """What a handshake agreed on."""

    #: Such as ``"TLS 1.3"``.
    version: str
    #: The cipher suite, by OpenSSL's name.
    cipher: str | None
    #: The key-exchange group, by OpenSSL's name.
    group: str | None
    #: Whether that group withstands a quantum computer.
    post_quantum: bool
    #: The application protocol that was selected.
    alpn: str | None
    #: The name that the client announced.
    server_name: str | None
    #: Whether an earlier session was resumed.
    resumed: bool


class CertificateData(TypedDict):
    """One certificate."""

    #: As RFC 4514 writes it.
    subject: str
    issuer: str
    #: DNS names and IP addresses.
    names: list[str]
    not_before: str
    not_after: str
    #: When two thirds of its lifetime are over: it is to be renewed then.
    renew_from: str
    #: The days that a public CA's certificate for servers may live, if it
    #: begins then (CA/Browser Forum); and whether it is no CA's, and lives
    #: longer.
    max_days: int
    over_max_days: bool
    #: Of the certificate in DER.
    sha256: str


class VerificationData(TypedDict):
    """Who verified whom, and by which chain."""

    #: ``"client"`` or ``"server"``.
    by: str
    verified: bool
    #: The peer's own certificate first, the trusted root last.
    chain: list[CertificateData]
    #: The host name or address that was expected, if one was.
    expected: str | None


class ErrorData(TypedDict):
    """What went wrong."""

    #: The class of the exception.
    error: str
    #: tlskit's stable slug, or null for an error of the system.
    code: str | None
    message: str
    hint: str
    #: All that there is to tell, in lines.
    explanation: str
    #: Why a certificate was refused, as a slug.
    reason: str | None
    #: The name of the alert that the peer sent.
    alert: str | None


def session_data(port: SSLPort) -> SessionData:
    """Tell what *port*'s handshake, which is done, agreed on."""
    assert port.version is not None
    group = port.group
    return SessionData(
        version=port.version.name.replace("_", " ", 1).replace("_", "."),
        cipher=port.cipher,
        group=group,
        post_quantum=group is not None and "MLKEM" in group.upper(),
        alpn=port.alpn_selected,
        server_name=port.server_name,
        resumed=port.session_reused,
    )


def asks_for_certificate(port: SSLPort) -> bool | None:
    """Tell whether the server asked for a certificate; None: not known."""
    report = port.handshake_report
    if report is None:
        return None
    return any(m.type == "certificate_request" for m in report.messages)


def verification_data(
    port: SSLPort, by: str, expected: str | None = None
) -> VerificationData:
    """Tell what *port*'s side found out about its peer."""
    return VerificationData(
        by=by,
        verified=port.peer_verified,
        chain=[certificate_data(each) for each in port.verified_chain],
        expected=expected,
    )


def certificate_data(certificate: x509.Certificate) -> CertificateData:
    """Describe one certificate."""
    glimpse = glimpse_of(certificate)
    begin, end = glimpse.not_before, glimpse.not_after
    renew, over = None, False
    if begin is not None and end is not None:
        renew = renewal_of(begin, end)
        over = not glimpse.is_ca and too_long(begin, end)
    return CertificateData(
        subject=glimpse._field(lambda it: _text(it.subject), _UNREADABLE),
        issuer=glimpse._field(lambda it: _text(it.issuer), _UNREADABLE),
        names=glimpse._field(lambda it: list(everybody_in(it)), []),
        not_before=_moment(begin),
        not_after=_moment(end),
        renew_from=_moment(renew),
        max_days=most_days(begin or datetime.now(timezone.utc)),
        over_max_days=over,
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def glimpse_of(certificate: x509.Certificate) -> Glimpse:
    """Read a stranger's certificate without ever failing.

    ``cryptography`` parses much of it only on access, and raises then.
    """
    return Glimpse(certificate.public_bytes(Encoding.DER))


def subject_of(certificate: x509.Certificate) -> str:
    """Name a certificate for people: by subject, else by what it is for."""
    data = certificate_data(certificate)
    return data["subject"] or ", ".join(data["names"]) or "(nameless)"


def _text(name: x509.Name) -> str:
    return name.rfc4514_string()


def _moment(when: datetime | None) -> str:
    if when is None:
        return _UNREADABLE
    return when.isoformat().replace("+00:00", "Z")


def error_data(error: BaseException) -> ErrorData:
    """Describe an error of tlskit's tree, or of the system."""
    ours = error if isinstance(error, TLSError) else None
    words = str(error) or type(error).__name__
    return ErrorData(
        error=type(error).__name__,
        code=None if ours is None else ours.code,
        message=words,
        hint=hint_of(error),
        explanation=story_of(error),
        reason=(
            error.reason.slug if isinstance(error, VerificationError) else None
        ),
        alert=alert_name(error),
    )


def alert_name(error: BaseException | None) -> str | None:
    """Name the alert that *error* reports, as RFC 8446 writes it."""
    alert = error.alert if isinstance(error, AlertError) else None
    return alert.name.lower() if isinstance(alert, Alert) else None
