"""Where programs run: a folder with credentials, and a port."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from tlskit.testing import CA

__all__ = ["Place", "free_port"]


@dataclass(frozen=True)
class Place:
    """A folder with credentials."""

    folder: Path
    roots: str
    chain: str
    key: str
    both: str

    @classmethod
    def made(cls, folder: Path, ca: CA) -> Place:
        """Write the files."""
        leaf = ca.issue("localhost", "127.0.0.1", key_type="rsa")
        roots, both = folder / "roots.pem", folder / "both.pem"
        roots.write_bytes(ca.pem)
        both.write_bytes(leaf.chain_pem + leaf.key_pem)
        chain, key = leaf.write(folder)
        return cls(folder, str(roots), str(chain), str(key), str(both))


def free_port() -> int:
    """Find a port for a program that can't tell which one it took."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
