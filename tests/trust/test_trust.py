"""Sources of trusted roots: read once, shared, and never guessed at."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import pickle
import sys
import threading
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlskit import trust
from tlskit.errors import TrustSourceError, UnsupportedError
from tlskit.trust import (
    VerifySource,
    default_verify_sources,
    files,
    load_default_roots,
    load_sources,
    macos,
    set_default_verify_sources,
    windows,
)


def make_root(name: str, serial: int = 1) -> x509.Certificate:
    """Make a root certificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        .sign(key, hashes.SHA256())
    )


ONE, TWO = make_root("one"), make_root("two")
PEM_ONE, PEM_TWO = (root.public_bytes(Encoding.PEM) for root in (ONE, TWO))
DER_ONE, DER_TWO = (root.public_bytes(Encoding.DER) for root in (ONE, TWO))
BROKEN = b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"


@pytest.fixture
def file(tmp_path):
    """Give a file with one root."""
    path = tmp_path / "one.pem"
    path.write_bytes(PEM_ONE)
    return path


@pytest.fixture
def hashed(tmp_path):
    """Give a directory as ``openssl rehash`` makes it."""
    path = tmp_path / "hashed"
    path.mkdir()
    (path / "01234567.0").write_bytes(PEM_TWO)
    return path


@pytest.fixture(autouse=True)
def _untouched(monkeypatch):
    """Keep the machine's settings, and those of other tests, away."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(trust, "_reported", ())
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.fixture
def system(monkeypatch, file, hashed):
    """Give this machine *file* and *hashed* as its usual places."""
    monkeypatch.setattr(files, "_BUNDLES", (str(file),))
    monkeypatch.setattr(files, "_DIRECTORIES", (str(hashed),))


# -- values -----------------------------------------------------------------

SOURCES = {
    "file /x.pem": lambda: VerifySource.file("/x.pem"),
    "directory /x": lambda: VerifySource.directory("/x"),
    "PEM data (2 bytes)": lambda: VerifySource.pem(b"ab"),
    "certifi": VerifySource.certifi,
    "system": VerifySource.system,
    "Windows store ROOT": VerifySource.windows_store,
    "Windows store CA": lambda: VerifySource.windows_store("CA"),
    "macOS keychain (system)": VerifySource.macos_keychain,
    "macOS keychain /x": lambda: VerifySource.macos_keychain("/x"),
}


@pytest.mark.parametrize(("words", "make"), SOURCES.items())
def test_words(words, make):
    """A source is named in words that fit into a message."""
    assert words == str(make())
    assert f"<VerifySource {words}>" == repr(make())


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_values(make):
    """Sources compare by content, hash alike, can't change, can be copied."""
    source = make()

    assert make() == source
    assert hash(make()) == hash(source)
    assert source == pickle.loads(pickle.dumps(source))
    with pytest.raises((AttributeError, TypeError)):
        source.path = "/other"


def test_kinds_differ():
    """No two of these sources are equal, though some have equal contents."""
    sources = [make() for make in SOURCES.values()]

    assert len(sources) == len(set(sources))


def test_abstract():
    """There is no source without a kind."""
    with pytest.raises(TypeError):
        VerifySource()


def test_pem_text():
    """Text and every kind of bytes make the same source."""
    text = PEM_ONE.decode()

    assert 1 == len(
        {
            VerifySource.pem(data)
            for data in (text, PEM_ONE, bytearray(PEM_ONE))
        }
        | {VerifySource.pem(memoryview(PEM_ONE))}
    )


@pytest.mark.parametrize("data", [None, 1, ["x"], Path("x")])
def test_pem_type(data):
    """What is neither bytes nor text is a TypeError at once."""
    with pytest.raises(TypeError, match="PEM"):
        VerifySource.pem(data)


@pytest.mark.parametrize("name", [None, b"ROOT", 1])
def test_store_type(name):
    """The name of a store is text."""
    with pytest.raises(TypeError, match="store"):
        VerifySource.windows_store(name)


@pytest.mark.parametrize("name", ["", "RO\0OT"])
def test_store_name(name):
    """A name that no store can have is refused at once."""
    with pytest.raises(TrustSourceError, match="no store"):
        VerifySource.windows_store(name)


