"""What is a host name or an address, and what only resembles one."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tlskit.errors import ConfigurationError
from tlskit.verify.hostname import is_pattern, parse_any_host, parse_host

LABEL = "a" * 63
LONGEST = ".".join([LABEL, LABEL, LABEL, "a" * 61])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("example.com", "example.com", id="plain"),
        pytest.param("localhost", "localhost", id="single label"),
        pytest.param("WWW.Example.COM", "www.example.com", id="upper case"),
        pytest.param("example.com.", "example.com", id="trailing dot"),
        pytest.param("a_b.example", "a_b.example", id="underscore"),
        pytest.param("r3---sn.example", "r3---sn.example", id="hyphens"),
        pytest.param("-a.example", "-a.example", id="leading hyphen"),
        pytest.param("1.example", "1.example", id="number first"),
        pytest.param("10-0-0-1.pod", "10-0-0-1.pod", id="numbers, hyphens"),
        pytest.param("x.1e5", "x.1e5", id="almost a number"),
        pytest.param(LONGEST, LONGEST, id="253 bytes"),
        pytest.param(LONGEST + ".", LONGEST, id="253 bytes and a dot"),
        pytest.param("bücher.example", "xn--bcher-kva.example", id="U-label"),
        pytest.param(
            "BÜCHER.example", "xn--bcher-kva.example", id="U-label, upper"
        ),
        pytest.param(
            "bu\u0308cher.example", "xn--bcher-kva.example", id="decomposed"
        ),
        pytest.param(
            "xn--bcher-kva.example", "xn--bcher-kva.example", id="A-label"
        ),
        pytest.param(
            "XN--BCHER-KVA.example", "xn--bcher-kva.example", id="A, upper"
        ),
        pytest.param("xn--n3h.net", "xn--n3h.net", id="emoji as A-label"),
        pytest.param(
            "straße.example", "xn--strae-oqa.example", id="not transitional"
        ),
        pytest.param("a。b．example", "a.b.example", id="dots of East Asia"),
        pytest.param(
            "_a.bücher.example", "_a.xn--bcher-kva.example", id="mixed"
        ),
        pytest.param(
            "ｅｘａｍｐｌｅ.com", "example.com", id="full-width letters"
        ),
        pytest.param(
            "نامه\u200cای.example",
            "xn--mgba3gch31f060k.example",
            id="zero-width non-joiner, where Persian needs it",
        ),
    ],
)
def test_names(text: str, name: str):
    """A host name comes back lower-cased, in A-labels, without its dot."""
    assert name.encode() == parse_host(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", id="IPv4"),
        pytest.param("2001:DB8::1", "2001:db8::1", id="IPv6, upper case"),
        pytest.param("[2001:db8::1]", "2001:db8::1", id="brackets"),
        pytest.param("2001:db8:0:0:0:0:0:1", "2001:db8::1", id="long form"),
        pytest.param("2001:0db8::0001", "2001:db8::1", id="zeros"),
        pytest.param("fe80::1%eth0", "fe80::1", id="zone"),
        pytest.param("[fe80::1%25eth0]", "fe80::1", id="zone of a URL"),
        pytest.param("::ffff:192.0.2.1", "::ffff:c000:201", id="mapped"),
        pytest.param("::", "::", id="unspecified"),
    ],
)
def test_addresses(text: str, address: str):
    """An address comes back as one, without brackets and zone."""
    assert ipaddress.ip_address(address) == parse_host(text)
    assert "%" not in str(parse_host(text))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(".", "an empty label", id="root"),
        pytest.param("..", "an empty label", id="two dots"),
        pytest.param(".example.com", "an empty label", id="leading dot"),
        pytest.param("a..example", "an empty label", id="doubled dot"),
        pytest.param("example.com..", "an empty label", id="trailing dots"),
        pytest.param("a" * 64, "a label of more than 63", id="long label"),
        pytest.param(LONGEST + "b", "longer than 253", id="254 bytes"),
        pytest.param("ü" * 60, "IDNA", id="long A-label"),
        pytest.param("a" * 5000, "has 5000 characters", id="very long"),
        pytest.param(" a.example", "U+0020", id="leading space"),
        pytest.param("a.example\n", "U+000A", id="trailing newline"),
        pytest.param("a b.example", "U+0020", id="inner space"),
        pytest.param("a\u00a0b", "white space in it (U+00A0)", id="no-break"),
        pytest.param("a\u3000b", "U+3000", id="ideographic space"),
        pytest.param("a\0.example", "U+0000", id="NUL"),
        pytest.param("a\x7f", "an invisible character", id="delete"),
        pytest.param("a\u200bb.example", "U+200B", id="zero-width space"),
        pytest.param("a\u00adb.example", "U+00AD", id="soft hyphen"),
        pytest.param("a\u202eb.example", "U+202E", id="right-to-left"),
        pytest.param("a\ud800", "U+D800", id="surrogate"),
        pytest.param("a\u200db.example", "IDNA", id="misplaced joiner"),
        pytest.param("☃.net", "IDNA", id="symbol"),
        pytest.param("\u0301a.example", "IDNA", id="leading accent"),
        pytest.param("xn--.example", "broken A-label", id="empty A-label"),
        pytest.param("xn--abc-.example", "broken A-label", id="ASCII inside"),
        pytest.param("xn--99999999.x", "broken A-label", id="bad Punycode"),
        pytest.param("xn---bbk.x", "broken A-label", id="two spellings"),
        pytest.param("℀.example", "'/' in it", id="slash by mapping"),
        pytest.param("a/b", "'/' in it", id="slash"),
        pytest.param("a,b", "',' in it", id="comma"),
        pytest.param("*.example.com", "'*' in it", id="wildcard"),
        pytest.param("1234", "ends in a number", id="number"),
        pytest.param("127.1", "ends in a number", id="short IPv4"),
        pytest.param("0x7f000001", "ends in a number", id="hexadecimal"),
        pytest.param("0x7f.0.0.0x1", "ends in a number", id="hex parts"),
        pytest.param("192.0.2.01", "ends in a number", id="octal"),
        pytest.param("192.0.2.256", "ends in a number", id="256"),
        pytest.param("192.0.2.1.", "ends in a number", id="IPv4 and dot"),
        pytest.param("1.2.3.4.5", "ends in a number", id="five parts"),
        pytest.param("-1", "ends in a number", id="negative"),
        pytest.param("1_0", "ends in a number", id="underscored"),
        pytest.param(
            "１９２．０．２．１", "ends in a number", id="full-width"
        ),
        pytest.param("[192.0.2.1]", "'[' in it", id="IPv4 in brackets"),
        pytest.param("[::1", "'[' in it", id="half a bracket"),
        pytest.param("[]", "'[' in it", id="nothing in brackets"),
        pytest.param(":::", "':' in it", id="no IPv6"),
        pytest.param("1::2::3", "':' in it", id="two gaps"),
        pytest.param("::1%", "':' in it", id="empty zone"),
    ],
)
def test_refused(text: str, fault: str):
    """What is neither is refused, with the reason and a hint."""
    with pytest.raises(ConfigurationError) as caught:
        parse_host(text)

    assert caught.value.code == "bad-hostname"
    assert fault in str(caught.value)
    assert caught.value.hint
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("https://example.com/", "without scheme and path"),
        ("example.com/index.html", "without scheme and path"),
        ("user@example.com", "without user name"),
        ("example.com:443", "port number as an argument"),
        ("[::1]:443", "port number as an argument"),
        ("*.example.com", "name of one host"),
        ("a!b", "www.example.com"),
        ("127.1", "IPv4 addresses in full"),
        ("a b", "remove that character"),
        ("☃.net", "A-labels"),
    ],
)
def test_hints(text: str, hint: str):
    """The usual mistakes are recognised."""
    with pytest.raises(ConfigurationError) as caught:
        parse_host(text)

    assert hint in caught.value.hint


def test_no_secrets():
    """The password in a URL does not get into the message."""
    with pytest.raises(ConfigurationError) as caught:
        parse_host("https://joe:sesame@example.com")

    assert "sesame" not in caught.value.explain()
    assert "'...@example.com'" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "Example.COM",
        "localhost",
        "*.example.com",
        "*.EXAMPLE.com",
        "*.xn--bcher-kva.example",
        "*.co.uk",
        "_a.example.com",
        LONGEST,
    ],
)
def test_patterns(text: str):
    """Host names, and names below a wildcard, may be presented."""
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "*.com",
        "*.*",
        "*.*.com",
        "**.example.com",
        "f*.example.com",
        "*f.example.com",
        "a.*.example.com",
        "example.*.",
        "example.*",
        "*.example.com.",
        "example.com.",
        ".example.com",
        "*..example.com",
        " example.com",
        "example.com ",
        "* .example.com",
        "example.com\0",
        "bücher.example",
        "\u212a.example",
        "192.0.2.1",
        "*.0.2.1",
        "1234",
        "::1",
        "xn--.example",
        "a" * 64 + ".example",
        "*." + LONGEST,
    ],
)
def test_no_patterns(text: str):
    """Whatever else a certificate presents is nothing to match against."""
    assert not is_pattern(text)


@given(st.text())
@example("xn--a\u0300")
@example("\u1e9e.example")
def test_any_text(text: str):
    """Whatever is passed, only the tree's error comes out."""
    try:
        host = parse_host(text)
    except ConfigurationError as error:
        assert error.code == "bad-hostname"
        return
    if isinstance(host, bytes):
        assert parse_host(host.decode("ascii")) == host
        assert is_pattern(host.decode("ascii"))


