"""The command line as a whole: usage, exit statuses, what is printed."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys

import pytest

import tlskit.__main__
from tlskit import Alert, VerifyReason, errors
from tlskit.cli import console as _console
from tlskit.cli import data
from tlskit.cli.exit import MEANINGS, ExitCode, exit_code
from tlskit.cli.main import run

from ..command import PATIENCE, PYTHON, python
from ..command import tlskit as tlskit_process

COMMANDS = (
    *("demo", "check", "explain", "connect"),
    *("serve", "inspect", "ca", "doctor"),
)


# -- usage ------------------------------------------------------------------


def test_help_names_every_subcommand_and_status():
    """``--help`` is enough to find everything, also the exit statuses."""
    done = tlskit_process("--help")

    assert done.returncode == 0
    for word in (*COMMANDS, "Exit status"):
        assert word in done.stdout
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}" in done.stdout
    assert set(ExitCode) == set(MEANINGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_subcommand_has_help(command):
    """Each one explains itself."""
    done = tlskit_process(command, "-h")

    assert done.returncode == 0
    assert f"Usage: tlskit {command}" in done.stdout


def test_version():
    """``--version`` gives name and version on one line."""
    done = tlskit_process("--version")

    assert (0, f"tlskit {tlskit.__version__}\n") == (
        done.returncode,
        done.stdout,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("demo", "--no-such-option"),
        ("demo", "extra"),
        ("serve", "--port", "70000"),
        ("serve", "--idle", "0"),
        (),
    ],
)
def test_wrong_usage_is_status_1(arguments):
    """Wrong usage ends with 1, words on stderr, and no traceback."""
    done = tlskit_process(*arguments)

    assert done.returncode == ExitCode.USAGE
    assert "Usage: tlskit" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["click", "rich"])
def test_a_missing_extra_is_named_in_one_sentence(module):
    """Without the extra, one line says what to install; status 1."""
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from tlskit.__main__ import main; sys.exit(main())"
    )
    done = python("-c", code)

    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert module in done.stderr
    assert "tlskit[cli]" in done.stderr


def test_a_missing_module_of_another_kind_is_not_hidden(monkeypatch):
    """Only the extra's packages are explained; other bugs stay visible."""
    monkeypatch.setitem(sys.modules, "tlskit.cli.main", None)

    with pytest.raises(ModuleNotFoundError):
        tlskit.__main__.main()


def test_ctrl_c_during_imports_is_status_130(monkeypatch):
    """Ctrl-C is quiet even before the command line exists."""

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("tlskit.cli.main.run", interrupt)

    assert tlskit.__main__.main() == ExitCode.INTERRUPTED


def test_ctrl_c_in_a_command_is_status_130(monkeypatch):
    """Ctrl-C ends a command with 130, not with a traceback."""

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("tlskit.cli.demo.command.take_tour", interrupt)

    assert run(["demo"]) == ExitCode.INTERRUPTED


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
def test_sigint_is_status_130():
    """The same from outside: a signal in mid-run leaves no traceback."""
    code = (
        "import os, signal, sys\n"
        "from tlskit.cli.demo import tour, command as demo\n"
        "def meet(*_): os.kill(os.getpid(), signal.SIGINT)\n"
        "tour._meet = meet\n"
        "sys.argv[1:] = ['demo']\n"
        "from tlskit.__main__ import main; sys.exit(main())"
    )
    done = python("-c", code)

    assert done.returncode == ExitCode.INTERRUPTED == 128 + signal.SIGINT
    assert "Traceback" not in done.stderr


def test_an_error_is_explained_on_stderr(monkeypatch, capsys):
    """What goes wrong gets the tree's words, hint included, and a status."""

    def fail():
        raise errors.NotTLSError("it speaks SSH", hint="try another port")

    monkeypatch.setattr("tlskit.cli.demo.command.take_tour", fail)

    assert run(["demo"]) == ExitCode.NOT_TLS
    assert capsys.readouterr() == (
        "",
        "tlskit: it speaks SSH\n  try another port\n",
    )


def test_an_error_without_words_has_its_name(capsys):
    """An OSError may say nothing; the complaint still says something."""
    _console.complain(TimeoutError())

    assert capsys.readouterr().err == "tlskit: TimeoutError\n"


# -- exit statuses ----------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.IdentityError(), 5),
        (errors.VerificationError(), 6),
        (errors.VerificationError(reason=VerifyReason.CERT_HAS_EXPIRED), 4),
        (errors.VerificationError(reason=VerifyReason.CERT_REVOKED), 7),
        (errors.VerificationError(reason=VerifyReason.CA_MD_TOO_WEAK), 8),
        (errors.NotTLSError(), 9),
        (errors.NegotiationError(), 8),
        (errors.AlertError(), 8),
        (errors.CredentialError(), 1),
        (errors.HandshakeError(), 2),
        (errors.TruncatedError(), 2),
        (ConnectionRefusedError(), 2),
        (TimeoutError(), 2),
    ],
)
def test_every_error_has_its_status(error, code):
    """The statuses are the documented ones."""
    assert code == exit_code(error)


