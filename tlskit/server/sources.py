"""How many handshakes each source has going on."""

from __future__ import annotations

import ipaddress
from collections import Counter

from ..errors import HandshakeError
from .proxy_protocol import plain_address

__all__ = ["Sources", "source_of"]

#: What one customer is given, commonly: a single machine has all of it.
_PREFIX = 64


def source_of(host: str) -> str:
    """Say whom an address belongs to: itself, or its /64 in IPv6.

    Args:
        host: An address as a socket gives it.
    """
    address = plain_address(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, _PREFIX), strict=False))


class Sources:
    """Counts handshakes by source; for one thread at a time."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def enter(self, host: str, most: int) -> str:
        """Count one more handshake.

        Args:
            host: Where it comes from.
            most: How many handshakes one source may have.

        Returns:
            What to give to ``leave()``.

        Raises:
            HandshakeError: There would be too many.
        """
        source = source_of(host)
        if self._counts[source] >= most:
            raise HandshakeError(
                f"{source} has {most} handshakes going on already",
                code="too-many-handshakes",
                hint="raise max_handshakes_per_source if many clients share "
                "an address, as behind a proxy",
            )
        self._counts[source] += 1
        return source

    def leave(self, source: str) -> None:
        """Count one less."""
        self._counts[source] -= 1
        if not self._counts[source]:
            del self._counts[source]
