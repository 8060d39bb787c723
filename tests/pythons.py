"""Which Pythons tox finds here, and what each of them is to run.

A test need not run on every Python, but on at least one.  What starts
programs does not depend on Python: the newest runs it.  Other people's
libraries differ by Python: the newest and the oldest run those.  What these
two run as well, the Pythons between them share.  So a machine with one Python
runs everything on that one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

__all__ = ["NEWER", "SUPPORTED", "Share", "found_here", "promised", "share_of"]

#: Minor versions that share the tests; setup.cfg promises them.
SUPPORTED = range(10, 14)
#: Promised, too; one that is found runs everything for itself.
NEWER = range(14, 16)
_PATIENCE = 30.0  # Seconds, for an interpreter to start.


class Share(NamedTuple):
    """What one Python runs."""

    programs: bool  # The tests that start programs.
    libraries: bool  # Those of other people's libraries.
    part: int = 1  # Which part of the others, from 1.
    parts: int = 1


def _starts(minor: int) -> bool:
    # pyenv has a script for each Python that it knows, chosen or not.
    program = shutil.which(f"python3.{minor}")
    if program is None:
        return False
    command = [program, "-Ic", "import sys; print(sys.version_info[1])"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    return done.stdout.strip() == str(minor)


def found_here() -> set[int]:
    """Give the minor versions of the Pythons that start here."""
    mine = sys.version_info[1]
    return {mine, *filter(_starts, SUPPORTED)}


def share_of(minor: int, found: Collection[int]) -> Share:
    """Tell what the Python of this minor version runs beside the others."""
    newest, oldest = max(found), min(found)
    if minor == newest:
        return Share(programs=True, libraries=True)
    if minor == oldest:
        return Share(programs=False, libraries=True)
    between = sorted({*found} - {newest, oldest})
    return Share(
        programs=False,
        libraries=False,
        part=between.index(minor) + 1,
        parts=len(between),
    )


def promised(setup: Path) -> set[int]:
    """Read the minor versions that the classifiers of setup.cfg promise."""
    text = setup.read_text(encoding="utf-8")
    return set(
        map(int, re.findall(r"Python :: 3\.(\d+)$", text, re.MULTILINE))
    )
