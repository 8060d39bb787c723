"""Where the messages of a handshake are told."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..x509.sources import path_of

__all__ = ["TraceTarget", "trace_writer"]

TraceTarget = (
    str | os.PathLike[str] | logging.Logger | Callable[[Any], object] | None
)


def trace_writer(target: TraceTarget) -> Callable[[Any], object] | None:
    """Make a function of one message.

    Raises:
        ConfigurationError: The file can't be written.
        TypeError: *target* is something else.
    """
    if target is None:
        return None
    if isinstance(target, logging.Logger):
        logger = target
        return lambda message: logger.debug("%s", message)
    if callable(target):
        return target
    if not isinstance(target, (str, os.PathLike)):
        raise TypeError(
            f"a path, a function or a logger is wanted, not {target!r}"
        )
    # Now: later the program may have gone to another directory.
    path = Path(os.path.abspath(path_of(target, "a trace")))
    try:
        path.open("a", encoding="utf-8").close()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"can't write the trace to {str(path)!r}: {error}",
            errno=getattr(error, "errno", None),
            filename=str(path),
        ) from error

    def write(message: Any) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{message}\n")

    return write