@given(st.text(alphabet="xn-ab0.é*\u200d。 ", max_size=30))
def test_any_label(text: str):
    """What is accepted as a name is stable, and a pattern too."""
    test_any_text.hypothesis.inner_test(text)


@given(st.from_regex(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})?", fullmatch=True))
def test_any_ascii(text: str):
    """Names of plain labels are refused for numbers and A-labels only."""
    try:
        assert text.encode() == parse_host(text)
    except ConfigurationError as error:
        message = str(error)
        assert "ends in a number" in message or "A-label" in message


def _parsed(parse, text):
    """What comes of *text*, an error as its words."""
    try:
        return parse(text)
    except ConfigurationError as error:
        return str(error)


@given(
    st.text("aZ09-_.:x*[]@ n", max_size=40)
    | st.from_regex(r"([a-zA-Z0-9-]{1,64}\.){0,5}[a-z0-9-]{1,64}\n?")
    | st.from_regex(r"\A(a{60,63}\.){3,4}a{0,64}\.?\Z")
)
@example("xn--a.example")
@example("XN--A.example")
@example("a.0x1")
@example("a.b\n")
@example("fe80")
@example("a..b")
def test_usual_names_are_like_all_others(text):
    """What is known at a glance is what all the questions would tell."""
    assert _parsed(parse_any_host, text) == _parsed(parse_host, text)
