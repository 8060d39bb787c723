"""A chain that lacks an issuer, completed by what its CA publishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...engine.refusal.missing import (
    MISSING,
    Errand,
    Fetching,
    addresses_of,
)
from ...errors import ConfigurationError, VerificationError
from ...ports.fetching.issuers import run_errand
from ...tools.deadline import Deadline
from ...verify.evidence import certificates_of
from ...verify.offline import Policy
from ...x509 import pem
from ..data import CertificateData, certificate_data, glimpse_of, subject_of
from ..disk import File, write_all
from ..hints import message_of

__all__ = [
    "Completion",
    "CompletionData",
    "can_complete",
    "check_place",
    "completed",
]

Chain = tuple[x509.Certificate, ...]

#: Of one answer, in bytes.
_MOST = 262144


class CompletionData(TypedDict):
    """What became of ``--complete``."""

    file: str
    #: Whether there is a path to a root, and so the file was written.
    written: bool
    #: Which addresses were asked, and what became of each.
    fetched: list[str]
    #: What is in the file: the server's own first, without the root.
    certificates: list[CertificateData]
    #: Why nothing was written; null if it was.
    reason: str | None


@dataclass(frozen=True)
class Completion:
    """What became of it."""

    path: Path
    chain: Chain = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def data(self) -> CompletionData:
        """The same for programs."""
        return CompletionData(
            file=str(self.path),
            written=self.reason is None,
            fetched=list(self.notes),
            certificates=list(map(certificate_data, self.chain)),
            reason=self.reason,
        )

    def rows(self) -> Iterator[tuple[str, str]]:
        """The same for people."""
        for each in self.notes:
            yield "asked", each
        if self.reason is not None:
            yield "not written", f"{self.path}: {self.reason}"
            return
        names = ", ".join(map(subject_of, self.chain))
        yield "written", f"{self.path}: {names}; the root is not in it"


def check_place(path: Path) -> None:
    """See that nothing is lost when *path* is overwritten.

    Args:
        path: Where certificates are to be written.

    Raises:
        click.BadParameter: There is no such directory.
        ConfigurationError: There is something else than certificates, such
            as a private key.
    """
    if not path.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no directory for {path}")
    if not path.exists():
        return
    data = path.read_bytes() if path.is_file() else b""
    labels = {each.label for each in pem.blocks(data)}
    if labels != {"CERTIFICATE"}:
        what = " and ".join(sorted(labels)) or "something else"
        raise ConfigurationError(
            f"{path} holds {what}, and is left as it is: only a file of "
            "certificates and nothing else is overwritten",
            code="file-exists",
            hint="name another file",
        )


def can_complete(presented: Chain, error: OSError) -> bool:
    """Say whether something is missing that may be published somewhere."""
    return _lacks_something(error) and any(map(addresses_of, _ders(presented)))


def completed(
    path: Path,
    presented: Chain,
    chain: Chain,
    error: OSError | None,
    policy: Policy,
    *,
    timeout: float,
    allow_private: bool,
) -> Completion:
    """Fetch what a chain lacks, and write it with that.

    What is fetched is not trusted: only a path to a root is written.

    Args:
        path: Where to write it, as PEM.
        presented: What was shown.
        chain: The path to a root, if it was found without help.
        error: Why not.
        policy: By what it is judged.
        timeout: Of all that is fetched, in seconds.
        allow_private: Whether addresses of this network are asked, too.

    Raises:
        ConfigurationError: The file can't be written.
    """
    notes: tuple[str, ...] = ()
    if error is not None:
        if not _lacks_something(error):
            reason = f"no issuer is missing: {message_of(error)}"
            return Completion(path, reason=reason)
        ders = _ders(presented)
        errand = Errand(ders, policy, Fetching(timeout, _MOST, allow_private))
        run_errand(errand, Deadline())
        notes = tuple(errand.notes)
        if not errand.path:
            return Completion(path, notes=notes, reason=_reason(errand, ders))
        chain = certificates_of(errand.path)
    if len(chain) > 1 and _is_root(chain[-1]):
        chain = chain[:-1]
    data = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    write_all([File(path, data)], force=True)
    return Completion(path, chain, notes)


def _ders(chain: Chain) -> tuple[bytes, ...]:
    return tuple(each.public_bytes(Encoding.DER) for each in chain)


def _reason(errand: Errand, chain: tuple[bytes, ...]) -> str:
    if errand.error is not None:
        return message_of(errand.error)
    if any(map(addresses_of, chain)):
        return "what was found makes no path to a root"
    return "no certificate tells an http: address of its issuer"


def _lacks_something(error: OSError) -> bool:
    return isinstance(error, VerificationError) and error.reason in MISSING


def _is_root(certificate: x509.Certificate) -> bool:
    glimpse = glimpse_of(certificate)
    return glimpse.issued(glimpse)
