"""The places that hold certificates to trust; read once and shared."""

from __future__ import annotations

import functools
import logging
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Union

from ..errors import TrustSourceError, UnsupportedError
from ..openssl.gate import crypto
from ..tools.public import public
from ..tools.versioned import VersionedCache
from ..x509.reading import readable, unreadable
from . import files as _trust_files
from . import macos, windows

if TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "AnySource",
    "Roots",
    "VerifySource",
    "load_sources",
    "system_sources",
]

# Users know the module "trust" only.
_logger = logging.getLogger("tlskit.trust")

_StrPath = str | os.PathLike[str]
#: What a loader takes: a source, or the path of a file of certificates.
AnySource = Union["VerifySource", _StrPath]


@dataclass(frozen=True)
class Roots:
    """What a source gave when it was loaded."""

    source: VerifySource
    #: Each certificate once, as DER; OpenSSL can read them all.
    ders: tuple[bytes, ...] = field(repr=False)
    #: Directories in which OpenSSL looks when it needs a root.
    directories: tuple[str, ...] = ()

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The roots as objects, without those cryptography can't read.

        OpenSSL is the more tolerant of the two; so ``len(roots.ders)`` tells
        how many roots there are.
        """
        return tuple(
            certificate
            for certificate in map(_parsed, self.ders)
            if certificate is not None
        )


def _parsed(der: bytes) -> x509.Certificate | None:
    try:
        return readable(der)
    except unreadable():
        return None


@public
class VerifySource(ABC):
    """A place that holds certificates to trust; compares by content.

    Make one by the constructors below.  Nothing is read before ``load()``.
    """

    @staticmethod
    def file(path: _StrPath) -> VerifySource:
        """Name a file of certificates: PEM, or a single one in DER.

        Args:
            path: Where it is; a relative one is made absolute now.

        Returns:
            The source; nothing is read before ``load()``.

        Raises:
            TrustSourceError: No file can have this name.
        """
        return _File(_trust_files.absolute(path))

    @staticmethod
    def directory(path: _StrPath) -> VerifySource:
        """Name a directory made by ``openssl rehash``.

        OpenSSL searches it when it needs a root, so it counts no roots.

        Args:
            path: Where it is; a relative one is made absolute now.

        Returns:
            The source.

        Raises:
            TrustSourceError: No directory can have this name.
        """
        return _Directory(_trust_files.absolute(path))

    @staticmethod
    def pem(data: bytes | str) -> VerifySource:
        """Take the certificates in *data*: PEM, or a single one in DER.

        Args:
            data: Bytes, or text.

        Returns:
            The source.

        Raises:
            TypeError: *data* is something else.
        """
        if isinstance(data, str):
            data = data.encode(errors="replace")
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"expected PEM as bytes or str, found {data!r}")
        return _Pem(bytes(data))

    @staticmethod
    def certifi() -> VerifySource:
        """Take Mozilla's roots, from the optional package ``certifi``."""
        return _Certifi()

    @staticmethod
    def system() -> VerifySource:
        """Take what this system trusts, whatever the environment says."""
        return _System()

    @staticmethod
    def windows_store(name: str = "ROOT") -> VerifySource:
        """Take a system store of Windows; read once per process.

        Args:
            name: Such as ``"ROOT"`` or ``"CA"``.

        Returns:
            The source; elsewhere its ``load()`` raises.

        Raises:
            TrustSourceError: No store can have this name.
            TypeError: *name* is no text.
        """
        if not isinstance(name, str):
            raise TypeError(f"expected the name of a store, found {name!r}")
        if not name or "\0" in name:
            raise TrustSourceError(f"no store can have the name {name!r}")
        return _WindowsStore(name)

    @staticmethod
    def macos_keychain(path: _StrPath | None = None) -> VerifySource:
        """Take a keychain of macOS; None stands for the system's own.

        Args:
            path: The keychain's file, or None.

        Returns:
            The source; elsewhere its ``load()`` raises.

        Raises:
            TrustSourceError: No keychain can have this name.
        """
        return _MacKeychain(
            None if path is None else _trust_files.absolute(path)
        )

    @staticmethod
    def of(source: AnySource) -> VerifySource:
        """Take *source* as it is, or the file that it names.

        Args:
            source: A source, or the path of a file of certificates.

        Returns:
            The source.

        Raises:
            TypeError: It is neither a source nor a path.
            TrustSourceError: No file can have this name.
        """
        if isinstance(source, VerifySource):
            return source
        return VerifySource.file(source)

    def load(self) -> Roots:
        """Read the certificates, unless they are known and unchanged.

        Returns:
            The very same object as before, while nothing changed.

        Raises:
            TrustSourceError: It can't be read, or holds no certificate.
            UnsupportedError: This platform has no such source.
        """
        # The version comes first: what changes during the reading is then
        # noticed by the next load.
        return _loaded.get(self, self._version(), self._read)

    @abstractmethod
    def _version(self) -> object:
        """Give a value that changes with the content."""

    @abstractmethod
    def _read(self) -> Roots:
        """Read the certificates."""

    def __repr__(self) -> str:
        return f"<{VerifySource.__name__} {self}>"


_loaded: VersionedCache[VerifySource, Roots] = VersionedCache(64)


