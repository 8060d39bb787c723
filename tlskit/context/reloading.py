"""Credentials and roots that are read again when their files change.

Nobody runs in the background.  Whoever prepares a connection asks for the
newest good value; once per interval that looks at the files' signatures
(name, device, inode, size, times), and reads them only if one has changed.
What was read is checked before it replaces what was there, so a file that is
half written, or a key that has not followed its certificate yet, costs a log
entry and no connection.
"""

from __future__ import annotations

import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from ..engine.build import build
from ..errors import ConfigurationError, CredentialError, TrustSourceError
from ..openssl.protocols import protocol
from ..policy.sessions import outdated
from ..policy.settings import Settings
from ..tools.followed import changed, enlist
from ..tools.forks import ForkLock
from ..tools.public import public
from ..trust import AnySource, Roots, VerifySource
from ..x509 import pem
from ..x509.credentials import (
    CertificateChain,
    Password,
    PrivateKey,
    check_pair,
)
from ..x509.gate import exceptions, x509
from ..x509.names import subject_text
from ..x509.pairs import Pair
from ..x509.sources import path_of

__all__ = ["Reloadable", "ReloadableCredentials", "ReloadableRoots"]

_logger = logging.getLogger("tlskit.reloading")

T = TypeVar("T")
_StrPath = str | os.PathLike[str]

#: How often files that change while they are read are read again at once.
_TRIES = 4
#: A file may be written twice within one tick of its file system's clock;
#: that of FAT, the coarsest, has two seconds.
_TICK_NS = 2_000_000_000


class Reloadable(ABC, Generic[T]):
    """Something in files, and the newest value of it that was good.

    Args:
        interval: How often, in seconds, the files are looked at while they
            are in use; None waits for ``reload()``.
        on_failure: Called with the error when a new value is bad, once for
            each; it must not wait.

    Raises:
        ConfigurationError: Already the first value is bad.
        ValueError: *interval* is negative.
    """

    def __init__(
        self,
        interval: float | None,
        on_failure: Callable[[ConfigurationError], object] | None,
    ) -> None:
        if interval is not None and not interval >= 0:
            raise ValueError(f"interval is 0 or more, not {interval!r}")
        self._interval = interval
        self._on_failure = on_failure
        self._lock = ForkLock()
        self._told: object = None
        self._seen: object = None
        self._looked_at: object = None
        self._next = 0.0
        self._generation = 1
        self._failures = 0
        self._refused = False
        self._last_error: ConfigurationError | None = None
        self._value = self._read_settled()
        self._put_off()
        enlist(self)

    @abstractmethod
    def _signature(self) -> object:
        """Give a value that changes with the files."""

    @abstractmethod
    def _youngest_ns(self) -> int:
        """Give the time of the latest change of a file."""

    @abstractmethod
    def _read(self) -> T:
        """Read the files and check what is in them.

        Raises:
            ConfigurationError: It is bad.
        """

    @property
    def last_error(self) -> ConfigurationError | None:
        """Why the newest state of the files is not in use; None if it is."""
        return self._last_error

    @property
    def generation(self) -> int:
        """How many values were in use so far."""
        return self._generation

    @property
    def failures(self) -> int:
        """How often there was something new that could not be used."""
        return self._failures

    def current(self) -> T:
        """Give the newest good value, once per interval after a look."""
        if time.monotonic() >= self._next and self._lock.acquire(
            blocking=False
        ):
            try:
                self._put_off()
                if self._signature() != self._seen:
                    self._try()
            finally:
                self._lock.release()
        return self._value

    def reload(self) -> bool:
        """Read the files now.

        Returns:
            Whether there is something new in them.

        Raises:
            ConfigurationError: It is bad; the old value stays in use.
        """
        with self._lock:
            self._put_off()
            before = self._generation
            self._try()
            if self._generation != before:
                changed()
            if self._last_error is not None:
                raise self._last_error.with_traceback(None)
            return self._generation != before

    def follow(self, generation: int) -> None:
        """Read the files as another process did, which shares them.

        Args:
            generation: What that process counts; if nothing is wrong, it
                counts here, too.
        """
        with suppress(ConfigurationError):  # It is told already.
            self.reload()
            self._generation = generation

    def _refuse(self, error: ConfigurationError) -> None:
        """Note that a context can't use the newest value, and why."""
        self._refused = True
        self._tell(error, self._signature())

    def _tell(self, error: ConfigurationError, signature: object) -> None:
        """Tell *error* once for the files that have this signature."""
        self._last_error = error
        told = signature, str(error)
        if told == self._told:
            return
        self._told = told
        self._failures += 1
        _logger.error("%s: the old one stays in use: %s", self, error)
        if self._on_failure is None:
            return
        try:
            self._on_failure(error)
        except Exception:
            _logger.exception("on_failure of %s failed", self)

    def _put_off(self) -> None:
        self._next = float("inf")
        if self._interval is not None:
            self._next = time.monotonic() + self._interval

    def _try(self) -> None:
        """Read; keep the old value if the new one is bad."""
        try:
            value = self._read_settled()
        except ConfigurationError as error:
            self._tell(error, self._looked_at)
            return
        if value != self._value:
            self._value = value
            self._generation += 1
            self._refused = False
            _logger.info("%s: reloaded", self)
        if not self._refused:
            self._last_error = self._told = None

    def _read_settled(self) -> T:
        """Read the files in a state in which nobody is changing them."""
        self._seen = None  # What is bad is read again next time.
        for _ in range(_TRIES):
            # By the time that it is told, they may be others already.
            before = self._looked_at = self._signature()
            try:
                value = self._read_or_tell()
            except ConfigurationError:
                if self._signature() == before:
                    raise
                continue  # It was somebody else's half-done work.
            if self._signature() == before:
                self._remember(before)
                return value
        raise ConfigurationError(
            f"the {self} change faster than they can be read",
            hint="write new files beside the old ones, and rename them",
        )

    def _read_or_tell(self) -> T:
        try:
            return self._read()
        except ConfigurationError:
            raise
        except Exception as error:  # Such as a password function's.
            raise ConfigurationError(
                f"reading the {self} failed: {type(error).__name__}: {error}",
                hint="mend what failed; it is tried again",
            ) from error

    def _remember(self, signature: object) -> None:
        """Don't read again what has this signature, if one can rely on it."""
        if time.time_ns() - self._youngest_ns() >= _TICK_NS:
            self._seen = signature

    def __repr__(self) -> str:
        """Tell the places, and nothing of what is in them."""
        return f"<{type(self).__name__} {self}>"


