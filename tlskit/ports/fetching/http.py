"""Gets what is at an address of plain HTTP, carefully.

The address comes from a stranger: whoever runs the server has chosen it.  So
there are no other schemes, and by default no addresses that only we can
reach; a deadline holds for everything together, and sizes are bounded.
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin, urlsplit

from ...engine.refusal.missing import Fetching
from ...tools.deadline import Deadline
from ...tools.threads import elsewhere

if TYPE_CHECKING:
    from http.client import HTTPResponse

__all__ = ["fetch", "is_public"]

#: How often an answer may send us elsewhere.
_REDIRECTS = 3
_MOVED = {301, 302, 303, 307, 308}
#: Of an answer, in bytes.
_HEAD = 16384
_CHUNK = 65536
#: What a request's line may hold.
_VISIBLE = re.compile(r"[!-~]+")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,12}) *\r\n", re.IGNORECASE)
#: Translates IPv4 (RFC 6052); whom it leads to is in its last 32 bits.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def fetch(url: str, rules: Fetching, deadline: Deadline) -> bytes:
    """Get what is at an address.

    Args:
        url: An ``http:`` address.
        rules: What is allowed.
        deadline: When to give up, redirects included.

    Raises:
        OSError: It can't be had, or is not allowed.
        TimeoutError: It takes too long.
        ValueError: A redirect leads to what is no address.
    """
    for _ in range(_REDIRECTS + 1):
        head, body = _get(url, rules, deadline)
        if head.status == 200:
            return body
        if head.status not in _MOVED:
            raise OSError(f"status {head.status}")
        url = urljoin(url, head.getheader("Location", ""))
    raise OSError(f"more than {_REDIRECTS} redirects")


def _get(
    url: str, rules: Fetching, deadline: Deadline
) -> tuple[HTTPResponse, bytes]:
    # Few programs need it.
    from http.client import HTTPException, HTTPResponse

    host, port, target = _parts(url)
    deadline.check(f"fetching {url}")
    with _connected(host, port, rules, deadline) as sock:
        name = f"[{host}]" if ":" in host else host
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {name}:{port}\r\n"
            "User-Agent: tlskit\r\nAccept: application/pkix-cert, */*\r\n"
            "Connection: close\r\n\r\n"
        )
        sock.settimeout(deadline.left())
        sock.sendall(request.encode("ascii"))
        raw = _received(sock, rules, deadline)
    head = HTTPResponse(cast("socket.socket", _Said(raw)))
    try:
        head.begin()
        body = head.read()
    except HTTPException as error:
        raise OSError(f"no HTTP: {type(error).__name__}: {error}") from error
    if len(body) > rules.max_bytes:
        raise OSError(f"more than {rules.max_bytes} bytes")
    return head, body


def _parts(url: str) -> tuple[str, int, str]:
    """Take an address apart; give host, port and what to ask for."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OSError(f"no address: {error}") from error
    if parts.scheme != "http":
        raise OSError(f"{parts.scheme or 'no'} scheme, and not http")
    if not host or parts.username is not None or not _VISIBLE.fullmatch(url):
        raise OSError(f"no address to ask: {url!r}")
    query = f"?{parts.query}" if parts.query else ""
    return host, 80 if port is None else port, f"{parts.path or '/'}{query}"


class _Said:
    """What a server has said, in the place of its socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: object) -> io.BytesIO:
        """Give it to be read."""
        return io.BytesIO(self._raw)


def _received(
    sock: socket.socket, rules: Fetching, deadline: Deadline
) -> bytes:
    """Read to the end, or as far as the answer says that it goes."""
    raw = bytearray()
    most = _HEAD + rules.max_bytes
    while not _is_whole(raw):
        left = deadline.left()
        if left == 0:
            raise TimeoutError("timed out")
        sock.settimeout(left)
        data = sock.recv(_CHUNK)
        if not data:
            break
        raw += data
        if len(raw) > most:
            raise OSError(f"more than {rules.max_bytes} bytes")
    return bytes(raw)


def _is_whole(raw: bytearray) -> bool:
    end = raw.find(b"\r\n\r\n")
    length = _LENGTH.search(raw, 0, end + 2) if end >= 0 else None
    return length is not None and len(raw) >= end + 4 + int(length[1])


# -- whom to ask ------------------------------------------------------------


def _connected(
    host: str, port: int, rules: Fetching, deadline: Deadline
) -> socket.socket:
    """Connect to the first address that is allowed and answers."""
    refusal: OSError = OSError(f"{host} has no address")
    for family, kind, number, _, address in _found(host, port, deadline):
        if not (rules.allow_private or is_public(address[0])):
            refusal = PermissionError(
                f"{address[0]} is no public address, and not asked"
            )
            continue
        sock = socket.socket(family, kind, number)
        try:
            deadline.check(f"connecting to {host}")
            sock.settimeout(deadline.left())
            sock.connect(address)
        except OSError as error:
            sock.close()
            refusal = error
        else:
            return sock
    raise refusal


def _found(host: str, port: int, deadline: Deadline) -> Iterable[Any]:
    """Look a name up; nobody can tell the system to hurry."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        return elsewhere(ask, deadline.left())
    except TimeoutError:
        raise TimeoutError(f"timed out while looking {host} up") from None
    except (OSError, UnicodeError) as error:
        raise OSError(f"{host} is not found: {error}") from error


def is_public(address: str) -> bool:
    """Say whether an address is one of the public network's."""
    whom: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(whom, ipaddress.IPv6Address):
        inner = whom.ipv4_mapped or whom.sixtofour
        if whom in _NAT64:
            inner = ipaddress.IPv4Address(int(whom) & 0xFFFFFFFF)
        if inner is not None:
            whom = inner
        elif whom.teredo is not None:
            return False
    return whom.is_global and not whom.is_multicast
