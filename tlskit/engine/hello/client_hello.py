"""A client's first message as a value (RFC 8446, section 4.1.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ...openssl.protocols import TLSVersion
from ...tools.public import public
from ...tools.wire import Reader
from .registry import cipher_suite_name, group_name, is_grease, scheme_name

__all__ = ["MOST", "Asked", "ClientHello", "asked_by"]

#: The longest message that is taken, in bytes; OpenSSL's limit is the same.
MOST = 131396

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _GROUPS, _POINT_FORMATS = 0, 10, 11
_SIGNATURE_ALGORITHMS, _ALPN, _SESSION_TICKET = 13, 16, 35
_PRE_SHARED_KEY, _VERSIONS, _KEY_SHARE = 41, 43, 51


@public
@dataclass(frozen=True)
class ClientHello:
    """What a client offers, before anything is decided.

    Names are IANA's where there is one, else such as ``"0x1a2b"``.  Values
    of GREASE (RFC 8701), which mean nothing, are left out of all but ``raw``.
    """

    #: The host that the client wants (RFC 6066), or None.
    server_name: str | None
    #: Application protocols (RFC 7301), the preferred first.
    alpn: tuple[str, ...]
    #: The preferred first; a number where ``TLSVersion`` has none.
    versions: tuple[TLSVersion | int, ...]
    cipher_suites: tuple[str, ...]
    groups: tuple[str, ...]
    #: The groups for which it has sent a key already.
    key_shares: tuple[str, ...]
    signature_algorithms: tuple[str, ...]
    #: Their numbers, in the order sent.
    extensions: tuple[int, ...]
    #: Whether it wants to resume a session.
    session_offered: bool
    #: The handshake message, with its header of four bytes.
    raw: bytes = field(repr=False)
    #: The fingerprint JA3: an MD5 digest in hex.
    ja3: str
    #: The fingerprint JA4 (FoxIO's specification).
    ja4: str

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview) -> ClientHello:
        """Read a ClientHello.

        Args:
            data: The handshake message, with or without the headers of the
                records that it came in.

        Returns:
            The message as a value.

        Raises:
            ValueError: It is no ClientHello, or malformed.

        Source: RFC 8446, sections 4.1.2 and 5.1.
        """
        given = bytes(data)
        message = _unwrapped(given) if given[:1] == b"\x16" else given
        return _parse(message)


def _unwrapped(data: bytes) -> bytes:
    """Join what the records hold."""
    reader, message = Reader(data), b""
    while reader:
        kind, _, fragment = reader.number(1), reader.take(2), reader.vector(2)
        if kind != _HANDSHAKE:
            raise ValueError(f"a record of type {kind} is no handshake's")
        message += fragment.rest()
    return message


@dataclass
class _Body:
    """The fields as numbers, those of GREASE left out."""

    legacy_version: int
    session_id: bytes
    ciphers: tuple[int, ...]
    #: Type and content, in the order sent.
    extensions: dict[int, bytes]

    def read(self, kind: int) -> Reader | None:
        content = self.extensions.get(kind)
        return None if content is None else Reader(content)

    def list_of_numbers(
        self, kind: int, length_size: int = 2, size: int = 2
    ) -> tuple[int, ...]:
        reader = self.read(kind)
        if reader is None:
            return ()
        found = reader.vector(length_size).numbers(size)
        reader.end()
        return found


class Asked(NamedTuple):
    """What a client asks for, as far as that decides who answers."""

    #: As ``ClientHello.server_name``.
    server_name: str | None
    versions: tuple[int, ...]


def asked_by(message: bytes) -> Asked:
    """Read a little of a ClientHello's message.

    Raises:
        ValueError: It is none, or malformed.
    """
    body = _body(message)
    offered = body.list_of_numbers(_VERSIONS, 1)
    return Asked(_server_name(body), offered or (body.legacy_version,))


def _parse(message: bytes) -> ClientHello:
    body = _body(message)
    alpn = _alpn(body)
    schemes = _sensible(body.list_of_numbers(_SIGNATURE_ALGORITHMS))
    groups = _sensible(body.list_of_numbers(_GROUPS))
    offered = _sensible(body.list_of_numbers(_VERSIONS, 1))
    versions = offered or (body.legacy_version,)
    return ClientHello(
        server_name=_server_name(body),
        alpn=tuple(each.decode("utf-8", "backslashreplace") for each in alpn),
        versions=tuple(map(_version, versions)),
        cipher_suites=_names(body.ciphers, cipher_suite_name),
        groups=_names(groups, group_name),
        key_shares=_names(_sensible(_key_shares(body)), group_name),
        signature_algorithms=_names(schemes, scheme_name),
        extensions=tuple(body.extensions),
        session_offered=_session_offered(body, versions),
        raw=message,
        ja3=_ja3(body, groups),
        ja4=_ja4(body, max(versions), alpn[:1], schemes),
    )


def _body(message: bytes) -> _Body:
    reader = Reader(message)
    if reader.number(1) != _CLIENT_HELLO:
        raise ValueError("this is no ClientHello")
    hello = reader.vector(3)
    reader.end()
    version = hello.number(2)
    hello.take(32)  # The client's random.
    session_id = hello.vector(1).rest()
    ciphers = hello.vector(2).numbers()
    hello.vector(1)  # The methods of compression.
    extensions: dict[int, bytes] = {}
    # Before TLS 1.2 they may be missing.
    listed = hello.vector(2) if hello else hello
    hello.end()
    while listed:
        kind, content = listed.number(2), listed.vector(2).rest()
        if kind in extensions:
            raise ValueError(f"the extension {kind} is there twice")
        extensions[kind] = content
    kept = {k: v for k, v in extensions.items() if not is_grease(k)}
    return _Body(version, session_id, _sensible(ciphers), kept)


def _sensible(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(each for each in numbers if not is_grease(each))


def _names(
    numbers: Iterable[int], name: Callable[[int], str]
) -> tuple[str, ...]:
    return tuple(map(name, numbers))


def _version(number: int) -> TLSVersion | int:
    try:
        return TLSVersion(number)
    except ValueError:
        return number


def _server_name(body: _Body) -> str | None:
    reader = body.read(_SERVER_NAME)
    if reader is None:
        return None
    names = reader.vector(2)
    reader.end()
    while names:
        kind, name = names.number(1), names.vector(2).rest()
        if kind == 0:
            return name.decode("ascii", "backslashreplace")
    return None


def _alpn(body: _Body) -> tuple[bytes, ...]:
    reader = body.read(_ALPN)
    if reader is None:
        return ()
    listed = reader.vector(2)
    reader.end()
    names = []
    while listed:
        name = listed.vector(1).rest()
        if not (len(name) == 2 and is_grease(int.from_bytes(name, "big"))):
            names.append(name)
    return tuple(names)


def _key_shares(body: _Body) -> tuple[int, ...]:
    reader = body.read(_KEY_SHARE)
    if reader is None:
        return ()
    shares = reader.vector(2)
    reader.end()
    found = []
    while shares:
        found.append(shares.number(2))
        shares.vector(2)
    return tuple(found)


def _session_offered(body: _Body, versions: tuple[int, ...]) -> bool:
    if _PRE_SHARED_KEY in body.extensions:
        return True
    if body.extensions.get(_SESSION_TICKET):
        return True
    # Who offers TLS 1.3 may send one that means nothing (RFC 8446, D.4).
    return bool(body.session_id) and TLSVersion.TLS_1_3 not in versions


def _ja3(body: _Body, groups: tuple[int, ...]) -> str:
    formats = body.list_of_numbers(_POINT_FORMATS, 1, 1)
    fields = (body.ciphers, body.extensions, groups, formats)
    lists = ("-".join(map(str, each)) for each in fields)
    text = ",".join((str(body.legacy_version), *lists))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


_JA4_VERSIONS = {
    0x0002: "s2",
    0x0300: "s3",
    0x0301: "10",
    0x0302: "11",
    0x0303: "12",
    0x0304: "13",
}


def _ja4(
    body: _Body,
    version: int,
    alpn: tuple[bytes, ...],
    schemes: tuple[int, ...],
) -> str:
    kinds = body.extensions
    head = "t{}{}{:02}{:02}{}".format(
        _JA4_VERSIONS.get(version, "00"),
        "d" if _SERVER_NAME in kinds else "i",
        min(len(body.ciphers), 99),
        min(len(kinds), 99),
        _ja4_alpn(alpn),
    )
    told = sorted(f"{k:04x}" for k in kinds if k not in (_SERVER_NAME, _ALPN))
    signed = ",".join(f"{each:04x}" for each in schemes)
    tail = ",".join(told) + (f"_{signed}" if signed else "")
    ciphers = ",".join(sorted(f"{each:04x}" for each in body.ciphers))
    return "_".join((head, _short(ciphers), _short(tail if told else "")))


def _ja4_alpn(alpn: tuple[bytes, ...]) -> str:
    if not alpn or not alpn[0]:
        return "00"
    first, last = alpn[0][:1], alpn[0][-1:]
    if first.isalnum() and last.isalnum():
        return (first + last).decode("ascii")
    return first.hex()[0] + last.hex()[1]


def _short(text: str) -> str:
    if not text:
        return "0" * 12
    return hashlib.sha256(text.encode()).hexdigest()[:12]
