"""The databases of NSS: Firefox's profiles, and Chromium's on Linux."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from ...errors import ConfigurationError
from .store import Root, run_tool

__all__ = ["NSSStore"]

#: Where databases are, from a home directory on.
_DATABASES = (
    ".pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    ".mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
    "Library/Application Support/Firefox/Profiles/*",
)
#: A database of SQLite, as NSS has them since 2018.
_SQL = "cert9.db"
#: A line of ``certutil -L``: a nickname, and trust for TLS, mail and code.
_LINE = re.compile(r"(.+?)\s+([a-zA-Z]*),[a-zA-Z]*,[a-zA-Z]*")


@dataclass(frozen=True)
class NSSStore:
    """One database of NSS, which ``certutil`` changes."""

    directory: Path
    certutil: str
    kind: str = "nss"

    @classmethod
    def databases(cls, home: Path) -> list[Path]:
        """Find the databases below a home directory."""
        found = {
            path
            for pattern in _DATABASES
            for path in home.glob(pattern)
            if (path / _SQL).is_file()
        }
        return sorted(found)

    @property
    def place(self) -> str:
        """The database's directory."""
        return str(self.directory)

    @property
    def writable(self) -> bool:
        """See ``Store``."""
        return os.access(self.directory / _SQL, os.W_OK)

    def _run(self, *arguments: str, told: str = "") -> str:
        where = ("-d", f"sql:{self.directory}")
        return run_tool(self.certutil, *arguments, *where, told=told)

    def _found(self, root: Root) -> Iterator[tuple[str, str]]:
        """Give each nickname of the certificate, and its trust for TLS."""
        for line in self._run("-L").splitlines():
            matched = _LINE.fullmatch(line.rstrip())
            if matched is None:
                continue  # The heading.
            nickname, trust = matched.groups()
            try:
                text = self._run("-L", "-n", nickname, "-a")
                certificates = x509.load_pem_x509_certificates(text.encode())
            except ValueError:
                continue  # Of a kind that we can't read, so not ours.
            if root.certificate in certificates:
                yield nickname, trust

    def holds(self, root: Root) -> str | None:
        """See ``Store``; somebody may have put it there by hand."""
        found = dict(self._found(root))
        if root.label in found:
            return root.label
        for nickname, trust in found.items():
            if "C" in trust:
                return nickname
            raise ConfigurationError(
                f"it is in there as {nickname!r}, and not trusted",
                hint="somebody decided that; to change it: certutil -M "
                f"-t C,, -n {nickname!r} -d sql:{self.directory}",
            )
        return None

    def add(self, root: Root) -> str:
        """See ``Store``."""
        trusted = ("-A", "-t", "C,,", "-n", root.label, "-a")
        self._run(*trusted, told=root.pem.decode())
        return f"added it as {root.label}"

    def remove(self, root: Root) -> str:
        """See ``Store``."""
        self._run("-D", "-n", root.label)
        return f"removed {root.label}"
