"""The exit statuses of every subcommand; documented and stable."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from ..errors import (
    AlertError,
    ConfigurationError,
    IdentityError,
    NegotiationError,
    NotTLSError,
    VerificationError,
)
from ..errors.codes import VerifyReason

__all__ = [
    "MEANINGS",
    "SEVERITY",
    "ExitCode",
    "exit_code",
    "verdict_of",
    "worst",
]


class ExitCode(IntEnum):
    """What a process tells by its exit status."""

    GOOD = 0
    USAGE = 1
    CANNOT_CONNECT = 2
    EXPIRES_SOON = 3
    EXPIRED = 4
    WRONG_NAME = 5
    UNTRUSTED = 6
    REVOKED = 7
    POLICY = 8
    NOT_TLS = 9
    #: 128 and the number of SIGINT, as shells have it.
    INTERRUPTED = 130
    #: 128 and the number of SIGTERM.
    TERMINATED = 143

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        return self.name.lower().replace("_", " ").replace("tls", "TLS")


#: What each status means, for ``--help`` and the documentation.
MEANINGS = {
    ExitCode.GOOD: "good",
    ExitCode.USAGE: "wrong usage, a bad file, or something is not installed",
    ExitCode.CANNOT_CONNECT: "no connection, or it broke",
    ExitCode.EXPIRES_SOON: "a certificate expires soon",
    ExitCode.EXPIRED: "a certificate is out of its time",
    ExitCode.WRONG_NAME: "the certificate names someone else",
    ExitCode.UNTRUSTED: "the certificate leads to no trusted root",
    ExitCode.REVOKED: "a certificate was revoked",
    ExitCode.POLICY: "one side's policy refuses the other",
    ExitCode.NOT_TLS: "the peer does not speak TLS",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
    ExitCode.TERMINATED: "ended by SIGTERM",
}

#: Where several things were looked at, the worst decides: from good to bad.
SEVERITY = (
    ExitCode.GOOD,
    ExitCode.EXPIRES_SOON,
    ExitCode.CANNOT_CONNECT,
    ExitCode.NOT_TLS,
    ExitCode.POLICY,
    ExitCode.EXPIRED,
    ExitCode.WRONG_NAME,
    ExitCode.UNTRUSTED,
    ExitCode.REVOKED,
)

_REASONS = {
    VerifyReason.CERT_HAS_EXPIRED: ExitCode.EXPIRED,
    VerifyReason.CERT_NOT_YET_VALID: ExitCode.EXPIRED,
    VerifyReason.CERT_REVOKED: ExitCode.REVOKED,
    VerifyReason.HOSTNAME_MISMATCH: ExitCode.WRONG_NAME,
    VerifyReason.IP_ADDRESS_MISMATCH: ExitCode.WRONG_NAME,
    VerifyReason.EE_KEY_TOO_SMALL: ExitCode.POLICY,
    VerifyReason.CA_KEY_TOO_SMALL: ExitCode.POLICY,
    VerifyReason.CA_MD_TOO_WEAK: ExitCode.POLICY,
    VerifyReason.PIN_MISMATCH: ExitCode.POLICY,
    VerifyReason.SECOND_VERIFIER: ExitCode.POLICY,
    VerifyReason.UNUSABLE_KEY: ExitCode.POLICY,
}

# The first class that fits decides, so subclasses stand first.
_CLASSES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (IdentityError, ExitCode.WRONG_NAME),
    (VerificationError, ExitCode.UNTRUSTED),
    (NotTLSError, ExitCode.NOT_TLS),
    (NegotiationError, ExitCode.POLICY),
    (AlertError, ExitCode.POLICY),
    (ConfigurationError, ExitCode.USAGE),
)


def exit_code(error: BaseException) -> ExitCode:
    """Give the status for what went wrong.

    Args:
        error: An error of tlskit's tree, or of the transport; all that is
            not known better counts as a connection that did not come about.
    """
    if isinstance(error, VerificationError) and error.reason in _REASONS:
        return _REASONS[error.reason]
    for kind, code in _CLASSES:
        if isinstance(error, kind):
            return code
    return ExitCode.CANNOT_CONNECT


def verdict_of(error: BaseException) -> str:
    """Say in a word or two what went wrong.

    Args:
        error: As for ``exit_code``.
    """
    if (
        isinstance(error, VerificationError)
        and error.reason is VerifyReason.CERT_NOT_YET_VALID
    ):
        return "not yet valid"  # It has a status with those that are over.
    return exit_code(error).word


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Give the status for several things, each with one of its own."""
    return max(codes, key=SEVERITY.index, default=ExitCode.GOOD)
