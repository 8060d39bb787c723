"""``tlskit check``: are these servers as they should be?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..calling import Amount, Caller, calling_options, crl_option, trusting
from ..console import open_console
from ..exit import SEVERITY, ExitCode
from ..target import Target, read_targets
from ..threads import in_threads
from .finding import Finding, examine
from .formats import PRINTERS, Layout

__all__ = ["command"]

#: What is offered where HTTP is likely, for the servers' answer.
_ALPN = ("h2", "http/1.1")
_EPILOG = f"""\b
Examples:
  tlskit check example.org
  tlskit check example.org:8443 192.0.2.1 '[2001:db8::1]:443'
  tlskit check --starttls smtp mail.example.org
  tlskit check --min-days 30 --json --file hosts.txt
  grep -v '^#' hosts.txt | tlskit check --file - --format prometheus

The exit status, which tlskit --help explains, is that of the worst host;
from good to bad: {", ".join(str(each.value) for each in SEVERITY)}.
With --format nagios it is that of a plug-in: 0 if all are good, 1 if a
certificate expires soon, else 2."""


@click.command("check", epilog=_EPILOG)
@click.argument("hosts", nargs=-1, metavar="HOST[:PORT]...")
@click.option(
    "--file",
    metavar="FILE",
    help="Check the hosts in this file, too: one a line, # begins a "
    "comment; - is stdin.",
)
@calling_options
@crl_option
@click.option(
    "--min-days",
    type=Amount(0, 36500),
    default=14.0,
    show_default=True,
    metavar="N",
    help="Complain when a certificate is good for fewer days.",
)
@click.option(
    "--alpn",
    multiple=True,
    metavar="NAME",
    help="Offer this application protocol; may be repeated.  [default: "
    f"{', '.join(_ALPN)}; none with --starttls]",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    metavar="N",
    help="Check so many hosts at a time.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(tuple(PRINTERS)),
    default="text",
    show_default=True,
    help="Print this way.",
)
@click.option("--json", "as_json", is_flag=True, help="Like --format json.")
def command(
    *,
    hosts: tuple[str, ...],
    file: str | None,
    starttls: str | None,
    name: str | None,
    identity: str | None,
    ca: tuple[Path, ...],
    crl: tuple[Path, ...],
    timeout: float,
    proxy: str | None,
    min_days: float,
    alpn: tuple[str, ...],
    jobs: int,
    style: str,
    as_json: bool,
) -> ExitCode:
    """Connect to servers, verify them, and give each a line.

    The verdict comes first.  Then: the version of TLS, the key exchange and
    whether it withstands quantum computers, the application protocol, how
    long the certificates are good, and their chain to the root.

    Nothing is sent but the handshake.  Where something is wrong, tlskit
    explain tells the whole story.
    """
    context = trusting(ca, crl)
    context.seal()
    if not alpn and starttls is None:
        alpn = _ALPN
    caller = Caller(
        context, starttls, name, timeout, alpn, proxy=proxy, identity=identity
    )
    targets = [caller.target(each) for each in hosts]
    if file is not None:
        targets += read_targets(file, caller.port)
    if not targets:
        raise click.UsageError("which hosts?  Name one, or use --file")

    def check(target: Target) -> Finding:
        return examine(caller, target, min_days)

    findings = in_threads(check, targets, workers=jobs)
    layout = Layout(
        width=max(len(str(each)) for each in targets), min_days=min_days
    )
    show = PRINTERS["json" if as_json else style]
    return show(_watched(findings, len(targets)), layout)


def _watched(findings: Iterable[Finding], count: int) -> Iterator[Finding]:
    """Show a bar on a terminal's stderr until all findings are there.

    Without one, they go on as they come: bar and lines would disturb each
    other.
    """
    console = open_console(stderr=True)
    # Colours may be forced where nobody sees how a bar grows.
    if count == 1 or not console.file.isatty():
        yield from findings
        return
    with Progress(
        TextColumn("checking"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        found = list(progress.track(findings, total=count))
    yield from found
