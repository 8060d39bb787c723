"""Make odd files with other programs, and write down what tlskit says.

``python -m interop.oddfiles [PROGRAM ...]`` runs the programs that are
installed, in a temporary folder, and writes the tables of the page
``docs/howto/odd-files.rst``; with names of programs it prints them instead.
Programs that are missing are named, and their rows are left out.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import shutil
import ssl
import sys
import tempfile
import warnings
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import tlskit

from . import (
    by_authorities,
    by_java,
    by_libraries,
    by_openssl,
    by_python,
    by_words,
)
from .odd import Odd, Program, path, run
from .saying import advised, answer
from .verdicts import reason, verdicts
from .words import cell

PROGRAMS: tuple[Program, ...] = (
    *by_openssl.PROGRAMS,
    *by_libraries.PROGRAMS,
    *by_java.PROGRAMS,
    *by_authorities.PROGRAMS,
    *by_python.PROGRAMS,
    *by_words.PROGRAMS,
)
PAGES = Path(__file__).parents[2] / "docs" / "howto" / "odd-files"
Row = tuple[str, ...]


class Tables:
    """What is found out, row by row."""

    def __init__(self) -> None:
        self.programs: list[Row] = []
        self.files: list[Row] = []
        self.verdicts: list[Row] = []
        #: What went wrong here; tlskit's words are no such thing.
        self.faults: list[str] = []

    def add(self, program: Program, folder: Path) -> None:
        """Run one program."""
        version = program.version_in(folder)
        self.programs.append((program.name, version))
        if program.first:
            done = run(program.first, folder)
            if done.returncode:
                self.faults.append(f"{program.name}: {done.stderr[-500:]}")
                return
        for odd in program.odds:
            done = run(odd.command, folder)
            if done.returncode or not (folder / odd.file).exists():
                words = f"{program.name}, {odd.what}: {done.stderr[-500:]}"
                self.faults.append(words)
                continue
            self._look(f"{program.name} {version}", odd, folder)

    def _look(self, maker: str, odd: Odd, folder: Path) -> None:
        said = answer(odd, folder / odd.file)
        hint = said.hint or "nothing" if said.good else said.hint
        try:
            if advised(odd, folder, said):
                hint += " (tried: then it is read)"
        except RuntimeError as error:
            self.faults.append(str(error))
        self.files.append((maker, odd.what, said.words, hint))
        if odd.roots:
            found = verdicts(odd, folder)
            words = tuple(each or "accepts" for each in found)
            why = "" if found.agreed else reason(odd, folder, found)
            if why == "?":
                self.faults.append(f"{maker}, {odd.what}: why? {found}")
            self.verdicts.append((maker, odd.what, *words, why))


def is_there(need: str) -> bool:
    """Look for a command, or for a module of this Python."""
    kind, _, name = need.rpartition(":")
    if kind == "python":
        return importlib.util.find_spec(name) is not None
    return shutil.which(need, path=path()) is not None


def _table(heads: Row, rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(tuple(map(cell, row)) for row in rows)
    return text.getvalue()


def _texts(tables: Tables, missing: list[str]) -> dict[str, str]:
    """Give each file of the documentation."""
    differing = sum(1 for row in tables.verdicts if row[-1])
    summary = (
        f"Made on {datetime.now(timezone.utc):%Y-%m-%d}: "
        f"{len(tables.files)} files by {len(tables.programs)} programs; "
        f"{len(tables.verdicts)} chains with a verdict, of which the three "
        f"differ about {differing}.\n"
    )
    if missing:
        summary += f"Not installed were: {', '.join(missing)}.\n"
    return {
        "summary.txt": summary,
        "programs.csv": _table(
            ("Program", "Version"),
            (
                *tables.programs,
                ("tlskit", tlskit.__version__),
                ("OpenSSL in tlskit", tlskit.library.version()),
                ("Python's ssl", f"{sys.version.split()[0]}, {_ssl()}"),
            ),
        ),
        "files.csv": _table(
            ("Made by", "What", "tlskit says", "What to do"), tables.files
        ),
        "verdicts.csv": _table(
            (
                *("Made by", "What", "tlskit", "openssl verify"),
                *("Python's ssl", "Why they differ"),
            ),
            tables.verdicts,
        ),
    }


def _ssl() -> str:
    return " ".join(ssl.OPENSSL_VERSION.split()[:2])


def main() -> int:
    """Make the files and the tables.

    Returns:
        The exit status: 1 if a program failed, an advice did not help, or a
        difference has no reason.
    """
    warnings.simplefilter("ignore")
    names = sys.argv[1:]
    tables, missing = Tables(), []
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        for number, program in enumerate(PROGRAMS):
            if names and program.name not in names:
                continue
            if not all(map(is_there, program.needs)):
                missing.append(program.name)
                continue
            folder = Path(root) / str(number)
            folder.mkdir()
            tables.add(program, folder)
    for name, text in _texts(tables, missing).items():
        if names:
            print(text)
            continue
        PAGES.mkdir(exist_ok=True)
        (PAGES / name).write_text(text)
    for each in (*missing, *tables.faults):
        print(each, file=sys.stderr)
    return 1 if tables.faults else 0


if __name__ == "__main__":
    sys.exit(main())
