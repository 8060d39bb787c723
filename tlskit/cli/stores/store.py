"""What a store of trusted roots can do, and how its tools are run."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ...errors import ConfigurationError

__all__ = ["Root", "Store", "run_tool"]

#: How long a tool may take, in seconds: Java's needs some for a large store.
_PATIENCE = 120.0
#: Keeps a tool's words in English, and its numbers as they are.
_PLAIN = {"LC_ALL": "C", "LANGUAGE": "C"}


@dataclass(frozen=True)
class Root:
    """The certificate of a CA that is to be trusted."""

    certificate: x509.Certificate
    #: Where it is.
    file: Path

    @cached_property
    def sha256(self) -> str:
        """The digest of its DER, in hexadecimal."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def label(self) -> str:
        """What it is called in a store: by this we know our own again."""
        return f"tlskit-{self.sha256[:16]}"

    @property
    def pem(self) -> bytes:
        """The certificate alone, whatever else is in the file."""
        return self.certificate.public_bytes(Encoding.PEM)


class Store(Protocol):
    """One place that programs take their roots from."""

    @property
    def kind(self) -> str:
        """``"system"``, ``"nss"`` or ``"java"``."""
        ...

    @property
    def place(self) -> str:
        """Which of its kind, such as a path."""
        ...

    @property
    def writable(self) -> bool:
        """Whether this process may change it."""
        ...

    def holds(self, root: Root) -> str | None:
        """Say as what *root* is trusted; None if it is not there.

        Raises:
            ConfigurationError: Nobody can tell.
        """
        ...

    def add(self, root: Root) -> str:
        """Have *root* trusted; say what was done.

        Raises:
            ConfigurationError: It failed, and all is as it was.
        """
        ...

    def remove(self, root: Root) -> str:
        """Take back what ``add`` did; say what was done.

        Raises:
            ConfigurationError: It failed.
        """
        ...


def run_tool(*arguments: str | Path, told: str = "") -> str:
    """Run a program that changes a store; give what it prints.

    Args:
        arguments: The program, and its own.
        told: What it reads from its stdin.

    Raises:
        ConfigurationError: It is not there, fails, or does not end.
    """
    name = Path(arguments[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - the paths are not a peer's
            list(map(str, arguments)),
            input=told.encode(),
            capture_output=True,
            timeout=_PATIENCE,
            env={**os.environ, **_PLAIN},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"{name} has not ended after {_PATIENCE:g} seconds"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"can't run {arguments[0]}: {error.strerror}"
        ) from error
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        words = done.stderr.decode(errors="replace") or output
        lines = [line.strip() for line in words.splitlines() if line.strip()]
        why = lines[-1] if lines else f"status {done.returncode}"
        raise ConfigurationError(f"{name}: {why}")
    return output
