"""Which certificate is meant: by file, by name, or by serial number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from ...errors import ConfigurationError
from ...x509.credentials import load_certificates
from ..data import certificate_data
from .authority import Authority
from .record import Issued, Record

__all__ = ["choose", "names_of", "serial_in"]

#: So many digits of a serial number are enough, if no other begins so.
_ENOUGH = 6


def choose(
    record: Record, text: str, counts: Callable[[Issued], bool]
) -> list[Issued]:
    """Find what *text* means.

    Args:
        record: Where to look.
        text: A host's or a client's name, which means all certificates of
            that name that *counts* is true of; or a serial number in
            hexadecimal, or how it begins.
        counts: Whether one is worth being found by its name.

    Returns:
        At least one.

    Raises:
        ConfigurationError: None is meant, or several serial numbers are.
    """
    name = text.lower()
    named = [
        each
        for each in record.issued
        if name in map(str.lower, names_of(each.certificate))
    ]
    found = list(filter(counts, named))
    if found:
        return found
    digits = name.replace(":", "").lstrip("0")
    numbered = [
        each
        for each in record.issued
        if len(digits) >= _ENOUGH and f"{each.serial:x}".startswith(digits)
    ]
    if len(numbered) > 1:
        raise ConfigurationError(
            f"{text!r} begins several serial numbers: {_serials(numbered)}",
            hint="give more digits",
        )
    if not numbered:
        raise _unknown(text, named, record)
    return numbered


def _unknown(
    text: str, named: list[Issued], record: Record
) -> ConfigurationError:
    if named:
        states = ", ".join(
            f"{each.serial:x} ({record.state(each)})" for each in named
        )
        return ConfigurationError(
            f"no certificate for {text} counts any longer: {states}"
        )
    return ConfigurationError(
        f"this CA has issued no certificate for {text!r}, as far as its "
        "record knows",
        hint="tlskit ca list shows those it knows; a certificate that is "
        "older than the record is named by its file",
    )


def _serials(issued: Iterable[Issued]) -> str:
    return ", ".join(f"{each.serial:x}" for each in issued)


def names_of(certificate: x509.Certificate) -> list[str]:
    """Give the names it may be called by: hosts, people, the common name."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names = [*certificate_data(certificate)["names"]]
    names += [str(each.value) for each in common]
    return list(dict.fromkeys(names))


def serial_in(authority: Authority, text: str) -> int | None:
    """Give the serial number of the certificate in a file.

    Returns:
        None if *text* is no file's name.

    Raises:
        ConfigurationError: The certificate in it is another CA's.
        CredentialError: There is no certificate in it.
    """
    if not Path(text).is_file():
        return None
    certificate = load_certificates(Path(text))[0]
    if not authority.has_issued(certificate):
        raise ConfigurationError(
            f"the certificate in {text} is not by the CA in "
            f"{authority.directory}",
        )
    return certificate.serial_number
