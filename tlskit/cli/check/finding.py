"""What ``check`` finds out about one server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, TypedDict

from cryptography import x509

from ...errors import HandshakeError, NotTLSError, VerificationError
from ...ports.port import SSLPort
from ..calling import Caller
from ..data import (
    CertificateData,
    ErrorData,
    SessionData,
    VerificationData,
    asks_for_certificate,
    certificate_data,
    error_data,
    glimpse_of,
    session_data,
    verification_data,
)
from ..exit import ExitCode, exit_code, verdict_of
from ..inspect.logged import Logs, TimestampData, logged
from ..target import Target
from .policies import Rule, key_kind, withstands

__all__ = ["Finding", "FindingData", "Held", "Patience", "examine"]

_DAY = timedelta(days=1)
#: Whoever says nothing else is warned so many days before the end, or when
#: a quarter of the lifetime is left: some certificates live for six days.
_USUAL, _SHARE = 14.0, 0.25


@dataclass(frozen=True)
class Patience:
    """From when on a certificate expires soon."""

    #: So many days before its end; None for the default.
    days: float | None = None
    #: With less than this share of its lifetime left, from 0 to 1; None for
    #: the default.
    share: float | None = None

    def for_life(self, life: timedelta) -> float:
        """Give the days for a certificate that is valid for so long."""
        if self.days is None and self.share is None:
            return min(_USUAL, _SHARE * (life / _DAY))
        return max(self.days or 0.0, (self.share or 0.0) * (life / _DAY))


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
    #: With fewer days left that certificate expires soon.
    min_days: float | None
    #: Whether the server asks for a certificate of ours; null if no session
    #: came about, or this binding of OpenSSL can't tell.
    asks_for_certificate: bool | None
    #: The kind of the server's key, such as ``"EC-secp256r1"``, and whether
    #: all keys of its chain withstand a quantum computer; of the key exchange
    #: ``session`` tells.  Null if no certificate was shown.
    certificate_key: str | None
    certificate_post_quantum: bool | None
    #: What logs of Certificate Transparency promise of its certificate.
    timestamps: list[TimestampData]
    #: The policy that it was held to, with ``--policy``.
    policy: str | None
    #: Where it does not keep to that, in words.
    misfits: list[str]
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
    patience: Patience = Patience()
    rule: Rule | None = None
    #: Where it does not keep to that.
    misfits: tuple[str, ...] = ()
    #: The logs that count, with ``--log-list``.
    logs: Logs = None

    @property
    def timestamps(self) -> list[TimestampData]:
        """What logs promise of the server's certificate."""
        return logged(self.chain, self.logs, self.at) if self.chain else []

    @property
    def verdict(self) -> str:
        """What came of it, in a word or two."""
        if self.error is None:
            return self.status.word
        return verdict_of(self.error)

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
        first = _first(self.chain)
        return None if first is None else first.end

    @property
    def days_left(self) -> int | None:
        """The whole days up to then; negative if it is past."""
        end = self.expires
        return None if end is None else (end - self.at) // _DAY

    @property
    def min_days(self) -> float | None:
        """With fewer days left, that certificate expires soon."""
        first = _first(self.chain)
        return None if first is None else self.patience.for_life(first.life)

    @property
    def asks_for_certificate(self) -> bool | None:
        """Whether the server asks for our certificate, if that is known."""
        return None if self.port is None else asks_for_certificate(self.port)

    @property
    def data(self) -> FindingData:
        """The same for programs."""
        port, error, end = self.port, self.error, self.expires
        return FindingData(
            host=self.target.host,
            port=self.target.port,
            expected=self.expected,
            status=self.status.value,
            verdict=self.verdict,
            session=None if port is None else session_data(port),
            verification=None
            if port is None
            else verification_data(port, "client", self.expected),
            certificate=certificate_data(self.chain[0])
            if self.chain
            else None,
            expires=None if end is None else f"{end:%Y-%m-%dT%H:%M:%SZ}",
            days_left=self.days_left,
            min_days=self.min_days,
            asks_for_certificate=self.asks_for_certificate,
            certificate_key=key_kind(self.chain[0]) if self.chain else None,
            certificate_post_quantum=withstands(self.chain)
            if self.chain
            else None,
            timestamps=self.timestamps,
            policy=None if self.rule is None else self.rule.name,
            misfits=list(self.misfits),
            error=None if error is None else error_data(error),
            seconds=self.seconds,
        )


class _Life(NamedTuple):
    """The time of one certificate."""

    end: datetime
    life: timedelta


def _lives(chain: tuple[x509.Certificate, ...]) -> Iterator[_Life]:
    for each in map(glimpse_of, chain):
        start, end = each.not_before, each.not_after
        if start is not None and end is not None:
            yield _Life(end, end - start)


def _first(chain: tuple[x509.Certificate, ...]) -> _Life | None:
    return min(_lives(chain), default=None)


def examine(
    caller: Caller,
    target: Target,
    patience: Patience,
    held: Held | None = None,
    logs: Logs = None,
) -> Finding:
    """Call a server, and say goodbye.

    Args:
        caller: How.
        target: Whom.
        patience: From when on certificates of the chain expire soon.
        held: What else it is to keep to.
        logs: Whose timestamps count.
    """
    at = datetime.now(timezone.utc)
    began = time.perf_counter()
    port: SSLPort | None = None
    error: OSError | None = None
    misfits: tuple[str, ...] = ()
    try:
        with caller.call(target) as port:
            pass
        status = ExitCode.GOOD
        if any(
            each.end < at + patience.for_life(each.life) * _DAY
            for each in _lives(port.verified_chain)
        ):
            status = ExitCode.EXPIRES_SOON
    except OSError as found:
        port, error = None, found
        if held is not None and _is_about_terms(found):
            error, misfits = held.look_again(target, found)
        status = exit_code(error)
    if held is not None and port is not None:
        misfits = held.rule.misfits(port)
        status = ExitCode.POLICY if misfits else status
    return Finding(
        target,
        caller.expected(target),
        status,
        at,
        time.perf_counter() - began,
        port,
        error,
        patience,
        None if held is None else held.rule,
        misfits,
        logs,
    )


def _is_about_terms(error: OSError) -> bool:
    """Tell whether the two sides could not agree, and nothing else."""
    return isinstance(error, HandshakeError) and not isinstance(
        error, (VerificationError, NotTLSError)
    )


@dataclass(frozen=True)
class Held:
    """A rule, and how to find out who breaks it."""

    rule: Rule
    #: Calls without the rule.
    lenient: Caller

    def look_again(
        self, target: Target, refusal: OSError
    ) -> tuple[OSError, tuple[str, ...]]:
        """Ask a server what it would have agreed to.

        Args:
            target: Whom.
            refusal: What came of it under the rule.

        Returns:
            The error that counts, and where it does not keep to the rule.
        """
        try:
            with self.lenient.call(target) as port:
                pass
        except VerificationError as error:
            return error, ()  # That is wrong whatever the rule.
        except OSError:
            return refusal, ()
        return refusal, self.rule.misfits(port)
