"""The system's roots, where Linux distributions keep those of their own.

Each has a directory for an administrator's certificates, and a command that
makes bundles and links of all.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigurationError
from ..disk import File, write_all
from .store import Root, run_tool

__all__ = ["FAMILIES", "Family", "SystemStore"]


@dataclass(frozen=True)
class Family:
    """How some distributions do it; all paths are below the root."""

    #: Where an administrator puts certificates.
    anchors: str
    suffix: str
    command: tuple[str, ...]
    #: The bundles that the command makes; one that is there is looked into.
    bundles: tuple[str, ...]


_DEBIAN = Family(
    "usr/local/share/ca-certificates",
    ".crt",
    ("update-ca-certificates",),
    ("etc/ssl/certs/ca-certificates.crt",),
)
_CERTS = "etc/ssl/certs"
_HOOKS = "etc/ca-certificates/update.d"
#: The names that run-parts(8) runs.
_HOOK = re.compile(r"[A-Za-z0-9_-]+")
#: The first one that is there is this system's.
FAMILIES = (
    # Fedora, Red Hat and their kin.
    Family(
        "etc/pki/ca-trust/source/anchors",
        ".pem",
        ("update-ca-trust", "extract"),
        ("etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",),
    ),
    _DEBIAN,
    # Arch.
    Family(
        "etc/ca-certificates/trust-source/anchors",
        ".crt",
        ("trust", "extract-compat"),
        ("etc/ca-certificates/extracted/tls-ca-bundle.pem",),
    ),
    # openSUSE.
    Family(
        "etc/pki/trust/anchors",
        ".pem",
        ("update-ca-certificates",),
        ("var/lib/ca-certificates/ca-bundle.pem",),
    ),
)


@dataclass(frozen=True)
class SystemStore:
    """The roots of the system whose files are below ``top``."""

    family: Family
    top: Path = Path("/")
    kind: str = "system"

    @classmethod
    def find(cls, top: Path) -> SystemStore | None:
        """Find out which family's the system is; None of these?"""
        for family in FAMILIES:
            if (top / family.anchors).is_dir():
                return cls(family, top)
        return None

    @property
    def place(self) -> str:
        """The directory for an administrator's certificates."""
        return str(self.top / self.family.anchors)

    @property
    def writable(self) -> bool:
        """See ``Store``."""
        return os.access(self.place, os.W_OK)

    def _file(self, root: Root) -> Path:
        name = root.label + self.family.suffix
        return self._inside(f"{self.family.anchors}/{name}")

    def holds(self, root: Root) -> str | None:
        """See ``Store``; somebody may have put it there by hand."""
        file = self._file(root)
        if file.exists():
            return str(file)
        return next(map(str, self._bundles_with(root)), None)

    def _bundles_with(self, root: Root) -> Iterator[Path]:
        # A bundle may break its lines elsewhere.
        body = b"".join(root.pem.split(b"-----")[2].split())
        return (
            path
            for path in self._bundles()
            if body in b"".join(path.read_bytes().split())
        )

    def _bundles(self) -> Iterator[Path]:
        paths = (self.top / each for each in self.family.bundles)
        return (path for path in paths if path.exists())

    def add(self, root: Root) -> str:
        """See ``Store``."""
        file = self._file(root)
        write_all([File(file, root.pem)])
        try:
            ran = self._update()
            self._check(root, wanted=True)
        except BaseException:
            self.remove(root)
            raise
        return f"wrote {file}, and ran {ran}"

    def remove(self, root: Root) -> str:
        """See ``Store``."""
        file = self._file(root)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"can't remove {file}: {error.strerror}",
                code="unwritable-file",
                errno=error.errno,
                filename=str(file),
            ) from error
        link = f"/{_CERTS}/{root.label}.pem"
        linked = self._inside(link).is_symlink()
        ran = self._update()
        left = linked or any(self._bundles_with(root))
        if left and self.family is _DEBIAN:
            self._clean_up(root, link)
        self._check(root, wanted=False)
        return f"removed {file}, and ran {ran}"

    def _clean_up(self, root: Root, link: str) -> None:
        """Do what Debian's command leaves undone for a file that is gone.

        It removes links only when something else has changed, and tells its
        hooks nothing, so that Java would trust the root still.  And where
        no root is left, it leaves the bundle as it is.
        """
        self._inside(link).unlink(missing_ok=True)
        alone = root.pem.split()
        left = list(self._bundles_with(root))
        for bundle in (it for it in left if it.read_bytes().split() == alone):
            bundle.unlink()
        self._run("openssl", "rehash", f"/{_CERTS}")
        for hook in sorted(self._inside(_HOOKS).glob("*")):
            if _HOOK.fullmatch(hook.name) and os.access(hook, os.X_OK):
                self._run(f"/{_HOOKS}/{hook.name}", told=f"-{link}\n")

    def _check(self, root: Root, *, wanted: bool) -> None:
        """See that the command has done it; its status says little."""
        there = list(self._bundles_with(root))
        missed = there if not wanted else set(self._bundles()) - set(there)
        if missed:
            name = " ".join(self.family.command)
            what = "has not put it into" if wanted else "has left it in"
            paths = ", ".join(map(str, missed))
            raise ConfigurationError(f"{name} {what} {paths}")

    def _update(self) -> str:
        """Run the distribution's command; give it as it was run."""
        self._run(*self.family.command)
        return " ".join(self.family.command)

    def _run(self, *command: str, told: str = "") -> None:
        """Run a program of the system's, in an image below ``top`` only.

        What an image brings, such as hooks and links, must not be run, or
        followed, among the files of this machine.
        """
        if self.top != Path("/"):
            command = ("chroot", str(self.top), *command)
        # Debian has it in sbin, which is not on everybody's path.
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
        program = shutil.which(command[0], path=path)
        if program is None:
            raise ConfigurationError(f"{command[0]} is not installed")
        run_tool(program, *command[1:], told=told)

    def _inside(self, path: str) -> Path:
        """Give the path of a file below ``top``.

        Raises:
            ConfigurationError: A link leads to a directory elsewhere.
        """
        found = self.top / path.lstrip("/")
        if not found.parent.resolve().is_relative_to(self.top.resolve()):
            raise ConfigurationError(
                f"{found.parent} leads out of {self.top}",
                hint="run tlskit in the image instead",
            )
        return found
