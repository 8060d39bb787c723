"""Files of our own, and those that are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tlskit.tools.owned import open_own


def test_own_file(tmp_path: Path) -> None:
    """It is opened as it is; one that is made is private."""
    path = tmp_path / "file"
    os.close(open_own(str(path), os.O_WRONLY | os.O_CREAT))

    assert 0o600 == path.stat().st_mode & 0o777
    path.chmod(0o644)
    os.close(open_own(str(path), os.O_RDONLY))
    assert 0o644 == path.stat().st_mode & 0o777


def test_writable_by_others(tmp_path: Path) -> None:
    """It is refused, or made private."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o666)

    with pytest.raises(OSError, match="others may write"):
        open_own(str(path), os.O_RDONLY)
    os.close(open_own(str(path), os.O_RDONLY, tidy=True))
    assert 0o600 == path.stat().st_mode & 0o777


def test_no_file_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No directory, no link, and nothing of another user's."""
    path, link = tmp_path / "file", tmp_path / "link"
    path.touch()
    link.symlink_to(path)

    with pytest.raises(OSError, match="no regular file"):
        open_own(str(tmp_path), os.O_RDONLY)
    with pytest.raises(OSError, match="symbolic link"):
        open_own(str(link), os.O_RDONLY)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(OSError, match="another user"):
        open_own(str(path), os.O_RDONLY)
