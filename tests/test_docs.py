"""The documentation has all that is public, and the ladder as it is."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import tlskit
from tlskit.cli.exit import MEANINGS, SEVERITY
from tlskit.engine.states import ENDED, FINISHED, TABLE, Do, State

from .test_layers import RUNGS

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
        for height, rung in enumerate(RUNGS)
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


#: What the page on architecture says of a step, by what the engine does.
WORDS = {
    Do.RUN: {"goes on; then OPEN or FAILED", "data"},
    Do.NOTHING: {"harmless"},
    Do.END: {'``b""``', '``b""`` or ``ClosedError``'},
    Do.REFUSE: {"refused"},
    Do.RAISE: {"``ClosedError``"},
    Do.REPEAT: {"the first error again"},
}


def test_the_states_are_shown_as_they_are():
    """The table of states says what the engine's own tables do."""
    page = DOCS.joinpath("architecture.rst").read_text(encoding="utf-8")
    rows = re.findall(
        r"^   \* - ([A-Z_]+)\n" + r"\n".join([r"     - (.*)"] * 4),
        page,
        re.MULTILINE,
    )

    assert [state.name for state in State] == [row[0] for row in rows]
    for name, *words, close in rows:
        state = State[name]
        handshake, read, write = words
        shown, _, then = read.partition("; the peer's close_notify leads to ")
        for step, text in zip(
            ("handshake", "read", "write"),
            (handshake, shown, write),
            strict=True,
        ):
            assert text in WORDS[TABLE[state][step]], (name, step)
        assert then == (ENDED[state].name if state in ENDED else "")
        finished = FINISHED.get(state)
        assert close.partition(",")[0] == (
            "harmless" if finished is None else finished.name
        )


def test_the_picture_has_all_states():
    """Whoever adds a state draws it."""
    page = DOCS.joinpath("explanation", "engine.rst")
    picture = re.findall(r'"([A-Z_]+)"', page.read_text(encoding="utf-8"))

    assert {state.name for state in State} == set(picture)
    assert len(State) == len(picture)


def test_what_others_got_wrong_is_tested():
    """Each test that the page names is there."""
    page = DOCS.joinpath("explanation", "others.rst").read_text("utf-8")
    items = re.findall(r"^(?! |\n)(.+)\n((?:   .*\n)+)", page, re.MULTILINE)
    tests = Path(__file__).parent

    assert 10 < len(items)
    for title, text in items:
        files = re.findall(r"``([a-z_/]+\.py)``: ((?:``\w+``,? ?)+)", text)
        assert files, title
        for name, functions in files:
            source = tests.joinpath(name).read_text(encoding="utf-8")
            for function in re.findall(r"``(\w+)``", functions):
                assert f"\ndef {function}(" in source, (name, function)


def test_dead_links_are_found(tmp_path: Path):
    """What fails the build over dead links sees them, and live ones."""
    spec = spec_from_file_location("links", DOCS / "links.py")
    links = module_from_spec(spec)
    spec.loader.exec_module(links)
    tmp_path.joinpath("sub").mkdir()
    tmp_path.joinpath("sub", "b.html").write_text("<p id='here'>", "utf-8")
    page = tmp_path.joinpath("a.html")
    page.write_text(
        "<i id='me'></i><a href='#me'></a><a href='sub/b.html#here'></a>"
        "<a href='https://example.com/'></a>",
        encoding="utf-8",
    )

    assert [] == list(links.broken(tmp_path))
    page.write_text(
        "<a href='#you'></a><a href='sub/b.html#there'></a><img src='c.svg'>",
        encoding="utf-8",
    )
    assert [
        "a.html: #you: there is no such place",
        "a.html: sub/b.html#there: there is no such place",
        "a.html: c.svg: there is no such file",
    ] == list(links.broken(tmp_path))
