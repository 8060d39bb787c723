"""Which stores there are on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import ConfigurationError, UnsupportedError
from .java import JavaStore
from .nss import NSSStore
from .store import Store
from .system import SystemStore

__all__ = ["KINDS", "find_stores"]

KINDS = ("system", "nss", "java")
_WAYS = {
    "darwin": (
        "sudo security add-trusted-cert -d -r trustRoot {file}",
        "sudo security remove-trusted-cert -d {file}",
    ),
    "win32": (
        "certutil -addstore -user Root {file}",
        "certutil -delstore -user Root {sha1}",
    ),
}


def find_stores(
    kinds: Sequence[str], top: Path
) -> Iterator[Store | ConfigurationError]:
    """Find the stores of some kinds, in the order in which to change them.

    Args:
        kinds: Those that were asked for; without any, all that there are.
        top: Where the system's files are.

    Yields:
        A store; or, instead of one that is there and can't be changed, or
        was asked for and is not there, why.
    """
    finders = {"system": _system(top), "nss": _nss(), "java": _java()}
    for kind in KINDS:
        if kinds and kind not in kinds:
            continue
        found = list(finders[kind])
        if kinds and not found:
            found = [ConfigurationError(_MISSING[kind])]
        yield from found


_MISSING = {
    "system": "the system's roots are in no place that is known here",
    "nss": "there is no database of NSS in the home directory; a browser "
    "that was started once has one",
    "java": "there is no Java here; JAVA_HOME names one",
}


def way(platform: str, number: int, *, file: str, sha1: str) -> str | None:
    """Give the command for a system that we have none for.

    Args:
        platform: As ``sys.platform`` has it.
        number: 0 to trust, 1 to undo that.
        file: The certificate's.
        sha1: Its digest in hexadecimal.
    """
    if platform not in _WAYS:
        return None
    return _WAYS[platform][number].format(file=shlex.quote(file), sha1=sha1)


def _system(top: Path) -> Iterator[Store | ConfigurationError]:
    if sys.platform in _WAYS:
        yield UnsupportedError(
            f"the roots of {sys.platform} are not changed by this command"
        )
        return
    store = SystemStore.find(top)
    if store is not None:
        yield store


def _nss() -> Iterator[Store | ConfigurationError]:
    if sys.platform == "win32":  # Its certutil is another program.
        return
    databases = NSSStore.databases(Path.home())
    certutil = shutil.which("certutil")
    if databases and certutil is None:
        places = ", ".join(map(str, databases))
        yield ConfigurationError(
            f"certutil, which changes {places}, is not installed",
            hint="Debian has it in libnss3-tools, Fedora in nss-tools",
        )
        return
    for each in databases:
        yield NSSStore(each, str(certutil))


def _java() -> Iterator[Store | ConfigurationError]:
    store = JavaStore.find(os.environ, shutil.which("keytool"))
    if store is not None:
        yield store
