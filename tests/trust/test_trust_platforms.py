"""The stores of Windows and macOS, by what they are known to answer."""

from __future__ import annotations

import base64
import hashlib
import plistlib
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tlskit.errors import TrustSourceError, UnsupportedError
from tlskit.trust import macos
from tlskit.trust import windows as _trust_windows

SERVERS = "1.3.6.1.5.5.7.3.1"
MAIL = "1.3.6.1.5.5.7.3.4"
SSL_POLICY = bytes.fromhex("2a864886f763640103")


# -- Windows ----------------------------------------------------------------


@pytest.fixture
def windows(monkeypatch):
    """Give the stores that ``ssl.enum_certificates`` will show."""
    stores = {"Disallowed": []}

    def enum_certificates(name):
        if name not in stores:
            raise FileNotFoundError(2, "The system cannot find the file")
        return stores[name]

    monkeypatch.setattr(
        ssl, "enum_certificates", enum_certificates, raising=False
    )
    return stores


@pytest.mark.parametrize("purposes", [True, frozenset({MAIL, SERVERS})])
def test_windows_accepts(windows, purposes):
    """A certificate for all purposes, or for TLS servers, is taken."""
    windows["ROOT"] = [(b"der", "x509_asn", purposes)]

    assert (b"der",) == _trust_windows.certificates("ROOT")


@pytest.mark.parametrize(
    "entry",
    [
        (b"der", "pkcs_7_asn", True),
        (b"der", "x509_asn", False),
        (b"der", "x509_asn", frozenset()),
        (b"der", "x509_asn", frozenset({MAIL})),
    ],
)
def test_windows_refuses(windows, entry):
    """Other encodings and other purposes are left out."""
    windows["ROOT"] = [entry, (b"good", "x509_asn", True)]

    assert (b"good",) == _trust_windows.certificates("ROOT")


def test_windows_disallowed(windows):
    """What Windows disallows is not trusted, though it is a root."""
    windows["ROOT"] = [(b"bad", "x509_asn", True), (b"ok", "x509_asn", True)]
    windows["Disallowed"] = [(b"bad", "x509_asn", True)]

    assert (b"ok",) == _trust_windows.certificates("ROOT")


@pytest.mark.parametrize("missing", ["ROOT", "Disallowed"])
def test_windows_unreadable(windows, missing):
    """A store that can't be read is an error that names it."""
    windows["ROOT"] = []
    del windows[missing]

    with pytest.raises(TrustSourceError, match=missing) as caught:
        _trust_windows.certificates("ROOT")

    assert 2 == caught.value.errno
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_windows_elsewhere(monkeypatch):
    """On another platform there is no such store."""
    monkeypatch.delattr(ssl, "enum_certificates", raising=False)

    with pytest.raises(UnsupportedError, match="ROOT") as caught:
        _trust_windows.certificates("ROOT")

    assert "system()" in caught.value.hint


# -- macOS ------------------------------------------------------------------


class Security:
    """Stands in for ``/usr/bin/security``.

    Attributes:
        listing: Exit status, output and complaints of find-certificate.
        settings: What trust-settings-export writes for "user" and "admin";
            where there is nothing, it fails, as the real one does.
        calls: The arguments of each call.
    """

    def __init__(self) -> None:
        self.listing = (0, b"", b"")
        self.settings: dict[str, bytes] = {}
        self.calls: list[tuple[str, ...]] = []

    def run(self, command, *, stdin, capture_output, timeout, check):
        """Answer as ``subprocess.run`` would."""
        assert stdin == subprocess.DEVNULL
        assert capture_output
        assert timeout > 0
        assert not check
        program, verb, *arguments = command
        assert program == "/usr/bin/security"
        self.calls.append((verb, *arguments))
        if verb == "find-certificate":
            return subprocess.CompletedProcess(command, *self.listing)
        domain = "admin" if "-d" in arguments else "user"
        if domain not in self.settings:
            return subprocess.CompletedProcess(command, 1, b"", b"none found")
        Path(arguments[-1]).write_bytes(self.settings[domain])
        return subprocess.CompletedProcess(command, 0, b"", b"")


@pytest.fixture
def security(monkeypatch):
    """Give a macOS whose ``security`` can be told what to answer."""
    fake = Security()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", fake.run)
    return fake


def armour(*ders: bytes) -> bytes:
    """Write *ders* as the program does: one block after the other."""
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n"
        + base64.encodebytes(der)
        + b"-----END CERTIFICATE-----\n"
        for der in ders
    )


