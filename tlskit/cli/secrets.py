"""Passwords for encrypted files: from a file or a variable, never shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from .material import read_bounded

__all__ = ["password_from", "password_options"]

F = TypeVar("F", bound=Callable[..., Any])

_LONGEST = 4096


def password_options(function: F) -> F:
    """Add the three options to a command; ``password_from`` reads them."""
    for option in (
        click.option(
            "--ask-password",
            is_flag=True,
            help="Ask for the password, on this terminal.",
        ),
        click.option(
            "--password-env",
            metavar="VARIABLE",
            help="Take the password from this variable of the environment.",
        ),
        click.option(
            "--password-file",
            metavar="FILE",
            help="Take the password from this file's first line.",
        ),
    ):
        function = option(function)
    return function


def password_from(
    file: str | None, variable: str | None, *, ask: bool
) -> bytes | None:
    """Get the password, or None if nobody said where it is.

    Args:
        file: The path of a file; its first line counts.
        variable: The name of an environment variable.
        ask: Whether to ask on the terminal, if there is one.

    Raises:
        click.UsageError: It can't be had that way.
        CredentialError: The file can't be read.
    """
    if sum((file is not None, variable is not None, ask)) > 1:
        raise click.UsageError(
            "one of --password-file, --password-env and --ask-password is "
            "enough"
        )
    if file is not None:
        return read_bounded(file, _LONGEST).split(b"\n", 1)[0].rstrip(b"\r")
    if variable is not None:
        found = os.environ.get(variable)
        if found is None:
            raise click.UsageError(f"there is no variable {variable}")
        return os.fsencode(found)
    if not ask:
        return None
    if not sys.stdin.isatty():
        raise click.UsageError("--ask-password needs a terminal")
    answer: str = click.prompt("Password", hide_input=True, err=True)
    return answer.encode()
