"""What all environments of tox came to: tests, what was skipped, coverage.

``python summary.py combine WORK_DIR`` puts the environments' measurements
together, ``python summary.py report WORK_DIR`` reads what they left in the
folder of tox.  Every line and every branch has to be covered where all
that covers them ran; where it could not run, the report says what was missing
and demands nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

__all__ = [
    "Totals",
    "combine",
    "missing_for_coverage",
    "read",
    "report",
    "words",
]

#: The environments that have to be measured before coverage is demanded: no
#: other ones reach what only the oldest packages, only the newest Python, or
#: only a run without private names reaches.
MEASURED = ("oldest", "public", "py313")
#: What can be missing, and all is covered by other tests.
SPARE = frozenset({"chromium", "groff", "javac", "keytool", "node", "rtls"})
#: Reasons to skip that say that something of this machine is missing.
_ABSENT = re.compile(
    r"(?P<what>[\w.+-]+) is not installed|needs (?P<need>\w+( descriptors)?)"
)


class Totals(NamedTuple):
    """What the tests of some environments came to."""

    passed: int
    failed: int
    #: How many were skipped, by the reason.
    skipped: Counter[str]
    #: The same, of the tests that ran in none of the environments.
    never_ran: Counter[str]


def _reason(element: ElementTree.Element) -> str:
    message = element.get("message", "")
    return message.removeprefix("Skipped: ")


class _Case(NamedTuple):
    test: tuple[str, str]
    outcome: str
    reason: str


def _cases(path: Path) -> Iterator[_Case]:
    for case in ElementTree.parse(path).iter("testcase"):
        test = case.get("classname", ""), case.get("name", "")
        outcome, reason = "passed", ""
        for child in case:
            if child.tag in {"failure", "error"}:
                outcome = "failed"
            elif child.tag == "skipped":
                outcome, reason = "skipped", _reason(child)
        yield _Case(test, outcome, reason)


def read(reports: Path) -> Totals:
    """Add up the JUnit files in the folder *reports*."""
    paths = sorted(reports.glob("*.xml"))
    cases = [case for path in paths for case in _cases(path)]
    counts = Counter(case.outcome for case in cases)
    ran = {case.test for case in cases if case.outcome != "skipped"}
    skipped = [case for case in cases if case.outcome == "skipped"]
    return Totals(
        counts["passed"],
        counts["failed"],
        Counter(case.reason for case in skipped),
        Counter(case.reason for case in skipped if case.test not in ran),
    )


def absent(skipped: Counter[str]) -> list[str]:
    """Name what this machine lacks, from the reasons to skip tests."""
    found = map(_ABSENT.fullmatch, skipped)
    return sorted({one["what"] or one["need"] for one in found if one})


def words(totals: Totals) -> str:
    """Put it into two lines, for the end of the output."""
    skipped = sum(totals.skipped.values())
    lines = [
        f"{totals.passed} passed, {totals.failed} failed, {skipped} skipped"
    ]
    lacking = absent(totals.never_ran)
    if lacking:
        which = ", ".join(f"no {name}" for name in lacking)
        count = sum(
            times
            for reason, times in totals.never_ran.items()
            if _ABSENT.fullmatch(reason)
        )
        lines.append(f"{count} tests skipped: {which}")
    return "\n".join(lines)


def missing_for_coverage(work: Path, totals: Totals) -> list[str]:
    """Tell what did not run, and without which not all can be covered."""
    measured = {
        path.name.split(".")[2]
        for path in work.joinpath("coverage").glob(".coverage.*")
    }
    return [
        *(name for name in MEASURED if name not in measured),
        *(each for each in absent(totals.never_ran) if each not in SPARE),
    ]


def combine(work: Path) -> int:
    """Put all measurements together, if there are any; give the status."""
    if not list(work.joinpath("coverage").glob(".coverage.*")):
        print("No environment has measured its coverage here.")
        return 0
    # Kept, so that the report can tell who has measured.
    command = ("-m", "coverage", "combine", "--keep", work / "coverage")
    return subprocess.run([sys.executable, *command], check=False).returncode


def report(work: Path) -> int:
    """Print the summary; give 1 if coverage is demanded and not there."""
    totals = read(work / "junit")
    missing = missing_for_coverage(work, totals)
    status = 0
    if work.joinpath("coverage", ".coverage").exists():
        demanded = 0 if missing else 100
        command = ("-m", "coverage", "report", f"--fail-under={demanded}")
        status = subprocess.run(
            [sys.executable, *command], check=False
        ).returncode
    if missing:
        print(
            "Coverage is not demanded here, since this was missing: "
            + ", ".join(missing)
        )
    print(words(totals))
    return status


if __name__ == "__main__":
    sys.exit(
        {"combine": combine, "report": report}[sys.argv[1]](Path(sys.argv[2]))
    )
