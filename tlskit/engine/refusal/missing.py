"""A refusal that waits: an issuer is missing, and may be fetched.

A certificate may name an address of its issuer's (RFC 5280, section 4.2.2.1).
What comes from there helps to build a path, and is never trusted: it comes
by plain HTTP, and the path has to lead to a root all the same.  Who asks is
the driver.

OpenSSL can't wait in the middle of its verification.  So a fault of that kind
is let be for the moment, and no other is; the handshake goes on up to our
last flight, which does not leave us before the chain was judged again, with
what was fetched.  Without a path to a root the peer is refused as it would
have been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import VerificationError
from ...errors.codes import VerifyReason
from ...policy.settings import Ocsp
from ...verify.chain import explain_faults
from ...verify.evidence import scene_of, sent_by
from ...verify.offline import Policy, judge_ders
from ...x509.gate import Encoding, oid, pkcs7, x509
from ...x509.glimpse import Glimpse
from ...x509.reading import certificate, extension, unreadable

if TYPE_CHECKING:
    from ...openssl.gate import SSL
    from ..callbacks import Record

__all__ = [
    "MISSING",
    "Errand",
    "Fetch",
    "Fetching",
    "addresses_of",
    "errand_for",
    "listed",
    "take",
]

#: What OpenSSL says when it finds no issuer.
MISSING = frozenset(
    {
        VerifyReason.UNABLE_TO_GET_ISSUER_CERT,
        VerifyReason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        VerifyReason.UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    }
)
#: How many issuers are fetched for one chain, and from how many addresses of
#: one certificate.
_DEEP, _WIDE = 4, 2


@dataclass(frozen=True)
class Fetching:
    """By which rules issuers are fetched."""

    #: Of all that is fetched for one chain, in seconds.
    timeout: float
    #: Of one answer.
    max_bytes: int
    #: Whether addresses of this network, and of this machine, are asked.
    allow_private: bool


#: Gives what is published at an address; raises an ``OSError``.
Fetch = Callable[[str], bytes]


def addresses_of(der: bytes) -> tuple[str, ...]:
    """Give the ``http:`` addresses of a certificate's issuer."""
    try:
        access = extension(certificate(der), x509.AuthorityInformationAccess)
    except unreadable():
        return ()
    wanted = oid.AuthorityInformationAccessOID.CA_ISSUERS
    found = [
        each.access_location.value
        for each in access or ()
        if each.access_method == wanted
        and isinstance(each.access_location, x509.UniformResourceIdentifier)
    ]
    plain = [each for each in found if each.lower().startswith("http://")]
    return tuple(dict.fromkeys(plain))[:_WIDE]


def listed(data: bytes) -> tuple[bytes, ...]:
    """Read an answer: one certificate, or several as PKCS#7, DER.

    Raises:
        ValueError: It is neither.
    """
    try:
        return (certificate(data).public_bytes(Encoding.DER),)
    except unreadable():
        pass
    try:
        found = pkcs7.load_der_pkcs7_certificates(data)
    except unreadable() as error:
        raise ValueError(
            f"{len(data)} bytes that are neither a certificate nor PKCS#7"
        ) from error
    return tuple(each.public_bytes(Encoding.DER) for each in found)


class Errand:
    """The search for what a chain lacks.

    Args:
        chain: As the peer sent it, DER, its own certificate first.
        policy: What to judge by.
        rules: What to fetch by.
    """

    def __init__(
        self, chain: tuple[bytes, ...], policy: Policy, rules: Fetching
    ) -> None:
        self._chain = chain
        self._policy = policy
        self.rules = rules
        #: Whether nothing more is to be waited for.
        self.over: bool = False
        #: The path to a trusted certificate, if one was found.
        self.path: tuple[bytes, ...] = ()
        #: What is wrong with a path that was completed.
        self.error: VerificationError | None = None
        #: What became of each address.
        self.notes: list[str] = []

    def run(self, fetch: Fetch) -> None:
        """Do all of it; what fails is kept."""
        try:
            self.path = self._complete(fetch)
        except VerificationError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - of strangers' bytes
            self.notes.append(f"{type(error).__name__}: {error}")
        finally:
            self.over = True

    def result(self, error: VerificationError) -> tuple[bytes, ...]:
        """Give the path.

        Args:
            error: What to raise if nothing was found.

        Raises:
            VerificationError: There is none, and why; what became of each
                address is among its ``advice``.
        """
        if self.path:
            return self.path
        raised = self.error or error
        raised.advice += tuple(self.notes)
        raise raised

    def give_up(self, reason: str) -> None:
        """Wait no longer."""
        if not self.over:
            self.notes.append(reason)
            self.over = True

    def _complete(self, fetch: Fetch) -> tuple[bytes, ...]:
        others: tuple[bytes, ...] = ()
        last: VerificationError | None = None
        for _ in range(_DEEP):
            found = self._issuer(self._top(others), fetch)
            if found is None:
                break
            others += (found,)
            policy = replace(
                self._policy, others=(*self._policy.others, *others)
            )
            try:
                return judge_ders(self._chain, policy)
            except VerificationError as error:
                if error.reason not in MISSING:
                    raise
                last = error
        if last is not None:
            raise last
        return ()

    def _top(self, others: tuple[bytes, ...]) -> bytes:
        """Follow the signatures from the peer's own certificate upwards."""
        top, *rest = map(Glimpse, (*self._chain, *others))
        while issuer := next((it for it in rest if it.issued(top)), None):
            rest.remove(issuer)
            top = issuer
        return top.der or self._chain[0]

    def _issuer(self, der: bytes, fetch: Fetch) -> bytes | None:
        """Fetch the certificate that issued the one given."""
        for address in addresses_of(der):
            try:
                answer = listed(fetch(address))
            except (OSError, ValueError) as error:
                self.notes.append(f"{address}: {error}")
                continue
            for each in answer:
                if each != der and Glimpse(each).issued(Glimpse(der)):
                    self.notes.append(f"{address}: fetched")
                    return each
            self.notes.append(f"{address}: the certificate of another CA")
        return None


def errand_for(connection: SSL.Connection, record: Record) -> Errand:
    """Begin to look for what the peer's chain lacks."""
    rules = record.settings.fetching
    assert rules is not None
    policy = Policy.of(
        record.settings, record.to_prove, server_side=record.server_side
    )
    return Errand(sent_by(connection, record), policy, rules)


def take(
    connection: SSL.Connection, record: Record, errand: Errand | None
) -> None:
    """Go on with what *errand* has brought.

    What was stapled could not be judged before: its issuer answers for it.

    Raises:
        VerificationError: That is no path to a root, or the server's CA does
            not say that the certificate is good.
    """
    assert errand is not None
    assert errand.over
    refusal = explain_faults(
        tuple(record.faults), scene_of(connection, record)
    )
    record.completed = errand.result(refusal)
    record.chain = dict(enumerate(record.completed))
    record.faults.clear()
    record.put_off = False
    if record.settings.ocsp is not Ocsp.OFF:
        record.judge_staple(connection)
