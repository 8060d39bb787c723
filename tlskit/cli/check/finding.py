"""What ``check`` finds out about one server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypedDict

from cryptography import x509

from ...errors import VerificationError
from ...ports.port import SSLPort
from ..calling import Caller
from ..data import (
    CertificateData,
    ErrorData,
    SessionData,
    VerificationData,
    certificate_data,
    error_data,
    glimpse_of,
    session_data,
    verification_data,
)
from ..exit import ExitCode, exit_code
from ..target import Target

__all__ = ["Finding", "FindingData", "examine"]

_DAY = timedelta(days=1)


class FindingData(TypedDict):
    """What came of one server."""

    host: str
    port: int
    #: Whose certificate was wanted.
    expected: str
    #: As the exit status says it, as a number and in a word.
    status: int
    verdict: str
    #: Null if no session came about.
    session: SessionData | None
    #: Null if no session came about.
    verification: VerificationData | None
    #: The server's own; null if it showed none.
    certificate: CertificateData | None
    #: When the first certificate of the chain expires, and how many whole
    #: days that is from now: negative if it is past.
    expires: str | None
    days_left: int | None
    #: Why the server was refused, or could not be reached.
    error: ErrorData | None
    #: How long it took.
    seconds: float


@dataclass(frozen=True)
class Finding:
    """A server that was called, and what came of it."""

    target: Target
    expected: str
    status: ExitCode
    #: When the server was called.
    at: datetime
    #: How long it took, in seconds.
    seconds: float
    #: Closed, but facts outlive the connection; None if it failed.
    port: SSLPort | None = None
    error: OSError | None = None

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The path to a root, or what a server showed that was refused."""
        if self.port is not None:
            return self.port.verified_chain
        if isinstance(self.error, VerificationError):
            return self.error.presented_chain
        return ()

    @property
    def expires(self) -> datetime | None:
        """The moment when the first certificate of the chain expires."""
        return _first_end(self.chain)

    @property
    def days_left(self) -> int | None:
        """The whole days up to then; negative if it is past."""
        end = self.expires
        return None if end is None else (end - self.at) // _DAY

    @property
    def data(self) -> FindingData:
        """The same for programs."""
        port, error, end = self.port, self.error, self.expires
        return FindingData(
            host=self.target.host,
            port=self.target.port,
            expected=self.expected,
            status=self.status.value,
            verdict=self.status.word,
            session=None if port is None else session_data(port),
            verification=None
            if port is None
            else verification_data(port, "client", self.expected),
            certificate=certificate_data(self.chain[0])
            if self.chain
            else None,
            expires=None if end is None else f"{end:%Y-%m-%dT%H:%M:%SZ}",
            days_left=self.days_left,
            error=None if error is None else error_data(error),
            seconds=self.seconds,
        )


def _first_end(chain: tuple[x509.Certificate, ...]) -> datetime | None:
    ends = (glimpse_of(each).not_after for each in chain)
    return min(filter(None, ends), default=None)


def examine(caller: Caller, target: Target, min_days: float) -> Finding:
    """Call a server, and say goodbye.

    Args:
        caller: How.
        target: Whom.
        min_days: How many days all certificates of the chain must be good
            for.
    """
    at = datetime.now(timezone.utc)
    began = time.perf_counter()
    port = error = None
    try:
        with caller.call(target) as port:
            pass
        status = _status(port, at + min_days * _DAY)
    except OSError as found:
        port, error, status = None, found, exit_code(found)
    return Finding(
        target,
        caller.expected(target),
        status,
        at,
        time.perf_counter() - began,
        port,
        error,
    )


def _status(port: SSLPort, until: datetime) -> ExitCode:
    end = _first_end(port.verified_chain)
    if end is not None and end < until:
        return ExitCode.EXPIRES_SOON
    return ExitCode.GOOD