@pytest.mark.parametrize(
    "make",
    [VerifySource.file, VerifySource.directory, VerifySource.macos_keychain],
)
def test_paths(make, tmp_path, monkeypatch):
    """Paths become absolute when the source is made, not when it is read."""
    monkeypatch.chdir(tmp_path)
    source = make("x")
    monkeypatch.chdir("/")

    assert make(tmp_path / "x") == source
    with pytest.raises(TrustSourceError):
        make("a\0b")
    with pytest.raises(TypeError):
        make(b"/x")


def test_of(file):
    """A path stands for the file; a source for itself; no more is taken."""
    source = VerifySource.system()

    assert source is VerifySource.of(source)
    assert VerifySource.file(file) == VerifySource.of(file)
    assert VerifySource.file(file) == VerifySource.of(str(file))
    for wrong in (None, 1, b"x", ["x"]):
        with pytest.raises(TypeError):
            VerifySource.of(wrong)


# -- loading ----------------------------------------------------------------


def test_file(file):
    """A file of several roots gives each of them once, in order."""
    file.write_bytes(PEM_ONE + b"# comment\n" + PEM_TWO + PEM_ONE)
    roots = VerifySource.file(file).load()

    assert VerifySource.file(file) == roots.source
    assert (DER_ONE, DER_TWO) == roots.ders
    assert (ONE, TWO) == roots.certificates
    assert () == roots.directories


def test_der_file(file):
    """A DER file is taken too."""
    file.write_bytes(DER_ONE)

    assert (ONE,) == VerifySource.file(file).load().certificates


@pytest.mark.parametrize("data", [PEM_ONE, PEM_ONE.decode(), DER_ONE])
def test_pem(data):
    """Certificates in memory are taken, PEM or DER."""
    assert (ONE,) == VerifySource.pem(data).load().certificates


def test_pem_odd_text():
    """A lone surrogate in a comment does no harm."""
    source = VerifySource.pem("\ud800\n" + PEM_ONE.decode())

    assert (ONE,) == source.load().certificates


@pytest.mark.parametrize(
    "data", [b"", b"garbage\0", BROKEN, DER_ONE[:-1], DER_ONE + b"\0"]
)
def test_no_certificate(file, data):
    """A source without one good certificate is refused, and named."""
    file.write_bytes(data)

    with pytest.raises(TrustSourceError, match=r"one\.pem") as caught:
        VerifySource.file(file).load()

    assert caught.value.hint
    with pytest.raises(TrustSourceError, match="PEM data"):
        VerifySource.pem(data).load()


def test_trusted_certificate():
    """OpenSSL's TRUSTED form is refused: it may say "distrust" inside."""
    trusted = PEM_ONE.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE")

    with pytest.raises(TrustSourceError, match="none of the 1") as caught:
        VerifySource.pem(trusted).load()

    assert "openssl pkcs7 -print_certs" in caught.value.hint


def test_some_broken(caplog):
    """Broken entries beside good ones are skipped, with one warning."""
    source = VerifySource.pem(BROKEN + PEM_ONE + BROKEN + PEM_TWO)
    roots = source.load()

    assert (ONE, TWO) == roots.certificates
    (record,) = caplog.records
    assert ("tlskit.trust", logging.WARNING) == (record.name, record.levelno)
    assert "skipped 2 of 4" in record.getMessage()
    assert "number 1, 3" in record.getMessage()


def test_missing_file(tmp_path):
    """A missing file is an error with errno, filename and its cause."""
    path = str(tmp_path / "none.pem")

    with pytest.raises(TrustSourceError, match="No such file") as caught:
        VerifySource.file(path).load()

    assert path == caught.value.filename
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_directory(hashed, caplog):
    """A directory is left to OpenSSL: it is named, and nothing is read."""
    roots = VerifySource.directory(hashed).load()

    assert (str(hashed),) == roots.directories
    assert () == roots.ders == roots.certificates
    assert [] == caplog.records