# -- colours and characters -------------------------------------------------


class Terminal(io.StringIO):
    """A fake of a terminal."""

    def isatty(self):
        """Say so."""
        return True


def printed(monkeypatch, stream, **variables):
    """Give what a styled word becomes on *stream*."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream)
    _console.open_console().print("x", style="bold red")
    return stream.getvalue()


def test_colours_on_a_terminal_only(monkeypatch):
    """Escapes are for terminals; files and pipes get plain text."""
    assert "\x1b[" in printed(monkeypatch, Terminal())
    assert printed(monkeypatch, io.StringIO()) == "x\n"


def test_no_color_is_obeyed(monkeypatch):
    """NO_COLOR leaves no escape at all; an empty one means nothing."""
    assert printed(monkeypatch, Terminal(), NO_COLOR="1") == "x\n"
    assert "\x1b[" in printed(monkeypatch, Terminal(), NO_COLOR="")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain ünïcode", "plain ünïcode"),
        ("\x1b[32mgood", r"\x1b[32mgood"),
        ("a\nb", r"a\nb"),
        ("evil\u202etxt", r"evil\u202etxt"),
        ("\udc80", r"\udc80"),
    ],
)
def test_a_peer_cannot_paint_the_terminal(text, safe):
    """Control characters and turned writing come out as escapes."""
    assert safe == _console.printable(text)


def test_a_poor_encoding_is_no_failure(monkeypatch):
    """What the stream's encoding lacks is written as an escape."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    _console.open_console().print("grün")
    stream.flush()

    assert raw.getvalue() == b"gr\\xfcn\n"


def test_markup_of_strangers_is_text():
    """Square brackets are no markup, in values and in complaints."""
    stream = io.StringIO()
    console = _console.Console(file=stream, markup=True, width=100)
    _console.show_rows(console, [("[b]x", "[red]y[/red]\n\x1b[1m")])

    assert stream.getvalue() == ("  [b]x  [red]y[/red]\n        \\x1b[1m\n")


def test_values_are_wrapped_under_each_other():
    """On a terminal, long values keep to their column, unless told not to."""
    stream = io.StringIO()
    console = _console.Console(file=stream, width=30)
    value = "one two three four five six seven"
    _console.show_rows(console, [("a", value), ("bb", "")])
    _console.show_rows(console, [("a", value)], indent=0, wrap=False)

    assert stream.getvalue() == (
        "  a   one two three four five\n"
        "      six seven\n"
        "  bb\n"
        "a  one two three four five six seven\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="pipes differ")
def test_a_reader_that_leaves_causes_no_traceback():
    """``tlskit doctor | head -0`` is quiet."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stdout:
        done = subprocess.run(
            [*PYTHON, "-m", "tlskit", "doctor"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == ""


# -- data -------------------------------------------------------------------


def test_error_data_of_a_verification():
    """A refusal gives slug, reason, hint and the whole explanation."""
    error = errors.VerificationError(
        "it is over",
        code="expired",
        reason=VerifyReason.CERT_HAS_EXPIRED,
        hint="renew it",
    )

    assert data.error_data(error) == {
        "error": "VerificationError",
        "code": "expired",
        "message": "it is over",
        "hint": "renew it",
        "explanation": "it is over\nrenew it",
        "reason": "cert-has-expired",
        "alert": None,
    }


def test_error_data_of_the_system():
    """An error of the system has no slug, but always words."""
    assert data.error_data(TimeoutError()) == {
        "error": "TimeoutError",
        "code": None,
        "message": "TimeoutError",
        "hint": "",
        "explanation": "TimeoutError",
        "reason": None,
        "alert": None,
    }


def test_an_alert_has_the_name_of_its_rfc():
    """Alerts are named as in RFC 8446; other errors have none."""
    known = errors.AlertError(alert=Alert.UNKNOWN_CA)

    assert data.alert_name(known) == "unknown_ca"
    assert data.alert_name(errors.AlertError()) is None
    assert data.alert_name(None) is None


def test_the_statuses_in_the_source_are_the_documented_ones():
    """Scripts depend on the numbers, so they are written down twice."""
    numbers = [int(code) for code in ExitCode]

    assert [*range(10), 130, 143] == numbers
    assert all(re.fullmatch(r"[A-Z_]+", code.name) for code in ExitCode)
