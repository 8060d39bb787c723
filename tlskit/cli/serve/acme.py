"""Certificates that ``serve`` orders from an ACME server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from ...errors import ConfigurationError
from ...server.acme.credentials import AcmeCredentials
from ...server.tally import HARMLESS, reason_of
from ...trust import VerifySource
from .journal import Journal

__all__ = ["Ordered", "acme_options", "is_question", "ordered"]

F = TypeVar("F", bound=Callable[..., object])


def acme_options(function: F) -> F:
    """Add the options of a certificate that is ordered."""
    options = (
        click.option(
            "--acme",
            "acme",
            metavar="URL",
            help="Order the certificate from the ACME server with this "
            "directory, such as Let's Encrypt's, and renew it.  The server "
            "connects to port 443 of each --domain.",
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
    )
    for each in reversed(options):
        function = each(function)
    return function


class Ordered:
    """Credentials that renew themselves, and tell the journal.

    Args:
        credentials: Makes them, from what is to be called with a failure.
        journal: Hears of a new certificate, and of a failure.
    """

    def __init__(
        self,
        credentials: Callable[
            [Callable[[ConfigurationError], None]], AcmeCredentials
        ],
        journal: Journal,
    ) -> None:
        self._journal = journal
        self.credentials = credentials(self._failed)
        self._told = self.credentials.generation

    def _failed(self, error: ConfigurationError) -> None:
        self._journal.reloaded([str(self.credentials)], error)

    def look(self) -> None:
        """Tell of a new certificate, if there is one."""
        now = self.credentials.generation
        if now != self._told:
            self._told = now
            self._journal.reloaded([str(self.credentials)], None)


def ordered(
    acme: str | None,
    domains: tuple[str, ...],
    journal: Journal,
    *,
    agree_terms: bool,
    acme_storage: Path | None,
    acme_ca: Path | None,
    contacts: tuple[str, ...],
    others: bool,
) -> Ordered | None:
    """Make the credentials that the options ask for; None if none are.

    Args:
        acme: The address of the directory.
        domains: The names.
        journal: Hears of them.
        agree_terms: Whether the terms are agreed to.
        acme_storage: Where things are kept.
        acme_ca: Whom to trust as the server.
        contacts: Where it may write to.
        others: Whether there are certificates, or names, of another kind.

    Raises:
        click.UsageError: The options don't fit together.
        ConfigurationError: What they say can't be.
    """
    if acme is None:
        if domains or agree_terms or acme_storage or acme_ca or contacts:
            raise click.UsageError(
                "--domain, --agree-terms, --acme-storage, --acme-ca and "
                "--contact belong to --acme"
            )
        return None
    if others:
        raise click.UsageError("--acme is for a server without --cert, --name")
    if not domains:
        raise click.UsageError("--acme needs a --domain to order for")
    if not agree_terms:
        raise click.UsageError(
            "nothing is ordered before you agree to the terms of the ACME "
            "server: read them, then add --agree-terms"
        )
    folder = acme_storage or Path(click.get_app_dir("tlskit"), "acme")
    trust = None if acme_ca is None else VerifySource.file(acme_ca)

    def make(failed: Callable[[ConfigurationError], None]) -> AcmeCredentials:
        return AcmeCredentials(
            domains,
            directory=acme,
            storage=folder,
            contact=contacts,
            trust=trust,
            terms_agreed=True,
            on_failure=failed,
        )

    return Ordered(make, journal)


def is_question(error: Exception) -> bool:
    """Whether a client has only asked something, and was answered."""
    return reason_of(error) in HARMLESS