def settings(der: bytes, *entries: dict[str, object]) -> bytes:
    """Write trust settings about *der*, as the program exports them."""
    fingerprint = hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()
    entry: dict[str, object] = {"issuerName": b"", "serialNumber": b"\1"}
    if entries:
        entry["trustSettings"] = list(entries)
    return plistlib.dumps({"trustList": {fingerprint: entry}})


def test_macos_keychain(security):
    """Every certificate of the named keychain is read, in order."""
    security.listing = (0, armour(b"one", b"two"), b"")

    assert (b"one", b"two") == macos.certificates("/k.keychain")
    assert security.calls[0] == ("find-certificate", "-a", "-p", "/k.keychain")


def test_macos_system(security, monkeypatch, tmp_path):
    """None stands for those of the system's keychains that exist."""
    there = tmp_path / "System.keychain"
    there.touch()
    monkeypatch.setattr(macos, "_SYSTEM", (str(tmp_path / "none"), str(there)))
    security.listing = (0, armour(b"one"), b"")

    assert (b"one",) == macos.certificates(None)
    assert security.calls[0] == ("find-certificate", "-a", "-p", str(there))


@pytest.mark.usefixtures("security")
def test_macos_system_lost(monkeypatch):
    """Where no keychain exists, all are named, so that an error can say."""
    monkeypatch.setattr(macos, "_SYSTEM", ("/none/a", "/none/b"))

    assert ("/none/a", "/none/b") == macos.keychains(None)


def test_macos_undecodable(security):
    """An entry that can't be decoded is empty, so that it is counted."""
    broken = b"-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n"
    security.listing = (0, broken + armour(b"one"), b"")

    assert (b"", b"one") == macos.certificates("/k")


@pytest.mark.parametrize("domain", ["user", "admin"])
@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"kSecTrustSettingsPolicyName": "sslServer"},
        {"kSecTrustSettingsPolicy": SSL_POLICY},
    ],
)
def test_macos_denied(security, domain, entry):
    """What user or administrator never trust for TLS is left out."""
    security.listing = (0, armour(b"bad", b"good"), b"")
    deny = {**entry, "kSecTrustSettingsResult": 3}
    security.settings[domain] = settings(b"bad", deny)

    assert (b"good",) == macos.certificates("/k")


@pytest.mark.parametrize(
    "entries",
    [
        (),
        ({"kSecTrustSettingsResult": 1},),
        ({"kSecTrustSettingsPolicyName": "sslServer"},),
        (
            {
                "kSecTrustSettingsPolicyName": "SMIME",
                "kSecTrustSettingsResult": 3,
            },
        ),
    ],
)
def test_macos_not_denied(security, entries):
    """Settings that trust, or deny for another use only, deny nothing."""
    security.listing = (0, armour(b"one"), b"")
    security.settings["admin"] = settings(b"one", *entries)

    assert (b"one",) == macos.certificates("/k")


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"garbage",
        b"<?xml version='1.0'?><plist><dict>",
        plistlib.dumps({}),
        plistlib.dumps({"trustList": {"AB": 1}}),
        plistlib.dumps({"trustList": {"AB": {"trustSettings": [1]}}}),
    ],
)
def test_macos_broken_settings(security, garbage):
    """Not to know what is denied must not mean that nothing is."""
    security.listing = (0, armour(b"one"), b"")
    security.settings["user"] = garbage

    with pytest.raises(TrustSourceError, match="trust settings"):
        macos.certificates("/k")


def test_macos_failure(security):
    """A refusal of the program is an error in its words."""
    security.listing = (44, b"", b"SecKeychain: not found\n")

    with pytest.raises(TrustSourceError, match="/k: SecKeychain") as caught:
        macos.certificates("/k")

    assert "/k" == caught.value.filename


def test_macos_silent_failure(security):
    """A refusal without words tells the exit status."""
    security.listing = (44, b"", b"")

    with pytest.raises(TrustSourceError, match="exit status 44"):
        macos.certificates("/k")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (subprocess.TimeoutExpired("security", 30), "no answer in 30 seconds"),
        (FileNotFoundError(2, "No such file"), "can't run .*: No such file"),
    ],
)
def test_macos_program_lost(monkeypatch, cause, words):
    """A program that hangs or is missing is an error, with its cause."""

    def fail(*_args, **_keywords):
        raise cause

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", fail)

    with pytest.raises(TrustSourceError, match=words) as caught:
        macos.certificates("/k")

    assert caught.value.__cause__ is cause


def test_macos_elsewhere(monkeypatch):
    """On another platform there is no keychain, and no program is run."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delattr(subprocess, "run")

    with pytest.raises(UnsupportedError, match="macOS"):
        macos.certificates(None)
