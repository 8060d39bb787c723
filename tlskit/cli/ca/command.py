"""``tlskit ca``: a certification authority of one's own, on disk."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import click

from ..console import open_console, reporting, show_json, show_rows
from ..data import SCHEMA, CertificateData, certificate_data
from ..exit import ExitCode
from ..groups import SuggestingGroup
from .authority import Authority
from .issue import (
    AS_JSON_OPTION,
    DIRECTORY,
    FORCE_OPTION,
    HERE,
    KEY_TYPE_OPTION,
    issue,
    show_good,
)
from .keep import list_, renew, revoke
from .trusting import trust, untrust

__all__ = ["CAData", "command"]


class CAData(TypedDict):
    """What ``tlskit ca init --json`` prints; version 1."""

    schema: int
    #: The certificate, to be trusted.
    ca_file: str
    certificate: CertificateData


@click.group("ca", cls=SuggestingGroup)
def command() -> None:
    """Keep a local CA: certificates for tests and development.

    \b
    tlskit ca init
    tlskit ca issue localhost 127.0.0.1 --client alice
    tlskit ca issue localhost --bad expired
    tlskit ca trust
    tlskit ca list
    """  # noqa: D301 - click wants the backspace itself


@command.command("init")
@click.argument("directory", type=DIRECTORY, default=HERE)
@click.option("--name", metavar="TEXT", help="What to call the CA.")
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    default=3650,
    show_default=True,
    help="How long it is valid.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="DOMAIN",
    help="Let it issue for this domain, or network such as 127.0.0.0/8, and "
    "for nothing else; may be repeated.",
)
@KEY_TYPE_OPTION
@FORCE_OPTION
@AS_JSON_OPTION
@reporting
def init(
    *,
    directory: Path,
    name: str | None,
    days: int,
    only: tuple[str, ...],
    key_type: str,
    force: bool,
    as_json: bool,
) -> ExitCode:
    """Make a CA in DIRECTORY, tlskit-ca by default.

    Whoever gets hold of its private key, in ca-key.pem, can deceive all who
    trust the CA.  --only bounds that.
    """
    authority = Authority.create(
        directory,
        name=name,
        days=days,
        key_type=key_type,
        only=only,
        force=force,
    )
    console = open_console()
    data = CAData(
        schema=SCHEMA,
        ca_file=str(authority.file),
        certificate=certificate_data(authority.ca.certificate),
    )
    if as_json:
        show_json(console, data)
    else:
        show_good(console, f"made {data['certificate']['subject']}")
        rows = [("valid until", data["certificate"]["not_after"])]
        rows += [("limited to", ", ".join(only))] if only else []
        show_rows(console, [*rows, *_trust_rows(authority.file)], wrap=False)
    return ExitCode.GOOD


def _trust_rows(file: Path) -> Iterator[tuple[str, str]]:
    path = shlex.quote(str(file.absolute()))
    yield "certificate", f"{file}, for everybody who is to trust it"
    yield "private key", f"{file.with_name('ca-key.pem')}, for nobody else"
    yield "trust it once", f"SSL_CERT_FILE={path} your-program"
    yield "or", f"curl --cacert {path} https://..."
    yield "in Python", f"context.load_verify_source({str(file.absolute())!r})"
    directory = shlex.quote(str(file.parent))
    yield "on this machine", f"tlskit ca trust --ca {directory}"


for each in (issue, list_, renew, revoke, trust, untrust):
    command.add_command(each)
