"""Whom a certificate presents, as service-identity compares it.

Who connects meets the same few certificates again and again.  What follows
from the bytes of one alone is kept by these bytes: its names, and what
service-identity makes of them.  Nothing is kept that depends on the time, on
roots or on anybody's rules.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from ...tools.bounded import Bounded
from ...x509.alternatives import Names, read_names
from ..hostname import Host, is_pattern

if TYPE_CHECKING:
    from types import ModuleType

    from cryptography import x509
    from service_identity import hazmat

__all__ = ["LARGEST", "Presented", "known", "presented_by"]

#: Certificates of more bytes are read anew each time.
LARGEST = 8192


class Presented:
    """The names of one certificate.

    Args:
        names: What its subjectAltName extension says; None without one.
    """

    def __init__(self, names: Names | None) -> None:
        self.names: Names | None = names

    # It costs a third of what all of pyOpenSSL does: service-identity is not
    # loaded before the first handshake.

    @cached_property
    def _hosts(self) -> tuple[hazmat.DNSPattern, ...]:
        from service_identity import hazmat

        found = () if self.names is None else self.names.dns
        return tuple(
            hazmat.DNSPattern.from_bytes(name.encode("ascii"))
            for name in found
            if is_pattern(name)
        )

    @cached_property
    def _addresses(self) -> tuple[hazmat.IPAddressPattern, ...]:
        from service_identity import hazmat

        found = () if self.names is None else self.names.addresses
        return tuple(hazmat.IPAddressPattern(pattern=each) for each in found)

    def fits(self, host: Host) -> bool:
        """Ask service-identity; RFC 9525, sections 6.3 and 6.5."""
        library, refusals = _service_identity()
        wanted: hazmat.DNS_ID | hazmat.IPAddress_ID
        patterns: tuple[hazmat.CertificatePattern, ...]
        if isinstance(host, bytes):
            wanted = _dns_id(host)
            patterns = self._hosts
            if b"." not in host:
                # A wildcard has two labels and more; service-identity 24.2
                # can't compare it with a name of one.
                patterns = tuple(
                    each for each in self._hosts if b"*" not in each.pattern
                )
        else:
            wanted = library.IPAddress_ID(str(host))
            patterns = self._addresses
        try:
            library.verify_service_identity(patterns, [wanted], [])
        except refusals:
            return False
        return True


@cache
def _service_identity() -> tuple[ModuleType, tuple[type[Exception], ...]]:
    """Give the library, and what it raises to refuse.

    An import is slow also when it has been made already.
    """
    from service_identity import CertificateError, VerificationError, hazmat

    return hazmat, (VerificationError, CertificateError)


@cache
def _is_plain() -> bool:
    """Whether a ``DNS_ID`` is nothing but the bytes of its name."""
    from service_identity import hazmat

    fields = getattr(hazmat.DNS_ID, "__attrs_attrs__", ())
    example = hazmat.DNS_ID("a.example")
    return [each.name for each in fields] == ["hostname"] and (
        example.hostname == b"a.example"
    )


def _dns_id(host: bytes) -> hazmat.DNS_ID:
    """Give service-identity's form of a host name.

    Its constructor finds out what ``parse_host`` has found out, more strictly
    and once, and takes three times as long as the comparison.
    """
    library, _ = _service_identity()
    made: hazmat.DNS_ID
    if not _is_plain():
        made = library.DNS_ID(host.decode("ascii"))
        return made
    made = library.DNS_ID.__new__(library.DNS_ID)
    made.hostname = host
    return made


_kept: Bounded[bytes, Presented] = Bounded(512)


def known(der: bytes) -> Presented | None:
    """Give what is known of a certificate already."""
    return _kept.get(der)


def presented_by(certificate: x509.Certificate, der: bytes) -> Presented:
    """Read the names of a certificate.

    Args:
        certificate: The certificate.
        der: The bytes that it was read from.

    Raises:
        UnreadableError: They are malformed, or there twice.
    """
    found = _kept.get(der)
    if found is None:
        found = Presented(read_names(certificate))
        if len(der) <= LARGEST:
            _kept.put(der, found)
    return found
