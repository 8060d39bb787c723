"""``tlskit --man``: the manual page, in the language of man(7).

A manual that is written by hand tells of options that are no more.  This one
is made of what ``--help`` shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from ... import __version__
from ..exit import MEANINGS

__all__ = ["manual"]

_ENVIRONMENT = {
    "NO_COLOR": "No colours, if it is set to something (https://no-color.org).",
    "SSL_CERT_FILE": "A PEM file of roots, instead of those of this machine.",
    "SSL_CERT_DIR": "A hashed directory of roots to trust.",
    "HTTPS_PROXY": "The proxy of --proxy HTTPS_PROXY.",
}


def manual(group: click.Group) -> str:
    """Give the manual page of *group* and all its subcommands."""
    return "\n".join(_lines(group))


def _lines(group: click.Group) -> Iterator[str]:
    yield f'.TH TLSKIT 1 "" "tlskit {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "tlskit \\- try TLS, serve it, and find out what is wrong"
    yield ".SH SYNOPSIS"
    yield ".B tlskit"
    yield ".I COMMAND"
    yield "[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]"
    yield ".SH DESCRIPTION"
    yield from _text(group.help or "")
    context = click.Context(group, info_name="tlskit")
    for name, command in _commands(group, context, "tlskit"):
        yield f".SH {_escaped(name.upper())}"
        yield from _command(name, command)
    yield ".SH EXIT STATUS"
    for code, meaning in MEANINGS.items():
        yield from _tagged(str(code.value), meaning)
    yield ".SH ENVIRONMENT"
    for name, meaning in _ENVIRONMENT.items():
        yield from _tagged(name, meaning)


def _commands(
    parent: click.Group, context: click.Context, path: str
) -> Iterator[tuple[str, click.Command]]:
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            inner = click.Context(command, info_name=name, parent=context)
            yield from _commands(command, inner, f"{path} {name}")


def _command(name: str, command: click.Command) -> Iterator[str]:
    arguments = [
        each.metavar or (each.name or "").upper()
        for each in command.params
        if isinstance(each, click.Argument)
    ]
    yield f".B {_escaped(name)}"
    yield _escaped(" ".join(("[OPTIONS]", *arguments)))
    yield ".PP"
    yield from _text(command.help or "")
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden:
            yield from _tagged(_names(each), _help(each))
    if command.epilog:
        yield ".PP"
        yield from _text(command.epilog)


def _names(option: click.Option) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag or option.count:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} [{'|'.join(map(str, option.type.choices))}]"
    return f"{names} {option.metavar or option.type.name.upper()}"


def _help(option: click.Option) -> str:
    words = option.help or ""
    if option.show_default and not option.is_flag:
        default = option.default
        shown = f"{default:g}" if isinstance(default, float) else default
        words += f"  [default: {shown}]"
    return words


def _tagged(tag: str, words: str) -> Iterator[str]:
    yield ".TP"
    yield f"\\fB{_escaped(tag)}\\fR"
    yield _escaped(" ".join(words.split()))


def _text(words: str) -> Iterator[str]:
    """Show paragraphs; those that click must not wrap stay as they are."""
    for paragraph in re.split(r"\n\s*\n", words.replace("\f", "").strip()):
        lines = [line.strip() for line in paragraph.split("\n")]
        if lines[0] == "\b":
            yield ".nf"
            yield from (_escaped(line) for line in lines[1:])
            yield ".fi"
        else:
            yield _escaped(" ".join(lines))
        yield ".PP"


def _escaped(text: str) -> str:
    """Have text mean itself, at the beginning of a line, too."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{safe}" if safe.startswith(".") else safe
