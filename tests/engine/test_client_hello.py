"""The ClientHello as a value: what it tells, and what it refuses."""

from __future__ import annotations

import hashlib
import ssl
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlskit import ClientHello, TLSVersion
from tlskit.engine.hello.choosing import Greeting

GREASE = 0x2A2A


def vector(size: int, content: bytes) -> bytes:
    """Put a length of *size* bytes in front."""
    return len(content).to_bytes(size, "big") + content


def numbers(*values: int) -> bytes:
    """Write two bytes for each."""
    return b"".join(struct.pack(">H", each) for each in values)


def extension(kind: int, content: bytes = b"") -> bytes:
    """Write one extension."""
    return numbers(kind) + vector(2, content)


def hello(
    *extensions: bytes,
    version: int = 0x0303,
    ciphers: tuple[int, ...] = (0x1301,),
    session: bytes = b"",
) -> bytes:
    """Write a ClientHello."""
    body = numbers(version) + bytes(32) + vector(1, session)
    body += vector(2, numbers(*ciphers)) + vector(1, b"\0")
    if extensions:
        body += vector(2, b"".join(extensions))
    return b"\1" + vector(3, body)


def records(message: bytes, size: int) -> bytes:
    """Cut a message into records."""
    return b"".join(
        b"\x16\3\1" + vector(2, message[at : at + size])
        for at in range(0, len(message), size)
    )


def sni(name: bytes, kind: int = 0) -> bytes:
    """Write the extension server_name."""
    return extension(0, vector(2, bytes([kind]) + vector(2, name)))


def alpn(*names: bytes) -> bytes:
    """Write the extension of ALPN."""
    return extension(16, vector(2, b"".join(vector(1, n) for n in names)))


VERSIONS = extension(43, vector(1, numbers(GREASE, 0x0304, 0x0303, 0x7F1C)))
FULL = hello(
    extension(GREASE),
    sni(b"a.example"),
    alpn(b"\x0a\x0a", b"h2", b"http/1.1"),
    VERSIONS,
    extension(10, vector(2, numbers(GREASE, 0x11EC, 0x001D, 0x1234))),
    extension(13, vector(2, numbers(0x0905, 0x0403, 0x0303))),
    extension(
        51,
        vector(
            2,
            numbers(GREASE)
            + vector(2, b"\0")
            + numbers(0x001D)
            + vector(2, bytes(32)),
        ),
    ),
    ciphers=(GREASE, 0x1301, 0xC02B, 0x1A2B),
    session=bytes(32),
)


@pytest.mark.parametrize("size", [None, 1, 7, 16384])
def test_all_that_it_tells(size):
    """Names where there are some, no GREASE, with or without records."""
    found = ClientHello.parse(FULL if size is None else records(FULL, size))

    assert "a.example" == found.server_name
    assert ("h2", "http/1.1") == found.alpn
    assert (TLSVersion.TLS_1_3, TLSVersion.TLS_1_2, 0x7F1C) == found.versions
    assert found.cipher_suites == (
        "TLS_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "0x1a2b",
    )
    assert ("X25519MLKEM768", "x25519", "0x1234") == found.groups
    assert ("x25519",) == found.key_shares
    assert found.signature_algorithms == (
        "mldsa65",
        "ecdsa_secp256r1_sha256",
        "0x0303",
    )
    assert (0, 16, 43, 10, 13, 51) == found.extensions
    assert FULL == found.raw
    assert not found.session_offered
    assert "raw" not in repr(found)


def test_as_little_as_possible():
    """Before TLS 1.2 there may be no extensions at all."""
    found = ClientHello.parse(hello(version=0x0301))

    assert (TLSVersion.TLS_1_0,) == found.versions
    assert found.server_name is None
    assert () == found.alpn == found.groups == found.key_shares
    assert "t10i010000_0f2cb44170f4_000000000000" == found.ja4


@pytest.mark.parametrize(
    ("message", "offered"),
    [
        (hello(session=bytes(32)), True),
        (hello(VERSIONS, session=bytes(32)), False),
        (hello(extension(35)), False),
        (hello(extension(35, b"ticket")), True),
        (hello(VERSIONS, extension(41, b"psk")), True),
    ],
)
def test_sessions(message, offered):
    """A ticket, a PSK or a TLS 1.2 session id wants to resume."""
    assert offered is ClientHello.parse(message).session_offered


def test_names_that_are_none():
    """Another kind of name is no host's; odd bytes can't look like one."""
    assert ClientHello.parse(hello(sni(b"x", 1))).server_name is None
    assert "\\xff.example" == (
        ClientHello.parse(hello(sni(b"\xff.example"))).server_name
    )


# From the specification of JA4 and its examples (FoxIO-LLC/ja4, README).
JA4_CIPHERS = (
    *(0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9),
    *(0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035),
)
JA4_SCHEMES = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)
JA4_EXTENSIONS = (
    *(0x001B, 0x0033, 0x4469, 0x0017, 0x0023, 0x000B, 0x0005),
    *(0x002D, 0x0012, 0xFF01, 0x0015),
)


