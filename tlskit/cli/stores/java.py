"""Java's roots, in the file ``cacerts`` of each installation."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .store import Root, run_tool

__all__ = ["JavaStore"]

#: Java's own, for a file that anybody may read.
_PASSWORD = "changeit"  # noqa: S105 - everybody knows it
_CACERTS = ("lib/security/cacerts", "jre/lib/security/cacerts")
_ENGLISH = "-J-Duser.language=en"
#: What ``keytool -list`` prints of an entry, in two lines.
_ENTRY = re.compile(r"^(.+?), .*\n.*\(SHA-256\): ([0-9A-F:]+)", re.MULTILINE)


@dataclass(frozen=True)
class JavaStore:
    """The roots of one installation, which ``keytool`` changes."""

    file: Path
    keytool: str
    kind: str = "java"

    @classmethod
    def find(
        cls, environment: Mapping[str, str], keytool: str | None
    ) -> JavaStore | None:
        """Find the installation that ``JAVA_HOME`` names, or the first one.

        Args:
            environment: Where ``JAVA_HOME`` may be.
            keytool: The one that is on the path, if there is one.
        """
        named = environment.get("JAVA_HOME")
        if named and (own := Path(named, "bin", "keytool")).exists():
            keytool = str(own)
        if keytool is None:
            return None
        home = Path(named or Path(keytool).resolve().parent.parent)
        for name in _CACERTS:
            if (home / name).is_file():
                return cls(home / name, keytool)
        return None

    @property
    def place(self) -> str:
        """The file."""
        return str(self.file)

    @property
    def writable(self) -> bool:
        """See ``Store``."""
        return os.access(self.file, os.W_OK)

    def _run(self, verb: str, *arguments: str | Path, told: str = "") -> str:
        return run_tool(
            self.keytool,
            verb,
            *("-keystore", self.file, "-storepass", _PASSWORD),
            *arguments,
            _ENGLISH,
            told=told,
        )

    def _found(self, root: Root) -> Iterator[str]:
        """Give the names under which the certificate is there."""
        for alias, digest in _ENTRY.findall(self._run("-list")):
            if digest.replace(":", "").lower() == root.sha256:
                yield alias

    def holds(self, root: Root) -> str | None:
        """See ``Store``; somebody may have put it there by hand."""
        found = list(self._found(root))
        return root.label if root.label in found else next(iter(found), None)

    def add(self, root: Root) -> str:
        """See ``Store``."""
        self._run(
            *("-importcert", "-noprompt", "-trustcacerts"),
            *("-alias", root.label),
            told=root.pem.decode(),
        )
        return f"added it as {root.label}"

    def remove(self, root: Root) -> str:
        """See ``Store``."""
        ours = [each for each in self._found(root) if root.label in each]
        for alias in ours:  # Debian's copy of the system's has another name.
            self._run("-delete", "-alias", alias)
        return f"removed {', '.join(ours)}"
