"""Trusted certificates in keychains of macOS."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TrustSourceError, UnsupportedError
from ..x509 import pem

if TYPE_CHECKING:
    import subprocess

__all__ = ["certificates", "keychains"]

_SECURITY = "/usr/bin/security"
_SYSTEM = (
    "/System/Library/Keychains/SystemRootCertificates.keychain",
    "/Library/Keychains/System.keychain",
)
_TIMEOUT = 30.0  # Seconds; usually it takes a tenth of one.

# kSecTrustSettingsResultDeny, and the policy "SSL" by name and by OID.
_DENY = 3
_POLICY = "kSecTrustSettingsPolicy"
_POLICY_NAME = "kSecTrustSettingsPolicyName"
_SSL_POLICIES = ("sslServer", bytes.fromhex("2a864886f763640103"))


def keychains(path: str | None) -> tuple[str, ...]:
    """Name the files to read: *path*, or the system's where it is None.

    Raises:
        UnsupportedError: This is not macOS.
    """
    # mypy would skip the rest, if it saw the comparison of sys.platform.
    platform: str = sys.platform
    if platform != "darwin":
        raise UnsupportedError(
            "keychains exist on macOS only",
            hint="VerifySource.system() fits every platform",
        )
    if path is not None:
        return (path,)
    return tuple(filter(os.path.exists, _SYSTEM)) or _SYSTEM


def certificates(path: str | None) -> tuple[bytes, ...]:
    """Read the keychain *path*, or the system's where it is None.

    Left out are certificates that the user or the administrator marked as
    never to be trusted for TLS.

    Returns:
        DER, not yet checked; empty for an entry that can't be decoded.

    Raises:
        TrustSourceError: Reading failed, or took too long.
        UnsupportedError: This is not macOS.
    """
    files = keychains(path)
    listing = _run("find-certificate", "-a", "-p", *files)
    if listing.returncode:
        words = listing.stderr.decode(errors="replace").strip()
        raise TrustSourceError(
            f"can't read {', '.join(files)}: "
            + (words or f"exit status {listing.returncode}"),
            filename=files[0],
            hint=f"try {_SECURITY} find-certificate -a -p {files[0]}",
        )
    denied = _denied()
    return tuple(
        der
        for der in pem.certificates(listing.stdout)
        if _fingerprint(der) not in denied
    )


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    import subprocess

    try:
        return subprocess.run(  # noqa: S603 - the program is a fixed one
            [_SECURITY, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TrustSourceError(
            f"{_SECURITY} gave no answer in {_TIMEOUT:g} seconds"
        ) from error
    except OSError as error:
        raise TrustSourceError(
            f"can't run {_SECURITY}: {error.strerror}",
            errno=error.errno,
            filename=_SECURITY,
        ) from error


def _fingerprint(der: bytes) -> str:
    # Trust settings are filed under SHA-1; no signature depends on it here.
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def _denied() -> frozenset[str]:
    """Give the fingerprints of what must not be trusted for TLS."""
    import tempfile

    found: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for name, *options in (("user",), ("admin", "-d")):
            path = Path(folder, name)
            export = _run("trust-settings-export", *options, str(path))
            # It fails where nobody ever changed a setting.
            if export.returncode == 0:
                found |= _denied_in(path)
    return frozenset(found)


def _denied_in(path: Path) -> set[str]:
    import plistlib

    try:
        settings = plistlib.loads(path.read_bytes())["trustList"]
        return {
            fingerprint.upper()
            for fingerprint, entry in settings.items()
            if any(map(_denies, entry.get("trustSettings", ())))
        }
    # Broken lists make plistlib raise nearly anything.  Not to know what is
    # denied must not mean that nothing is.
    except Exception as error:
        raise TrustSourceError(
            f"can't read the trust settings of macOS ({error})",
            hint="name a file of roots in SSL_CERT_FILE instead",
        ) from error


def _denies(setting: dict[str, Any]) -> bool:
    """Read one setting; without a policy it is about every use."""
    policies = {setting.get(_POLICY), setting.get(_POLICY_NAME)} - {None}
    applies = not policies or not policies.isdisjoint(_SSL_POLICIES)
    return applies and setting.get("kSecTrustSettingsResult") == _DENY
