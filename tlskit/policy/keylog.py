"""Where a key log goes: a file, a function or a logger."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Union

from ..errors import ConfigurationError
from ..tools.forks import ForkLock
from ..tools.owned import open_own
from ..x509.sources import path_of

__all__ = ["KeylogTarget", "keylog_writer"]

KeylogTarget = Union[
    str, "os.PathLike[str]", Callable[[str], object], logging.Logger, None
]

#: The variable that browsers and curl honour; only when asked for by name.
_VARIABLE = "SSLKEYLOGFILE"


class _File:
    """Appends lines to a file that only its owner may read."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._lock = ForkLock()
        self._append(b"")  # Errors come now, not in the first handshake.

    def __call__(self, line: str) -> None:
        with self._lock:
            self._append(line.encode("ascii") + b"\n")

    def _append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = open_own(self._path, flags, tidy=True)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _File) and other._path == self._path

    def __hash__(self) -> int:
        return hash(self._path)


def keylog_writer(target: KeylogTarget) -> Callable[[str], object] | None:
    """Give the function that takes the lines meant for *target*.

    Args:
        target: A path, a function of one line, a logger (its parents see
            the secrets, too), ``"SSLKEYLOGFILE"`` for the file which that
            variable names, or None for nowhere.

    Raises:
        ConfigurationError: The file can't be written.
        TypeError: *target* is something else.
    """
    if target == _VARIABLE:
        target = os.environ.get(_VARIABLE) or None
    if target is None:
        return None
    if isinstance(target, logging.Logger):
        return target.debug
    if isinstance(target, (str, os.PathLike)):
        path = path_of(target, "a key log")
        try:
            return _File(path)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"can't write the key log {path!r}: {error}",
                code="bad-keylog",
                errno=getattr(error, "errno", None),
                filename=path,
            ) from error
    if callable(target):
        return target
    raise TypeError(
        "a key log goes to a path, a callable or a logging.Logger, "
        f"not to {target!r}"
    )
