"""A folder that holds an ACME account and its certificates, for one or more.

Several processes, and several machines, may share it: who orders holds the
lock, and all others find the result in the files.  Everything in it is for
its owner only, and is written beside its place and then renamed, so that no
reader meets half a file.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import ConfigurationError, UnsupportedError
from ...tools.deadline import Deadline

__all__ = ["Storage"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
#: How often, in seconds, a lock that another process holds is tried again.
_AGAIN = 0.1
#: How a file is called that is not whole yet.
_NEW = ".new-"


class Storage:
    """The files of one account and one set of names.

    Args:
        path: The folder; made if it is not there.
        name: What the set of names is called in it.

    Raises:
        ConfigurationError: Others can get into the folder, it is no folder,
            or it can't be made.
    """

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        self.folder = Path(os.path.abspath(os.fspath(path)))
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.stat()
        except OSError as error:
            raise ConfigurationError(
                f"the folder {self.folder} can't be used: {error.strerror}",
                hint="name a folder that this process may write to",
            ) from error
        if os.name == "posix" and status.st_mode & _OTHERS:
            raise ConfigurationError(
                f"the folder {self.folder} is open to others (mode "
                f"{stat.S_IMODE(status.st_mode):04o}); private keys go there",
                hint=f"chmod 700 {self.folder}",
            )
        self.account_key = self.folder / "account.pem"
        #: Key and certificates, in one file: they change together.
        self.pair = self.folder / f"{name}.pem"
        #: What went wrong last, and when it is tried again.
        self.failure = self.folder / f"{name}.failure"
        self._lock = self.folder / "lock"

    def read(self, path: Path) -> bytes | None:
        """Read a file of the folder; None if it is not there.

        Raises:
            OSError: It can't be read.
        """
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: Path, data: bytes) -> None:
        """Replace a file of the folder, all at once.

        Raises:
            OSError: It can't be written; the old one is still there.
        """
        number, name = tempfile.mkstemp(dir=self.folder, prefix=_NEW)
        try:
            with os.fdopen(number, "wb") as file:  # mkstemp's mode is 0600.
                file.write(data)
                file.flush()
                os.fsync(number)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    def remove(self, path: Path) -> None:
        """Remove a file of the folder, if it is there."""
        path.unlink(missing_ok=True)

    def remove_all(self, prefix: str) -> None:
        """Remove all files of the folder whose names begin so."""
        for path in self.folder.glob(f"{prefix}*"):
            self.remove(path)

    @contextmanager
    def locked(
        self, deadline: Deadline, wait: Callable[[float], object]
    ) -> Iterator[None]:
        """Be the only one who orders, while the block runs.

        The system releases the lock when its holder dies.

        Args:
            deadline: When to give up.
            wait: Waits for so many seconds; what it raises ends this.

        Raises:
            TimeoutError: Another process held it all the time.
            UnsupportedError: This system has no such locks.
        """
        try:
            import fcntl
        except ImportError as error:  # pragma: no cover - Windows
            raise UnsupportedError(
                "ACME needs locks of files, which this system does not have",
                hint="use ReloadableCredentials with another ACME client",
            ) from error
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        number = os.open(self._lock, flags, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    deadline.check(f"another process orders ({self._lock})")
                    wait(_AGAIN)
                else:
                    break
            try:
                # Whoever wrote these was killed.
                self.remove_all(_NEW)
                yield
            finally:
                # A child that was forked meanwhile has the descriptor, too.
                fcntl.flock(number, fcntl.LOCK_UN)
        finally:
            os.close(number)
