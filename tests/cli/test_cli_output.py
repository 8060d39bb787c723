"""``--output`` and ``--quiet``, of all commands that have them."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest

from tlskit import ConfigurationError
from tlskit.cli.disk import write_output
from tlskit.cli.main import run
from tlskit.cli.serve.journal import Journal

from ..command import PATIENCE, PYTHON, serving, start, tlskit
from ..peers import Vault
from ..servers import echo_server

ISSUE = ("ca", "issue", "localhost", "--force")


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    """A directory with a CA and a certificate, which is the current one."""
    monkeypatch.chdir(tmp_path)
    for arguments in (["ca", "init"], list(ISSUE)):
        assert 0 == run(arguments)
    capsys.readouterr()
    return tmp_path


#: Commands, what the first line begins with, and the status.
COMMANDS = [
    (("demo",), "1. A client meets a server", 0),
    (("doctor",), "good: nothing is wrong here", 0),
    (("inspect", "localhost.pem"), "good: 1 certificate", 0),
    (("inspect", "--pem", "localhost.pem"), "-----BEGIN CERTIFICATE", 0),
    (("explain", "localhost.pem", "--ca", "tlskit-ca/ca.pem"), "good", 0),
    (("explain", "localhost.pem", "--ca", "other.pem"), "untrusted", 6),
    (("ca", "init", "other"), "good: made CN=", 0),
    (ISSUE, "good: issued a server's", 0),
    (("ca", "list"), "good  ", 0),
    (("ca", "renew", "localhost"), "good: renewed localhost", 0),
    (("ca", "revoke", "localhost"), "good: revoked ", 0),
]


@pytest.fixture
def other(place):
    """Another CA's certificate in a file."""
    assert 0 == run(["ca", "init", "another"])
    place.joinpath("another", "ca.pem").rename(place / "other.pem")
    return place


@pytest.mark.parametrize(
    ("arguments", "begin", "status"),
    COMMANDS,
    ids=[" ".join(each) for each, *_ in COMMANDS],
)
def test_a_report_goes_to_a_file_or_nowhere(
    other, capsys, arguments, begin, status
):
    """Then nothing is printed; the status is the same."""
    capsys.readouterr()
    report = other / "report"
    assert status == run([*arguments, "-o", "report"])
    assert ("", "") == capsys.readouterr()
    assert begin in report.read_text()
    if arguments[1:2] not in [("init",), ("revoke",)]:
        assert status == run([*arguments, "--quiet"])
        assert ("", "") == capsys.readouterr()


def test_both_at_once_write_the_file(place, capsys):
    """Data, too."""
    assert 0 == run(["ca", "list", "--json", "-q", "-o", "list.json"])

    assert ("", "") == capsys.readouterr()
    (issued,) = json.loads(place.joinpath("list.json").read_text())["issued"]
    assert "good" == issued["state"]


def test_an_error_is_told_and_no_file_is_written(place, capsys):
    """What was there is there still."""
    report = place / "report"
    report.write_text("of yesterday")
    assert 1 == run(["inspect", "nowhere.pem", "-q", "-o", "report"])

    assert "can't read 'nowhere.pem'" in capsys.readouterr().err
    assert "of yesterday" == report.read_text()


@pytest.mark.parametrize(
    "arguments", [("inspect", "localhost.pem"), ("check", "localhost:1")]
)
def test_a_missing_directory_is_told_before(place, capsys, arguments):
    """Not after all is done."""
    assert 1 == run([*arguments, "-o", "nowhere/report"])
    assert "there is no directory for nowhere/report" in (
        capsys.readouterr().err
    )


# -- files ------------------------------------------------------------------


def test_a_link_is_followed(tmp_path):
    """The file that it leads to is replaced, and not the link."""
    link = tmp_path / "link"
    link.symlink_to("file")
    write_output(link, "caf\u00e9 \udcff")

    assert link.is_symlink()
    assert b"caf\xc3\xa9 \\udcff" == tmp_path.joinpath("file").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
def test_what_is_no_file_is_written_to(tmp_path):
    """Nobody's /dev/null becomes a file; a pipe's reader gets it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_output(pipe, "words")
    reader.join(PATIENCE)

    assert ["words"] == read
    assert pipe.is_fifo()


def test_a_directory_is_no_file(tmp_path):
    """It is said so."""
    with pytest.raises(ConfigurationError, match="can't write"):
        write_output(tmp_path, "words")


# -- connect and serve ------------------------------------------------------


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.mark.parametrize("data", [(), ("--json",)])
def test_connect_may_keep_quiet(vault, data):
    """The server's bytes, and no note."""
    with echo_server(vault.leaf()) as port:
        process = start(
            *("connect", f"localhost:{port}", "--ca", vault.roots, "-q"), *data
        )
        out, err = process.communicate(b"hello\n", PATIENCE)

    assert (0, b"hello\n", b"") == (process.returncode, out, err)


@pytest.mark.parametrize("data", [(), ("--json",)])
def test_connect_tells_errors_even_so(data):
    """A refusal is no note."""
    done = tlskit("connect", "localhost:1", "-q", *data, "--timeout", "9")

    assert 2 == done.returncode
    assert "refused" in done.stderr


@pytest.mark.parametrize("option", ["--report", "--trace"])
def test_connect_can_not_report_quietly(option, capsys):
    """One of the two was not meant."""
    assert 1 == run(["connect", "localhost:1", "-q", option])
    assert "--quiet leaves no room" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
def test_serve_tells_only_what_goes_wrong(place):
    """Good clients are counted, and not told; a stranger is."""
    place.joinpath("site").mkdir()
    place.joinpath("site", "a.txt").write_text("a")
    pair = ("--cert", "localhost.pem", "--key", "localhost-key.pem")
    with serving("--json", "-q", "--dir", "site", *pair) as server:
        port = server.event()["port"]
        done = subprocess.run(
            [
                *(*PYTHON, "-m", "tlskit", "connect", f"localhost:{port}"),
                *("--ca", "tlskit-ca/ca.pem", "-q"),
            ],
            input=b"GET /a.txt HTTP/1.0\r\n\r\n",
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stdout.endswith(b"\r\n\r\na")
        assert 6 == tlskit("connect", f"localhost:{port}", "-q").returncode
        assert "refused" == server.event()["event"]
        server.interrupt()
        closed = server.event()

    assert ("closed", 1, 1) == (
        closed["event"],
        closed["served"],
        closed["refused"],
    )


def test_files_that_were_read_again_are_no_news(capsys):
    """But for those that could not be."""
    journal = Journal(as_json=True, quiet=True)
    journal.reloaded(["a.pem"], None)
    journal.reloaded(["b.pem"], ConfigurationError("bad"))
    (line,) = capsys.readouterr().out.splitlines()

    assert ["b.pem"] == json.loads(line)["files"]
