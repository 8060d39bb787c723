"""The header of the PROXY protocol: what is read, and what is refused."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlskit.errors import HandshakeError
from tlskit.server.proxy_protocol import (
    MOST_BYTES,
    ProxyHeader,
    ProxyParser,
    ProxyRules,
    _crc32c,
    plain_address,
)

V2 = b"\r\n\r\n\0\r\nQUIT\n"
HELLO = b"\x16\3\1\2\0\1"
V4_BLOCK = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack("!HH", 40, 443)


def v2(body: bytes = V4_BLOCK, command: int = 0x21, family: int = 0x11):
    """Make a header of version 2."""
    return V2 + struct.pack("!BBH", command, family, len(body)) + body


def tlv(kind: int, value: bytes) -> bytes:
    """Make a field."""
    return struct.pack("!BH", kind, len(value)) + value


def parse(data: bytes, *, required: bool = True) -> ProxyHeader | None:
    """Parse *data*, which is a header and a TLS record's beginning."""
    parser = ProxyParser(required=required)
    assert parser.feed(data + HELLO)
    assert HELLO == parser.rest
    return parser.header


V1_GOOD = [
    (
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
        ("192.0.2.1", 56324),
        ("198.51.100.2", 443),
    ),
    (
        b"PROXY TCP6 2001:DB8:0::1 ::ffff:1.2.3.4 0 65535\r\n",
        ("2001:db8::1", 0),
        ("::ffff:102:304", 65535),
    ),
    (
        b"PROXY TCP6 " + 2 * (b"ffff:" * 7 + b"ffff ") + b"65535 65535\r\n",
        (":".join(["ffff"] * 8), 65535),
        (":".join(["ffff"] * 8), 65535),
    ),
    (b"PROXY UNKNOWN\r\n", None, None),
    (
        b"PROXY UNKNOWN " + 2 * (b"ffff:" * 7 + b"ffff ") + b"65535 65535\r\n",
        None,
        None,
    ),
]


@pytest.mark.parametrize(("data", "source", "destination"), V1_GOOD)
def test_version_1(data, source, destination):
    """A line of text names both ends, or that they are unknown."""
    if data.startswith(b"PROXY UNKNOWN f"):
        assert 107 == len(data)

    header = parse(data)

    # Python 3.13 shows the mapped address with dots.
    shown = None
    if header.destination is not None:
        host, port = header.destination
        shown = host.replace("::ffff:1.2.3.4", "::ffff:102:304"), port
    assert (1, source, destination) == (header.version, header.source, shown)
    assert not header.local


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"PROXY \r\n", "expected TCP4"),
        (b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "expected TCP4"),
        (b"PROXY UNKNOWNS\r\n", "expected TCP4"),
        (b"PROXY TCP4\r\n", "expected TCP4"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "expected TCP4"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "expected TCP4"),
        (b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "expected TCP4"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", "expected TCP4"),
        (b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "no TCP4 address"),
        (b"PROXY TCP4 ::1 ::2 1 2\r\n", "no TCP4 address"),
        (b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "no TCP6 address"),
        (b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", "no TCP6 address"),
        (b"PROXY TCP4 192.0.2.1 example.com 1 2\r\n", "no TCP4 address"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "than text"),
        (b"PROXY UNKNOWN \xff\r\n", "than text"),
        (b"PROXY UNKNOWN \r\r\n", "than text"),
        (b"PROXY UNKNOWN \t\r\n", "than text"),
        (b"PROXY UNKNOWN " + 92 * b"x" + b"\r\n", "107"),
        (b"PROXY UNKNOWN " + 200 * b"x", "107"),
    ],
)
def test_version_1_malformed(data, complaint):
    """What is not by the specification is refused, with its reason."""
    with pytest.raises(HandshakeError, match=complaint) as caught:
        ProxyParser().feed(data)

    assert "bad-proxy-header" == caught.value.code
    assert "send-proxy" in caught.value.hint


