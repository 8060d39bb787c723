"""Hosts and ports as people write them, such as ``[::1]:443``."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ConfigurationError
from ..verify.identity import Identity

__all__ = ["Place", "parse_place"]


class Place(NamedTuple):
    """A host, by name or address, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as it is read."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_place(text: str, default: int | None = None) -> Place:
    """Parse ``HOST`` or ``HOST:PORT``.

    Args:
        text: An IPv6 address with a port stands in brackets.
        default: The port if there is none; None demands one.

    Raises:
        ConfigurationError: It can be no host, or no port.
    """
    host, port = _split(text)
    if port is None and default is None:
        raise ConfigurationError(
            f"a host and a port are wanted, such as localhost:8080; "
            f"found {text!r}",
            code="bad-address",
        )
    if not host:
        raise ConfigurationError(f"there is no host in {text!r}")
    Identity.parse(host)
    number = default if port is None else _number(port, text)
    assert number is not None
    return Place(host, number)


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfigurationError(
                f"an address in brackets is wanted, such as [::1]:443; "
                f"found {text!r}",
                code="bad-address",
            )
        return host, rest[1:] if rest else None
    if text.count(":") > 1:  # An IPv6 address without a port.
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _number(port: str, text: str) -> int:
    if port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535:
        return int(port)
    raise ConfigurationError(
        f"a port is a number from 1 to 65535, found {port!r} in {text!r}",
        code="bad-address",
    )
