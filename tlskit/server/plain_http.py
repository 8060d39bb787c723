"""What to answer those who speak plain HTTP to a TLS port."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigurationError
from ..verify.identity import Identity

__all__ = ["MOST_HEAD", "PlainHTTP"]

#: A request's head may have so many bytes; a longer one is answered as bad.
MOST_HEAD = 8192

_REQUEST = re.compile(rb"([A-Z]+) (/[!-~]*) HTTP/1\.[01]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?")
_BAD = "400 Bad Request"
#: Where an ACME server asks for a proof (RFC 8555, section 8.3).
_PROOF = re.compile(rb"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,512})")
_MOVED = "308 Permanent Redirect"


@dataclass(frozen=True)
class PlainHTTP:
    """How to answer: with 400, or by a redirect where that is safe.

    Args:
        redirect: Whether to send 308 (RFC 9110, section 15.4.9).
        hosts: Whom to redirect to; a request for another host gets 400.
            Otherwise we would send people wherever a forged link says.
    """

    redirect: bool
    hosts: tuple[Identity, ...] | None = None

    def answer(self, head: bytes, ours: Callable[[Identity], bool]) -> bytes:
        """Answer a request.

        Args:
            head: The request's head, or the beginning of an endless one.
            ours: Says whether a host is ours, if *hosts* doesn't.
        """
        target = self._target(head, ours) if self.redirect else None
        if target is None:
            words = "This port speaks TLS: use https:// instead of http://.\n"
            return _response(_BAD, words, head)
        words = f"This port speaks TLS: use {target}\n"
        return _response(_MOVED, words, head, f"Location: {target}\r\n")

    def proof(
        self, head: bytes, find: Callable[[str], bytes | None]
    ) -> bytes | None:
        """Answer an ACME server's question (RFC 8555, section 8.3).

        Args:
            head: The request's head, or the beginning of an endless one.
            find: Gives what proves that we know a token.

        Returns:
            None if that is no such question, or not about us.
        """
        first = head.partition(b"\r\n")[0]
        request = _REQUEST.fullmatch(first)
        asked = None if request is None else _PROOF.fullmatch(request[2])
        if request is None or asked is None or request[1] != b"GET":
            return None
        found = find(asked[1].decode("ascii"))
        if found is None:
            return None
        return (
            b"HTTP/1.1 200 OK\r\n"
            b"Content-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\n"
            b"Connection: close\r\n"
            b"\r\n"
            b"%s"
        ) % (len(found), found)

    def _target(
        self, head: bytes, ours: Callable[[Identity], bool]
    ) -> str | None:
        """Give where to go instead; None if the request is no good."""
        first, *lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")
        request = _REQUEST.fullmatch(first)
        hosts = [
            line[5:].strip(b" \t")
            for line in lines
            if line[:5].lower() == b"host:"
        ]
        # RFC 9112, section 3.2: exactly one.
        if request is None or len(hosts) != 1:
            return None
        found = _HOST.fullmatch(hosts[0].decode("latin-1"))
        if found is None:
            return None
        try:
            identity = Identity.parse(found[1].strip("[]"))
        except (ConfigurationError, ValueError):
            return None
        mine = ours(identity) if self.hosts is None else identity in self.hosts
        port = found[2] or ""
        if not mine or (port and not 0 < int(port) <= 65535):
            return None
        name = _url_host(identity)
        path = request[2].decode("ascii")
        return f"https://{name}{port and f':{port}'}{path}"


def _url_host(identity: Identity) -> str:
    if identity.sni is not None:
        return identity.sni.decode("ascii")
    address = identity.ip
    assert address is not None
    return f"[{address}]" if address.version == 6 else str(address)


def _response(status: str, words: str, head: bytes, fields: str = "") -> bytes:
    body = "" if head.startswith(b"HEAD ") else words
    return (
        f"HTTP/1.1 {status}\r\n"
        f"{fields}"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(words.encode())}\r\n"
        "Connection: close\r\n"
        "\r\n"
        f"{body}"
    ).encode()
