"""``tlskit explain``: why is this server, or this chain, refused?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click
from rich.text import Text

from ...errors import VerificationError
from ...verify.identity import Identity
from ...verify.offline import Policy, judge
from ...verify.strength import level_of
from ...x509.credentials import load_certificates
from ..calling import (
    Caller,
    alpn_offer,
    alpn_option,
    calling_options,
    credential_options,
    crl_option,
    identify,
    trusting,
)
from ..connect.told import HandshakeData, Told
from ..console import open_console, printable, reporting, show_json, show_rows
from ..data import (
    SCHEMA,
    CertificateData,
    ErrorData,
    SessionData,
    asks_for_certificate,
    certificate_data,
    error_data,
    glimpse_of,
    session_data,
)
from ..exit import ExitCode, exit_code, verdict_of
from ..hints import hint_of, message_of
from ..inspect.logged import (
    Logs,
    TimestampData,
    log_list_option,
    logged,
    words_of_log,
)
from .completing import (
    Completion,
    CompletionData,
    can_complete,
    check_place,
    completed,
)
from .policies import Opinion, OpinionData, opinions

if TYPE_CHECKING:
    from cryptography import x509
    from rich.console import Console

    from ...x509.glimpse import Glimpse

__all__ = ["ExplainData", "command"]

_EPILOG = """\b
Examples:
  tlskit explain example.org
  tlskit explain --starttls imap mail.example.org
  tlskit explain --ca company-root.pem --crl list.pem intranet.example:8443
  tlskit explain --name www.example.org chain.pem
  tlskit explain --complete whole-chain.pem www.example.org
  openssl s_client -showcerts ... | tlskit explain --name www.example.org -"""


class ExplainData(TypedDict):
    """What ``tlskit explain --json`` prints; version 1."""

    schema: int
    #: A host with its port, or a file.
    subject: str
    #: As the exit status says it, as a number and in a word.
    status: int
    verdict: str
    #: Why it is refused; null if it is not.
    error: ErrorData | None
    #: The name or address that was wanted; null for a file without one.
    expected: str | None
    #: Null if no session came about, and for a file.
    session: SessionData | None
    #: As they were shown, the server's own first.
    presented: list[CertificateData]
    #: The path to a root; empty if it is refused.
    chain: list[CertificateData]
    #: Whether the server asks for a certificate of ours; null if no session
    #: came about, or this binding of OpenSSL can't tell.
    asks_for_certificate: bool | None
    #: The sources of roots, and how many roots they hold.
    sources: list[str]
    roots: int
    #: How the handshake went, or how far; null for a file, or if there was
    #: none, or if this binding of OpenSSL can't tell.
    handshake: HandshakeData | None
    #: What other policies would say; empty if no certificate was shown.
    policies: list[OpinionData]
    #: What logs of Certificate Transparency promise of its certificate.
    timestamps: list[TimestampData]
    #: What became of ``--complete``; null without it.
    completed: CompletionData | None


@dataclass(frozen=True)
class _Case:
    """Something that was looked at, and what came of it."""

    subject: str
    policy: Policy
    presented: tuple[x509.Certificate, ...]
    chain: tuple[x509.Certificate, ...] = ()
    session: SessionData | None = None
    error: OSError | None = None
    asks_for_certificate: bool | None = None

    def timestamps(self, logs: Logs) -> list[TimestampData]:
        """Say what logs promise of the server's certificate."""
        shown = self.chain or self.presented
        return logged(shown, logs, datetime.now(timezone.utc)) if shown else []

    def opinions(self) -> list[Opinion]:
        """Ask what other policies would say."""
        error = self.error
        refusal = error if isinstance(error, VerificationError) else None
        return list(opinions(self.presented, self.policy, refusal))

    @property
    def verdict(self) -> str:
        return (
            self.status.word if self.error is None else verdict_of(self.error)
        )

    @property
    def status(self) -> ExitCode:
        return ExitCode.GOOD if self.error is None else exit_code(self.error)


