"""The certificates that all stacks use."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["HOST", "OTHERS", "Files", "directory", "files"]

HOST = "localhost"
#: What the names of other hosts end in, which its certificate has too.
OTHERS = ".benchmarks.example"


class Files(NamedTuple):
    """Where root, chain and key lie."""

    root: str
    chain: str
    key: str


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tlskit-benchmarks-")


def directory() -> Path:
    """Give a directory that lasts as long as this process."""
    return Path(_temporary().name)


@cache
def files(key_type: str) -> Files:
    """Make a CA and a certificate for localhost with such a key."""
    from tlskit.testing import CA

    place = directory() / key_type
    place.mkdir()
    ca = CA("tlskit benchmarks CA", key_type=key_type)
    chain, key = ca.issue(HOST, f"*{OTHERS}", key_type=key_type).write(place)
    root = place / "root.pem"
    root.write_bytes(ca.pem)
    return Files(str(root), str(chain), str(key))
