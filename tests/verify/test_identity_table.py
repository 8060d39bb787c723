"""Who is accepted as whom: one row per claim (RFC 9525, RFC 6125)."""

from __future__ import annotations

import datetime
import ipaddress
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from tlskit.errors import IdentityError
from tlskit.errors.codes import VerifyReason
from tlskit.verify.identity import Identity

DNS, URI, IP, MAIL, OTHER = 0x82, 0x86, 0x87, 0x81, 0xA0
LABEL = "a" * 63
LONGEST = ".".join([LABEL, LABEL, LABEL, "a" * 61])


def tlv(tag: int, content: bytes) -> bytes:
    """Encode one element in DER."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | count]) + size.to_bytes(count, "big") + content


@cache
def key() -> ec.EllipticCurvePrivateKey:
    """Give the one key of this table."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(san: bytes | None, common_name: str) -> x509.Certificate:
    """Make a certificate with any bytes as subjectAltName extension."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    start = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key().public_key())
        .serial_number(5)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
    )
    if san is not None:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(
                ExtensionOID.SUBJECT_ALTERNATIVE_NAME, san
            ),
            critical=False,
        )
    return builder.sign(key(), hashes.SHA256())


def entry(text: str) -> bytes:
    """Encode ``"IP:192.0.2.1"``, or a DNS name if no kind is given."""
    kind, _, value = text.partition(":")
    if kind == "IP":
        return tlv(IP, ipaddress.ip_address(value).packed)
    if kind == "RAWIP":
        return tlv(IP, bytes.fromhex(value))
    if kind == "URI":
        return tlv(URI, value.encode())
    if kind == "MAIL":
        return tlv(MAIL, value.encode())
    return tlv(DNS, text.removeprefix("DNS:").encode())


def row(
    entries: str | list[str] | bytes | None,
    name: str,
    claim: str,
    common_name: str = "nobody",
):
    """Make one row: what is presented, who is wanted, and why."""
    if isinstance(entries, str):
        entries = [entries]
    if isinstance(entries, list):
        entries = tlv(0x30, b"".join(map(entry, entries)))
    return pytest.param(entries, name, common_name, id=claim)


ACCEPTED = [
    # Plain names.
    row("example.com", "example.com", "the same name"),
    row("www.example.com", "www.example.com", "the same name of a host"),
    row("localhost", "localhost", "a single label"),
    row("a.b.c.d.e.example", "a.b.c.d.e.example", "many labels"),
    row(LONGEST, LONGEST, "the longest name there is"),
    row("a_b.example.com", "a_b.example.com", "underscore"),
    row("_sip.example.com", "_sip.example.com", "underscore in front"),
    row("a--b.example.com", "a--b.example.com", "two hyphens"),
    row("r3---sn.example.com", "r3---sn.example.com", "hyphens in 3 and 4"),
    row("1.example.com", "1.example.com", "a label of digits"),
    row("3com.example", "3com.example", "a label that begins with a digit"),
    row("example.c0m", "example.c0m", "digits in the last label"),
    # Case (RFC 4343).
    row("EXAMPLE.com", "example.com", "upper case presented"),
    row("example.com", "EXAMPLE.Com", "upper case wanted"),
    row("ExAmPlE.cOm", "eXaMpLe.CoM", "mixed case in both"),
    row("*.EXAMPLE.com", "www.example.com", "upper case under a wildcard"),
    row("*.example.com", "WWW.example.com", "upper case for a wildcard"),
    # Several entries.
    row(["a.example", "b.example"], "a.example", "the first of two"),
    row(["a.example", "b.example"], "b.example", "the last of two"),
    row(["a.example", "*.b.example"], "c.b.example", "a wildcard as second"),
    row(["*", "a.example"], "a.example", "a good one after nonsense"),
    row([" ", "\0", "a.example"], "a.example", "a good one after worse"),
    row(["IP:192.0.2.1", "a.example"], "a.example", "name beside address"),
    row(["MAIL:a@b.example", "a.example"], "a.example", "beside mail"),
    row(["URI:https://b.example", "a.example"], "a.example", "beside URI"),
    row(["RAWIP:c0000200ffffff00", "a.example"], "a.example", "beside net"),
    row(["a.example"] * 500, "a.example", "five hundred times the same"),
    row("a.example", "a.example", "other common name", "b.example"),
    # Wildcards (RFC 9525, section 6.3).
    row("*.example.com", "www.example.com", "wildcard for a label"),
    row("*.example.com", "a.example.com", "wildcard for one letter"),
    row("*.example.com", f"{LABEL}.example.com", "wildcard for 63 letters"),
    row("*.example.com", "1.example.com", "wildcard for digits"),
    row("*.example.com", "a_b.example.com", "wildcard for an underscore"),
    row("*.example.com", "a-b.example.com", "wildcard for a hyphen"),
    row("*.example.com", "xn.example.com", "wildcard for almost a prefix"),
    row("*.b.example.com", "a.b.example.com", "wildcard further down"),
    row("*.co.uk", "example.co.uk", "wildcard under a public suffix"),
    row(["*.example.com", "example.com"], "example.com", "domain beside it"),
    # Other scripts (RFC 9525, sections 6.3 and 7.3).
    row("xn--bcher-kva.example", "bücher.example", "U-label wanted"),
    row("xn--bcher-kva.example", "xn--bcher-kva.example", "A-labels"),
    row("XN--BCHER-KVA.example", "bücher.example", "A-label in upper case"),
    row("xn--bcher-kva.example", "XN--bcher-KVA.example", "A wanted, upper"),
    row("xn--bcher-kva.example", "BÜCHER.example", "U-label in upper case"),
    row("xn--bcher-kva.example", "bu\u0308cher.example", "decomposed"),
    row("xn--strae-oqa.example", "straße.example", "sharp s stays"),
    row("xn--fsqu00a.xn--0zwm56d", "例子.测试", "all labels in Chinese"),
    row("a.example", "a。example", "ideographic full stop"),
    row("a.example", "ａ.example", "full-width letter"),
    row("*.xn--bcher-kva.example", "a.bücher.example", "wildcard over it"),
    row("www.xn--bcher-kva.example", "www.bücher.example", "below it"),
    row("xn--n3h.example", "xn--n3h.example", "emoji as A-label"),
    # Trailing dots: wanted names may be absolute.
    row("example.com", "example.com.", "trailing dot wanted"),
    row("*.example.com", "www.example.com.", "trailing dot and wildcard"),
    row("localhost", "localhost.", "single label with a dot"),
    # Addresses (RFC 9525, section 6.5).
    row("IP:192.0.2.1", "192.0.2.1", "IPv4"),
    row("IP:0.0.0.0", "0.0.0.0", "IPv4 of zeros"),
    row("IP:255.255.255.255", "255.255.255.255", "IPv4 of ones"),
    row("IP:2001:db8::1", "2001:db8::1", "IPv6"),
    row("IP:2001:db8::1", "2001:DB8::1", "IPv6 in upper case"),
    row("IP:2001:db8::1", "[2001:db8::1]", "IPv6 in brackets"),
    row("IP:2001:db8::1", "2001:db8:0:0:0:0:0:1", "IPv6 in full"),
    row("IP:2001:db8::1", "2001:0db8:0000::0001", "IPv6 with zeros"),
    row("IP:2001:db8::c000:201", "2001:db8::192.0.2.1", "IPv6, dotted end"),
    row("IP:::1", "::1", "loopback"),
    row("IP:::", "::", "unspecified"),
    row("IP:fe80::1", "fe80::1%eth0", "zone"),
    row("IP:fe80::1", "[fe80::1%25eth0]", "zone in a URL"),
    row("IP:::ffff:192.0.2.1", "::ffff:192.0.2.1", "mapped as mapped"),
    row(["IP:::1", "IP:192.0.2.1"], "192.0.2.1", "IPv4 after IPv6"),
    row(["a.example", "IP:192.0.2.1"], "192.0.2.1", "address beside name"),
    row(["RAWIP:c0000201ffffffff", "IP:::1"], "::1", "address after net"),
]

NAMES_REFUSED = [
    # Plain names.
    row("example.com", "example.org", "another name"),
    row("example.com", "www.example.com", "a host below"),
    row("www.example.com", "example.com", "the domain above"),
    row("example.com", "example.co", "a shorter name"),
    row("example.co", "example.com", "a longer name"),
    row("example.com", "badexample.com", "the same end"),
    row("example.com", "example.com.evil.example", "the same beginning"),
    row("com", "example.com", "a top-level domain"),
    row("examplescom", "example.com", "a dot is a dot"),
    row("example-com", "example.com", "a hyphen for a dot"),
    row("localhost", "localhost.localdomain", "a single label, qualified"),
    row("localhost.localdomain", "localhost", "unqualified"),
    row("", "example.com", "an empty entry"),
    row(".", "example.com", "the root"),
    row(LONGEST + "a", "example.com", "more than 253 bytes"),
    row(["a.example", "b.example"], "c.example", "none of two"),
    row(["a.b.example"], "b.a.example", "labels in another order"),
    # No entry at all.
    row(None, "example.com", "no extension"),
    row(None, "example.com", "common name only", "example.com"),
    row(None, "a.example.com", "wildcard as common name", "*.example.com"),
    row([], "example.com", "an empty extension"),
    row([], "example.com", "empty, with common name", "example.com"),
    row("a.example", "b.example", "common name beside names", "b.example"),
    row("IP:::1", "b.example", "common name beside address", "b.example"),
    row("IP:192.0.2.1", "example.com", "an address for a name"),
    row("URI:https://example.com/", "example.com", "a URI"),
    row("MAIL:example.com", "example.com", "a mail host"),
    row("MAIL:a@example.com", "example.com", "a mail address"),
    # Wildcards in every position.
    row("*", "com", "bare wildcard, single label"),
    row("*", "example.com", "bare wildcard"),
    row("*.", "example.com", "wildcard and dot"),
    row("*.com", "example.com", "wildcard under a top-level domain"),
    row("*.localhost", "a.localhost", "wildcard under a single label"),
    row("*.example.com", "example.com", "wildcard for no label"),
    row("*.example.com", "a.b.example.com", "wildcard for two labels"),
    row("*.example.com", "a.example.org", "wildcard, other domain"),
    row("*.example.com", "aexample.com", "wildcard without its dot"),
    row("*.example.com", "a.badexample.com", "wildcard, longer domain"),
    row("*.example.com", "a.xexample.com", "wildcard, similar domain"),
    row("*.b.example.com", "a.example.com", "wildcard, deeper"),
    row("www.*.com", "www.example.com", "wildcard in the middle"),
    row("a.*.example.com", "a.b.example.com", "wildcard as second"),
    row("www.example.*", "www.example.com", "wildcard at the end"),
    row("example.*", "example.com", "wildcard at the end of two"),
    row("*.*.example.com", "a.b.example.com", "two wildcards"),
    row("*.*", "example.com", "nothing but wildcards"),
    row("*.*.com", "www.example.com", "two wildcards and a suffix"),
    row("**.example.com", "www.example.com", "double wildcard"),
    row("*.b.*.com", "a.b.c.com", "two wildcards, apart"),
    row("*..example.com", "www.example.com", "wildcard, empty label"),
    row("*www.example.com", "www.example.com", "wildcard for nothing"),
    row("\\*.example.com", "a.example.com", "escaped wildcard"),
    row("?.example.com", "a.example.com", "question mark"),
    row("[a-z].example.com", "a.example.com", "character class"),
    row(".*.example.com", "a.example.com", "regular expression"),
    # Partial wildcards: allowed by RFC 6125, no longer by RFC 9525.
    row("f*.example.com", "foo.example.com", "partial wildcard behind"),
    row("*o.example.com", "foo.example.com", "partial wildcard in front"),
    row("f*o.example.com", "foo.example.com", "partial wildcard inside"),
    row("*foo.example.com", "foo.example.com", "partial, for nothing"),
    row("foo*.example.com", "foo.example.com", "partial, for nothing, end"),
    row("w*.example.com", "www.a.example.com", "partial, across a dot"),
    row("f*.com", "foo.com", "partial under a top-level domain"),
    row("xn--*.example.com", "xn--bcher-kva.example.com", "partial, A"),
    row("xn--b*-kva.example", "bücher.example", "partial within A-label"),
    # Other scripts.
    row("bücher.example", "bücher.example", "U-label presented"),
    row("bücher.example", "xn--bcher-kva.example", "U presented, A wanted"),
    row("*.bücher.example", "a.bücher.example", "wildcard over U-label"),
    row("*.example.com", "bücher.example.com", "wildcard for U-label"),
    row("*.example.com", "xn--bcher-kva.example.com", "wildcard for A"),
    row("xn--bcher-kva.example", "bucher.example", "without its dots"),
    row("xn--bcher-kva.example", "buecher.example", "spelled out"),
    row("strasse.example", "straße.example", "sharp s is no double s"),
    row("\u212aelvin.example", "kelvin.example", "Kelvin sign presented"),
    row("ехample.com", "example.com", "Cyrillic presented"),
    row("xn--hample-k9d.com", "example.com", "Cyrillic in A-label"),
    row("xn--.example", "xn.example", "A-label of nothing"),
    # Dots.
    row("example.com.", "example.com", "trailing dot presented"),
    row("example.com.", "example.com.", "trailing dots in both"),
    row("*.example.com.", "www.example.com", "trailing dot, wildcard"),
    row(".example.com", "example.com", "leading dot presented"),
    row(".example.com", "www.example.com", "leading dot is no wildcard"),
    row("example..com", "example.com", "doubled dot presented"),
    row("example.com..", "example.com", "two trailing dots"),
    # NUL, white space and other characters.
    row("example.com\0", "example.com", "NUL at the end"),
    row("example.com\0.evil.example", "example.com", "NUL, then evil"),
    row("\0example.com", "example.com", "NUL in front"),
    row("exam\0ple.com", "example.com", "NUL inside"),
    row("*.example.com\0.evil.example", "a.example.com", "NUL, wildcard"),
    row(" example.com", "example.com", "space in front"),
    row("example.com ", "example.com", "space behind"),
    row("example .com", "example.com", "space inside"),
    row(" *.example.com", "a.example.com", "space before a wildcard"),
    row(" *.e.llo", "h.e.llo", "space, the known case"),
    row("*.example.com\n", "a.example.com", "newline after a wildcard"),
    row("* .example.com", "a.example.com", "space after a wildcard"),
    row("\texample.com", "example.com", "tab in front"),
    row("example.com\n", "example.com", "newline behind"),
    row("example.com\r\n", "example.com", "two of them"),
    row("example.com\x0b", "example.com", "vertical tab"),
    row("example.com\u00a0", "example.com", "no-break space"),
    row("example.com\u200b", "example.com", "zero-width space"),
    row("example.com\x7f", "example.com", "delete"),
    row("example.com,www.example.com", "example.com", "list in one entry"),
    row("example.com:443", "example.com", "with a port"),
    row("https://example.com", "example.com", "with a scheme"),
    row("example.com/", "example.com", "with a path"),
    row("DNS:DNS:example.com", "example.com", "with its kind"),
    row('"example.com"', "example.com", "in quotes"),
    # Malformed extensions.
    row(b"", "example.com", "extension of no bytes"),
    row(b"\0", "example.com", "extension of a NUL"),
    row(b"\x05\0", "example.com", "extension that is null"),
    row(b"example.com", "example.com", "extension of text"),
    row(tlv(DNS, b"example.com"), "example.com", "entry without sequence"),
    row(tlv(0x30, b"\x82\x7fa"), "example.com", "entry cut short"),
    row(tlv(0x30, tlv(DNS, b"\xff\xfe")), "example.com", "no UTF-8"),
    row(
        tlv(0x30, tlv(DNS, b"a.example") + tlv(IP, b"abc")),
        "a.example",
        "good name, address of 3 bytes",
    ),
    row(
        tlv(0x30, tlv(DNS, b"a.example") + tlv(0x83, b"x")),
        "a.example",
        "good name, unknown kind malformed",
    ),
    row(
        tlv(0x30, tlv(DNS, b"a.example")) + b"\0",
        "a.example",
        "good name, bytes behind",
    ),
    row(
        tlv(0x30, tlv(DNS, b"a.example") + tlv(0xA3, b"\x30\0")),
        "a.example",
        "good name, X.400 address",
    ),
]

ADDRESSES_REFUSED = [
    row("IP:192.0.2.2", "192.0.2.1", "another IPv4"),
    row("IP:2001:db8::2", "2001:db8::1", "another IPv6"),
    row("192.0.2.1", "192.0.2.1", "IPv4 as DNS name"),
    row("2001:db8::1", "2001:db8::1", "IPv6 as DNS name"),
    row("[2001:db8::1]", "2001:db8::1", "IPv6 as DNS name, brackets"),
    row("*.0.2.1", "192.0.2.1", "IPv4 and wildcard"),
    row("*", "192.0.2.1", "IPv4 and bare wildcard"),
    row("192.0.2.*", "192.0.2.1", "IPv4 and wildcard at the end"),
    row("*.2.1", "192.0.2.1", "IPv4 and shorter wildcard"),
    row("URI:https://192.0.2.1/", "192.0.2.1", "IPv4 in a URI"),
    row("a.example", "192.0.2.1", "a name for an address"),
    row("a.example", "192.0.2.1", "address as common name", "192.0.2.1"),
    row(None, "192.0.2.1", "address as common name only", "192.0.2.1"),
    row([], "::1", "empty extension, IPv6"),
    row("IP:::ffff:192.0.2.1", "192.0.2.1", "IPv4 for mapped"),
    row("IP:192.0.2.1", "::ffff:192.0.2.1", "mapped for IPv4"),
    row("IP:::192.0.2.1", "192.0.2.1", "IPv4 for compatible"),
    row("IP:49.57.50.46", "192.0.2.1", "text in four bytes"),
    row("RAWIP:c0000200ffffff00", "192.0.2.1", "IPv4 network"),
    row("RAWIP:c0000201ffffffff", "192.0.2.1", "IPv4 network of one"),
    row("RAWIP:" + "00" * 32, "::", "IPv6 network"),
    row("RAWIP:", "192.0.2.1", "address of no bytes"),
    row("RAWIP:c00002", "192.0.2.1", "address of three bytes"),
    row("RAWIP:c000020100", "192.0.2.1", "address of five bytes"),
    row(b"\x30\x02\x87\x05", "192.0.2.1", "address cut short"),
]


@pytest.mark.parametrize(("san", "name", "common_name"), ACCEPTED)
def test_accepts(san: bytes | None, name: str, common_name: str):
    """The certificate belongs to this peer."""
    presented = certificate(san, common_name)
    wanted = Identity.parse(name)

    wanted.check(presented)
    assert wanted.matches(presented)


@pytest.mark.parametrize(
    ("san", "name", "common_name"), NAMES_REFUSED + ADDRESSES_REFUSED
)
def test_refuses(san: bytes | None, name: str, common_name: str):
    """The certificate belongs to someone else, or to nobody."""
    presented = certificate(san, common_name)
    wanted = Identity.parse(name)
    with pytest.raises(IdentityError) as caught:
        wanted.check(presented)

    error = caught.value
    assert not wanted.matches(presented)
    assert name == error.expected
    assert presented == error.certificate
    assert error.code in {"wrong-identity", "no-san", "unreadable-san"}
    assert str(error).startswith("expected ")
    assert str(error).isprintable()
    assert error.hint
    assert error.reason == (
        VerifyReason.HOSTNAME_MISMATCH
        if wanted.ip is None
        else VerifyReason.IP_ADDRESS_MISMATCH
    )
