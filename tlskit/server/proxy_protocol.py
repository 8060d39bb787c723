"""The PROXY protocol, versions 1 and 2: who is behind the proxy.

A proxy that forwards TCP hides its clients' addresses.  HAProxy and others
say them in a header in front of the client's own bytes; its specification is
``doc/proxy-protocol.txt`` of HAProxy's.  The header proves nothing, so it is
worth something only from an address that is a proxy's: ``ProxyRules``.

Nothing here does I/O: bytes in, a header or an error out.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import HandshakeError
from ..tools.public import public

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "MOST_BYTES",
    "ProxyHeader",
    "ProxyParser",
    "ProxyRules",
    "plain_address",
]

Address = tuple[str, int]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: No header may be longer, in bytes.  The specification allows 64 KiB for
#: version 2; what proxies really send is below 1 KiB.
MOST_BYTES = 4096

_V1 = b"PROXY "
#: The specification's limit for version 1, its end of line included.
_MOST_V1 = 107
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = 16

_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_TEXT = re.compile(rb"[ -~]*")
_V1_VERSIONS: dict[
    str, type[ipaddress.IPv4Address | ipaddress.IPv6Address]
] = {
    "TCP4": ipaddress.IPv4Address,
    "TCP6": ipaddress.IPv6Address,
}

_LOCAL, _PROXY = 0, 1
# Family and protocol of version 2.  An address of None is skipped: it says
# nothing that a TCP server could use.
_V2_BLOCKS: dict[int, tuple[int, str | None]] = {
    0x11: (12, "!4s4sHH"),  # TCP over IPv4.
    0x21: (36, "!16s16sHH"),  # TCP over IPv6.
    0x31: (216, None),  # A stream of the proxy machine's own, AF_UNIX.
}
_UNSPECIFIED = 0x00
_CRC32C = 0x03


@public
@dataclass(frozen=True)
class ProxyHeader:
    """What a proxy says of a connection."""

    #: Of the protocol: 1 or 2.
    version: int
    #: The client, as ``(host, port)``; None if the proxy names none.
    source: Address | None = None
    #: What the client connected to; None if the proxy names none.
    destination: Address | None = None
    #: Whether the proxy speaks for itself, as in a health check.
    local: bool = False
    #: Further fields of version 2, as type and value, uninterpreted.
    tlvs: tuple[tuple[int, bytes], ...] = ()


class ProxyParser:
    """Finds the header at the beginning of a stream.

    Args:
        required: Whether a stream without one is an error.
    """

    def __init__(self, *, required: bool = True) -> None:
        #: The header, once ``done``; None if there is none.
        self.header: ProxyHeader | None = None
        #: Whether enough was fed.
        self.done: bool = False
        self._required = required
        self._data = bytearray()

    @property
    def rest(self) -> bytes:
        """What was fed beyond the header: the stream itself."""
        return bytes(self._data)

    def feed(self, data: bytes | memoryview) -> bool:
        """Take the next bytes of the stream.

        Args:
            data: Some bytes, as they come in.

        Returns:
            Whether the header is complete, or known to be absent.

        Raises:
            HandshakeError: There is a header, but not by the specification
                (code ``"bad-proxy-header"``), or there is none where one is
                required (``"no-proxy-header"``).
        """
        self._data += data
        if self.done:
            return True
        if self._begins(_V1):
            size = self._read_v1()
        elif self._begins(_V2):
            size = self._read_v2()
        elif self._required:
            raise _missing(bytes(self._data[:16]))
        else:
            size = 0
        if size is None:
            return False
        del self._data[:size]
        self.done = True
        return True

    def _begins(self, signature: bytes) -> bool:
        return bool(self._data) and (
            self._data.startswith(signature)
            or signature.startswith(bytes(self._data))
        )

    def _read_v1(self) -> int | None:
        """Read a line of text; its length, or None for "feed me"."""
        line, end, _ = bytes(self._data[:_MOST_V1]).partition(b"\r\n")
        if not _TEXT.fullmatch(line if end else line.removesuffix(b"\r")):
            raise _malformed("its line holds something else than text")
        if not end:
            if len(self._data) >= _MOST_V1:
                raise _malformed(
                    f"its line is not over after {_MOST_V1} bytes"
                )
            return None
        self.header = _parse_v1(line.decode("ascii"))
        return len(line) + 2

    def _read_v2(self) -> int | None:
        """Read a binary header; its length, or None for "feed me"."""
        if len(self._data) < _V2_FIXED:
            return None
        (length,) = struct.unpack_from("!H", self._data, 14)
        size = _V2_FIXED + int(length)
        if size > MOST_BYTES:
            raise _malformed(f"{size} bytes are more than {MOST_BYTES}")
        if len(self._data) < size:
            return None
        self.header = _parse_v2(bytes(self._data[:size]))
        return size


def _parse_v1(line: str) -> ProxyHeader:
    words = line.split(" ")
    if words[1] == "UNKNOWN":  # The rest of the line is to be ignored.
        return ProxyHeader(1)
    kind = _V1_VERSIONS.get(words[1])
    if kind is None or len(words) != 6:
        raise _malformed(
            "expected TCP4 or TCP6, two addresses and two ports, "
            f"found {line!r}"
        )
    hosts = []
    for word in words[2:4]:
        try:
            # A zone, as in fe80::1%eth0, means nothing on another machine.
            hosts.append(str(kind(word.replace("%", " "))))
        except ValueError as error:
            raise _malformed(f"{word!r} is no {words[1]} address") from error
    ports = []
    for word in words[4:]:
        if not _PORT.fullmatch(word) or int(word) > 65535:
            raise _malformed(f"{word!r} is no port")
        ports.append(int(word))
    return ProxyHeader(1, (hosts[0], ports[0]), (hosts[1], ports[1]))


def _parse_v2(data: bytes) -> ProxyHeader:
    version, command = data[12] >> 4, data[12] & 15
    if version != 2 or command not in {_LOCAL, _PROXY}:
        raise _malformed(f"version and command are {data[12]:#04x}")
    # Whatever follows LOCAL is to be ignored, the family included.
    if command == _LOCAL:
        return ProxyHeader(2, local=True)
    if data[13] == _UNSPECIFIED:
        return ProxyHeader(2)
    if data[13] not in _V2_BLOCKS:
        raise _malformed(f"family and protocol are {data[13]:#04x}")
    size, layout = _V2_BLOCKS[data[13]]
    if len(data) < _V2_FIXED + size:
        raise _malformed(f"its addresses take {size} bytes, but it is shorter")
    tlvs = tuple(_tlvs(data, _V2_FIXED + size))
    if layout is None:
        return ProxyHeader(2, tlvs=tlvs)
    one, two, from_port, to_port = struct.unpack_from(layout, data, _V2_FIXED)
    return ProxyHeader(
        2,
        (str(ipaddress.ip_address(one)), from_port),
        (str(ipaddress.ip_address(two)), to_port),
        tlvs=tlvs,
    )


def _tlvs(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    while start < len(data):
        if start + 3 > len(data):
            raise _malformed("it ends within a field")
        kind, length = struct.unpack_from("!BH", data, start)
        value = data[start + 3 : start + 3 + length]
        if len(value) != length:
            raise _malformed(f"field {kind:#04x} is longer than the header")
        if kind == _CRC32C:
            _check_sum(data, start + 3, value)
        yield kind, value
        start += 3 + length


def _check_sum(data: bytes, start: int, value: bytes) -> None:
    """Compare the sum, which was taken while its own place held zeros."""
    blank = data[:start] + bytes(len(value)) + data[start + len(value) :]
    if value != struct.pack("!I", _crc32c(blank)):
        raise _malformed("its CRC-32C does not fit")


def _crc32c(data: bytes) -> int:
    """Sum up by Castagnoli's polynomial (RFC 9260, appendix A)."""
    total = 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = (total >> 1) ^ (0x82F63B78 if total & 1 else 0)
    return total ^ 0xFFFFFFFF