def test_directory_without_hashes(tmp_path, caplog):
    """A directory in which OpenSSL finds nothing is said to need rehash."""
    roots = VerifySource.directory(tmp_path).load()

    assert (str(tmp_path),) == roots.directories
    assert f"openssl rehash {tmp_path}" in caplog.text


def test_missing_directory(tmp_path):
    """A missing directory is an error, which OpenSSL would not tell."""
    with pytest.raises(TrustSourceError, match="No such file"):
        VerifySource.directory(tmp_path / "none").load()


def test_certifi():
    """Mozilla's roots come from the package certifi."""
    certifi = pytest.importorskip("certifi")
    roots = VerifySource.certifi().load()

    assert VerifySource.file(certifi.where()).load().ders == roots.ders
    assert roots is VerifySource.certifi().load()


def test_no_certifi(monkeypatch):
    """Without the package the error tells how to get it."""
    monkeypatch.setitem(sys.modules, "certifi", None)

    with pytest.raises(UnsupportedError, match="certifi") as caught:
        VerifySource.certifi().load()

    assert "pip install certifi" in caught.value.hint


@pytest.mark.parametrize(
    "source", [VerifySource.windows_store(), VerifySource.macos_keychain()]
)
def test_foreign(source):
    """A source of another platform is unsupported, not merely empty."""
    with pytest.raises(UnsupportedError):
        source.load()
    assert () == load_sources([source], ignore_failures=True)


def test_windows_store(monkeypatch, caplog):
    """A store is read once; broken entries of it are skipped."""
    reads = []

    def certificates(name):
        reads.append(name)
        return (DER_ONE, b"broken", DER_TWO)

    monkeypatch.setattr(windows, "certificates", certificates)
    source = VerifySource.windows_store("a test's own")
    roots = source.load()

    assert (DER_ONE, DER_TWO) == roots.ders
    assert "skipped 1 of 3" in caplog.text
    assert roots is source.load()
    assert ["a test's own"] == reads


def test_macos_keychain(monkeypatch, file):
    """A keychain is read, and read again when its file changes."""
    answer = [DER_ONE]
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(macos, "certificates", lambda _path: tuple(answer))
    source = VerifySource.macos_keychain(file)
    roots = source.load()

    assert (DER_ONE,) == roots.ders
    assert roots is source.load()
    answer.append(DER_TWO)
    file.write_bytes(b"changed")
    assert (DER_ONE, DER_TWO) == source.load().ders


# -- this system ------------------------------------------------------------


@pytest.mark.usefixtures("system")
def test_system(hashed, monkeypatch):
    """The system's roots are those of its usual places, env or no env."""
    monkeypatch.setenv("SSL_CERT_FILE", "/none")
    monkeypatch.setenv("SSL_CERT_DIR", "/none")
    roots = VerifySource.system().load()

    assert VerifySource.system() == roots.source
    assert (ONE,) == roots.certificates
    assert (str(hashed),) == roots.directories


@pytest.mark.usefixtures("system")
def test_system_half(hashed):
    """One of the two places is enough."""
    (hashed / "01234567.0").unlink()
    hashed.rmdir()

    assert () == VerifySource.system().load().directories


@pytest.mark.usefixtures("system")
def test_system_change(file):
    """The same object while nothing changed, another one afterwards."""
    roots = VerifySource.system().load()
    same = VerifySource.system().load()
    file.write_bytes(PEM_ONE + PEM_TWO)

    assert roots is same
    assert (ONE, TWO) == VerifySource.system().load().certificates


def test_system_without_roots(monkeypatch):
    """A system without any roots is an error that says what to install."""
    monkeypatch.setattr(files, "_BUNDLES", ("/none/a.pem",))
    monkeypatch.setattr(files, "_DIRECTORIES", ("/none/dir",))

    with pytest.raises(TrustSourceError, match=r"/none/a\.pem") as caught:
        VerifySource.system().load()

    assert "ca-certificates" in caught.value.hint


