"""The targets: each takes any bytes, and raises only if a promise is broken.

The promise is always the same.  Whatever comes is accepted or refused; a
refusal is an error of tlskit's tree, with a text and a code; and no plaintext
comes out that no peer has sent.
"""

from __future__ import annotations

import hashlib
import ipaddress
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

import tlskit
from tlskit.engine.engine import Engine
from tlskit.server.proxy_protocol import MOST_BYTES, ProxyHeader, ProxyParser
from tlskit.testing import CA, Leaf
from tlskit.verify.identity import Identity
from tlskit.x509.pkcs12 import load_pkcs12

from .verbs import seeds as _verb_seeds
from .verbs import verbs

__all__ = ["SEEDS", "TARGETS"]

#: OpenSSL's own limit on a server name is 255 bytes.
_LONGEST_NAME = 255
_MAGIC = b"tlskit sessions 1\n"
_PASSWORD = b"secret"


@cache
def _leaf() -> tuple[CA, Leaf]:
    ca = CA("tlskit fuzz CA")
    return ca, ca.issue("localhost", "*.example.com", "127.0.0.1")


@cache
def _client(protocol: str) -> tlskit.ClientContext:
    context = tlskit.ClientContext(protocol)
    _leaf()[0].trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


@cache
def _server(*, named: bool) -> tlskit.ServerContext:
    context = tlskit.ServerContext()
    _leaf()[1].apply(context)
    if named:
        plain = _server(named=False)
        context.set_server_names(
            {"localhost": plain, "*.example.com": plain}, default=None
        )
    return context


def _refused(error: tlskit.TLSError) -> None:
    """Look at a refusal as its reader does."""
    if not (str(error) and error.code and error.explain()):
        raise AssertionError(f"an error without words: {error!r}")


def _pair(protocol: str, *, named: bool = False) -> tuple[Engine, Engine]:
    client = Engine(
        _client(protocol),
        server_side=False,
        identity=Identity.parse("localhost"),
    )
    return client, Engine(_server(named=named), server_side=True)


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut *data*: the first byte of each piece is its length."""
    while data:
        size = data[0] * 4
        yield data[1 : 1 + size]
        data = data[1 + size :]


def _shake(
    client: Engine, server: Engine, mangle: Callable[[bytes], bytes] = bytes
) -> bool:
    """Shake hands, each flight mangled on its way; say whether it worked."""
    for _ in range(12):
        for one, other in ((client, server), (server, client)):
            done = one.handshake()
            flight = one.outgoing()
            if flight:
                other.receive(mangle(flight))
        if done and client.facts is not None:
            return True
    return False


def engine(data: bytes) -> None:
    """Feed *data* to one side, before the handshake or after it.

    The first byte chooses the side, the version and the moment.
    """
    how, rest = data[:1] or b"\0", data[1:]
    protocol = "tls12" if how[0] & 1 else "tls13"
    client, server = _pair(protocol)
    if how[0] & 2 and not _shake(client, server):
        raise AssertionError("two honest sides do not shake hands")
    target = server if how[0] & 4 else client
    buffer = memoryview(bytearray(4096))
    try:
        for piece in (*_pieces(rest), b""):
            target.receive(piece)
            if target.facts is None:
                target.handshake()
            elif target.read_into(buffer):
                raise AssertionError("plaintext that nobody sent")
            target.outgoing()
    except tlskit.TLSError as error:
        _refused(error)


def handshake(data: bytes) -> None:
    """Change a real handshake on its way, as *data* says.

    After the first byte, every three are an edit: which flight, where in it,
    and what to do there.
    """
    how, rest = data[:1] or b"\0", data[1:]
    client, server = _pair("tls12" if how[0] & 1 else "tls13")
    edits = [rest[at : at + 3] for at in range(0, len(rest) - 2, 3)]
    number = iter(range(1000))

    def mangle(flight: bytes) -> bytes:
        here, wire = next(number), bytearray(flight)
        for which, place, what in edits:
            if which % 8 != here:
                continue
            # Most of what matters is at the front of a flight.
            at = (place + (which >> 3) * 256) % max(1, len(wire))
            if what == 0:
                del wire[at:]
            elif what == 1:
                wire[at:at] = wire[: at + 1]
            elif wire:
                wire[at] ^= what
        return bytes(wire)

    try:
        _shake(client, server, mangle)
    except tlskit.TLSError as error:
        _refused(error)


def pem(data: bytes) -> None:
    """Load *data* as certificates, as a key and as roots."""
    for load in (
        tlskit.CertificateChain.load,
        tlskit.PrivateKey.load,
        lambda data: tlskit.PrivateKey.load(data, password=_PASSWORD),
        lambda data: tlskit.PrivateKey.load(data, asn1=True),
        lambda data: tlskit.VerifySource.pem(data).load(),
    ):
        try:
            load(data)
        except tlskit.ConfigurationError as error:
            _refused(error)


def pkcs12_file(data: bytes) -> None:
    """Load *data* as a PKCS#12 file, with and without a password."""
    for password in (None, _PASSWORD):
        try:
            load_pkcs12(data, password)
        except tlskit.CredentialError as error:
            _refused(error)


