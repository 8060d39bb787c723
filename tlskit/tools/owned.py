"""Files that nobody else can have made, changed or put in place."""

from __future__ import annotations

import os
import stat

__all__ = ["open_own"]

#: Follow no link, and wait for no other end of a FIFO.
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
#: The bits by which others than the owner may write.
_WRITABLE = 0o022


def open_own(path: str, flags: int, *, tidy: bool = False) -> int:
    """Open a regular file of our own, and not by way of a link.

    Args:
        path: Which.
        flags: As for ``os.open``; what is made is for its owner only.
        tidy: Make a file private that others can read or write, rather than
            refuse one that they can write.

    Returns:
        The descriptor.

    Raises:
        OSError: It is no such file, or can't be opened.
    """
    descriptor = os.open(path, flags | _CAREFUL, 0o600)
    try:
        _check(descriptor, tidy=tidy)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(descriptor: int, *, tidy: bool) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")
    if hasattr(os, "geteuid"):  # pragma: no branch - Windows
        if found.st_uid != os.geteuid():
            raise OSError("it belongs to another user")
        if tidy and found.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        elif found.st_mode & _WRITABLE:
            raise OSError("others may write to it (chmod go-w)")
