"""A certification authority that lives in a directory."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ...errors import ConfigurationError, CredentialError
from ...testing import CA, Leaf
from ...x509.credentials import (
    CertificateChain,
    PrivateKey,
    check_pair,
)
from ...x509.glimpse import stamp
from ..disk import File, make_directory, write_all
from ..names import Limits, names_in, plain_name
from .record import Issued, Record, forget, locked

__all__ = ["Authority", "read_root", "root_file"]

_DAY = timedelta(days=1)
_CERTIFICATE, _KEY = "ca.pem", "ca-key.pem"
_LIST = "crl.pem"


@dataclass(frozen=True)
class Authority:
    """A CA, and where it is kept.

    Its directory has ``ca.pem``, to be trusted, and ``ca-key.pem``, to be
    kept; once something was issued, also ``index.json``, and once something
    was revoked, ``crl.pem``.
    """

    directory: Path
    ca: CA

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        name: str | None = None,
        days: int = 3650,
        key_type: str = "ecdsa",
        only: Sequence[str] = (),
        force: bool = False,
    ) -> Authority:
        """Make a new CA and write it.

        No CA can stand below it.

        Args:
            directory: Made if it is missing.
            name: The common name; one that is unique by default.
            days: How long it is valid.
            key_type: As for ``testing.CA``.
            only: Domains and networks; it can issue for nothing else.
            force: Whether to replace one that is there.

        Raises:
            ConfigurationError: It can't be written, or is there already.
        """
        now = datetime.now(timezone.utc)
        limits = Limits.parse(only)
        # Two CAs of one name would be taken for each other.
        if name is None:
            name = f"tlskit local CA {secrets.token_hex(3)}"
        ca = CA(
            plain_name(name),
            key_type=key_type,
            valid=(now - _DAY, now + days * _DAY),
            extensions=limits.extensions,
            path_length=0,
        )
        make_directory(directory, private=True)
        self = cls(directory, ca)
        key_pem = Leaf(ca.key, (ca.certificate,)).key_pem
        # Who changes the old one's record at this moment is waited for.
        with locked(directory):
            write_all(
                [
                    File(directory / _KEY, key_pem, private=True),
                    File(self.file, ca.pem),
                ],
                force=force,
            )
            self.list_file.unlink(missing_ok=True)
            forget(directory)
        return self

    @classmethod
    def open(cls, directory: Path) -> Authority:
        """Read the CA in *directory*.

        Raises:
            CredentialError: There is none, it is broken, or its time is over.
        """
        chain = _chain(directory)
        key = PrivateKey.load(directory / _KEY)
        check_pair(chain, key)
        _check_is_ca(chain.leaf, directory)
        # What can sign a handshake can sign a certificate.
        ca = CA("as read", key=cast("Any", key.key))
        ca.certificate = chain.leaf
        return cls(directory, ca)

    @classmethod
    @contextmanager
    def changing(cls, directory: Path) -> Iterator[Authority]:
        """Read the CA in *directory*; only the block may change its record.

        No other process can put another CA in its place meanwhile.

        Raises:
            CredentialError: As of ``open()``.
            ConfigurationError: The record can't be locked.
        """
        _chain(directory)  # Where there is no CA, there is nothing to lock.
        with locked(directory):
            yield cls.open(directory)

    @property
    def file(self) -> Path:
        """The certificate, for those who are to trust it."""
        return self.directory / _CERTIFICATE

    @property
    def list_file(self) -> Path:
        """The certificate revocation list, if something was revoked."""
        return self.directory / _LIST

    def record(self) -> Record:
        """Read what was issued and revoked.

        Raises:
            CredentialError: The record is damaged, or another CA's.
        """
        return Record.read(self.directory, self.list_file, self.ca.certificate)

    @property
    def exposed(self) -> bool:
        """Whether others than the owner may read the private key."""
        mode = (self.directory / _KEY).stat().st_mode
        return os.name != "nt" and bool(mode & 0o077)

    # -- issuing ------------------------------------------------------------

    def issue_server(
        self, names: Sequence[str], *, days: int, key_type: str
    ) -> Leaf:
        """Issue a certificate for a server of these names."""
        return self._issue(
            names,
            usages=[ExtendedKeyUsageOID.SERVER_AUTH],
            valid=self._period(days),
            key_type=key_type,
        )

    def issue_client(self, name: str, *, days: int, key_type: str) -> Leaf:
        """Issue a certificate for a client.

        A mail address or a host name is a subject alternative name, too;
        a word or a person's name is the common name alone.
        """
        common = plain_name(name)
        alternative = ("@" in name or "." in name) and " " not in name
        return self._issue(
            names_in([name]) if alternative else (),
            common_name=common,
            usages=[ExtendedKeyUsageOID.CLIENT_AUTH],
            valid=self._period(days),
            key_type=key_type,
        )

    def issue_for(
        self,
        request: x509.CertificateSigningRequest,
        names: Sequence[str],
        *,
        days: int,
    ) -> Leaf:
        """Issue a server's certificate for somebody else's key.

        Of the request, only the key counts, and its names if there are no
        others; who made it has no say about anything else.

        Raises:
            ConfigurationError: It is not signed by its own key, that is weak,
                or there are no names.
        """
        _check_request(request)
        wanted = names or _requested(request)
        if not wanted:
            raise ConfigurationError(
                "the request names no host, and no name was given",
                hint="give the names on the command line",
            )
        return self._issue(
            wanted,
            usages=[ExtendedKeyUsageOID.SERVER_AUTH],
            valid=self._period(days),
            # Only its public key is asked for.
            key=cast("Any", request),
        )

    def issue_bad(self, kind: str, names: Sequence[str]) -> Leaf:
        """Issue a certificate with one thing wrong; see ``CA.issue_bad``.

        One that is to be revoked has nothing wrong yet.
        """
        if kind == "revoked":
            leaf = self.ca.issue(*names)
        else:
            leaf = self.ca.issue_bad(kind, *names)
        self._check_limits(leaf)
        return leaf

    def renew(self, old: Issued, *, days: int) -> Leaf:
        """Issue for the same names and the same purpose once more.

        The key is a new one, unless it is who asked's.
        """
        usages = old.certificate.extensions.get_extension_for_class(
            x509.ExtendedKeyUsage
        ).value
        (common,) = old.certificate.subject.get_attributes_for_oid(
            NameOID.COMMON_NAME
        )
        if old.key_type is None:
            key = {"key": cast("Any", old.certificate)}
        else:
            key = {"key_type": old.key_type}
        return self._issue(
            _requested(old.certificate),
            common_name=common.value,
            usages=list(usages),
            valid=self._period(days),
            **key,
        )

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Whether this CA has signed *certificate*."""
        try:
            certificate.verify_directly_issued_by(self.ca.certificate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return True

    def list_files(self, record: Record, *, days: int) -> list[File]:
        """Make a new revocation list, and the record with its number.

        Args:
            record: What is revoked; it gets the number.
            days: How long the list is good.
        """
        record.crl_number += 1
        pem = self.ca.crl(
            [each.listed for each in record.revoked.values()],
            number=record.crl_number,
            until=datetime.now(timezone.utc) + days * _DAY,
        )
        return [record.file, File(self.list_file, pem, replace=True)]

    def _issue(self, names: Sequence[str], **keywords: Any) -> Leaf:
        if names and all(map(_is_address, names)):
            # Where there is no host name, OpenSSL holds a common name that
            # looks like one to the CA's limits; an address does.
            keywords["common_name"] = f"server at {names[0]}"
        leaf = self.ca.issue(*names, **keywords)
        self._check_limits(leaf)
        return leaf

    def _period(self, days: int) -> tuple[datetime, datetime]:
        """From yesterday on, as clocks differ; no longer than the CA."""
        now = datetime.now(timezone.utc)
        end = self.ca.certificate.not_valid_after_utc
        return now - _DAY, min(now + days * _DAY, end)

    def _check_limits(self, leaf: Leaf) -> None:
        Limits.of(self.ca.certificate).check(_requested(leaf.certificate))


def read_root(directory: Path) -> x509.Certificate:
    """Read the certificate of the CA in *directory*, and not its key.

    Raises:
        CredentialError: There is none, it is broken, or its time is over.
    """
    chain = _chain(directory)
    _check_is_ca(chain.leaf, directory)
    return chain.leaf


def root_file(directory: Path) -> Path:
    """Give the path of the certificate of the CA in *directory*."""
    return directory / _CERTIFICATE


def _chain(directory: Path) -> CertificateChain:
    file = directory / _CERTIFICATE
    if not file.exists():
        raise CredentialError(
            f"there is no CA in {directory}",
            code="no-ca",
            hint=f"make one with: tlskit ca init {directory}",
        )
    return CertificateChain.load(file)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_is_ca(certificate: x509.Certificate, directory: Path) -> None:
    try:
        basic = certificate.extensions.get_extension_for_class(
            x509.BasicConstraints
        ).value
    except (x509.ExtensionNotFound, ValueError):
        basic = None
    if basic is None or not basic.ca:
        raise CredentialError(
            f"the certificate in {directory / _CERTIFICATE} is no CA's",
            code="no-ca",
        )
    end = certificate.not_valid_after_utc
    if end < datetime.now(timezone.utc):
        raise CredentialError(
            f"the CA in {directory} has been out of its time since "
            f"{stamp(end)}",
            code="no-ca",
            hint="make another one with: tlskit ca init",
        )


def _check_request(request: x509.CertificateSigningRequest) -> None:
    try:
        key, signed = request.public_key(), request.is_signature_valid
        assert request.extensions is not None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"the request is malformed, or of an unknown kind: {error}"
        ) from error
    if not signed:
        raise ConfigurationError("the request is not signed by its own key")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        raise ConfigurationError(
            f"the request's RSA key has {key.key_size} bits; 2048 are wanted"
        )


def _requested(
    owner: x509.Certificate | x509.CertificateSigningRequest,
) -> tuple[str, ...]:
    """Give the names of hosts and people that it has, or wants."""
    try:
        found: Iterable[x509.GeneralName] = (
            owner.extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            ).value
        )
    except x509.ExtensionNotFound:
        return ()
    return names_in(
        str(each.value)
        for each in found
        if isinstance(each, x509.DNSName | x509.IPAddress | x509.RFC822Name)
    )
