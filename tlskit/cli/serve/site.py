"""The files below a directory, opened so that none outside can be reached.

A path is resolved first, symbolic links and all, and refused if it leads
outside.  Then it is walked again from the directory, component by component,
without following any link: whoever puts one there in between gains nothing.

What begins with a dot is hidden, as it is from ``ls``: a directory with a
``.git`` or an ``.env`` in it may be served.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...errors import ConfigurationError, UnsupportedError

__all__ = ["Entry", "Site"]

#: RFC 8615; tools that fetch certificates look there.
_NOT_HIDDEN = ".well-known"
# Windows has none of these; Site says so.
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
#: A named pipe would make open() wait for a writer.
_LAST = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
_INDEXES = ("index.html", "index.htm")


class Entry(NamedTuple):
    """A file or a directory, as it is listed."""

    #: A directory's has a slash at its end.
    name: str
    #: In bytes; None of a directory.
    size: int | None
    #: When it was written to, in Unix time.
    changed: float


class Site:
    """A directory whose files may be read by anybody.

    Args:
        directory: Which.

    Raises:
        ConfigurationError: It is no directory, or can't be read.
        UnsupportedError: This system can't open files safely.
    """

    def __init__(self, directory: Path) -> None:
        if os.open not in os.supports_dir_fd:
            raise UnsupportedError(
                "serving a directory needs openat(), which this system lacks"
            )
        self.root = Path(os.path.realpath(directory))
        try:
            os.close(os.open(self.root, _DIRECTORY))
        except OSError as error:
            raise ConfigurationError(
                f"can't serve {directory}: {error.strerror}",
                code="unreadable-file",
                errno=error.errno,
                filename=str(directory),
            ) from error

    def holds(self, path: Path) -> bool:
        """Whether *path* is the directory, or below it."""
        return self._parts(path) is not None

    def open(self, path: Path) -> BinaryIO | None:
        """Open a regular file.

        Args:
            path: Below ``root``; links are followed if they stay below it.

        Returns:
            None if there is none that may be read.
        """
        number = self._open(path)
        if number is None:
            return None
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            return None
        return os.fdopen(number, "rb")

    def open_index(self, path: Path) -> BinaryIO | None:
        """Open a directory's own page, if it has one."""
        for name in _INDEXES:
            found = self.open(path / name)
            if found is not None:
                return found
        return None

    def entries(self, path: Path) -> list[Entry] | None:
        """List what is in a directory and may be opened.

        Returns:
            In order of names; None if *path* is no directory.
        """
        number = self._open(path)
        if number is None:
            return None
        try:
            if not stat.S_ISDIR(os.fstat(number).st_mode):
                return None
            with os.scandir(number) as found:
                names = [each.name for each in found]
        finally:
            os.close(number)
        listed = (self._listed(path, name) for name in names)
        return sorted(each for each in listed if each is not None)

    def _listed(self, path: Path, name: str) -> Entry | None:
        """Give an entry as it is listed; None if nobody could open it."""
        number = self._open(path / name)
        if number is None:
            return None
        known = os.fstat(number)
        os.close(number)
        if stat.S_ISDIR(known.st_mode):
            return Entry(name + "/", None, known.st_mtime)
        if stat.S_ISREG(known.st_mode):
            return Entry(name, known.st_size, known.st_mtime)
        return None

    # -- opening ------------------------------------------------------------

    def _open(self, path: Path) -> int | None:
        # A link may have a harmless name, and a hidden file a link.
        asked = path.relative_to(self.root).parts
        parts = self._parts(path)
        if parts is None or _hidden(asked) or _hidden(parts):
            return None
        with suppress(OSError, ValueError):
            return self._walk(parts)
        return None

    def _parts(self, path: Path) -> tuple[str, ...] | None:
        """Resolve *path*; None if it leads outside, or nowhere."""
        try:
            real = Path(os.path.realpath(path))
            return real.relative_to(self.root).parts
        except (OSError, ValueError):  # Outside, a loop, a NUL.
            return None

    def _walk(self, parts: tuple[str, ...]) -> int:
        """Open what *parts* lead to, following no link."""
        number = os.open(self.root, _DIRECTORY)
        for depth, part in enumerate(parts, 1):
            flags = _LAST if depth == len(parts) else _DIRECTORY
            try:
                below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=number)
            finally:
                os.close(number)
            number = below
        return number


def _hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") and part != _NOT_HIDDEN for part in parts)
