"""Where a key log goes."""

from __future__ import annotations

import errno
import logging
import threading

import pytest

from tlskit.errors import ConfigurationError
from tlskit.policy.keylog import keylog_writer

LINE = "CLIENT_RANDOM 00 11"


def test_nowhere():
    """None is nowhere."""
    assert keylog_writer(None) is None


@pytest.mark.parametrize("form", [str, lambda path: path])
def test_file(tmp_path, form):
    """Lines are appended to a file; an older content stays."""
    path = tmp_path / "keys"
    path.write_text("before\n")
    write = keylog_writer(form(path))
    write(LINE)
    write(LINE)

    assert f"before\n{LINE}\n{LINE}\n" == path.read_text()


def test_private(tmp_path):
    """The file is made at once, for its owner only."""
    path = tmp_path / "keys"
    keylog_writer(path)

    assert 0o600 == path.stat().st_mode & 0o777


def test_change_of_directory(tmp_path, monkeypatch):
    """A relative path means what it meant at first."""
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    write = keylog_writer("keys")
    monkeypatch.chdir(tmp_path / "below")
    write(LINE)

    assert f"{LINE}\n" == (tmp_path / "keys").read_text()


def test_threads(tmp_path):
    """Lines of many threads stay whole."""
    write = keylog_writer(tmp_path / "keys")
    threads = [
        threading.Thread(target=lambda: [write(LINE) for _ in range(50)])
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [LINE] * 400 == (tmp_path / "keys").read_text().splitlines()


def test_equality(tmp_path):
    """Two writers of one file are equal, so that contexts can be."""
    one = keylog_writer(tmp_path / "a")
    two = keylog_writer(str(tmp_path / "a"))

    assert one == two
    assert hash(one) == hash(two)
    assert one != keylog_writer(tmp_path / "b")
    assert one != str(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "number"),
    [("", errno.EISDIR), ("no/keys", errno.ENOENT), ("a\0b", None)],
)
def test_unwritable(tmp_path, name, number):
    """What can't be written is refused now, not in a handshake."""
    path = f"{tmp_path}/{name}"
    with pytest.raises(ConfigurationError, match="key log") as caught:
        keylog_writer(path)

    assert "bad-keylog" == caught.value.code
    assert number == caught.value.errno
    assert path == caught.value.filename
    assert caught.value.__cause__ is not None


def test_function():
    """A function is taken as it is."""
    lines: list[str] = []
    keylog_writer(lines.append)(LINE)

    assert [LINE] == lines


def test_logger(caplog):
    """A logger gets every line at level DEBUG."""
    with caplog.at_level(logging.DEBUG, "keys"):
        keylog_writer(logging.getLogger("keys"))(LINE)

    assert [("keys", logging.DEBUG, LINE)] == caplog.record_tuples


def test_variable(tmp_path, monkeypatch):
    """The variable counts when it is asked for by its name."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    keylog_writer("SSLKEYLOGFILE")(LINE)

    assert f"{LINE}\n" == (tmp_path / "keys").read_text()
    assert keylog_writer(None) is None


def test_variable_empty(monkeypatch):
    """Unset or empty, it means nowhere."""
    monkeypatch.setenv("SSLKEYLOGFILE", "")
    assert keylog_writer("SSLKEYLOGFILE") is None

    monkeypatch.delenv("SSLKEYLOGFILE")
    assert keylog_writer("SSLKEYLOGFILE") is None


@pytest.mark.parametrize("target", [5, b"keys", [], object()])
def test_wrong_type(target):
    """Anything else is a mistake in the program."""
    with pytest.raises(TypeError, match="a key log goes to"):
        keylog_writer(target)


def test_a_key_log_that_others_read_becomes_private(tmp_path):
    """A file that is there already is closed to others."""
    path = tmp_path / "log"
    path.touch(0o644)
    keylog_writer(path)

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_log_is_no_link(tmp_path):
    """Whoever made the link would choose the file."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "victim")

    with pytest.raises(ConfigurationError):
        keylog_writer(link)


def test_a_key_log_is_no_device():
    """What is no file is refused."""
    with pytest.raises(ConfigurationError, match="regular"):
        keylog_writer("/dev/null")


def test_a_key_log_is_ours(tmp_path, monkeypatch):
    """Another user's file is refused."""
    path = tmp_path / "log"
    path.touch(0o600)
    monkeypatch.setattr("os.geteuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(ConfigurationError, match="another user"):
        keylog_writer(path)
