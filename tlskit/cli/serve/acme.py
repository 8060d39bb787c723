"""Certificates that ``serve`` orders from an ACME server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from ...errors import ConfigurationError
from ...server.acme.challenge import HTTP, PORTS
from ...server.acme.credentials import AcmeCredentials
from ...server.acme.demand import AcmeOnDemand
from ...server.tally import HARMLESS, reason_of
from ...trust import VerifySource
from ...verify.identity import Identity
from .journal import Journal

__all__ = [
    "Ordered",
    "Orders",
    "acme_options",
    "allowing",
    "is_question",
]

F = TypeVar("F", bound=Callable[..., object])
Source = AcmeCredentials | AcmeOnDemand
_MOST_NAMES = 100


_OPTIONS = (
    click.option(
        "--acme",
        "acme",
        metavar="URL",
        help="Order the certificate from the ACME server with this "
        "directory, such as Let's Encrypt's, and renew it.  The server "
        "connects to port 443 of each name, or see --acme-challenge.",
    ),
    click.option(
        "--domain",
        "domains",
        multiple=True,
        metavar="NAME",
        help="A name for the certificate of --acme; may be repeated.",
    ),
    click.option(
        "--agree-terms",
        is_flag=True,
        help="Agree to the terms of the ACME server.",
    ),
    click.option(
        "--acme-storage",
        type=click.Path(file_okay=False, path_type=Path),
        help="Keep account and certificates in this folder, for its "
        "owner only.  [default: acme, in the folder of this user's "
        "tlskit]",
    ),
    click.option(
        "--acme-ca",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Trust the CAs in this file for the ACME server's own HTTPS.",
    ),
    click.option(
        "--contact",
        "contacts",
        multiple=True,
        metavar="ADDRESS",
        help="Where the ACME server may write to, such as "
        "mailto:us@example.com.",
    ),
    click.option(
        "--acme-challenge",
        "challenge",
        type=click.Choice(list(PORTS)),
        default=next(iter(PORTS)),
        show_default=True,
        help="How to prove that a name is ours.  For http-01 the ACME "
        "server connects to port 80, where we listen, too; whoever else "
        "comes there is sent to https.",
    ),
    click.option(
        "--http-port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Listen on this port instead of 80 for http-01, where port "
        "80 is passed on to it.",
    ),
    click.option(
        "--on-demand",
        "patterns",
        multiple=True,
        metavar="NAME",
        help="Order a certificate for this name when a client first asks "
        "for it; *.example.com allows any one label in front; may be "
        "repeated.",
    ),
    click.option(
        "--on-demand-most",
        "most_names",
        type=click.IntRange(1, 10_000),
        metavar="NUMBER",
        help="Keep certificates for so many of those names.  [default: "
        f"{_MOST_NAMES}]",
    ),
)


def acme_options(function: F) -> F:
    """Give a subcommand the options that ``Orders`` is made of."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


class Ordered:
    """Certificates that renew themselves, and tell the journal.

    Args:
        source: Makes them; ``on_failure`` is what it calls with a failure.
        journal: Hears of a new certificate, and of a failure.
    """

    def __init__(
        self,
        source: Callable[..., Source],
        journal: Journal,
    ) -> None:
        self._journal = journal
        self.source = source(on_failure=self._failed)
        self._told = self.source.generation

    def _failed(self, error: ConfigurationError) -> None:
        self._journal.reloaded([str(self.source)], error)

    def look(self) -> None:
        """Tell of a new certificate, if there is one."""
        now = self.source.generation
        if now != self._told:
            self._told = now
            self._journal.reloaded([str(self.source)], None)


@dataclass(frozen=True)
class Orders:
    """What the options say of ACME; all of it together."""

    acme: str | None
    domains: tuple[str, ...]
    agree_terms: bool
    acme_storage: Path | None
    acme_ca: Path | None
    contacts: tuple[str, ...]
    challenge: str
    http_port: int | None
    patterns: tuple[str, ...]
    most_names: int | None

    @property
    def plain_port(self) -> int | None:
        """Where to listen for http-01; None if nobody asks there."""
        if self.acme is None or self.challenge != HTTP:
            return None
        return PORTS[HTTP] if self.http_port is None else self.http_port

    def check(self, *, others: bool) -> None:
        """See whether the options fit together.

        Args:
            others: Whether there are certificates, or names, of another kind.

        Raises:
            click.UsageError: They don't.
        """
        if self.acme is None:
            if self != _NOTHING:
                raise click.UsageError(
                    "--domain, --on-demand, --agree-terms, --contact, "
                    "--http-port and all that begins with --acme- or "
                    "--on-demand- belong to --acme"
                )
            return
        if others:
            raise click.UsageError(
                "--acme is for a server without --cert, --name"
            )
        if not (self.domains or self.patterns):
            raise click.UsageError(
                "--acme needs a --domain to order for, or --on-demand"
            )
        if self.most_names is not None and not self.patterns:
            raise click.UsageError("--on-demand-most belongs to --on-demand")
        if self.http_port is not None and self.challenge != HTTP:
            raise click.UsageError(
                f"--http-port belongs to --acme-challenge {HTTP}"
            )
        if not self.agree_terms:
            raise click.UsageError(
                "nothing is ordered before you agree to the terms of the "
                "ACME server: read them, then add --agree-terms"
            )

    def place(self, journal: Journal) -> tuple[Ordered, ...]:
        """Make what orders certificates: for clients, the first one first.

        Args:
            journal: Hears of them.

        Raises:
            ConfigurationError: What the options say can't be.
        """
        if self.acme is None:
            return ()
        trust = (
            None if self.acme_ca is None else VerifySource.file(self.acme_ca)
        )
        makers: list[Callable[..., Source]] = []
        if self.domains:
            makers.append(partial(AcmeCredentials, self.domains))
        if self.patterns:
            makers.append(
                partial(
                    AcmeOnDemand,
                    allowing(self.patterns),
                    most=self.most_names or _MOST_NAMES,
                )
            )
        folder = self.acme_storage or Path(click.get_app_dir("tlskit"), "acme")
        common = {
            "directory": self.acme,
            "storage": folder,
            "contact": self.contacts,
            "trust": trust,
            "terms_agreed": True,
            "challenge": self.challenge,
        }
        return tuple(
            Ordered(partial(make, **common), journal) for make in makers
        )


_NOTHING = Orders(
    acme=None,
    domains=(),
    agree_terms=False,
    acme_storage=None,
    acme_ca=None,
    contacts=(),
    challenge=next(iter(PORTS)),
    http_port=None,
    patterns=(),
    most_names=None,
)


def allowing(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Make a function that says which names are among *patterns*.

    Args:
        patterns: Host names; ``*.`` in front stands for any one label, as it
            does in certificates.

    Raises:
        ConfigurationError: One of them can be neither, or would allow half
            the world.
    """
    known = frozenset(map(_pattern, patterns))

    def allow(name: str) -> bool:
        return name in known or f"*.{name.partition('.')[2]}" in known

    return allow


def _pattern(text: str) -> str:
    star = "*." if text.startswith("*.") else ""
    name = text[len(star) :]
    host = Identity.parse(name).dns if name else None
    if host is None or (star and b"." not in host):
        raise ConfigurationError(
            f"{text!r} can't be ordered on demand",
            code="bad-hostname",
            hint="give a host name, or *. and a domain of two labels or more",
        )
    return star + host.decode("ascii").lower()


def is_question(error: Exception) -> bool:
    """Whether a client has only asked something, and was answered."""
    return reason_of(error) in HARMLESS
