"""The documentation has all that is public, and the ladder as it is."""

from __future__ import annotations

import re
from pathlib import Path

import tlskit
from tlskit.cli._exit import MEANINGS, SEVERITY

from .test_layers import LADDER

DOCS = Path(__file__).parent.parent / "docs"


def test_every_public_name_is_in_the_reference():
    """What ``tlskit`` exports has an entry in the API reference."""
    pages = [
        path.read_text(encoding="utf-8")
        for path in DOCS.joinpath("api").glob("*.rst")
    ]
    entries = re.findall(
        r"^\.\. (?:auto)?(?:class|data|function):: (\w+)$",
        "\n".join(pages),
        re.MULTILINE,
    )
    # Shown as a module.
    whole = {"library"}

    assert set() == set(tlskit.__all__) - set(entries) - whole


def test_the_ladder_is_shown_as_it_is_tested():
    """The table in the page on architecture is the one that is executed."""
    page = DOCS.joinpath("architecture.rst").read_text(encoding="utf-8")
    table = page.split(".. ladder\n")[1].split(".. end of the ladder")[0]
    rows = re.findall(r"^   \* - (\d+)\n     - (.*)$", table, re.MULTILINE)

    assert [
        (str(height), [f"``{name}``" for name in rung.split()])
        for height, rung in enumerate(LADDER)
    ] == [(height, names.split()) for height, names in rows]


def test_the_exit_statuses_are_documented():
    """The page has every status with its meaning, and the order."""
    page = DOCS.joinpath("cli.rst").read_text(encoding="utf-8")
    table = page.split(".. exit statuses\n")[1].split(".. end of the")[0]
    rows = re.findall(r"^   \* - (\d+)\n     - (.*)$", table, re.MULTILINE)
    order = ", ".join(str(code.value) for code in SEVERITY)

    assert [(str(k.value), v) for k, v in MEANINGS.items()] == rows
    assert f"from good to bad: {order}." in page


def test_the_pictures_are_there():
    """Each picture that the page shows is one that the script makes."""
    page = DOCS.joinpath("cli.rst").read_text(encoding="utf-8")
    shown = re.findall(r"^\.\. image:: (\S+)$", page, re.MULTILINE)

    assert ["demo", "check", "explain"] == [Path(each).stem for each in shown]
    assert all(DOCS.joinpath(each).is_file() for each in shown)