def _malformed(what: str) -> HandshakeError:
    return HandshakeError(
        f"the PROXY header is malformed: {what}",
        code="bad-proxy-header",
        hint="see what the proxy is told to send: send-proxy and "
        "send-proxy-v2 are understood",
    )


def _missing(first: bytes) -> HandshakeError:
    return HandshakeError(
        f"expected a PROXY header, found {first!r}",
        code="no-proxy-header",
        hint="have the proxy send one (HAProxy: send-proxy-v2), or call "
        "set_proxy_protocol() with required=False",
    )


#: How sockets of the file system are called among networks.
LOCAL = "unix:"


@dataclass(frozen=True)
class ProxyRules:
    """From whom a header is taken, and whether it must come."""

    trusted: tuple[Network, ...]
    required: bool = True
    #: Whether who comes by a socket of the file system is trusted, too.
    local: bool = False

    @classmethod
    def parse(
        cls, trusted: Iterable[str | Network], *, required: bool = True
    ) -> Self:
        """Read networks such as ``"10.0.0.0/8"``, or single addresses.

        ``"unix:"`` is whoever comes by a socket of the file system.

        Raises:
            ValueError: One of them is no network, or there is none.
        """
        if isinstance(trusted, str):
            raise TypeError(f"expected several networks, not {trusted!r}")
        given = list(trusted)
        networks = tuple(
            ipaddress.ip_network(each) for each in given if each != LOCAL
        )
        if not given:
            raise ValueError("without a trusted network there is no proxy")
        return cls(networks, required, LOCAL in given)

    def parser(self, host: str | None) -> ProxyParser | None:
        """Give what reads the stream that comes from *host*.

        None is a socket of the file system.

        Returns:
            None if *host* may send no header, and need not.

        Raises:
            HandshakeError: A header is required, and *host* is not trusted.
        """
        if host is None:
            address: object = LOCAL
            known = self.local
        else:
            address = plain_address(host)
            known = any(address in network for network in self.trusted)
        if known:
            return ProxyParser(required=self.required)
        if not self.required:
            return None
        raise HandshakeError(
            f"{address} is none of the proxies that are trusted",
            code="untrusted-proxy",
            hint="connect by way of the proxy, or add its address to "
            "set_proxy_protocol()",
        )


def plain_address(
    host: str,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Parse the address of a socket, without zone; IPv4 as IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address
