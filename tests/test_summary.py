"""What tox is told at the end: who ran what, and what was missing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .pythons import (
    NEWER,
    SUPPORTED,
    Share,
    found_here,
    promised,
    share_of,
)
from .summary import SPARE, Totals, absent, missing_for_coverage, read, words

ROOT = Path(__file__).parent.parent
JUNIT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"><failure message="no"/></testcase>
<testcase name="c"><skipped message="openssl is not installed"/></testcase>
<testcase name="d"><skipped message="Skipped: needs IPv6"/></testcase>
<testcase name="e"><skipped message="runs only with --scan"/></testcase>
<testcase name="f"><error message="no"/></testcase>
</testsuite></testsuites>"""


def test_the_only_python_runs_all() -> None:
    """With one Python nothing is left to another one."""
    assert all(
        Share(programs=True, libraries=True) == share_of(minor, {minor})
        for minor in SUPPORTED
    )


def test_several_pythons_leave_nothing_out() -> None:
    """The newest runs all, the oldest libraries; the rest is shared."""
    shares = [share_of(minor, SUPPORTED) for minor in SUPPORTED]

    assert [
        Share(programs=False, libraries=True),
        Share(programs=False, libraries=False, part=1, parts=2),
        Share(programs=False, libraries=False, part=2, parts=2),
        Share(programs=True, libraries=True),
    ] == shares


def test_pythons_are_those_that_are_promised() -> None:
    """The supported versions are setup.cfg's; this one is found."""
    assert {*SUPPORTED, *NEWER} == promised(ROOT / "setup.cfg")
    assert sys.version_info[1] in found_here()


def test_a_python_that_does_not_start_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script of pyenv's for a Python that is not chosen is no Python."""
    for minor in SUPPORTED:
        script = tmp_path / f"python3.{minor}"
        script.write_text("#!/bin/sh\nexit 127\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert {sys.version_info[1]} == found_here()


def test_reports_are_added_up(tmp_path: Path) -> None:
    """Outcomes are counted over all environments, reasons kept."""
    for name in ("py313.xml", "public.xml"):
        tmp_path.joinpath(name).write_text(JUNIT)
    totals = read(tmp_path)

    assert (2, 4, 6) == (*totals[:2], totals.skipped.total())
    assert words(totals) == (
        "2 passed, 4 failed, 6 skipped\n4 tests skipped: no IPv6, no openssl"
    )


def test_what_ran_somewhere_is_not_missing(tmp_path: Path) -> None:
    """A package that one Python has is not missing on the others."""
    tmp_path.joinpath("oldest.xml").write_text(JUNIT)
    ran = JUNIT.replace(
        '<skipped message="openssl is not installed"/>', "<properties/>"
    )
    assert ran != JUNIT
    tmp_path.joinpath("py313.xml").write_text(ran)
    totals = read(tmp_path)

    assert ["IPv6"] == absent(totals.never_ran)
    assert ["IPv6", "openssl"] == absent(totals.skipped)


def test_nothing_is_missing() -> None:
    """Where only what was not asked for is skipped, one line is enough."""
    reasons = Counter({"runs only with --scan": 1})
    totals = Totals(1, 0, reasons, reasons)

    assert [] == absent(totals.never_ran)
    assert "1 passed, 0 failed, 1 skipped" == words(totals)


def test_coverage_is_demanded_where_all_ran(tmp_path: Path) -> None:
    """It needs three measurements, and every program."""
    coverage = tmp_path / "coverage"
    coverage.mkdir()
    full = Totals(1, 0, Counter(), Counter())
    reasons = Counter({"curl is not installed": 2})
    lacking = Totals(1, 0, reasons, reasons)

    assert ["oldest", "public", "py313"] == missing_for_coverage(
        tmp_path, full
    )
    for name in ("oldest", "public", "py313"):
        coverage.joinpath(f".coverage.{name}.host.1.x").touch()
    assert [] == missing_for_coverage(tmp_path, full)
    assert ["curl"] == missing_for_coverage(tmp_path, lacking)
    reasons = Counter({f"{each} is not installed": 1 for each in SPARE})
    spare = Totals(1, 0, reasons, reasons)
    assert [] == missing_for_coverage(tmp_path, spare)
    assert sorted(SPARE) == absent(spare.never_ran)


@pytest.mark.parametrize(
    ("covered", "absence", "status"),
    [(True, False, 0), (False, False, 2), (False, True, 0)],
)
def test_the_report_is_judged(
    tmp_path: Path, *, covered: bool, absence: bool, status: int
) -> None:
    """What is not covered fails the report, unless something was missing."""
    module = tmp_path / "module.py"
    module.write_text("import sys\nif len(sys.argv) > 1:\n    print()\n")
    coverage = tmp_path / "coverage"
    coverage.mkdir()
    tmp_path.joinpath("junit").mkdir()
    command = [sys.executable, "-m", "coverage", "run", "--data-file"]
    data = coverage / ".coverage"
    words = ["x"] if covered else []
    subprocess.run(
        [*command, data, module, *words], cwd=tmp_path, env={}, check=True
    )
    for name in ("oldest", "public", "py313")[absence:]:
        coverage.joinpath(f".coverage.{name}.x").touch()
    summary = Path(__file__).with_name("summary.py")
    done = subprocess.run(
        [sys.executable, summary, "report", tmp_path],
        cwd=tmp_path,
        env={"COVERAGE_FILE": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert status == done.returncode, done.stdout + done.stderr
    assert absence == ("Coverage is not demanded here" in done.stdout)
    assert done.stdout.endswith("0 passed, 0 failed, 0 skipped\n")


def test_nothing_was_measured(tmp_path: Path) -> None:
    """Without a measurement there is nothing to combine, and no failure."""
    summary = Path(__file__).with_name("summary.py")
    done = subprocess.run(
        [sys.executable, summary, "combine", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode
    assert "No environment has measured" in done.stdout
