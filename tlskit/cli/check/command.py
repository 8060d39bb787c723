"""``tlskit check``: are these servers as they should be?"""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import click

from ...policy.policies import policies
from ..calling import (
    Amount,
    Caller,
    Share,
    alpn_offer,
    alpn_option,
    calling_options,
    credential_options,
    crl_option,
    identify,
    trusting,
    watch_messages,
)
from ..console import OUTPUT_OPTION, check_output, open_console
from ..disk import write_output
from ..exit import SEVERITY, ExitCode
from ..inspect.logged import Logs, log_list_option
from ..target import Target, read_targets
from .finding import Finding, Held, Patience, examine
from .formats import PRINTERS, Layout, unknown
from .policies import Rule
from .round import Round

__all__ = ["command"]

_NAGIOS = "nagios"
_EPILOG = f"""\b
Examples:
  tlskit check example.org
  tlskit check example.org:8443 192.0.2.1 '[2001:db8::1]:443'
  tlskit check --starttls smtp mail.example.org
  tlskit check --min-days 30 --json --file hosts.txt
  tlskit check --policy 2026-12-pq example.org
  tlskit check --failing --file hosts.txt
  grep -v '^#' hosts.txt | tlskit check --file - --format prometheus

The exit status, which tlskit --help explains, is that of the worst host;
from good to bad: {", ".join(str(each.value) for each in SEVERITY)}.
With --format nagios it is that of a plug-in: 0 if all are good, 1 if a
certificate expires soon, 2 if something is worse, and 3 if the check itself
could not be done.

Ctrl-C ends the check, and shows what was found until then."""


class _Command(click.Command):
    """Tells a monitoring system of its own failures as of any others."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """See ``click.Command``."""
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            if _style_in(given) != _NAGIOS:
                raise
            _give_up(error)

    def invoke(self, ctx: click.Context) -> Any:
        """See ``click.Command``."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, OSError) as error:
            # Whoever reads from us may have gone: click knows that case.
            gone = isinstance(error, BrokenPipeError)
            if gone or _style_of(**ctx.params) != _NAGIOS:
                raise
            _give_up(error)


def _style_in(arguments: list[str]) -> str | None:
    """Find the format in arguments that could not all be read."""
    found = None
    for each, after in pairwise([*arguments, ""]):
        if each == "--":
            break
        if each == "--format":
            found = after
        elif each.startswith("--format="):
            found = each.partition("=")[2]
    return found


def _style_of(*, style: str, as_json: bool, **_others: object) -> str:
    return "json" if as_json else style


def _give_up(error: click.ClickException | OSError) -> NoReturn:
    words = (
        error.format_message()
        if isinstance(error, click.ClickException)
        else str(error)
    )
    status = unknown(open_console(), words)
    raise click.exceptions.Exit(status) from error


@click.command("check", cls=_Command, epilog=_EPILOG)
@click.argument("hosts", nargs=-1, metavar="HOST[:PORT]...")
@click.option(
    "--file",
    metavar="FILE",
    help="Check the hosts in this file, too: one a line, # begins a "
    "comment; - is stdin.",
)
@calling_options
@crl_option
@credential_options
@click.option(
    "--min-days",
    type=Amount(0, 36500),
    metavar="N",
    help="Complain when a certificate is good for fewer days.  [default: 14, "
    "or a quarter of its lifetime if that is less]",
)
@click.option(
    "--policy",
    type=click.Choice(tuple(policies())),
    help="Offer what this dated policy allows, and say where a server does "
    "not keep to it.",
)
@click.option(
    "--min-life",
    type=Share(),
    metavar="PERCENT",
    help="Complain when less than this share of a certificate's lifetime is "
    "left, such as 25%; beside --min-days, whichever comes first.",
)
@log_list_option
@alpn_option
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
@click.option(
    "--failing",
    is_flag=True,
    help="Leave out the hosts that are good; if all are, print nothing.",
)
@OUTPUT_OPTION
@click.option(
    "-q", "--quiet", is_flag=True, help="Show no bar, and no summary."
)
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
    cert: Path | None,
    key: Path | None,
    min_days: float | None,
    min_life: float | None,
    alpn: tuple[str, ...],
    jobs: int,
    style: str,
    as_json: bool,
    failing: bool,
    output: Path | None,
    policy: str | None,
    logs: Logs,
    quiet: bool,
) -> ExitCode:
    """Connect to servers, verify them, and give each a line.

    The verdict comes first.  Then: the version of TLS, the key exchange and
    whether it withstands quantum computers, the application protocol, how
    long the certificates are good, whether the server asks for a client
    certificate, the kind of its key with the same question, and the chain to
    the root.  Between them, how many Certificate Transparency logs have been
    told of it, if any were.

    Nothing is sent but the handshake.  Where something is wrong, tlskit
    explain tells the whole story.
    """
    style = _style_of(style=style, as_json=as_json)
    if failing and style == "prometheus":
        raise click.UsageError(
            "--failing leaves out hosts, and --format prometheus has series "
            "of all"
        )
    if output is not None:
        check_output(output)
    context = trusting(ca, crl)
    identify(context, cert, key)
    watch_messages(context)
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
    held = None
    if policy is not None:
        held = Held(Rule(policy), caller)
        caller = _held_to(policy, caller)
    targets = [caller.target(each) for each in hosts]
    if file is not None:
        targets += read_targets(file, caller.port)
    if not targets:
        raise click.UsageError("which hosts?  Name one, or use --file")
    patience = Patience(min_days, min_life)

    def check(target: Target) -> Finding:
        return examine(caller, target, patience, held, logs)

    show = PRINTERS[style]
    found = Round(targets, check, workers=jobs, quiet=quiet)
    layout = Layout(failing=failing, quiet=quiet)
    if output is None:
        return show(open_console(), found, layout)
    written = io.StringIO()
    status = show(open_console(file=written), found, layout)
    if not found.interrupted:
        write_output(output, written.getvalue())
    return status


def _held_to(policy: str, caller: Caller) -> Caller:
    """Offer only what a policy allows."""
    context = caller.context.copy()
    context.set_policy(policy)
    context.seal()
    return replace(caller, context=context)
