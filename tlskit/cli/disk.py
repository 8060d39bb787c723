"""Write files whole or not at all, and overwrite none unasked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigurationError

__all__ = ["File", "make_directory", "write_all", "write_output"]


@dataclass(frozen=True)
class File:
    """What is to be written."""

    path: Path
    data: bytes
    #: Whether only the owner may read it, whatever the umask.
    private: bool = False
    #: Whether to overwrite one that is there, whoever asks.
    replace: bool = False


def make_directory(path: Path, *, private: bool = False) -> None:
    """Make a directory and those above it, unless it is there.

    Args:
        path: Which.
        private: Whether only the owner may enter one that is made.

    Raises:
        ConfigurationError: It can't be made.
    """
    if path.is_dir():
        return
    with _explained(path):
        path.mkdir(mode=0o700 if private else 0o777, parents=True)
        if private:  # An odd umask could have shut out the owner, too.
            path.chmod(0o700)


def write_all(files: Sequence[File], *, force: bool = False) -> None:
    """Write *files*; after a failure, what was there is there still.

    Nobody sees half a file: each is written beside its place, and moved.

    Args:
        files: In the order in which they get into place.
        force: Whether to overwrite files that exist.

    Raises:
        ConfigurationError: One can't be written, two are the same, or,
            without *force*, one exists.
    """
    if force:
        files = [replace(each, replace=True) for each in files]
    paths = [each.path for each in files]
    for each in files:
        if paths.count(each.path) > 1:
            raise ConfigurationError(f"two files would be called {each.path}")
        if not each.replace and os.path.lexists(each.path):
            raise _exists(each.path)
    staged: list[Path] = []
    try:
        for each in files:
            with _explained(each.path):
                _stage(each, staged)
        _place(files, staged)
    finally:
        for each_staged in staged:
            each_staged.unlink(missing_ok=True)


def write_output(path: Path, text: str) -> None:
    """Write what was to be printed to a file, whole or not at all.

    Args:
        path: Overwritten if it is there; a symbolic link is followed, and a
            device or a pipe is written to, as a shell would do it.
        text: What no UTF-8 can say is escaped.

    Raises:
        ConfigurationError: It can't be written.
    """
    data = text.encode("utf-8", "backslashreplace")
    if path.exists() and not path.is_file():
        with _explained(path), path.open("wb") as stream:
            stream.write(data)
        return
    write_all([File(Path(os.path.realpath(path)), data)], force=True)


def _stage(file: File, staged: list[Path]) -> None:
    """Write beside the place; nobody else may read it while that goes on."""
    number, name = tempfile.mkstemp(
        prefix=f".{file.path.name}.", dir=file.path.parent
    )
    staged.append(Path(name))
    with os.fdopen(number, "wb") as stream:
        stream.write(file.data)
        stream.flush()
        os.fsync(number)
    staged[-1].chmod(0o600 if file.private else 0o644)


def _place(files: Sequence[File], staged: Sequence[Path]) -> None:
    """Move all to their places; if one can't be, take new ones back."""
    made: list[Path] = []
    try:
        for each, source in zip(files, staged, strict=True):
            with _explained(each.path):
                if not each.replace:
                    # Of two processes at once, one finds it taken.
                    flags = os.O_CREAT | os.O_EXCL
                    os.close(os.open(each.path, flags, 0o600))
                    made.append(each.path)
                source.replace(each.path)
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.unlink()
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise ConfigurationError(
            f"can't write {path}: {error.strerror or error}",
            code="unwritable-file",
            hint="check the directory and its permissions",
            errno=error.errno,
            filename=str(path),
        ) from error


def _exists(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} exists, and is left as it is",
        code="file-exists",
        hint="--force overwrites it",
    )