def load_sources(
    sources: Iterable[VerifySource], *, ignore_failures: bool = False
) -> tuple[Roots, ...]:
    """Load each of *sources*.

    Args:
        sources: What to load.
        ignore_failures: Skip sources that can't be loaded, here or at all.

    Raises:
        TrustSourceError: One can't be read, or holds no certificate.
        UnsupportedError: This platform has no such source.
    """
    loaded = []
    for source in sources:
        try:
            loaded.append(source.load())
        except (TrustSourceError, UnsupportedError) as error:
            if not ignore_failures:
                raise
            _logger.debug("ignored %s: %s", source, error)
    return tuple(loaded)


def _accept(source: VerifySource, candidates: tuple[bytes, ...]) -> Roots:
    """Keep the certificates that OpenSSL can read, each once."""
    bad = [
        number
        for number, der in enumerate(candidates, start=1)
        if not _is_certificate(der)
    ]
    if len(bad) == len(candidates):
        raise TrustSourceError(
            f"none of the {len(bad)} certificates in {source} can be read",
            hint="an entry is a BEGIN CERTIFICATE block; so are all by: "
            "openssl crl2pkcs7 -nocrl -certfile OLD | openssl pkcs7 "
            "-print_certs -out NEW",
        )
    if bad:
        _logger.warning(
            "%s: skipped %d of %d certificates that can't be read: number %s",
            source,
            len(bad),
            len(candidates),
            ", ".join(map(str, bad)),
        )
        candidates = tuple(
            der
            for number, der in enumerate(candidates, start=1)
            if number not in bad
        )
    return Roots(source, tuple(dict.fromkeys(candidates)))


def _is_certificate(der: bytes) -> bool:
    try:
        certificate = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except crypto.Error:
        return False
    # OpenSSL ignores what follows the certificate.
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) == der


# -- the kinds of sources ---------------------------------------------------


@dataclass(frozen=True, repr=False)
class _File(VerifySource):
    path: str

    def __str__(self) -> str:
        return f"file {self.path}"

    def _version(self) -> object:
        return _trust_files.file_signature(self.path)

    def _read(self) -> Roots:
        return _accept(self, _trust_files.certificates(self.path))


@dataclass(frozen=True, repr=False)
class _Directory(VerifySource):
    path: str

    def __str__(self) -> str:
        return f"directory {self.path}"

    def _version(self) -> object:
        return _trust_files.directory_signature(self.path)

    def _read(self) -> Roots:
        if not _trust_files.has_hashed_names(self.path):
            _logger.warning(
                "%s has no names that OpenSSL could find; run: "
                "openssl rehash %s",
                self,
                self.path,
            )
        return Roots(self, (), (self.path,))


@dataclass(frozen=True, repr=False)
class _Pem(VerifySource):
    data: bytes

    def __str__(self) -> str:
        return f"PEM data ({len(self.data)} bytes)"

    def _version(self) -> object:
        return None  # It never changes.

    def _read(self) -> Roots:
        found = _trust_files.certificates_in(self.data, str(self))
        return _accept(self, found)


@dataclass(frozen=True, repr=False)
class _Certifi(VerifySource):
    def __str__(self) -> str:
        return "certifi"

    def _version(self) -> object:
        return _trust_files.file_signature(self._path())

    def _read(self) -> Roots:
        return _accept(self, _trust_files.certificates(self._path()))

    def _path(self) -> str:
        try:
            import certifi
        except ImportError as error:
            raise UnsupportedError(
                "the package certifi is not installed",
                hint="python -m pip install certifi",
            ) from error
        return certifi.where()


@dataclass(frozen=True, repr=False)
class _System(VerifySource):
    def __str__(self) -> str:
        return "system"

    def _version(self) -> object:
        return self._parts()

    def _read(self) -> Roots:
        parts = self._parts()
        return Roots(
            self,
            tuple(dict.fromkeys(der for part in parts for der in part.ders)),
            tuple(path for part in parts for path in part.directories),
        )

    def _parts(self) -> tuple[Roots, ...]:
        anchors, directories = system_sources()
        sources = (*anchors, *directories)
        parts = load_sources(sources, ignore_failures=True)
        if not parts:
            raise TrustSourceError(
                "this system has none of its usual roots: "
                + ", ".join(map(str, sources)),
                hint="install its package ca-certificates, or certifi",
            )
        return parts


@dataclass(frozen=True, repr=False)
class _WindowsStore(VerifySource):
    name: str

    def __str__(self) -> str:
        return f"Windows store {self.name}"

    def _version(self) -> object:
        return None  # Nothing tells of a change.

    def _read(self) -> Roots:
        return _accept(self, windows.certificates(self.name))


@dataclass(frozen=True, repr=False)
class _MacKeychain(VerifySource):
    path: str | None

    def __str__(self) -> str:
        return f"macOS keychain {self.path or '(system)'}"

    def _version(self) -> object:
        files = macos.keychains(self.path)
        return tuple(map(_trust_files.file_signature, files))

    def _read(self) -> Roots:
        return _accept(self, macos.certificates(self.path))


# -- the system -------------------------------------------------------------

_Sources = tuple[VerifySource, ...]


def system_sources() -> tuple[_Sources, _Sources]:
    """Give the system's own sources: a file or store, and directories."""
    platform: str = sys.platform
    if platform == "win32":
        # Not the store "CA": servers send their intermediates themselves.
        return (VerifySource.windows_store(),), ()
    if platform == "darwin":
        return (VerifySource.macos_keychain(),), ()
    return (
        (_system_file(_trust_files.bundle()),),
        (_system_directory(_trust_files.hashed_directory()),),
    )


# Few and absolute; to parse a path takes longer than to look for it.
_system_file = functools.cache(VerifySource.file)
_system_directory = functools.cache(VerifySource.directory)
