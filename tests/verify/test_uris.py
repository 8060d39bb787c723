"""Identities that are no hosts: what may be asked for, and who proves it."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from tlskit import (
    ConfigurationError,
    Identity,
    IdentityError,
    VerificationError,
)
from tlskit.testing import CA, Leaf
from tlskit.verify.identity import checked_identity, identities_of
from tlskit.x509.alternatives import read_names

CA_ = CA("tlskit identities CA")
BILLING = "spiffe://example.org/ns/prod/billing"
XMPP = "_xmpp-server.example.org"


def srv(text: str, *, tag: int = 0x16, kind: str = "8.7") -> x509.OtherName:
    """Make an SRVName, or what only resembles one."""
    data = text.encode()
    return x509.OtherName(
        x509.ObjectIdentifier(f"1.3.6.1.5.5.7.{kind}"),
        bytes((tag, len(data))) + data,
    )


def leaf(*entries: str | x509.GeneralName, **keywords: Any) -> Leaf:
    """Issue a certificate: texts are URIs."""
    names = [
        x509.UniformResourceIdentifier(each) if isinstance(each, str) else each
        for each in entries
    ]
    san = x509.SubjectAlternativeName(names) if names else None
    return CA_.issue(san=san, common_name="workload", **keywords)


def refused(wanted: Identity, *entries: str | x509.GeneralName) -> str:
    """Give the words, with the hint, of a check that has to fail."""
    with pytest.raises(IdentityError) as caught:
        wanted.check(leaf(*entries).certificate)

    assert wanted.text == caught.value.expected
    return f"{caught.value} ({caught.value.hint})"


# -- what may be asked for --------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example.org/billing", "has no scheme"),
        ("1a://example.org", "has no scheme"),
        ("https:", "has nothing behind its scheme"),
        ("https:///path", "names no host"),
        ("https://example.org/?a=b", "has a query or a fragment"),
        ("spiffe://example.org/a#b", "has a query or a fragment"),
        ("https://example.org/a b", "has ' ' in it"),
        ("https://bücher.example/", "has 'ü' in it"),
        ("spiffe:example.org", "has no valid trust domain"),
        ("spiffe://example.org:8443/a", "has no valid trust domain"),
        ("spiffe:///a", "has no valid trust domain"),
        ("spiffe://example.org/", "has the path segment ''"),
        ("spiffe://example.org/a//b", "has the path segment ''"),
        ("spiffe://example.org/a/../b", "has the path segment '..'"),
        ("spiffe://example.org/a%2fb", "has the path segment 'a%2fb'"),
        ("https://example.org/" + "a" * 3000, "has 3020 characters"),
    ],
)
def test_no_uri(text: str, words: str) -> None:
    """What can be no identity is refused, and why is told."""
    with pytest.raises(ConfigurationError) as caught:
        Identity.uri(text)

    assert "bad-identity" == caught.value.code
    assert words in str(caught.value)


def test_a_uri_with_a_password() -> None:
    """A user name is refused, and the password is not shown."""
    with pytest.raises(ConfigurationError, match="user name") as caught:
        Identity.uri("https://me:secret@example.org/")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("xmpp-server.example.org", "begin with an underscore"),
        ("_xmpp-server", "begin with an underscore"),
        ("_.example.org", "begin with an underscore"),
        ("_xmpp_server.example.org", "begin with an underscore"),
        ("_xmpp-server._tcp.example.org", "has the protocol '_tcp' in it"),
        ("_xmpp-server.192.0.2.1", "is of an address"),
    ],
)
def test_no_service(text: str, words: str) -> None:
    """What is no service of a domain is refused, and why is told."""
    with pytest.raises(ConfigurationError) as caught:
        Identity.service(text)

    assert "bad-identity" == caught.value.code
    assert words in str(caught.value)


def test_a_service_of_no_domain() -> None:
    """The domain is a host name."""
    with pytest.raises(ConfigurationError) as caught:
        Identity.service("_xmpp-server.exa mple.org")

    assert "bad-hostname" == caught.value.code


def test_a_host_is_no_address() -> None:
    """Each kind has its own maker, and says which is right."""
    with pytest.raises(ConfigurationError, match="found the address") as one:
        Identity.host("192.0.2.1")
    with pytest.raises(ConfigurationError, match="the host name") as other:
        Identity.address("www.example.org")

    assert "use Identity.address()" == one.value.hint
    assert "use Identity.host()" == other.value.hint


@pytest.mark.parametrize("kind", ["host", "address", "uri", "service"])
def test_texts_only(kind: str) -> None:
    """Nothing and bytes are no identity of any kind."""
    make = getattr(Identity, kind)

    with pytest.raises(ValueError, match="is empty"):
        make("")
    with pytest.raises(TypeError, match="is a str"):
        make(b"example.org")


def test_an_address_of_ipaddress() -> None:
    """An address may be an object, too."""
    from ipaddress import ip_address

    wanted = Identity.address(ip_address("192.0.2.1"))

    assert Identity.address("192.0.2.1") == wanted
    assert "192.0.2.1" == str(wanted)


def test_what_is_announced() -> None:
    """A URI and a service announce no server name, a host its own."""
    assert b"example.org" == Identity.host("Example.org").sni
    assert Identity.uri(BILLING).sni is None
    assert Identity.service(XMPP).sni is None
    assert Identity.address("192.0.2.1").sni is None


def test_equality() -> None:
    """Scheme and host are compared without case, the path exactly."""
    wanted = Identity.uri("https://example.org/Path")

    assert Identity.uri("HTTPS://Example.ORG/Path") == wanted
    assert Identity.uri("https://example.org/path") != wanted
    assert Identity.host("example.org") != Identity.uri("https://example.org")
    assert Identity.service("_IMAP.Example.org") == Identity.service(
        "_imap.example.org"
    )


def test_text_is_no_identity() -> None:
    """An argument ``identity`` wants an Identity, and says how to make it."""
    with pytest.raises(TypeError, match=r"Identity\.host\(\.\.\.\)"):
        checked_identity("example.org")  # type: ignore[arg-type]


# -- who proves it ----------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "entry"),
    [
        (BILLING, BILLING),
        (BILLING, BILLING.replace("example", "EXAMPLE")),
        ("spiffe://example.org", "spiffe://example.org"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("urn:uuid:f81d4fae-7dec", "urn:uuid:f81d4fae-7dec"),
    ],
)
def test_a_uri(wanted: str, entry: str) -> None:
    """The same URI is accepted, also beside host names."""
    with_name = leaf(x509.DNSName("example.org"), entry)

    Identity.uri(wanted).check(leaf(entry).certificate)
    Identity.uri(wanted).check(with_name.certificate)


def test_another_trust_domain() -> None:
    """The words name the part that differs."""
    words = refused(Identity.uri(BILLING), BILLING.replace("org", "net"))

    assert f"but {BILLING!r} was expected" in words
    assert "the trust domain differs: 'example.net' instead of" in words


def test_another_path() -> None:
    """A path is compared exactly, and a longer one is another."""
    wanted = Identity.uri(BILLING)

    assert "the path differs: '/ns/prod/billing/x' instead" in refused(
        wanted, BILLING + "/x"
    )
    assert "upper and lower case only" in refused(
        wanted, BILLING.replace("prod", "Prod")
    )


def test_another_scheme() -> None:
    """Nothing in common leaves the general advice."""
    words = refused(Identity.uri("https://example.org/a"), "sip:example.org")

    assert "reissued with URI:https://example.org/a" in words


def test_another_host_in_a_uri() -> None:
    """A host is called a host where it is no trust domain."""
    words = refused(
        Identity.uri("https://example.org/a"), "https://example.net/a"
    )

    assert "the host differs" in words


def test_two_uris() -> None:
    """An SVID has one URI: a second one makes it none, whatever it says."""
    words = refused(Identity.uri(BILLING), BILLING, "https://example.org/")

    assert "has 2 URIs" in words
    assert "an SVID has exactly one" in words


def test_two_uris_elsewhere() -> None:
    """Other certificates may have several URIs."""
    Identity.uri("https://example.org/b").check(
        leaf("https://example.org/a", "https://example.org/b").certificate
    )


def test_many_uris_are_not_all_listed() -> None:
    """A certificate may present thousands."""
    words = refused(
        Identity.uri("https://example.org/x"),
        *(f"https://example.org/{number}" for number in range(12)),
    )

    assert "and 4 more" in words


def test_a_name_where_a_uri_is_wanted() -> None:
    """A host name does not stand for a URI."""
    words = refused(Identity.uri(BILLING), x509.DNSName("example.org"))

    assert "names 'example.org' and no URI" in words
    assert f"have it reissued with URI:{BILLING}" in words


def test_nobody_where_a_uri_is_wanted() -> None:
    """A certificate without names proves nothing."""
    assert "names nobody and no URI" in refused(Identity.uri(BILLING))


def test_a_uri_where_a_name_is_wanted() -> None:
    """A URI does not stand for its host."""
    with pytest.raises(IdentityError) as caught:
        Identity.host("example.org").check(leaf(BILLING).certificate)

    assert "names no host and no address" in str(caught.value)


def test_a_malformed_uri_matches_nothing() -> None:
    """What could not be asked for is proved by nobody."""
    words = refused(
        Identity.uri("https://example.org/a"), "https://example.org/a?"
    )

    assert "names the URI 'https://example.org/a?'" in words


def test_the_svid_of_a_ca() -> None:
    """What issues SVIDs is no workload."""
    authority = CA(
        "tlskit SPIFFE CA",
        extensions=(
            (
                x509.SubjectAlternativeName(
                    [x509.UniformResourceIdentifier("spiffe://example.org")]
                ),
                False,
            ),
        ),
    )

    with pytest.raises(IdentityError, match="is a CA's"):
        Identity.uri("spiffe://example.org").check(authority.certificate)


def test_malformed_names() -> None:
    """An extension that can't be read names nobody."""
    bad = CA_.issue(
        with_san=False,
        extensions=(
            (
                x509.UnrecognizedExtension(
                    x509.SubjectAlternativeName.oid, b"\x30\x01"
                ),
                False,
            ),
        ),
    )

    with pytest.raises(IdentityError) as caught:
        Identity.uri(BILLING).check(bad.certificate)

    assert "unreadable-san" == caught.value.code
    assert () == identities_of(bad.certificate)


