"""``examples/nightly``: what its units and alert rules ask for is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tlskit.cli.check.command import command
from tlskit.cli.check.formats import _METRICS
from tlskit.cli.exit import SEVERITY

NIGHTLY = Path(__file__).parents[2] / "examples" / "nightly"
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "every-night.rst"


def options(line, directory):
    """Read a command line as the command itself would."""
    words = shlex.split(line.partition("|")[0])
    at = words.index("check")
    assert words[at - 1].endswith("tlskit")
    files = {
        word: str(directory / "file")
        for word in words
        if word.startswith(("/etc/", "/var/"))
    }
    (directory / "file").touch()
    arguments = [files.get(word, word) for word in words[at + 1 :]]
    return command.make_context("check", arguments).params


def test_the_unit_runs_what_there_is(tmp_path):
    """Its options are the command's; every verdict is a success of the job."""
    unit = (NIGHTLY / "tlskit-check.service").read_text("utf-8")
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    (statuses,) = re.findall(r"^SuccessExitStatus=(.*)$", unit, re.MULTILINE)
    found = options(line, tmp_path)

    assert "prometheus" == found["style"]
    assert found["quiet"]
    assert {code.value for code in SEVERITY} - {0} == set(
        map(int, statuses.split())
    )


def test_the_alerts_know_the_metrics():
    """What the rules ask for is what --format prometheus prints."""
    rules = (NIGHTLY / "alerts.yml").read_text("utf-8")
    given = {name for name, *_ in _METRICS}

    assert given >= set(re.findall(r"tlskit_check_\w+", rules)) > set()


def test_the_page_shows_commands_that_exist(tmp_path):
    """Each line of the guide can be parsed."""
    lines = [
        line.strip().replace("17 5 * * *  nobody  ", "")
        for line in PAGE.read_text("utf-8").splitlines()
        if re.match(
            r" +(\S+ \S+ \* \* \*  nobody  )?(\S*/)?tlskit check", line
        )
    ]

    assert 5 == len(lines)
    for line in lines:
        assert options(line, tmp_path)["timeout"] == 10
