"""Files and directories of trusted certificates, good and bad."""

from __future__ import annotations

import base64
import errno
import os
import socket
from pathlib import Path

import pytest

from tlskit.errors import TrustSourceError
from tlskit.trust import files

PEM = (
    b"-----BEGIN CERTIFICATE-----\n"
    + base64.encodebytes(b"der")
    + b"-----END CERTIFICATE-----\n"
)


@pytest.fixture
def file(tmp_path):
    """Give a file with one certificate."""
    path = tmp_path / "roots.pem"
    path.write_bytes(PEM)
    return path


# -- names ------------------------------------------------------------------


def test_relative(tmp_path, monkeypatch):
    """A relative path is resolved against the current directory of now."""
    monkeypatch.chdir(tmp_path)

    assert str(tmp_path / "x.pem") == files.absolute("x.pem")
    assert str(tmp_path / "x.pem") == files.absolute(Path("x.pem"))


def test_dots_are_kept(tmp_path):
    """``link/..`` is left to the system: only it knows where that is."""
    path = str(tmp_path / "link" / ".." / "x.pem")

    assert path == files.absolute(path)


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800"])
def test_impossible_names(name):
    """A name that no file can have is refused at once."""
    with pytest.raises(TrustSourceError, match="no file can be named"):
        files.absolute(name)


@pytest.mark.parametrize("path", [None, 1, ["x"], b"/x.pem"])
def test_no_path(path):
    """Anything but a path is a TypeError, bytes included."""
    with pytest.raises(TypeError, match="path"):
        files.absolute(path)


def test_lost_directory(tmp_path, monkeypatch):
    """A relative path in a deleted directory is an error that says so."""
    place = tmp_path / "gone"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()

    with pytest.raises(TrustSourceError, match="relative") as caught:
        files.absolute("x.pem")

    assert (errno.ENOENT, "x.pem") == (
        caught.value.errno,
        caught.value.filename,
    )


# -- known places -----------------------------------------------------------


def test_first_that_exists(tmp_path, monkeypatch):
    """The first bundle and the first directory that exist are taken."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    places = [str(tmp_path / name) for name in ("none", "file", "folder")]
    monkeypatch.setattr(files, "_BUNDLES", places)
    monkeypatch.setattr(files, "_DIRECTORIES", places)

    assert places[1] == files.bundle()
    assert places[2] == files.hashed_directory()


def test_none_exists(monkeypatch):
    """Where none exists, the usual one is named, for the message."""
    monkeypatch.setattr(files, "_BUNDLES", ("/none/a", "/none/b"))
    monkeypatch.setattr(files, "_DIRECTORIES", ("/none/c", "/none/d"))

    assert "/none/a" == files.bundle()
    assert "/none/c" == files.hashed_directory()


# -- signatures -------------------------------------------------------------


def rewrite(path: Path) -> None:
    """Change the content in place, but neither its size nor its mtime."""
    before = path.stat()
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    """Put another file of the same size and mtime in its place."""
    before = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def grow(path: Path) -> None:
    """Add a line."""
    path.write_bytes(path.read_bytes() + b"\n")


def touch(path: Path) -> None:
    """Change the mtime only."""
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [replace, grow, touch])
def test_change_shows(file, change):
    """A file that was replaced, grew or was touched has a new signature."""
    before = files.file_signature(str(file))
    change(file)

    assert before != files.file_signature(str(file))


def test_hidden_change_shows(file):
    """A change that keeps size and mtime shows by the ctime."""
    os.utime(file, ns=(1, 1))
    status = file.stat()
    before = files.file_signature(str(file))
    # The clock of a file system ticks slowly; so wait until it ticked.
    while file.stat().st_ctime_ns == status.st_ctime_ns:
        rewrite(file)

    assert before != files.file_signature(str(file))
    assert (status.st_size, status.st_mtime_ns, status.st_ino) == (
        file.stat().st_size,
        file.stat().st_mtime_ns,
        file.stat().st_ino,
    )


def test_no_change(file):
    """Nothing changed: the same signature."""
    first = files.file_signature(str(file))

    assert first == files.file_signature(str(file))


def test_new_entry_shows(tmp_path):
    """A directory with another entry has a new signature."""
    os.utime(tmp_path, ns=(1, 1))
    before = files.directory_signature(str(tmp_path))
    (tmp_path / "01234567.0").touch()

    assert before != files.directory_signature(str(tmp_path))


# -- what isn't what it should be -------------------------------------------


def missing(folder: Path) -> Path:
    """Name nothing at all."""
    return folder / "none"


def below_a_file(folder: Path) -> Path:
    """Name something in a file."""
    (folder / "file").touch()
    return folder / "file" / "x"


def loop(folder: Path) -> Path:
    """Make a link to itself."""
    path = folder / "loop"
    path.symlink_to(path)
    return path


def long(folder: Path) -> Path:
    """Name something longer than any name may be."""
    return folder / ("x" * 5000)


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (missing, errno.ENOENT),
        (below_a_file, errno.ENOTDIR),
        (loop, errno.ELOOP),
        (long, errno.ENAMETOOLONG),
    ],
)
@pytest.mark.parametrize(
    "check", [files.file_signature, files.directory_signature]
)
def test_unreachable(tmp_path, make, number, check):
    """What can't be reached is an error with errno, filename and cause."""
    path = str(make(tmp_path))

    with pytest.raises(TrustSourceError, match="can't read") as caught:
        check(path)

    error = caught.value
    assert (number, path) == (error.errno, error.filename)
    assert number == error.__cause__.errno
    assert os.strerror(number) in str(error)