@public
class ReloadableCredentials(Reloadable[Pair]):
    """A certificate chain and its key in files that may be renewed.

    Give it to contexts by ``load_credentials()``, before they are sealed;
    later connections then use what is newest and good.  A new pair must fit
    together, be valid now, have its certificates in order, and be usable by
    OpenSSL; otherwise the old one stays, and ``last_error``, a log entry and
    *on_failure* tell why.  Renamed files, swapped symbolic links (certbot,
    Kubernetes) and files written in place are all noticed.

    Args:
        certificate_chain: The path of a PEM file, our certificate first.
        private_key: The path of its key; None if it is in the same file.
        password: The key's, if it is encrypted.
        interval: How often, in seconds, the files are looked at while
            connections are made; None waits for ``reload()``.
        on_failure: Called with the ``CredentialError`` of each bad pair.

    Raises:
        CredentialError: The first pair is bad already.
        ValueError: *interval* is negative.
    """

    def __init__(
        self,
        certificate_chain: _StrPath,
        private_key: _StrPath | None = None,
        *,
        password: Password = None,
        interval: float | None = 10.0,
        on_failure: Callable[[ConfigurationError], object] | None = None,
    ) -> None:
        self._chain_path = _absolute(certificate_chain)
        self._key_path = (
            self._chain_path if private_key is None else _absolute(private_key)
        )
        self._password = password
        super().__init__(interval, on_failure)

    @property
    def certificate_chain(self) -> CertificateChain:
        """The chain in use."""
        return self._value.chain

    def _signature(self) -> object:
        return _signature(self._chain_path), _signature(self._key_path)

    def _youngest_ns(self) -> int:
        return max(_changed_ns(self._chain_path), _changed_ns(self._key_path))

    def _read(self) -> Pair:
        for path in (self._chain_path, self._key_path):
            _check_regular(path)
            _check_complete(path, CredentialError)
        chain = CertificateChain.load(self._chain_path)
        key = PrivateKey.load(self._key_path, password=self._password)
        check_pair(chain, key)
        _check_order(chain, self._chain_path)
        _check_dates(chain, self._chain_path)
        trial = Settings(protocol("auto"), chain=chain, key=key)
        build(trial, frozenset(), server_side=True)
        return Pair(chain, key)

    def __str__(self) -> str:
        """Tell the paths."""
        places = dict.fromkeys((self._chain_path, self._key_path))
        return f"credentials in {' and '.join(places)}"