@click.command("explain", epilog=_EPILOG)
@click.argument("subject", metavar="HOST[:PORT] or FILE")
@calling_options
@crl_option
@credential_options
@alpn_option
@log_list_option
@click.option(
    "--complete",
    "place",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Fetch the issuers that the chain lacks, by plain http: from where "
    "their CA publishes them, and write the whole chain to this file, PEM, "
    "without its root.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Have --complete ask addresses of this network and machine, too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print data, not text.")
@reporting
def command(
    *,
    subject: str,
    starttls: str | None,
    name: str | None,
    identity: str | None,
    ca: tuple[Path, ...],
    timeout: float,
    proxy: str | None,
    crl: tuple[Path, ...],
    cert: Path | None,
    key: Path | None,
    alpn: tuple[str, ...],
    logs: Logs,
    place: Path | None,
    allow_private: bool,
    as_json: bool,
) -> ExitCode:
    """Tell why a server's certificate is accepted or refused.

    Which certificate, what was expected, what is there, since when, which
    roots were trusted, and what to do.  Then, what stricter and laxer
    policies would have said, to see what is the matter and what is not.
    Where no certificate is in the way: what was offered, what was answered,
    and who ended it.

    Instead of a server, it takes a file with a chain: PEM, the server's own
    certificate first; - is stdin.  Without --name, no name is expected of it.

    Nothing is fetched, unless --complete asks for it.  The exit status stays
    that of the chain as it is.
    """
    _check_completing(place, proxy, allow_private=allow_private)
    context = trusting(ca, crl)
    identify(context, cert, key)
    told = Told()
    told.listen(context)
    context.seal()
    caller = Caller(
        context,
        starttls,
        name,
        timeout,
        alpn_offer(alpn, starttls),
        proxy=proxy,
        identity=identity,
    )
    if _is_file(subject):
        case = _of_file(subject, caller)
    else:
        case = _of_host(subject, caller)
    asked = case.opinions() if case.presented else []
    completion = None
    if place is not None:
        completion = completed(
            place,
            case.presented,
            case.chain,
            case.error,
            case.policy,
            timeout=timeout,
            allow_private=allow_private,
        )
    console = open_console()
    if as_json:
        data = _data(case, asked, told)
        data["timestamps"] = case.timestamps(logs)
        if completion is not None:
            data["completed"] = completion.data
        show_json(console, data)
    else:
        promised = list(map(words_of_log, case.timestamps(logs)))
        _show(console, case, asked, told, (completion, promised))
    return case.status


def _check_completing(
    place: Path | None, proxy: str | None, *, allow_private: bool
) -> None:
    if place is None:
        if allow_private:
            raise click.UsageError("--allow-private belongs to --complete")
        return
    if proxy is not None:
        raise click.UsageError(
            "--complete fetches by itself, and through no --proxy"
        )
    check_place(place)


def _is_file(subject: str) -> bool:
    return (
        subject == "-"
        or os.sep in subject.partition("://")[0]
        or (Path(subject).is_file())
    )


def _of_file(subject: str, caller: Caller) -> _Case:
    """Verify a chain that is at hand.

    Raises:
        CredentialError: The file holds none.
    """
    source = sys.stdin.buffer.read() if subject == "-" else Path(subject)
    presented = load_certificates(source)
    policy = _policy(caller, caller.meant())
    where = "stdin" if subject == "-" else subject
    try:
        chain = judge(presented, policy)
    except VerificationError as error:
        return _Case(where, policy, presented, error=error)
    return _Case(where, policy, presented, chain)


def _of_host(subject: str, caller: Caller) -> _Case:
    target = caller.target(subject)
    policy = _policy(caller, caller.meant(target))
    try:
        with caller.call(target) as port:
            pass
    except VerificationError as error:
        shown = error.presented_chain
        return _Case(str(target), policy, shown, error=error)
    except OSError as error:
        return _Case(str(target), policy, (), error=error)
    return _Case(
        str(target),
        policy,
        port.peer_chain,
        port.verified_chain,
        session_data(port),
        asks_for_certificate=asks_for_certificate(port),
    )


def _policy(caller: Caller, identity: Identity | None) -> Policy:
    """Judge as the caller's context does."""
    settings = caller.context.settings
    return Policy(
        roots=settings.roots,
        identity=identity,
        crls=settings.crls,
        check=settings.revocation_check.value,
        level=level_of(settings),
    )


