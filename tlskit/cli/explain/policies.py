"""What other policies would say about the same chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

from cryptography import x509

from ...errors import TLSError
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
    chain: tuple[x509.Certificate, ...], policy: Policy
) -> Iterator[Opinion]:
    """Ask all policies.

    Args:
        chain: As the server showed it, its own certificate first.
        policy: That of ordinary connections.
    """
    for name, each in _variants(chain, policy).items():
        try:
            judge(chain, each)
        except TLSError as error:
            yield Opinion(name, error)
        else:
            yield Opinion(name, None)


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
