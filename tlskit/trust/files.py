"""Trusted certificates in files: what to read, and whether it changed."""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
from pathlib import Path

from ..errors import TrustSourceError
from ..x509 import pem
from ..x509.formats import form_of
from ..x509.sources import path_of

__all__ = [
    "Signature",
    "absolute",
    "bundle",
    "certificates",
    "certificates_in",
    "directory_signature",
    "file_signature",
    "has_hashed_names",
    "hashed_directory",
]

#: Differs as soon as the file does.
Signature = tuple[str, int, int, int, int, int]

# The paths compiled into a wheel's OpenSSL exist on no one's machine.  These
# are where the systems keep their roots.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # OpenBSD, FreeBSD
    "/etc/openssl/certs/ca-certificates.crt",  # NetBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # older FreeBSD
)
_DIRECTORIES = (
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/openssl/certs",
)

# What `openssl rehash` makes: a hash of the subject, and a running number.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def absolute(path: str | os.PathLike[str]) -> str:
    """Resolve *path* against the current directory, as it is now.

    Raises:
        TypeError: It is no path.
        TrustSourceError: No file can have this name.
    """
    is_path = isinstance(path, (str, os.PathLike))
    text = os.fspath(path) if is_path else None
    if isinstance(text, str):
        text = path_of(text, "trusted certificates", TrustSourceError)
    else:
        raise TypeError(
            "expected a path as str or PathLike, not "
            f"{type(path).__name__!r}; "  # There may be a key in it.
            "for certificates in memory use VerifySource.pem(data)"
        )
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise TrustSourceError(f"no file can be named {text!r}") from error
    if not encoded or b"\0" in encoded:
        raise TrustSourceError(f"no file can be named {text!r}")
    if os.path.isabs(text):  # noqa: PTH117 - before any Path is made
        return _spelled(text)
    try:
        # Not abspath(): "link/.." is not where the link stands.
        return str(Path(text).absolute())
    except FileNotFoundError as error:
        raise TrustSourceError(
            f"{text} is relative, and the current directory is gone",
            errno=error.errno,
            filename=text,
            hint="use an absolute path",
        ) from error


@functools.lru_cache(64)
def _spelled(text: str) -> str:
    """Spell an absolute path as others of the same file are."""
    return str(Path(text))


def bundle() -> str:
    """Find the system's file of roots; the most usual path if none exists."""
    return next(filter(os.path.isfile, _BUNDLES), _BUNDLES[0])


def hashed_directory() -> str:
    """Find the system's directory of roots, or say where one would be."""
    return next(filter(os.path.isdir, _DIRECTORIES), _DIRECTORIES[0])


def file_signature(path: str) -> Signature:
    """Tell this content of a file from any later one.

    Raises:
        TrustSourceError: There is no regular file.
    """
    status = _status(path)
    if stat.S_ISDIR(status.st_mode):
        raise TrustSourceError(
            f"expected a file of certificates, but {path} is a directory",
            errno=errno.EISDIR,
            filename=path,
            hint=f"use VerifySource.directory({path!r})",
        )
    # Opening a named pipe would wait for its writer, perhaps for ever.
    if not stat.S_ISREG(status.st_mode):
        raise TrustSourceError(
            f"expected a file of certificates, but {path} is a device or pipe",
            filename=path,
            hint="read it yourself, and use VerifySource.pem(data)",
        )
    return _signature(path, status)


def directory_signature(path: str) -> Signature:
    """Tell this list of a directory's entries from any later one.

    Raises:
        TrustSourceError: There is no directory, or OpenSSL can't be told
            its name.
    """
    # OpenSSL would take the name apart there, and search other directories.
    if os.pathsep in path:
        raise TrustSourceError(
            f"OpenSSL can't search {path}, for its name has a {os.pathsep!r}",
            filename=path,
            hint="rename the directory, or load its files one by one",
        )
    status = _status(path)
    if not stat.S_ISDIR(status.st_mode):
        raise TrustSourceError(
            f"expected a directory of certificates, but {path} is none",
            errno=errno.ENOTDIR,
            filename=path,
            hint=f"use VerifySource.file({path!r})",
        )
    return _signature(path, status)


def _signature(path: str, status: os.stat_result) -> Signature:
    return (
        path,
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        # A copy that keeps size and mtime can't keep this one.
        status.st_ctime_ns,
    )


def _status(path: str) -> os.stat_result:
    try:
        # To make a Path takes longer than to look.
        return os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> TrustSourceError:
    hint = "check the path, and that this process may read it"
    return TrustSourceError(
        f"can't read the trusted certificates in {path}: {error.strerror}",
        errno=error.errno,
        filename=path,
        hint=hint,
    )


def has_hashed_names(path: str) -> bool:
    """Say whether OpenSSL could find anything in the directory *path*."""
    try:
        with os.scandir(path) as entries:
            return any(_HASHED.fullmatch(entry.name) for entry in entries)
    except OSError:
        # Searching takes less permission than listing; benefit of the doubt.
        return True


def certificates(path: str) -> tuple[bytes, ...]:
    """Read a file of certificates.

    Returns:
        As ``certificates_in``.

    Raises:
        TrustSourceError: It can't be read, or holds no certificate.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    return certificates_in(data, path)


def certificates_in(data: bytes, name: str) -> tuple[bytes, ...]:
    """Find the certificates in *data*, PEM or a single one in DER.

    Args:
        data: What was read.
        name: Where from, for messages.

    Returns:
        DER, not yet checked; empty for an entry that can't be decoded.

    Raises:
        TrustSourceError: There is nothing that might be a certificate.
    """
    found = pem.certificates(data)
    if found:
        return found
    form = form_of(data)
    if form is None and data.startswith(b"\x30"):
        return (data,)  # A SEQUENCE, as all DER certificates are.
    labels = sorted({block.label for block in pem.blocks(data)})
    content = f"only {', '.join(labels)}" if labels else "neither PEM nor DER"
    hint = "a trust source holds the certificates of authorities, as BEGIN "
    hint += "CERTIFICATE blocks"
    if form is not None and not labels and data.strip():
        content, hint = form.what, form.hint
    raise TrustSourceError(
        f"expected certificates in {name}, but found "
        + (content if data.strip() else "nothing: it is empty"),
        hint=hint,
    )