def test_real_system():
    """The roots of the machine that runs this test load without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            roots = VerifySource.system().load()
        except TrustSourceError:
            pytest.skip("this machine has no roots")

        assert roots.ders or roots.directories
        assert len(roots.ders) >= len(roots.certificates)


def test_certificate_of_odd_serial():
    """A root is one, and is read, whatever warnings its number causes."""
    # cryptography makes no negative serial numbers either; so patch one in.
    good = make_root("odd", serial=0x7F01).public_bytes(Encoding.DER)
    der = good.replace(b"\x02\x02\x7f\x01", b"\x02\x02\x81\x01", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        roots = VerifySource.pem(der).load()

        assert (der,) == roots.ders
        assert [der] == [
            each.public_bytes(Encoding.DER) for each in roots.certificates
        ]


# -- sharing ----------------------------------------------------------------


def test_same_object(file):
    """Loading twice gives the very same object, from equal sources too."""
    roots = VerifySource.file(file).load()

    assert roots is VerifySource.file(str(file)).load()
    assert roots.certificates is roots.certificates


def test_changed_file(file):
    """A changed file is read again; the old roots stay as they were."""
    source = VerifySource.file(file)
    before = source.load()
    file.write_bytes(PEM_ONE + PEM_TWO)
    after = source.load()

    assert (DER_ONE,) == before.ders
    assert (DER_ONE, DER_TWO) == after.ders
    assert after is source.load()


def test_removed_file(file):
    """A removed file is an error, though its roots were known."""
    source = VerifySource.file(file)
    source.load()
    file.unlink()

    with pytest.raises(TrustSourceError):
        source.load()


def test_threads_share(file):
    """Many threads that load at once all get the same object."""
    source = VerifySource.file(file)
    start = threading.Barrier(8, timeout=60)
    results = []

    def load():
        start.wait()
        results.append(source.load())

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert 8 == len(results)
    assert 1 == len(set(map(id, results)))


def test_roots_are_values(file):
    """Roots compare by content; their repr doesn't spill the certificates."""
    source = VerifySource.file(file)
    roots = source.load()

    assert roots == trust.Roots(source, (DER_ONE,))
    assert hash(roots) == hash(trust.Roots(source, (DER_ONE,)))
    assert len(repr(roots)) < 300
    with pytest.raises(AttributeError):
        roots.ders = ()


def test_load_sources(file):
    """Failures are raised, unless they are to be ignored."""
    sources = [VerifySource.file("/none"), VerifySource.file(file)]

    with pytest.raises(TrustSourceError):
        load_sources(sources)
    assert (sources[1].load(),) == load_sources(sources, ignore_failures=True)


def test_no_io_before_load(monkeypatch):
    """Making a source touches no file."""

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    for make in SOURCES.values():
        make()


# -- the defaults -----------------------------------------------------------


@pytest.mark.usefixtures("system")
def test_default(file, hashed):
    """By default the system's file and its directory are trusted."""
    expected = (VerifySource.file(file), VerifySource.directory(hashed))

    assert expected == default_verify_sources()
    assert expected == tuple(roots.source for roots in load_default_roots())


@pytest.mark.parametrize(
    ("platform", "anchors"),
    [
        ("linux", VerifySource.file("/a")),
        ("freebsd14", VerifySource.file("/a")),
        ("win32", VerifySource.windows_store("ROOT")),
        ("darwin", VerifySource.macos_keychain()),
    ],
)
def test_environment(platform, anchors, monkeypatch):
    """On every platform each variable replaces its own half only."""
    monkeypatch.setattr(files, "_BUNDLES", ("/a",))
    monkeypatch.setattr(files, "_DIRECTORIES", ("/d",))
    monkeypatch.setattr(sys, "platform", platform)
    posix = platform in ("linux", "freebsd14")
    folders = (VerifySource.directory("/d"),) if posix else ()
    before = default_verify_sources()
    monkeypatch.setenv("SSL_CERT_FILE", "/env.pem")
    file_only = default_verify_sources()
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", "/e")
    folder_only = default_verify_sources()

    assert (anchors, *folders) == before
    assert (VerifySource.file("/env.pem"), *folders) == file_only
    assert (anchors, VerifySource.directory("/e")) == folder_only


def test_many_directories(monkeypatch):
    """SSL_CERT_DIR names several, as PATH does; empty names are dropped."""
    monkeypatch.setenv("SSL_CERT_FILE", "/f")
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["", "/a", "", "/b"]))

    assert (
        VerifySource.file("/f"),
        VerifySource.directory("/a"),
        VerifySource.directory("/b"),
    ) == default_verify_sources()