def _data(case: _Case, asked: list[Opinion], told: Told) -> ExplainData:
    identity, error = case.policy.identity, case.error
    return ExplainData(
        schema=SCHEMA,
        subject=case.subject,
        status=case.status.value,
        verdict=case.verdict,
        error=None if error is None else error_data(error),
        expected=None if identity is None else identity.text,
        session=case.session,
        presented=list(map(certificate_data, case.presented)),
        chain=list(map(certificate_data, case.chain)),
        asks_for_certificate=case.asks_for_certificate,
        sources=[str(each.source) for each in case.policy.roots],
        roots=len(case.policy.ders),
        handshake=told.data,
        policies=[each.data for each in asked],
        timestamps=[],
        completed=None,
    )


# -- for people -------------------------------------------------------------


def _show(
    console: Console,
    case: _Case,
    asked: list[Opinion],
    told: Told,
    more: tuple[Completion | None, list[str]],
) -> None:
    completion, promised = more
    good = case.error is None
    verb = "is accepted" if good else "is refused"
    if not good and not case.presented:
        verb = "can't be verified"
    console.print(
        Text.assemble(
            (case.verdict, "bold green" if good else "bold red"),
            f": {printable(case.subject)} {verb}",
        ),
        soft_wrap=True,
    )
    show_rows(console, _story(case))
    if completion is not None:
        console.print()
        console.print(Text("the whole chain", "bold"))
        show_rows(console, completion.rows())
    if not case.presented:
        if told.messages:
            console.print()
            console.print(Text("how far the handshake came", "bold"))
            show_rows(console, told.rows())
        return
    now = datetime.now(timezone.utc)
    for depth, each in enumerate(case.presented):
        data = certificate_data(each)
        console.print()
        console.print(
            Text(f"certificate {depth}: {printable(data['subject'])}", "bold"),
            soft_wrap=True,
        )
        show_rows(console, _certificate_rows(data, each, now))
        if depth == 0:
            show_rows(console, [("logged", words) for words in promised])
    console.print()
    console.print(Text("what other policies would say", "bold"))
    show_rows(console, [(each.policy, _opinion(each)) for each in asked])


def _story(case: _Case) -> Iterator[tuple[str, str]]:
    error, identity = case.error, case.policy.identity
    if error is None:
        names = " <- ".join(
            certificate_data(each)["subject"] for each in case.chain
        )
        yield "chain", names
        if case.session is not None:
            yield "session", case.session["version"]
        if case.asks_for_certificate:
            yield "asks", "for a client certificate, which --cert shows"
        yield (
            "expected",
            "no name in particular" if identity is None else identity.text,
        )
        yield "trusted", _trusted(case.policy)
        return
    yield "because", message_of(error)
    if isinstance(error, VerificationError):
        for line in error.advice:
            label, _, text = line.partition(": ")
            yield label, text
    if hint := hint_of(error):
        yield "what to do", hint
    if can_complete(case.presented, error):
        yield "or repair", "by --complete FILE, which writes the whole chain"


def _trusted(policy: Policy) -> str:
    sources = ", ".join(str(each.source) for each in policy.roots)
    count = len(policy.ders)
    return f"{count} {'root' if count == 1 else 'roots'} from {sources}"


def _certificate_rows(
    data: CertificateData, certificate: x509.Certificate, now: datetime
) -> Iterator[tuple[str, str]]:
    yield "names", ", ".join(data["names"]) or "none"
    yield "issuer", data["issuer"]
    yield "valid", _validity(glimpse_of(certificate), now)
    yield "sha256", data["sha256"]


def _validity(glimpse: Glimpse, now: datetime) -> str:
    start, end = glimpse.not_before, glimpse.not_after
    if start is None or end is None:
        return "(unreadable)"
    days = abs(end - now).days
    if now < start:
        words = "not valid yet"
    else:
        words = f"{days} days left" if now <= end else f"over {days} days ago"
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}, {words}"


def _opinion(opinion: Opinion) -> str:
    error = opinion.error
    if error is None:
        return f"accepts  ({opinion.meaning})"
    return f"refuses, {error.code}  ({opinion.meaning})"
