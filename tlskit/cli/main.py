"""``tlskit``, the command line: one module for each subcommand."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import click

from .. import __version__
from .console import complain
from .exit import MEANINGS, ExitCode, exit_code
from .groups import SuggestingGroup

__all__ = ["ExitCode", "group", "run"]

_EPILOG = "\b\nExit status:\n" + "\n".join(
    f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items()
)

_COMMANDS = {
    "ca": "ca.command",
    "check": "check.command",
    "connect": "connect.command",
    "demo": "demo.command",
    "doctor": "doctor",
    "explain": "explain.command",
    "inspect": "inspect.command",
    "serve": "serve.command",
}


class _Commands(SuggestingGroup):
    """Loads a subcommand when it is called: each needs much of its own."""

    def list_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's interface
    ) -> list[str]:
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's interface
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f".{_COMMANDS[cmd_name]}", __package__)
        command: click.Command = module.command
        return command


def _show_manual(
    ctx: click.Context, _option: click.Parameter, wanted: bool
) -> None:
    if wanted and not ctx.resilient_parsing:
        from .manual.page import manual

        click.echo(manual(group))
        ctx.exit()


@click.group(
    "tlskit",
    cls=_Commands,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(
    __version__, "-V", "--version", message="%(prog)s %(version)s"
)
@click.option(
    "--man",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_manual,
    help="Print the manual page, for man(1), and exit.",
)
@click.pass_context
def group(context: click.Context) -> None:
    """TLS you can see: try it, serve it, and find out what is wrong.

    Certificates are verified, and every wait ends.  Begin with: tlskit demo
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.USAGE)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and give the process's exit status.

    Args:
        arguments: Those after the program's name; None takes the process's.
    """
    try:
        return int(
            group.main(arguments, prog_name="tlskit", standalone_mode=False)
            or ExitCode.GOOD
        )
    except click.ClickException as error:
        # click's own status for this, 2, means something else here.
        error.show()
        return ExitCode.USAGE
    except click.Abort:
        return ExitCode.INTERRUPTED
    except OSError as error:  # All of tlskit's errors are.
        complain(error)
        return exit_code(error)
