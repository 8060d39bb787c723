"""Servers to look at, as the command line and lists name them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ..errors import ConfigurationError
from .places import Place as Target
from .places import parse_place

__all__ = ["Target", "parse_target", "read_targets"]

_EXAMPLES = "example.org, example.org:8443, 192.0.2.1 or [2001:db8::1]:443"


def parse_target(text: str, port: int) -> Target:
    """Parse a host with or without a port; the start of a URL will do.

    Args:
        text: A host name or an IP address; of IPv6 in brackets, if a port
            follows.
        port: For want of another.

    Raises:
        click.BadParameter: It is something else.
    """
    place = text.strip()
    if "://" in place:
        place = place.partition("://")[2].partition("/")[0]
    if place.count(":") == 1:
        place = place.removesuffix(":")
    try:
        return parse_place(place, port)
    except ConfigurationError as error:
        raise click.BadParameter(
            f"{text!r} is no host: {error}; such as {_EXAMPLES}"
        ) from None


def read_targets(path: str, port: int) -> Iterator[Target]:
    """Read a list of hosts: one a line, ``#`` begins a comment.

    Args:
        path: A file's; ``-`` is stdin.
        port: For lines without one.

    Raises:
        click.BadParameter: A line is no host, or the file can't be read.
    """
    if path == "-":
        yield from _parsed(sys.stdin, "stdin", port)
        return
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"can't read {path!r}: {error}") from None
    yield from _parsed(lines, path, port)


def _parsed(lines: Iterable[str], name: str, port: int) -> Iterator[Target]:
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            yield parse_target(words, port)
        except click.BadParameter as error:
            raise click.BadParameter(
                f"line {number} of {name}: {error.message}"
            ) from None