def test_empty_variables(monkeypatch):
    """A variable that is set but empty stands for none, never for more."""
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setenv("SSL_CERT_DIR", "")

    assert () == default_verify_sources()


def test_missing_half(file, monkeypatch, caplog):
    """One missing default is ignored, without a warning."""
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", "/none")

    (roots,) = load_default_roots()
    assert (DER_ONE,) == roots.ders
    assert [] == caplog.records


def test_all_missing(monkeypatch, caplog):
    """When all defaults are missing, that is logged once, with advice."""
    monkeypatch.setenv("SSL_CERT_FILE", "/none.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/none")

    assert () == load_default_roots() == load_default_roots()
    (record,) = caplog.records
    assert ("tlskit.trust", logging.WARNING) == (record.name, record.levelno)
    for part in ("file /none.pem", "directory /none", "SSL_CERT_FILE"):
        assert part in record.getMessage()


def test_ignored_failure_is_logged(monkeypatch, file, caplog):
    """Whoever debugs finds out which default was ignored, and why."""
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", "/none")
    with caplog.at_level(logging.DEBUG, "tlskit.trust"):
        load_default_roots()

    assert "ignored directory /none" in caplog.text


def test_foreign_default(file, caplog):
    """A foreign default source is ignored."""
    with set_default_verify_sources([VerifySource.windows_store(), file]):
        assert 1 == len(load_default_roots())
    assert [] == caplog.records


# -- choosing defaults ------------------------------------------------------


def test_set(file):
    """What was set holds until it is set again; paths are files."""
    outer = set_default_verify_sources([file])
    chosen = default_verify_sources()
    with outer as now:
        inner = set_default_verify_sources(iter([VerifySource.system()]))
        with inner:
            assert (VerifySource.system(),) == default_verify_sources()
        assert chosen == default_verify_sources()

    assert (VerifySource.file(file),) == chosen == now
    assert chosen != default_verify_sources()


def test_restored_after_failure(file):
    """The end of the ``with`` restores, whatever happened inside."""
    before = default_verify_sources()
    with pytest.raises(LookupError), set_default_verify_sources([file]):
        raise LookupError

    assert before == default_verify_sources()


def test_set_nothing(caplog):
    """An empty choice trusts nobody, and is not complained about."""
    with set_default_verify_sources([]):
        assert () == default_verify_sources() == load_default_roots()
    assert [] == caplog.records


def test_set_beats_environment(file, monkeypatch):
    """What the program chose is not changed by the environment."""
    monkeypatch.setenv("SSL_CERT_FILE", "/none")
    with set_default_verify_sources([file]):
        assert (VerifySource.file(file),) == default_verify_sources()


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        1,
        "/x.pem",
        b"/x.pem",
        Path("/x.pem"),
        VerifySource.system(),
        [None],
        [b"/x.pem"],
        ["/x.pem", 1],
        [["/x.pem"]],
    ],
)
def test_set_wrong_type(wrong):
    """What is no series of sources is a TypeError, and changes nothing."""
    before = default_verify_sources()
    with pytest.raises(TypeError):
        set_default_verify_sources(wrong)

    assert before == default_verify_sources()


def test_threads(file):
    """Another thread has its own choice, unless it runs in a copy of this."""
    results = []

    def look():
        results.append(default_verify_sources())

    with set_default_verify_sources([file]):
        copy = contextvars.copy_context()
        thread = threading.Thread(target=copy.run, args=(look,))
        thread.start()
        thread.join(60)
        fresh = contextvars.Context()
        fresh.run(look)

    assert [(VerifySource.file(file),), default_verify_sources()] == results


def test_tasks(file):
    """A task inherits the choice; its own choice stays inside it."""

    async def child():
        inherited = default_verify_sources()
        set_default_verify_sources([])
        return inherited

    async def parent():
        set_default_verify_sources([file])
        return await asyncio.create_task(child()), default_verify_sources()

    inherited, after = asyncio.run(parent())
    assert (VerifySource.file(file),) == inherited == after