def test_directory_as_file(tmp_path):
    """A directory is no file; the hint names the right constructor."""
    with pytest.raises(TrustSourceError, match="is a directory") as caught:
        files.file_signature(str(tmp_path))

    assert errno.EISDIR == caught.value.errno
    assert "VerifySource.directory" in caught.value.hint


def test_file_as_directory(file):
    """A file is no directory; the hint names the right constructor."""
    with pytest.raises(TrustSourceError, match="is none") as caught:
        files.directory_signature(str(file))

    assert errno.ENOTDIR == caught.value.errno
    assert "VerifySource.file" in caught.value.hint


def test_pipe(tmp_path):
    """A named pipe is refused: opening it could wait for ever."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(TrustSourceError, match="device or pipe") as caught:
        files.file_signature(str(tmp_path / "pipe"))

    assert "VerifySource.pem" in caught.value.hint


def test_socket(tmp_path, monkeypatch):
    """A socket is refused."""
    monkeypatch.chdir(tmp_path)  # A socket's name must be short.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")

        with pytest.raises(TrustSourceError, match="device or pipe"):
            files.file_signature("s")


def test_endless_device():
    """A device without an end is refused."""
    with pytest.raises(TrustSourceError, match="device or pipe"):
        files.file_signature("/dev/zero")


def test_separator_in_directory(tmp_path):
    """OpenSSL would search two directories instead of this one."""
    path = tmp_path / f"a{os.pathsep}b"
    path.mkdir()

    with pytest.raises(TrustSourceError, match="OpenSSL can't search"):
        files.directory_signature(str(path))


def test_unreadable(file, monkeypatch):
    """A file that may not be read is an error with errno and filename."""

    def refuse(_path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # The tests may run as root, whom no permission stops.
    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(TrustSourceError, match="Permission denied") as caught:
        files.certificates(str(file))

    error = caught.value
    assert (errno.EACCES, str(file)) == (error.errno, error.filename)
    assert isinstance(error.__cause__, PermissionError)


# -- hashed names -----------------------------------------------------------


@pytest.mark.parametrize("name", ["01234567.0", "abcdef01.12"])
def test_hashed(tmp_path, name):
    """What ``openssl rehash`` makes is recognised."""
    (tmp_path / name).touch()

    assert files.has_hashed_names(str(tmp_path)) is True


@pytest.mark.parametrize(
    "name", ["root.pem", "0123456.0", "01234567.r0", "01234567.0.bak"]
)
def test_not_hashed(tmp_path, name):
    """Other names are not, revocation lists included."""
    (tmp_path / name).touch()

    assert files.has_hashed_names(str(tmp_path)) is False


def test_unlistable(tmp_path):
    """A directory that can't be listed has the benefit of the doubt."""
    assert files.has_hashed_names(str(tmp_path / "none")) is True


# -- contents ---------------------------------------------------------------


def test_pem_file(file):
    """The certificates of a PEM file are found."""
    assert (b"der",) == files.certificates(str(file))


def test_der_file(tmp_path):
    """A file that begins as DER does is taken as one certificate."""
    path = tmp_path / "root.der"
    path.write_bytes(b"\x30\x03\x02\x01\x00")

    assert (b"\x30\x03\x02\x01\x00",) == files.certificates(str(path))


def test_key_beside_certificate():
    """Private keys beside the certificates are passed over."""
    key = PEM.replace(b"CERTIFICATE", b"PRIVATE KEY")

    assert (b"der",) == files.certificates_in(key + PEM, "x")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "nothing: it is empty"),
        (b" \n\t\r\n", "nothing: it is empty"),
        (b"\x00\xff" * 99, "neither PEM nor DER"),
        (b"just some words\n", "neither PEM nor DER"),
        (PEM[10:], "neither PEM nor DER"),
        (PEM.replace(b"CERTIFICATE", b"PRIVATE KEY"), "only PRIVATE KEY"),
        (PEM.replace(b"CERTIFICATE", b"X509 CRL"), "only X509 CRL"),
        (
            PEM.replace(b"CERTIFICATE", b"PUBLIC KEY")
            + PEM.replace(b"CERTIFICATE", b"DH PARAMETERS"),
            "only DH PARAMETERS, PUBLIC KEY",
        ),
    ],
)
def test_no_certificate(data, found):
    """What holds no certificate is refused, and the error says what it is."""
    with pytest.raises(TrustSourceError) as caught:
        files.certificates_in(data, "/x.pem")

    assert (
        f"expected certificates in /x.pem, but found {found}"
        == caught.value.message
    )
    assert "BEGIN CERTIFICATE" in caught.value.hint
