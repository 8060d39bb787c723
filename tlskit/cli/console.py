"""How text and data leave the process: colours, JSON, and safe characters."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from .disk import write_output
from .hints import story_of

__all__ = [
    "OUTPUT_OPTION",
    "check_output",
    "complain",
    "open_console",
    "printable",
    "reporting",
    "show_hanging",
    "show_json",
    "show_rows",
]

F = TypeVar("F", bound=Callable[..., Any])


def open_console(
    *, stderr: bool = False, file: TextIO | None = None
) -> Console:
    """Make a console for stdout, for stderr, or for a file.

    It shows colours on a terminal only, and none at all, not even bold type,
    when ``NO_COLOR`` is set to something (https://no-color.org).
    """
    stream = file or (sys.stderr if stderr else _report() or sys.stdout)
    _never_fail(stream)
    console = _Console(
        file=stream,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        # Text from a certificate must not be read as markup.
        markup=False,
        emoji=False,
        highlight=False,
    )
    if not console.is_terminal:
        # Nobody looks at a file through a window of 80 columns.
        console.width = 10_000
    return console


_KEPT = "tlskit.report"


def _report() -> TextIO | None:
    """Give what keeps this command's output; None lets it out."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_KEPT)


def check_output(path: Path) -> None:
    """See that there is a directory for it, before all is done in vain.

    Raises:
        click.BadParameter: There is none.
    """
    if not path.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no directory for {path}")


def reporting(function: F) -> F:
    """Give a subcommand ``--output`` and ``--quiet``, for all it prints.

    What goes to stderr goes there still.
    """

    @wraps(function)
    def report(
        *args: Any, output: Path | None, quiet: bool, **keywords: Any
    ) -> Any:
        if output is None and not quiet:
            return function(*args, **keywords)
        if output is not None:
            check_output(output)
        kept = click.get_current_context().meta[_KEPT] = io.StringIO()
        status = function(*args, **keywords)
        if output is not None:
            write_output(output, kept.getvalue())
        return status

    for option in reversed(_REPORT_OPTIONS):
        report = option(report)
    return cast("F", report)


OUTPUT_OPTION = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file instead of stdout, whole or not at all.",
)
_REPORT_OPTIONS = (
    OUTPUT_OPTION,
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        help="Print nothing but errors; the exit status tells.",
    ),
)


class _Console(Console):
    """A console that does not end the process by itself."""

    def on_broken_pipe(self) -> None:
        """Let the error out; rich would raise SystemExit in any thread."""
        raise  # noqa: PLE0704 - rich calls this while it handles the error


def _never_fail(stream: TextIO) -> None:
    """Write what the encoding lacks as escapes, instead of raising."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """Escape control characters, which a peer may have put into *text*.

    A terminal would obey them: they can colour a refusal green.  Characters
    that turn the direction of writing are escaped, too.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def show_hanging(console: Console, head: Text, body: Text) -> None:
    """Print a line; what a terminal has no room for goes below *body*.

    No word is broken: a terminal does that to those that are longer than a
    line, and they can still be copied.
    """
    left = head.cell_len
    room = max(20, console.width - left)
    for piece in body.divide(_breaks(body.plain, room)):
        line = head + piece
        line.rstrip()
        console.print(line, soft_wrap=True)
        head = Text(" " * left)


def _breaks(text: str, room: int) -> list[int]:
    """Find where to go on in the next line, between words only."""
    found, used = [], 0
    for word in re.finditer(r"\S+\s*", text):
        if used and used + cell_len(word.group().rstrip()) > room:
            found.append(word.start())
            used = 0
        used += cell_len(word.group())
    return found


def show_rows(
    console: Console,
    pairs: Iterable[tuple[str, str]],
    *,
    indent: int = 2,
    wrap: bool = True,
) -> None:
    """Print labels and values in two columns.

    Args:
        console: Where to.
        pairs: Each row's label and value; a value's lines stay lines.
        indent: How far from the left, in columns.
        wrap: Whether to wrap values at the terminal's edge; what is to be
            copied from there had better stay whole.
    """
    known = [(printable(label), value) for label, value in pairs]
    left = indent + 2 + max((len(label) for label, _ in known), default=0)
    for label, value in known:
        head = " " * indent + label
        for line in value.split("\n"):
            text = Text(printable(line))
            room = max(20, console.width - left)
            for piece in text.wrap(console, room) if wrap else [text]:
                row = Text.assemble((head.ljust(left), "cyan"), piece)
                row.rstrip()
                console.print(row, soft_wrap=True)
                head = ""


def show_json(
    console: Console, data: Mapping[str, object], *, indent: int | None = 2
) -> None:
    """Print one JSON object; in one line if *indent* is None."""
    console.out(json.dumps(data, indent=indent), highlight=False)


def complain(error: BaseException) -> None:
    """Tell on stderr what went wrong, and what to do about it."""
    first, *rest = story_of(error).split("\n")
    console = open_console(stderr=True)
    console.print(
        Text.assemble(("tlskit: ", "bold red"), printable(first)),
        soft_wrap=True,
    )
    for line in rest:
        console.print(Text(f"  {printable(line)}"), soft_wrap=True)
