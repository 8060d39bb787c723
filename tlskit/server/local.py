"""Listening on a socket of the file system, and what its clients are called.

Who may connect is decided by the permissions of the file and of its folder.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from ..errors import UnsupportedError
from .listening import check_backlog, listening_socket

__all__ = [
    "NoFile",
    "SocketFile",
    "is_local",
    "local_socket",
    "opened_socket",
    "place_of",
]


def is_local(sock: socket.socket) -> bool:
    """Say whether *sock* is one of the file system."""
    return sock.family == getattr(socket, "AF_UNIX", None)


def place_of(address: object) -> tuple[str, int]:
    """Give a socket's address as host and port; a path has the port 0."""
    if isinstance(address, tuple):
        return address[0], address[1]
    assert isinstance(address, (str, bytes))
    return os.fsdecode(address), 0


class NoFile:
    """What a socket has that is not in the file system."""

    def remove(self) -> None:
        """Do nothing."""


class SocketFile(NoFile):
    """The file of a listening socket, to be removed at the end.

    A process that was forked leaves it alone, and so does everybody once
    another socket has taken its place.

    Args:
        path: Where the socket is bound.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._owner = os.getpid()
        self._is = self._identity()

    def _identity(self) -> tuple[int, int]:
        found = os.lstat(self.path)
        return found.st_dev, found.st_ino

    def remove(self) -> None:
        """Remove it, if it is still ours."""
        if os.getpid() != self._owner:
            return
        with suppress(OSError):
            if self._identity() == self._is:
                os.unlink(self.path)  # noqa: PTH108 - as above


def opened_socket(
    port: int,
    backlog: int,
    reuse: bool,
    hostname: str | None,
    path: str | os.PathLike[str] | None,
) -> tuple[socket.socket, NoFile]:
    """Open the socket of a listener, and give its file; see ``listen``."""
    check_backlog(backlog)
    if path is None:
        return listening_socket(port, backlog, reuse, hostname), NoFile()
    if port or hostname is not None:
        raise ValueError("port and hostname are for TCP, path is not")
    return local_socket(path, backlog, reuse)


def local_socket(
    path: str | os.PathLike[str], backlog: int, reuse: bool
) -> tuple[socket.socket, SocketFile]:
    """Open the socket of a listener; see ``listen``.

    Raises:
        ValueError: *path* can be none.
        UnsupportedError: This platform has no such sockets.
        OSError: The path can't be had.
    """
    name = os.fspath(path)
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"path is that of a socket, not {path!r}")
    if not hasattr(socket, "AF_UNIX"):  # pragma: no cover - Windows
        raise UnsupportedError("this platform has no sockets of that kind")
    sock = socket.socket(socket.AF_UNIX)
    try:
        if reuse and _is_left_over(name):
            os.unlink(name)  # noqa: PTH108 - a str as it was given
        sock.bind(name)
        file = SocketFile(name)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock, file


def _is_left_over(path: str) -> bool:
    """Say whether a socket is there on which nobody listens any more."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as sock:
            sock.setblocking(False)
            sock.connect(path)
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False