def test_a_service() -> None:
    """An SRVName of the service and the domain is accepted."""
    Identity.service(XMPP).check(leaf(srv(XMPP)).certificate)
    Identity.service(XMPP).check(leaf(srv(XMPP.upper())).certificate)


@pytest.mark.parametrize(
    "entry",
    [
        srv("_imap.example.org"),
        srv("_xmpp-server.example.net"),
        srv("_xmpp-server.*.org"),
        srv("_xmpp-server.*.example.org"),
        srv("example.org"),
        srv("\x00"),
    ],
)
def test_another_service(entry: x509.OtherName) -> None:
    """Another service, another domain, a pattern and nonsense are refused."""
    words = refused(Identity.service(XMPP), entry)

    assert f"but {XMPP!r} was expected" in words
    assert f"reissued with SRVName:{XMPP}" in words


@pytest.mark.parametrize(
    "entry",
    [
        x509.DNSName("example.org"),
        srv(XMPP, tag=0x0C),
        srv(XMPP, kind="8.5"),
        x509.OtherName(
            x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), b"\x05\x00"
        ),
    ],
)
def test_no_service_there(entry: x509.GeneralName) -> None:
    """A host name, a UTF8String and XMPP's older name are no SRVName."""
    assert "and no service" in refused(Identity.service(XMPP), entry)


