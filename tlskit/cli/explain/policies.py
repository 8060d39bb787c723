"""What other policies would say about the same chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

from cryptography import x509

from ...errors import TLSError, VerificationError
from ...verify.offline import Policy, judge
from ..data import ErrorData, error_data

__all__ = ["Opinion", "OpinionData", "opinions"]

#: What each policy means, by its name.
_MEANINGS = {
    "default": "as connections are verified",
    "strict": "a second, stricter verifier has to accept, too",
    "any-name": "no check of the host name",
    "when-issued": "each certificate at a time when it was valid",
    "partial-chain": "what is trusted need not be a root",
    "trusting-its-ca": "if the last certificate shown were trusted",
}


class OpinionData(TypedDict):
    """What one policy would say."""

    #: Such as ``"strict"``.
    policy: str
    meaning: str
    accepts: bool
    #: Why it refuses; null if it accepts.
    error: ErrorData | None


@dataclass(frozen=True)
class Opinion:
    """What one policy would say."""

    policy: str
    error: TLSError | None

    @property
    def meaning(self) -> str:
        """What the policy is, in words."""
        return _MEANINGS[self.policy]

    @property
    def data(self) -> OpinionData:
        """The same for programs."""
        error = self.error
        return OpinionData(
            policy=self.policy,
            meaning=self.meaning,
            accepts=error is None,
            error=None if error is None else error_data(error),
        )


def opinions(
    chain: tuple[x509.Certificate, ...],
    policy: Policy,
    refusal: VerificationError | None = None,
) -> Iterator[Opinion]:
    """Ask all policies.

    Args:
        chain: As the server showed it, its own certificate first.
        policy: That of ordinary connections.
        refusal: What such a connection came to.  If the chain alone is no
            reason for it, the reason is something that no policy changes: a
            stapled response that says "revoked".
    """
    for name, each in _variants(chain, policy).items():
        error = _error(chain, each)
        if name == "default" and error is not None:
            refusal = None
        yield Opinion(name, error or refusal)


def _error(
    chain: tuple[x509.Certificate, ...], policy: Policy
) -> TLSError | None:
    try:
        judge(chain, policy)
    except TLSError as error:
        return error
    return None


def _variants(
    chain: tuple[x509.Certificate, ...], policy: Policy
) -> Mapping[str, Policy]:
    return {
        "default": policy,
        "strict": replace(policy, strict=True),
        "any-name": replace(policy, identity=None),
        # There may be no moment at which all of them are.
        "when-issued": replace(policy, dated=False),
        "partial-chain": replace(policy, partial=True),
        "trusting-its-ca": replace(policy, also=chain[-1:], partial=True),
    }
