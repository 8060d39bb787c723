"""The names that a local CA certifies, and limits to them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cryptography import x509

from ..errors import ConfigurationError
from ..verify.identity import Identity

__all__ = ["Limits", "names_in", "plain_name"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_EVERY_ADDRESS = (
    ipaddress.ip_network("0.0.0.0/0"),
    ipaddress.ip_network("::/0"),
)


def names_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Parse host names, addresses and mail addresses; each once.

    Returns:
        Host names as A-labels, with ``*.`` kept in front, and addresses
        without brackets or zone.

    Raises:
        ConfigurationError: One of them is none of these.
    """
    return tuple(dict.fromkeys(map(_name_in, texts)))


def _name_in(text: str) -> str:
    try:
        if "@" in text:
            return x509.RFC822Name(text).value
        star = "*." if text.startswith("*.") else ""
        identity = Identity.parse(text[len(star) :])
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is no host name, IP address or mail address: {error}",
            code="bad-hostname",
        ) from error
    if identity.dns is not None:
        return star + identity.dns.decode("ascii")
    if star:
        raise ConfigurationError(
            f"there is no wildcard for addresses: {text!r}",
            code="bad-hostname",
        )
    return str(identity.ip)


def plain_name(text: str) -> str:
    """Check a common name: X.509 has 64 characters for it.

    Raises:
        ConfigurationError: It is empty, too long, or unprintable.
    """
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise ConfigurationError(
            f"a name has 1 to 64 printable characters; found {text!r}"
        )
    return text


@dataclass(frozen=True)
class Limits:
    """For whom a CA may issue: name constraints (RFC 5280, 4.2.1.10)."""

    domains: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Limits:
        """Read domains such as ``example.test``, and networks.

        Raises:
            ConfigurationError: One is neither.
        """
        domains, networks = [], []
        for text in texts:
            with suppress(ValueError):
                networks.append(ipaddress.ip_network(text))
                continue
            name = _name_in(text.removeprefix("*.").removeprefix("."))
            if "@" in name:
                raise ConfigurationError(
                    f"a domain or a network is wanted, found {text!r}"
                )
            domains.append(name)
        return cls(tuple(domains), tuple(networks))

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Limits:
        """Read those of a CA that ``extensions`` made."""
        try:
            found = certificate.extensions.get_extension_for_class(
                x509.NameConstraints
            ).value
        except x509.ExtensionNotFound:
            return cls()
        permitted = found.permitted_subtrees or ()
        return cls(
            tuple(e.value for e in permitted if isinstance(e, x509.DNSName)),
            tuple(e.value for e in permitted if isinstance(e, x509.IPAddress)),  # type: ignore[misc]
        )

    @property
    def extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        """What the CA's certificate says of them; nothing without limits.

        A list of one kind of name would leave the other kinds free, so what
        is not permitted of each kind is excluded altogether.
        """
        if not (self.domains or self.networks):
            return []
        permitted: list[x509.GeneralName] = [
            *map(x509.DNSName, self.domains),
            *map(x509.RFC822Name, self.domains),
            *map(x509.IPAddress, self.networks),
        ]
        excluded: list[x509.GeneralName] = []
        if not self.networks:
            excluded += map(x509.IPAddress, _EVERY_ADDRESS)
        if not self.domains:
            # The empty name is above every other.
            excluded.append(x509.DNSName(""))
        return [(x509.NameConstraints(permitted, excluded or None), True)]

    def check(self, names: Iterable[str]) -> None:
        """See that all *names* are within the limits.

        Raises:
            ConfigurationError: One is not.
        """
        if not (self.domains or self.networks):
            return
        for name in names:
            if not self._permit(name):
                allowed = ", ".join([*self.domains, *map(str, self.networks)])
                raise ConfigurationError(
                    f"this CA may issue for {allowed} only, not for {name}",
                    code="outside-limits",
                    hint="everybody would refuse that certificate",
                )

    def _permit(self, name: str) -> bool:
        with suppress(ValueError):
            address = ipaddress.ip_address(name)
            return any(address in network for network in self.networks)
        _, at, host = name.rpartition("@")
        if at:
            return host in self.domains
        return any(
            name == domain or name.endswith("." + domain)
            for domain in self.domains
        )