def test_version_2():
    """Both ends over IPv4 and IPv6."""
    six = ipaddress.ip_address("2001:db8::1").packed
    other = ipaddress.ip_address("2001:db8::2").packed
    block = six + other + struct.pack("!HH", 1, 65535)

    assert ProxyHeader(2, ("192.0.2.1", 40), ("198.51.100.2", 443)) == parse(
        v2()
    )
    assert ProxyHeader(2, ("2001:db8::1", 1), ("2001:db8::2", 65535)) == parse(
        v2(block, family=0x21)
    )


@pytest.mark.parametrize(
    ("data", "local"),
    [
        (v2(b"", command=0x20, family=0), True),
        # What follows LOCAL is skipped, whatever it is.
        (v2(b"anything", command=0x20, family=0xFF), True),
        (v2(b"", family=0), False),
        (v2(b"anything", family=0), False),
        (v2(bytes(216), family=0x31), False),
    ],
)
def test_version_2_without_addresses(data, local):
    """The proxy's own connections, and those that are not over TCP."""
    assert ProxyHeader(2, local=local) == parse(data)


def test_fields_are_kept():
    """Further fields are given as they came."""
    fields = tlv(2, b"example.com") + tlv(4, b"") + tlv(0xE0, b"\0\1")

    assert (
        (2, b"example.com"),
        (4, b""),
        (0xE0, b"\0\1"),
    ) == parse(v2(V4_BLOCK + fields)).tlvs
    assert ((4, b"x"),) == parse(
        v2(bytes(216) + tlv(4, b"x"), family=0x31)
    ).tlvs


def test_check_sum():
    """A right sum is accepted, a wrong one refused, and so is a short one."""
    header = v2(V4_BLOCK + tlv(3, bytes(4)) + tlv(4, b"more"))
    total = struct.pack("!I", _crc32c(header))
    place = len(V2) + 4 + len(V4_BLOCK) + 3
    good = header[:place] + total + header[place + 4 :]

    assert ((3, total), (4, b"more")) == parse(good).tlvs
    for bad in (
        header,
        good[:-1] + b"E",
        good.replace(bytes([192, 0, 2, 1]), bytes([192, 0, 2, 3])),
        v2(V4_BLOCK + tlv(3, b"")),
    ):
        with pytest.raises(HandshakeError, match="CRC-32C"):
            parse(bad)


def test_crc32c():
    """The sum of RFC 3720, appendix B.4."""
    assert 0xE3069283 == _crc32c(b"123456789")
    assert 0x8A9136AA == _crc32c(bytes(32))
    assert 0x62A8AB43 == _crc32c(b"\xff" * 32)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (v2(command=0x11), "version and command are 0x11"),
        (v2(command=0x31), "version and command are 0x31"),
        (v2(command=0x22), "version and command are 0x22"),
        (v2(family=0x12), "family and protocol are 0x12"),
        (v2(family=0x10), "family and protocol are 0x10"),
        (v2(family=0x41), "family and protocol are 0x41"),
        (v2(V4_BLOCK[:-1]), "take 12 bytes"),
        (v2(V4_BLOCK, family=0x21), "take 36 bytes"),
        (v2(V4_BLOCK, family=0x31), "take 216 bytes"),
        (v2(V4_BLOCK + b"\4"), "ends within a field"),
        (v2(V4_BLOCK + b"\4\0"), "ends within a field"),
        (v2(V4_BLOCK + b"\4\0\2x"), "longer than the header"),
        (v2(bytes(MOST_BYTES - 15), command=0x20), "more than 4096"),
        (v2(bytes(65535)), "65551 bytes are more"),
    ],
)
def test_version_2_malformed(data, complaint):
    """What is not by the specification is refused, with its reason."""
    with pytest.raises(HandshakeError, match=complaint) as caught:
        ProxyParser().feed(data)

    assert "bad-proxy-header" == caught.value.code