def test_whom_a_certificate_names() -> None:
    """All that can be an identity is one; patterns and nonsense are none."""
    certificate = leaf(
        x509.DNSName("example.org"),
        x509.DNSName("*.example.org"),
        x509.DNSName("no host"),
        x509.IPAddress(__import__("ipaddress").ip_address("192.0.2.1")),
        srv(XMPP),
        srv("nonsense"),
        "urn:example:a",
        "relative",
    ).certificate

    assert (
        Identity.host("example.org"),
        Identity.address("192.0.2.1"),
        Identity.uri("urn:example:a"),
        Identity.service(XMPP),
    ) == identities_of(certificate)


def test_two_uris_name_nobody() -> None:
    """Of a broken SVID no URI counts."""
    certificate = leaf(
        x509.DNSName("example.org"), BILLING, "urn:example:a"
    ).certificate

    assert (Identity.host("example.org"),) == identities_of(certificate)


def test_no_names_at_all() -> None:
    """Without the extension there is nobody."""
    certificate = leaf().certificate

    assert () == identities_of(certificate)
    assert read_names(certificate) is None


def test_it_is_a_verification_error() -> None:
    """Who catches what is wrong with a certificate catches this, too."""
    with pytest.raises(VerificationError):
        Identity.uri(BILLING).check(None)


def test_a_long_service() -> None:
    """A name of 200 characters needs a longer length, and is read, too."""
    text = "_imap." + ".".join(["a" * 48] * 4) + ".example"
    data = text.encode()
    entry = x509.OtherName(
        x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"),
        bytes((0x16, 0x81, len(data))) + data,
    )

    Identity.service(text).check(leaf(entry).certificate)


def test_kinds() -> None:
    """Each identity says what it is."""
    assert "host" == Identity.host("a.example").kind
    assert "address" == Identity.address("192.0.2.1").kind
    assert "uri" == Identity.uri(BILLING).kind
    assert "service" == Identity.service(XMPP).kind


def test_a_long_uri_is_shown_in_part() -> None:
    """A stranger's names fill no screen."""
    words = refused(
        Identity.uri("https://example.org/a"), "https://x.org/" + "b" * 500
    )

    assert "bbb...'" in words
    assert "b" * 100 not in words
