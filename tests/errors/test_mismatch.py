"""A refusal names the likeliest cause."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlskit.verify.hostname import parse_host
from tlskit.verify.naming.mismatch import (
    entry_for,
    mismatch_hint,
    names,
    quoted,
)

HOST = parse_host("www.example.com")
REISSUE = "have the certificate reissued with DNS:www.example.com"


@pytest.mark.parametrize(
    ("entries", "hint"),
    [
        pytest.param(
            ["*.com"],
            "the entry '*.com' has a misplaced wildcard",
            id="wildcard under a top-level domain",
        ),
        pytest.param(["w*.example.com"], "misplaced wildcard", id="partial"),
        pytest.param(["www.*.com"], "misplaced wildcard", id="middle"),
        pytest.param(["*.*.com"], "misplaced wildcard", id="two wildcards"),
        pytest.param(
            ["*.www.example.com"],
            "stands for names below www.example.com, not for "
            "www.example.com itself",
            id="wildcard for no label",
        ),
        pytest.param(
            ["www.example.com\0.evil.example"],
            r"'www.example.com\x00.evil.example' has a NUL in it",
            id="NUL",
        ),
        pytest.param(
            ["*.example.com\0"], "has a NUL in it", id="NUL, wildcard"
        ),
        pytest.param(
            [" www.example.com"], "has white space around it", id="space"
        ),
        pytest.param(
            ["*.example.com\n"], "has white space around", id="wildcard, space"
        ),
        pytest.param(["www.example.com."], "a dot too many", id="last dot"),
        pytest.param([".www.example.com"], "a dot too many", id="first dot"),
        pytest.param(
            ["other.example", "WWW.EXAMPLE.COM."],
            "the entry 'WWW.EXAMPLE.COM.' has a dot too many",
            id="not the first, upper case",
        ),
        pytest.param(
            ["ftp.example.com", "ww.example.com", "www.example.org"],
            f"the nearest name there is ww.example.com: connect by that, or "
            f"{REISSUE}",
            id="nearest name",
        ),
        pytest.param(
            [" ww.example.com", "ww\0.example.com", "web.example.com"],
            "the nearest name there is web.example.com",
            id="nearest that could fit at all",
        ),
        pytest.param(
            ["a.test", "*.b.test", "q*.c.test", "x\0y"],
            "check that this is the right peer",
            id="nothing like it",
        ),
        pytest.param([], "certificate reissued with DNS:www", id="no names"),
    ],
)
def test_names(entries: list[str], hint: str):
    """The usual mistakes in a certificate for hosts are recognised."""
    assert hint in mismatch_hint(HOST, tuple(entries), (), ())


def test_too_many_labels():
    """A wildcard that would have to cover two labels is explained."""
    hint = mismatch_hint(
        parse_host("a.b.example.com"), ("*.example.com",), (), ()
    )

    assert "covers one label only, but a.b.example.com has more" in hint


def test_wildcard_for_an_a_label():
    """That wildcards end at other scripts is explained."""
    hint = mismatch_hint(
        parse_host("bücher.example.com"), ("*.example.com",), (), ()
    )

    assert "does not cover labels in other scripts" in hint


def test_u_label():
    """A name that is not in A-labels is shown as it should be."""
    hint = mismatch_hint(
        parse_host("bücher.example"), ("bücher.example",), (), ()
    )

    assert (
        r"the entry 'b\xfccher.example' is not written in A-labels; it "
        "should be 'xn--bcher-kva.example'"
    ) == hint


def test_common_name():
    """That the common name does not count is said when it would fit."""
    hint = mismatch_hint(
        HOST, ("ww.example.com",), (), ("a", "WWW.example.com")
    )

    assert hint.startswith("it is the common name, which is never looked at")
    assert hint.endswith(REISSUE)


@pytest.mark.parametrize(
    ("wanted", "entries", "addresses", "hint"),
    [
        pytest.param(
            "192.0.2.1",
            ["192.0.2.1"],
            [],
            "192.0.2.1 stands there as a DNS name, which does not count for "
            "an address; have the certificate reissued with IP:192.0.2.1",
            id="IPv4 as DNS name",
        ),
        pytest.param(
            "::1",
            ["[0:0:0:0:0:0:0:1]"],
            [],
            "::1 stands there as a DNS name",
            id="IPv6 as DNS name",
        ),
        pytest.param(
            "::ffff:192.0.2.1",
            ["a.example"],
            ["192.0.2.1"],
            "connect by 192.0.2.1",
            id="mapped wanted",
        ),
        pytest.param(
            "192.0.2.1",
            [],
            ["2001:db8::1", "::ffff:192.0.2.1"],
            # Python 3.13 writes it with dots.
            f"connect by {ipaddress.ip_address('::ffff:192.0.2.1')}",
            id="mapped presented",
        ),
        pytest.param(
            "192.0.2.1",
            ["*.a.example", "b\0", "c.example"],
            ["192.0.2.9"],
            "connect by a name that is there, such as c.example, or have "
            "the certificate reissued with IP:192.0.2.1",
            id="names only",
        ),
        pytest.param(
            "192.0.2.1",
            [],
            ["192.0.2.9"],
            "such as 192.0.2.9",
            id="other address",
        ),
        pytest.param(
            "192.0.2.1",
            ["*.a.example"],
            [],
            "have the certificate reissued with IP:192.0.2.1",
            id="nothing to connect by",
        ),
    ],
)
def test_addresses(
    wanted: str, entries: list[str], addresses: list[str], hint: str
):
    """The usual mistakes in a certificate for addresses are recognised."""
    found = tuple(map(ipaddress.ip_address, addresses))

    assert hint in mismatch_hint(parse_host(wanted), tuple(entries), found, ())


def test_entry_for():
    """The wanted entry is written as OpenSSL's configuration has it."""
    assert "DNS:www.example.com" == entry_for(HOST)
    assert "IP:2001:db8::1" == entry_for(parse_host("2001:DB8::1"))


def test_names_compares_meanings():
    """Spellings of the same host are the same, and nonsense is nobody."""
    assert names(["a b", "*", "WWW.example.com."], HOST)
    assert not names(["a b", "*", "www.example.org"], HOST)


def test_quoted():
    """Strangers' text is shown short, and can't steer a terminal."""
    assert r"'a\x1b[2J\xfc'" == quoted("a\x1b[2Jü")
    assert len(quoted("a" * 10000)) < 100


@given(st.lists(st.text()), st.lists(st.text(alphabet="*.w\0 example")))
def test_any_entries(some: list[str], others: list[str]):
    """Whatever a certificate presents, there is one printable line."""
    for wanted in (HOST, parse_host("192.0.2.1")):
        hint = mismatch_hint(wanted, (*some, *others), (), tuple(some))

        assert hint.isprintable()


def test_thousands_of_entries():
    """Only the first few entries are compared."""
    entries = ("x.test",) * 64 + ("www.example.com.",) * 10000

    assert "a dot too many" not in mismatch_hint(HOST, entries, (), ())