def names(data: bytes) -> None:
    """Take *data* for a host name, and for the name that a client sends."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        identity = Identity.parse(text)
        identity.check(_leaf()[1].certificate)
    except ValueError:
        if text:  # Only an empty name is no name at all.
            raise
    except tlskit.TLSError as error:
        _refused(error)
    else:
        if text.strip("[]").lower().rstrip(".") not in {
            "localhost",
            "127.0.0.1",
        } and not text.lower().rstrip(".").endswith(".example.com"):
            raise AssertionError(f"{text!r} was taken for the peer's name")
    if data and len(data) <= _LONGEST_NAME and b"\0" not in data:
        _send_name(data)


def _send_name(wire: bytes) -> None:
    client, server = _pair("tls13", named=True)
    client._connection.set_tlsext_host_name(wire)
    try:
        _shake(client, server)
    except tlskit.TLSError as error:
        _refused(error)


def proxy(data: bytes) -> None:
    """Read *data* as a stream that a PROXY header may stand before.

    The first byte says whether there must be one, and how the stream is cut;
    what is found depends on the one, and not on the other.
    """
    how, stream = data[:1] or b"\0", data[1:]
    required = bool(how[0] & 1)
    found = _headed(stream, len(stream) or 1, required=required)
    if _headed(stream, how[0] // 2 + 1, required=required) != found:
        raise AssertionError("it matters how a stream is cut")


def _headed(
    stream: bytes, size: int, *, required: bool
) -> tuple[ProxyHeader | None, bytes] | str | None:
    """Give header and rest, or the code of a refusal; None for "feed me"."""
    parser = ProxyParser(required=required)
    try:
        for at in range(0, len(stream), size):
            parser.feed(stream[at : at + size])
    except tlskit.HandshakeError as error:
        _refused(error)
        return error.code
    if not parser.done:
        return None
    taken = len(stream) - len(parser.rest)
    header = parser.header
    if stream[taken:] != parser.rest or taken != _length(header, stream):
        raise AssertionError(f"{taken} bytes were taken for a header")
    if (required and header is None) or taken > MOST_BYTES:
        raise AssertionError(f"{header} is no header")
    for address in (header.source, header.destination) if header else ():
        if address is not None:
            ipaddress.ip_address(address[0])
            struct.pack("!H", address[1])
    return header, parser.rest


def _length(header: ProxyHeader | None, stream: bytes) -> int:
    """Give how many bytes *header* takes, as the stream itself tells."""
    if header is None:
        return 0
    if header.version == 1:
        return stream.index(b"\r\n") + 2
    return 16 + int.from_bytes(stream[14:16], "big")


def sessions(data: bytes) -> None:
    """Load *data* as persisted sessions, with a checksum that fits."""
    cache = tlskit.SessionCache()
    cache.load(data)
    cache.load(_MAGIC + hashlib.sha256(data).digest() + data)
    for key in list(cache._kept):
        cache.take(key)


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {
        "engine": engine,
        "handshake": handshake,
        "names": names,
        "pem": pem,
        "pkcs12": pkcs12_file,
        "proxy": proxy,
        "sessions": sessions,
        "verbs": verbs,
    }
)


# -- seeds ------------------------------------------------------------------


def _cut(flight: bytes) -> bytes:
    pieces = (flight[at : at + 1020] for at in range(0, len(flight), 1020))
    return b"".join(
        bytes([-(-len(piece) // 4)]) + piece.ljust(-(-len(piece) // 4) * 4)
        for piece in pieces
    )


def _engine_seeds() -> Iterator[bytes]:
    for protocol, version in (("tls13", 0), ("tls12", 1)):
        client, server = _pair(protocol)
        client.handshake()
        hello = client.outgoing()
        yield bytes([version | 4]) + _cut(hello)
        server.receive(hello)
        server.handshake()
        yield bytes([version]) + _cut(server.outgoing())
        for moment in (version | 2, version | 6):
            yield bytes([moment]) + _cut(b"\x17\3\3\0\x20" + bytes(32))
            yield bytes([moment]) + _cut(b"\x15\3\3\0\2\1\0")


def _handshake_seeds() -> Iterator[bytes]:
    for version in (b"\0", b"\1"):
        yield version
        yield version + bytes([1, 5, 1, 2, 9, 0, 0, 11, 1])
    # The certificate's version becomes one that nobody knows.
    yield bytes([1, 0xA9, 0xFF, 0x21])


def _pem_seeds() -> Iterator[bytes]:
    ca, leaf = _leaf()
    yield leaf.chain_pem + ca.pem
    yield leaf.key_pem
    yield leaf.encrypted_key_pem(_PASSWORD)
    yield ca.crl()
    yield b"text\n-----BEGIN CERTIFICATE-----\nAAAA\n"
    yield ca.certificate.public_bytes(serialization.Encoding.DER)
    yield leaf.key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pkcs12_seeds() -> Iterator[bytes]:
    ca, leaf = _leaf()
    weak = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(1)
        .build(_PASSWORD)
    )
    for how in (weak, serialization.NoEncryption()):
        yield pkcs12.serialize_key_and_certificates(
            b"name", leaf.key, leaf.certificate, [ca.certificate], how
        )


def _name_seeds() -> Iterator[bytes]:
    yield from (
        b"localhost",
        b"LOCALHOST.",
        b"www.example.com",
        b"127.0.0.1",
        b"[::1]",
        b"fe80::1%eth0",
        b"*.example.com",
        "b\u00fccher.example".encode(),
        b"xn--bcher-kva.example",
        b"a" * 64 + b".example",
    )


def _proxy_seeds() -> Iterator[bytes]:
    hello = b"\x16\3\1\0\5"
    for how in (b"\0", b"\1", b"\x0b", b"\xff"):
        yield how + hello
        yield how + b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n" + hello
        yield how + b"PROXY TCP6 2001:db8::1 ::1 0 443\r\n" + hello
        yield how + b"PROXY UNKNOWN and more\r\n" + hello
    v4, v6 = bytes(8) + b"\0\1\1\xbb", bytes(32) + b"\0\1\1\xbb"
    fields = b"\1\0\2h2\4\0\0"
    # The sum is that of this header alone, and comes last in it.
    summed = v4 + fields + bytes.fromhex("0300040b4de82c")
    for kind, block in (
        (b"\x20\0", b""),
        (b"\x21\0", b"anything"),
        (b"\x21\x11", v4),
        (b"\x21\x11", v4 + fields),
        (b"\x21\x11", summed),
        (b"\x21\x21", v6 + fields),
        (b"\x21\x31", bytes(216)),
    ):
        size = struct.pack("!H", len(block))
        yield b"\x0b\r\n\r\n\0\r\nQUIT\n" + kind + size + block + hello


def _session_seeds() -> Iterator[bytes]:
    for protocol in ("tls12", "tls13"):
        cache = tlskit.SessionCache()
        context = _client(protocol).copy()
        context.set_session_cache(cache)
        client = Engine(
            context,
            server_side=False,
            identity=Identity.parse("localhost"),
            dialled=("localhost", 443),
        )
        server = Engine(_server(named=False), server_side=True)
        _shake(client, server)
        client.read_into(memoryview(bytearray(16)))
        yield cache.dump()[len(_MAGIC) + 32 :]


SEEDS: Mapping[str, Callable[[], Iterator[bytes]]] = MappingProxyType(
    {
        "engine": _engine_seeds,
        "handshake": _handshake_seeds,
        "names": _name_seeds,
        "pem": _pem_seeds,
        "pkcs12": _pkcs12_seeds,
        "proxy": _proxy_seeds,
        "sessions": _session_seeds,
        "verbs": _verb_seeds,
    }
)