def test_longest():
    """The limit itself is allowed, and no byte more is waited for."""
    parse(v2(bytes(MOST_BYTES - 16), command=0x20))

    with pytest.raises(HandshakeError, match="more than 4096"):
        ProxyParser().feed(V2 + b"\x20\0\xff\xff")


@pytest.mark.parametrize(
    "data", [HELLO, b"PROXX", b"GET / ", b"\r\n\r\n\0\r\nQUIX"]
)
def test_no_header(data):
    """Without a header it depends on whether one must come."""
    with pytest.raises(HandshakeError, match="expected a PROXY") as caught:
        ProxyParser().feed(data)
    assert "no-proxy-header" == caught.value.code

    parser = ProxyParser(required=False)
    assert parser.feed(data)
    assert parser.header is None
    assert data == parser.rest


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    "data", [V1_GOOD[0][0], V1_GOOD[4][0], v2(), v2(V4_BLOCK + tlv(4, b"x"))]
)
def test_byte_by_byte(data, required):
    """However it is cut, the same comes of it, at its last byte."""
    parser = ProxyParser(required=required)
    for place in range(len(data) - 1):
        assert not parser.feed(data[place : place + 1])
        assert not parser.done
    assert not parser.feed(b"")
    assert parser.feed(data[-1:])
    assert parser.feed(HELLO)

    assert parse(data) == parser.header
    assert HELLO == parser.rest


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", V2, v2()]))
def test_any_bytes(data, start):
    """Whatever comes: a header, none, an error of the tree, or "feed me"."""
    for required in (True, False):
        parser = ProxyParser(required=required)
        try:
            done = parser.feed(start + data)
        except HandshakeError as error:
            assert error.code in {"bad-proxy-header", "no-proxy-header"}
            assert error.hint
        else:
            assert done == parser.done
            assert (start + data).endswith(parser.rest)


@given(st.ip_addresses(v=4), st.integers(0, 65535), st.integers(0, 65535))
def test_any_addresses(address, one, two):
    """Both versions say the same of the same connection."""
    line = f"PROXY TCP4 {address} {address} {one} {two}\r\n".encode()
    block = address.packed * 2 + struct.pack("!HH", one, two)
    first, second = parse(line), parse(v2(block))

    assert (str(address), one) == first.source == second.source
    assert (str(address), two) == first.destination == second.destination


def test_rules():
    """Only trusted addresses send headers; IPv4 is IPv4, mapped or not."""
    rules = ProxyRules.parse(["127.0.0.0/8", "2001:db8::/32"])
    for host in ("127.0.0.1", "::ffff:127.0.0.9", "2001:db8::5"):
        parser = rules.parser(host)
        assert parser is not None
        assert not parser.feed(b"P")
    for host in ("192.0.2.1", "::1", "fe80::1%eth0"):
        with pytest.raises(HandshakeError) as caught:
            rules.parser(host)
        assert "untrusted-proxy" == caught.value.code
        assert "%" not in str(caught.value)


def test_rules_if_headers_may_be_absent():
    """Others than proxies come without; proxies may come without."""
    rules = ProxyRules.parse(
        [ipaddress.ip_network("127.0.0.1/32")], required=False
    )

    assert rules.parser("192.0.2.1") is None
    parser = rules.parser("127.0.0.1")
    assert parser is not None
    assert parser.feed(HELLO)


@pytest.mark.parametrize("trusted", [[], ["localhost"], ["10.0.0.1/8"]])
def test_no_networks(trusted):
    """Networks are checked when they are given."""
    with pytest.raises(ValueError, match=r"network|host bits"):
        ProxyRules.parse(trusted)


def test_one_network_is_not_several():
    """A text would be read letter by letter."""
    with pytest.raises(TypeError, match="several"):
        ProxyRules.parse("10.0.0.0/8")


def test_plain_address():
    """Addresses as sockets give them become comparable."""
    assert ipaddress.ip_address("fe80::1") == plain_address("fe80::1%eth0")
    assert ipaddress.ip_address("1.2.3.4") == plain_address("::ffff:1.2.3.4")
