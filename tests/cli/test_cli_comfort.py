"""What makes the command line easy: suggestions, completion, a manual."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tlskit.cli.hints import message_of
from tlskit.cli.main import group, run

from ..command import PATIENCE, tlskit
from ..peers import needs

SHELLS = ("bash", "zsh", "fish")


# -- suggestions ------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("chekc", "check"),
        ("Explain", "explain"),
        ("inspekt", "inspect"),
        ("ca isue", "issue"),
    ],
)
def test_a_misspelt_command_is_suggested(typed, meant, capsys):
    """What comes near is named; the status is that of wrong usage."""
    assert 1 == run([*typed.split(), "example.org"])
    assert f"Did you mean {meant!r}?" in capsys.readouterr().err


def test_what_resembles_nothing_gets_no_suggestion(capsys):
    """Nobody guesses wildly."""
    assert 1 == run(["qqqq"])
    assert "Did you mean" not in capsys.readouterr().err


def test_the_version_has_a_short_option(capsys):
    """``-V`` is ``--version``."""
    assert 0 == run(["-V"])
    short = capsys.readouterr().out
    assert 0 == run(["--version"])
    assert short == capsys.readouterr().out


# -- completion -------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_script(shell):
    """What the documentation has people evaluate is a script of that shell."""
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    done = tlskit(_TLSKIT_COMPLETE=f"{shell}_source")

    assert (0, "") == (done.returncode, done.stderr)
    assert f"_TLSKIT_COMPLETE={shell}_complete" in done.stdout


@needs("bash")
def test_bash_reads_its_script():
    """bash finds no fault in it, and completes by it."""
    script = tlskit(_TLSKIT_COMPLETE="bash_source").stdout
    done = subprocess.run(
        ["bash", "-e", "-c", script + "\ncomplete -p tlskit"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert "_tlskit_completion tlskit" in done.stdout


@pytest.mark.parametrize(
    ("words", "number", "wanted"),
    [
        ("tlskit ch", 1, {"plain,check"}),
        ("tlskit check --fo", 2, {"plain,--format"}),
        (
            "tlskit check --format ",
            3,
            {"plain,text", "plain,json", "plain,prometheus", "plain,nagios"},
        ),
        ("tlskit check --ca ", 3, {"file,"}),
        ("tlskit ca i", 2, {"plain,init", "plain,issue"}),
    ],
)
def test_words_are_completed(words, number, wanted):
    """Commands, options, choices and files."""
    done = tlskit(
        _TLSKIT_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(number),
    )

    assert wanted == set(done.stdout.split())


# -- the manual -------------------------------------------------------------


def test_the_manual_has_all_that_the_help_has(capsys):
    """Every command and every option, with nothing that man(7) misreads."""
    assert 0 == run(["--man"])
    page = capsys.readouterr().out

    for name in group.list_commands(None):
        assert f".SH TLSKIT {name.upper()}\n" in page
    for option in ("--starttls", "--min-days", "--failing", "--csr"):
        assert option.replace("-", "\\-") in page
    assert ".SH EXIT STATUS" in page
    assert {".TH", ".SH", ".PP", ".TP", ".nf", ".fi", ".B", ".I"} >= {
        line.split()[0] for line in page.splitlines() if line.startswith(".")
    }


@needs("groff")
def test_groff_finds_no_fault():
    """The page is well-formed, as the printer of manuals sees it."""
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z"],
        input=tlskit("--man").stdout,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)


# -- words ------------------------------------------------------------------


def test_nobody_listens(capsys):
    """A refused connection is told in words, without a number."""
    assert 2 == run(["check", "127.0.0.1:1", "--timeout", "9"])

    words = "connection refused: nothing listens on 127.0.0.1:1"
    assert words in capsys.readouterr().out


def test_the_systems_words_come_without_its_number():
    """Who knows errno 113 by heart?"""
    known = OSError(113, "No route to host")
    unplaced = ConnectionRefusedError(111, "Connection refused")

    assert "No route to host" == message_of(known)
    assert "Connection refused" == message_of(unplaced)
    assert "timed out" == message_of(TimeoutError("timed out"))
    assert "OSError" == message_of(OSError())
    assert os.strerror(2) in message_of(FileNotFoundError(2, os.strerror(2)))