def test_ja4_of_its_specification():
    """The specification's own example comes out."""
    contents = {51: vector(2, b""), 11: vector(1, b"\0")}
    message = hello(
        extension(GREASE),
        sni(b"a.example"),
        alpn(b"h2", b"http/1.1"),
        extension(43, vector(1, numbers(GREASE, 0x0304, 0x0303))),
        extension(13, vector(2, numbers(*JA4_SCHEMES))),
        extension(10, vector(2, numbers(GREASE, 29, 23, 24))),
        *(extension(each, contents.get(each, b"")) for each in JA4_EXTENSIONS),
        ciphers=(GREASE, *JA4_CIPHERS),
    )

    assert "t13d1516h2_8daaf6152771_e5627efa2ab1" == (
        ClientHello.parse(message).ja4
    )


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((b"h",), "hh"),
        ((b"",), "00"),
        ((b"\xab",), "ab"),
        ((b"a\xcd",), "6d"),
        ((b"http/1.1",), "h1"),
    ],
)
def test_ja4_of_odd_protocols(names, told):
    """The first and last letter; in hex, where they are no letters."""
    assert told == ClientHello.parse(hello(alpn(*names))).ja4[8:10]


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (0x0002, "s2"),
        (0x0300, "s3"),
        (0x0301, "10"),
        (0x0302, "11"),
        (0x7F1C, "00"),
    ],
)
def test_ja4_of_old_versions(version, told):
    """Each version has two letters."""
    assert told == ClientHello.parse(hello(version=version)).ja4[1:3]


def test_ja4_without_signature_algorithms():
    """Then nothing follows the extensions, not even the line."""
    ja4 = ClientHello.parse(hello(extension(23))).ja4

    assert hashlib.sha256(b"0017").hexdigest()[:12] == ja4.rpartition("_")[2]


def test_ja3():
    """The MD5 of the numbers, as its authors have it (salesforce/ja3)."""
    message = hello(
        sni(b"a.example"),
        extension(11, vector(1, b"\0\1")),
        extension(10, vector(2, numbers(GREASE, 29, 23))),
        version=0x0301,
        ciphers=(GREASE, 0x1301, 0xC02B),
    )
    text = b"769,4865-49195,0-11-10,29-23,0-1"

    assert hashlib.md5(text).hexdigest() == ClientHello.parse(message).ja3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cut off"),
        (b"\2" + FULL[1:], "no ClientHello"),
        (FULL[:-1], "cut off"),
        (FULL + b"\0", "bytes follow"),
        (hello(extension(5), extension(5)), "twice"),
        (hello(extension(43, b"\2\3\4x")), "bytes follow"),
        (hello(extension(10, b"\0\3abc")), "cut off"),
        (hello(sni(b"a")[:-1] + b"ab"), "cut off"),
        (records(FULL, 99)[:-3], "cut off"),
        (records(FULL, 99) + b"\x15\3\3\0\2\2\x28", "no handshake's"),
        (b"GET / HTTP/1.1\r\n", "no ClientHello"),
    ],
)
def test_what_is_none(data, words):
    """What is malformed or something else is a ValueError."""
    with pytest.raises(ValueError, match=words):
        ClientHello.parse(data)


@given(st.data())
def test_damage_is_a_value_error(data):
    """Whatever is changed: a value, or a ValueError."""
    damaged = bytearray(FULL)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        found = ClientHello.parse(damaged)
    except ValueError:
        return
    assert bytes(damaged) == found.raw


def test_of_a_real_client():
    """The standard library's client offers what was asked of it."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    found = ClientHello.parse(outgoing.read())

    assert ("a.example", ("h2",)) == (found.server_name, found.alpn)
    assert TLSVersion.TLS_1_3 in found.versions


# -- collecting -------------------------------------------------------------


@given(st.integers(1, 400), st.lists(st.integers(1, 50), max_size=60))
def test_it_is_collected_from_any_pieces(size, cuts):
    """However the bytes are cut, and whatever follows, it is the message."""
    data = records(FULL, size) + b"\x14\3\3\0\1\1"
    greeting = Greeting(waits=True)
    at = 0
    for cut in [*cuts, len(data)]:
        greeting.feed(data[at : at + cut])
        at += cut

    assert FULL == greeting.raw
    assert data == greeting.release()
    assert b"" == greeting.release()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\3\3\0\2\1\0" + records(FULL, 99),
        b"\x16\2\0" + vector(2, FULL),
        b"\x16\3\1\0\0" + records(FULL, 99),
        b"\x16\3\1\x40\1",
        b"\x16\3\1" + vector(2, b"\2\0\0\0"),
        b"\x16\3\1" + vector(2, b"\1\xff\xff\xff"),
    ],
)
def test_what_is_not_collected(data):
    """Other records, odd ones, and endless messages end the collection."""
    greeting = Greeting(waits=False)
    greeting.feed(data)
    greeting.feed(data)

    assert greeting.done
    assert greeting.hello is None
    assert b"" == greeting.release()


def test_what_is_collected_and_malformed():
    """A message that can't be read is kept, and no value."""
    greeting = Greeting(waits=False)
    greeting.feed(records(hello(extension(5), extension(5)), 99))

    assert greeting.raw is not None
    assert greeting.hello is None