@public
class ReloadableRoots(Reloadable[tuple[Roots, ...]]):
    """Trusted roots in files that may change.

    Give it to contexts by ``load_verify_source()``, before they are sealed.
    A root that leaves the files is not trusted any more by connections made
    after that was noticed.  If a source can't be read, is cut off in the
    middle, or holds no certificate, the old roots stay, and ``last_error``,
    a log entry and *on_failure* tell why.

    Args:
        sources: A ``VerifySource`` each, or the path of a PEM file.
        interval: How often, in seconds, they are looked at while connections
            are made; None waits for ``reload()``.
        on_failure: Called with the ``TrustSourceError`` of each bad state.

    Raises:
        TrustSourceError: A source is bad already.
        ValueError: *interval* is negative, or there is no source.
    """

    def __init__(
        self,
        *sources: AnySource,
        interval: float | None = 10.0,
        on_failure: Callable[[ConfigurationError], object] | None = None,
    ) -> None:
        if not sources:
            raise ValueError("give at least one source")
        self.sources: tuple[VerifySource, ...] = tuple(
            map(VerifySource.of, sources)
        )
        super().__init__(interval, on_failure)

    def _signature(self) -> object:
        return tuple(map(_version, self.sources))

    def _youngest_ns(self) -> int:
        return max(map(_changed_ns, map(_path, self.sources)))

    def _read(self) -> tuple[Roots, ...]:
        for source in self.sources:
            _check_complete(_path(source), TrustSourceError)
        return tuple(source.load() for source in self.sources)

    def __str__(self) -> str:
        """Tell the sources."""
        return f"roots from {', '.join(map(str, self.sources))}"


# -- files ------------------------------------------------------------------


def _absolute(path: _StrPath) -> str:
    # As it is now: the current directory may be another one later.  Not
    # resolved, since a symbolic link may lead elsewhere later, too.
    return os.path.abspath(path_of(path, "credentials", CredentialError))


def _status(path: str) -> os.stat_result | None:
    """Look at the file that *path* leads to now; None if there is none."""
    if not path:  # It would stand for the current directory.
        return None
    try:
        return Path(path).stat()
    except (OSError, ValueError):
        return None


def _signature(path: str) -> object:
    found = _status(path)
    return found and (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _changed_ns(path: str) -> int:
    found = _status(path)
    return 0 if found is None else max(found.st_mtime_ns, found.st_ctime_ns)


def _path(source: VerifySource) -> str:
    return str(getattr(source, "path", None) or "")


def _version(source: VerifySource) -> object:
    try:
        return source._version()
    except ConfigurationError:
        return None


# -- checks -----------------------------------------------------------------


def _check_regular(path: str) -> None:
    """Refuse what could keep its reader waiting; a missing file is no such."""
    if Path(path).exists() and not Path(path).is_file():
        raise CredentialError(
            f"expected a file, but {path} is a directory, device or pipe",
            filename=path,
            hint="read it yourself, and use load_certificate_chain()",
        )


def _check_complete(path: str, kind: type[ConfigurationError]) -> None:
    """Refuse a PEM file that somebody is still writing."""
    data = b""
    with suppress(OSError):  # Loading it will find better words.
        if Path(path).is_file():
            data = Path(path).read_bytes()
    for block in pem.blocks(data):
        end = f"-----END {block.label}-----".encode("latin-1")
        if not block.text.endswith(end):
            raise kind(
                f"a {block.label} in {path} has no END line: it is cut off",
                code="cut-off",
                hint="write the new file beside the old one, and rename it",
                filename=path,
            )


def _check_order(chain: CertificateChain, path: str) -> None:
    """See that each certificate is issued by the next one."""
    if not chain.exact:  # What is written anew is signed by nobody.
        return
    links = zip(chain.certificates, chain.certificates[1:], strict=False)
    for number, (below, above) in enumerate(links, 1):
        if not _issued(below, above):
            raise CredentialError(
                f"certificate number {number} in {path} is not issued by the "
                f"next one, {subject_text(above)!r}",
                code="chain-order",
                hint="put your own certificate first, then its issuer, then "
                "that one's",
            )


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, exceptions.InvalidSignature):
        return False
    return True


def _check_dates(chain: CertificateChain, path: str) -> None:
    """See that every certificate is valid now."""
    now = time.time()
    for each in chain.certificates:
        if outdated(each, now):
            # Without the present time: the same fault has the same words.
            raise CredentialError(
                f"the certificate {subject_text(each)!r} in {path} "
                f"is valid from {each.not_valid_before_utc} to "
                f"{each.not_valid_after_utc}, not now",
                code="not-valid-now",
                hint="renew it, and see that this machine's clock is right",
            )
