"""What a CA has issued and revoked, in a file beside its key."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...errors import ConfigurationError, CredentialError
from ...tools.deadline import Deadline
from ...x509.glimpse import stamp
from ..disk import File
from ..material import read_bounded

__all__ = [
    "REASONS",
    "Issued",
    "Record",
    "Revocation",
    "forget",
    "locked",
]

_SCHEMA = 1
_INDEX, _LOCK = "index.json", "index.lock"
#: How long another process may take to issue something, in seconds.
_PATIENCE = 10.0
_AGAIN = 0.05

#: Why something is revoked (RFC 5280, 5.3.1).  Without a reason, there is
#: none on the list: ``unspecified`` should not be written there.
REASONS = {
    "unspecified": None,
    "key-compromise": x509.ReasonFlags.key_compromise,
    "affiliation-changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
    "privilege-withdrawn": x509.ReasonFlags.privilege_withdrawn,
}


@dataclass(frozen=True)
class Revocation:
    """That a certificate of this serial number counts no longer."""

    serial: int
    at: datetime
    #: A key of ``REASONS``.
    reason: str

    @property
    def listed(self) -> x509.RevokedCertificate:
        """The same, as a revocation list has it."""
        builder = (
            x509.RevokedCertificateBuilder()
            .serial_number(self.serial)
            .revocation_date(self.at)
        )
        flag = REASONS[self.reason]
        if flag is not None:
            builder = builder.add_extension(x509.CRLReason(flag), False)
        return builder.build()

    @classmethod
    def of(cls, listed: x509.RevokedCertificate) -> Revocation:
        """Read what a list has."""
        try:
            found = listed.extensions.get_extension_for_class(x509.CRLReason)
            flag: x509.ReasonFlags | None = found.value.reason
        except x509.ExtensionNotFound:
            flag = None
        reasons = [name for name, each in REASONS.items() if each is flag]
        return cls(
            listed.serial_number,
            listed.revocation_date_utc,
            reasons[0] if reasons else "unspecified",
        )


@dataclass
class Issued:
    """One certificate that the CA has issued."""

    certificate: x509.Certificate
    #: ``"server"``, ``"client"`` or ``"bad"``.
    kind: str
    #: How long it was to be valid, in days.
    days: int
    #: The kind of its key; None if that is who asked's.
    key_type: str | None
    #: Where it was written, as absolute paths.
    certificate_file: str
    key_file: str | None = None
    #: What is wrong with it on purpose.
    bad: str | None = None
    #: The serial number of the one that was issued in its stead.
    replaced_by: int | None = None

    @property
    def serial(self) -> int:
        """Its serial number."""
        return self.certificate.serial_number


@dataclass
class Record:
    """All that the CA has issued, the oldest first, and what it revoked."""

    directory: Path
    issued: list[Issued] = field(default_factory=list[Issued])
    revoked: dict[int, Revocation] = field(
        default_factory=dict[int, Revocation]
    )
    #: Of its last revocation list; 0 before the first.
    crl_number: int = 0
    #: The SHA-256 of the CA's public key.
    owner: str = ""

    @classmethod
    def read(cls, directory: Path, crl: Path, ca: x509.Certificate) -> Record:
        """Read what is known of the CA in *directory*.

        Args:
            directory: The CA's.
            crl: Its revocation list; a CA without a record may have one.
            ca: Its own certificate.

        Raises:
            CredentialError: The record, or the list, is damaged, or that of
                a CA with another key.
        """
        path = directory / _INDEX
        key = ca.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self = cls(directory, owner=hashlib.sha256(key).hexdigest())
        if not path.exists():
            self._read_list(crl, ca)
            return self
        try:
            self._read_index(json.loads(read_bounded(str(path))))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise CredentialError(
                f"{path}, the record of what this CA issued, is damaged: "
                f"{error}",
                hint="restore it from a copy; what it said was revoked must "
                "stay revoked; a new CA that was not made wholly is made "
                "again by: tlskit ca init --force",
                filename=str(path),
            ) from error
        return self

    def _read_list(self, crl: Path, ca: x509.Certificate) -> None:
        if not crl.exists():
            return
        try:
            found = x509.load_pem_x509_crl(read_bounded(str(crl)))
            number = found.extensions.get_extension_for_class(x509.CRLNumber)
            # A CA has a key that signs lists.
            signed = found.is_signature_valid(cast("Any", ca.public_key()))
        except (ValueError, TypeError, x509.ExtensionNotFound) as error:
            raise CredentialError(
                f"{crl} is no revocation list of this CA: {error}",
                filename=str(crl),
            ) from error
        if not signed:
            raise CredentialError(
                f"{crl} is no revocation list of this CA: it is signed by "
                "another key",
                filename=str(crl),
            )
        self.crl_number = number.value.crl_number
        for each in map(Revocation.of, found):
            self.revoked[each.serial] = each

    def _read_index(self, data: Any) -> None:
        if data["schema"] != _SCHEMA:
            raise ValueError(
                f"it is of version {data['schema']}, and not {_SCHEMA}"
            )
        # Records that were written before had no owner.
        if data.get("owner", self.owner) != self.owner:
            raise ValueError("it is that of a CA with another key")
        self.crl_number = int(data["crl_number"])
        self.issued = [_issued(each) for each in data["issued"]]
        for each in data["revoked"]:
            serial = int(each["serial"], 16)
            reason = each["reason"]
            if reason not in REASONS:
                raise ValueError(f"{reason!r} is no reason")
            at = datetime.fromisoformat(each["at"])
            self.revoked[serial] = Revocation(serial, at, reason)

    @property
    def file(self) -> File:
        """The record as it is to be written: for its owner only."""
        data = {
            "schema": _SCHEMA,
            "owner": self.owner,
            "crl_number": self.crl_number,
            "issued": [_data(each) for each in self.issued],
            "revoked": [
                {
                    "serial": f"{each.serial:x}",
                    "at": each.at.isoformat(),
                    "reason": each.reason,
                }
                for each in self.revoked.values()
            ],
        }
        text = json.dumps(data, indent=1) + "\n"
        path = self.directory / _INDEX
        return File(path, text.encode(), private=True, replace=True)

    def find(self, serial: int) -> Issued | None:
        """Give what was issued with this serial number."""
        found = (each for each in self.issued if each.serial == serial)
        return next(found, None)

    def add(self, issued: Issued) -> None:
        """Note a new one; it replaces what was in the same file."""
        for each in self.issued:
            if (
                each.certificate_file == issued.certificate_file
                and each.replaced_by is None
            ):
                each.replaced_by = issued.serial
        self.issued.append(issued)

    def state(self, issued: Issued) -> str:
        """Say whether it counts.

        Returns:
            ``"revoked"``, ``"expired"``, ``"not yet valid"``, ``"replaced"``
            or ``"good"``.
        """
        now = datetime.now(timezone.utc)
        if issued.serial in self.revoked:
            return "revoked"
        if issued.certificate.not_valid_after_utc < now:
            return "expired"
        if issued.certificate.not_valid_before_utc > now:
            return "not yet valid"
        return "good" if issued.replaced_by is None else "replaced"

    def revoke(self, serial: int, reason: str) -> None:
        """Put it on the list.

        Raises:
            ConfigurationError: It is there already.
        """
        before = self.revoked.get(serial)
        if before is not None:
            raise ConfigurationError(
                f"{serial:x} has been revoked since {stamp(before.at)} "
                f"({before.reason})"
            )
        now = datetime.now(timezone.utc).replace(microsecond=0)
        self.revoked[serial] = Revocation(serial, now, reason)


def forget(directory: Path) -> None:
    """Remove the record of a CA that is no more."""
    (directory / _INDEX).unlink(missing_ok=True)


def _issued(data: Any) -> Issued:
    replaced = data["replaced_by"]
    return Issued(
        certificate=x509.load_pem_x509_certificate(
            data["certificate"].encode()
        ),
        kind=str(data["kind"]),
        days=int(data["days"]),
        key_type=data["key_type"],
        certificate_file=str(data["certificate_file"]),
        key_file=data["key_file"],
        bad=data["bad"],
        replaced_by=None if replaced is None else int(replaced, 16),
    )


def _data(issued: Issued) -> dict[str, object]:
    pem = issued.certificate.public_bytes(Encoding.PEM)
    replaced = issued.replaced_by
    return {
        "certificate": pem.decode(),
        "kind": issued.kind,
        "days": issued.days,
        "key_type": issued.key_type,
        "certificate_file": issued.certificate_file,
        "key_file": issued.key_file,
        "bad": issued.bad,
        "replaced_by": None if replaced is None else f"{replaced:x}",
    }


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Be the only one who changes the CA's record, while the block runs.

    The system releases the lock when its holder dies.  Windows has none.

    Raises:
        ConfigurationError: Another process held it all the time, or the
            directory can't be written to.
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        yield
        return
    path = directory / _LOCK
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        number = os.open(path, flags, 0o600)
        _open_to_owner(number)
    except OSError as error:
        raise ConfigurationError(
            f"can't write {path}: {error.strerror}",
            code="unwritable-file",
            hint="issuing and revoking are recorded beside the CA's key",
            errno=error.errno,
            filename=str(path),
        ) from error
    deadline = Deadline.after(_PATIENCE)
    try:
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not deadline.left():
                    raise ConfigurationError(
                        f"another process is busy with the CA in {directory}",
                        hint=f"it has locked {path}; try again later",
                    ) from None
                time.sleep(_AGAIN)
        yield
    finally:
        os.close(number)


def _open_to_owner(number: int) -> None:
    """Undo what an odd umask took from who made the file."""
    mode = os.fstat(number).st_mode & 0o777
    if mode & 0o600 != 0o600:
        os.fchmod(number, mode | 0o600)
