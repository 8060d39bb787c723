"""What a file is that a program makes, and how the program is called."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PASSWORD", "Odd", "Program", "path", "run"]

#: Of whatever is encrypted here.
PASSWORD = "sesame"  # noqa: S105 - nothing worth keeping is behind it
SECONDS = 120


def path() -> str:
    """Say where programs are."""
    return f"{os.environ['PATH']}:/usr/share/easy-rsa:/usr/sbin"


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in *folder*, which is also its home."""
    surroundings = {
        "HOME": str(folder),
        "CAROOT": str(folder),
        "PATH": path(),
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(
        ["/bin/sh", "-e", "-c", command],
        cwd=folder,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )


@dataclass(frozen=True)
class Odd:
    """One file."""

    #: In words.
    what: str
    #: How it is made: a line of the shell, run in the program's own folder.
    command: str
    #: Its name there.
    file: str
    #: By what it is loaded: ``"key"``, ``"chain"``, ``"pkcs12"``, ``"roots"``
    #: or ``"crl"``.
    kind: str
    #: Whether it wants the password.
    encrypted: bool = False
    #: What does as the hint says, from OLD to NEW, and as what NEW is loaded.
    remedy: str = ""
    then: str = ""
    #: Of a chain: its key, whom it is for, and by whom it is issued.
    key: str = ""
    host: str = "box.example"
    roots: str = ""


@dataclass(frozen=True)
class Program:
    """One program and its files."""

    name: str
    #: What has to be installed: commands, or ``python:`` and a module.
    needs: tuple[str, ...]
    #: A line that prints the version, and where it is in that.
    version: str
    odds: tuple[Odd, ...]
    #: Run before all others.
    first: str = ""
    number: str = r"\d+(?:\.\d+)+\S*"

    def version_in(self, folder: Path) -> str:
        """Ask for the version."""
        found = run(self.version, folder)
        number = re.search(self.number, found.stdout + found.stderr)
        return number[0].strip("(),\"'") if number else "?"
