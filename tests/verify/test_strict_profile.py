"""Rules of ``set_strict()`` that neither of the two verifiers enforces."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

import tlskit
from tlskit import VerificationError
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.testing.making import DAY
from tlskit.verify.strict import profile, second
from tlskit.x509.der import element

from ..altered import altered, pem_of

HOST = "strict.example.com"
ROOT = CA("strict root")
DE = x509.DirectoryName(
    x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")])
)


def client(root: CA = ROOT, *, strict: bool = True) -> tlskit.ClientContext:
    """Trust a root, strictly."""
    context = tlskit.ClientContext("auto")
    root.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    context.set_strict(strict)
    return context


def verdict(
    context: tlskit.ClientContext,
    leaf: Leaf,
    host: str = HOST,
    chain: Any = None,
) -> str | None:
    """Judge with and without a connection; give the words, or None."""
    sent = chain or leaf.chain
    found = []
    server = tlskit.ServerContext(certificate_chain=sent, private_key=leaf.key)
    try:
        context.verify_chain(sent, hostname=host)
    except VerificationError as error:
        found.append((error.code, str(error)))
    try:
        for each in memory_pair(context, server, hostname=host):
            each.close()
    except VerificationError as error:
        found.append((error.code, str(error)))
    if not found:
        return None
    assert 2 == len(found), found
    # Without it, OpenSSL is not asked about purposes offline.
    if tlskit.capabilities()["verify-purpose"]:
        assert found[0] == found[1]
    return found[0][1]


def test_a_good_chain() -> None:
    """Nothing is wrong with it, with CAs in between or not."""
    assert verdict(client(), ROOT.issue(HOST)) is None
    assert verdict(client(), ROOT.intermediate().issue(HOST)) is None


def renamed(leaf: Leaf, issuer: CA, name: str) -> bytes:
    """Give a certificate another common name."""

    def subject(text: str) -> bytes:
        return x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, text)]
        ).public_bytes()

    return altered(leaf.certificate, issuer, (subject(HOST), subject(name)))


@pytest.mark.parametrize(
    "name", ["other.example.com", "Strict.example.com", HOST + "."]
)
def test_a_common_name_that_is_no_name(name: str) -> None:
    """Any other spelling is another name."""
    leaf = ROOT.issue(HOST)
    chain = pem_of(renamed(leaf, ROOT, name))
    assert verdict(client(strict=False), leaf, chain=chain) is None

    assert "common name" in str(verdict(client(), leaf, chain=chain))


def test_a_client_may_be_called_anything() -> None:
    """A person is no host."""
    leaf = ROOT.issue("me@example.com", usages=[Usage.CLIENT_AUTH])
    context = tlskit.ServerContext()
    ROOT.trust(context)
    context.set_strict()

    assert 2 == len(context.verify_chain(leaf.chain))


@pytest.mark.parametrize("usages", [None, (), (Usage.ANY_EXTENDED_KEY_USAGE,)])
def test_a_server_s_certificate_says_that_it_is(usages: Any) -> None:
    """No extended key usage, or one for anything, is not enough."""
    leaf = issued(usages)
    if not usages:  # OpenSSL does not take "any" for a server's.
        assert verdict(client(strict=False), leaf) is None

    assert verdict(client(), leaf) is not None


def issued(usages: Any) -> Leaf:
    """Issue with these usages, or without the extension."""
    if usages:
        return ROOT.issue(HOST, usages=usages)
    plain = ROOT.issue(HOST)
    value = plain.certificate.extensions.get_extension_for_class(
        x509.ExtendedKeyUsage
    ).value
    oid = bytes.fromhex("0603551d25")
    whole = element(0x30, oid + element(0x04, value.public_bytes()))
    der = altered(plain.certificate, ROOT, (whole, b""))
    return Leaf(plain.key, (x509.load_der_x509_certificate(der),))


def test_a_root_for_something_else() -> None:
    """A root that is for mail only has nothing to say about servers."""
    mail = x509.ExtendedKeyUsage([Usage.EMAIL_PROTECTION])
    server = x509.ExtendedKeyUsage([Usage.SERVER_AUTH])
    root = CA("mail root", extensions=[(mail, False)])
    assert verdict(client(root), root.issue(HOST)) is not None

    root = CA("server root", extensions=[(server, False)])
    words = verdict(client(root), root.issue(HOST))
    assert words is None or "cryptography" in words


@pytest.mark.parametrize("bits", [2052, 3076])
def test_odd_sizes_of_keys(bits: int) -> None:
    """Bits come in bytes."""
    key = rsa.generate_private_key(65537, bits)
    leaf = ROOT.issue(HOST, key=key)

    assert verdict(client(strict=False), leaf) is None
    assert "no multiple of 8" in str(verdict(client(), leaf))


def test_a_serial_number_of_zero() -> None:
    """Numbers are positive; a trusted root may have any."""
    leaf = ROOT.issue(HOST)
    number = leaf.certificate.serial_number
    size = number.bit_length() // 8 + 1
    old = element(0x02, number.to_bytes(size, "big"))
    chain = pem_of(altered(leaf.certificate, ROOT, (old, b"\x02\x01\x00")))

    assert verdict(client(strict=False), leaf, chain=chain) is None
    assert verdict(client(), leaf, chain=chain) is not None


@pytest.mark.parametrize(
    "extension",
    [
        x509.NameConstraints([x509.DNSName("example.com")], None),
        x509.PolicyConstraints(9, None),
    ],
)
def test_constraints_are_critical(extension: x509.ExtensionType) -> None:
    """Who does not understand them has to refuse."""
    loose = ROOT.intermediate("loose", extensions=[(extension, False)])
    assert verdict(client(strict=False), loose.issue(HOST)) is None

    assert verdict(client(), loose.issue(HOST)) is not None


def test_critical_name_constraints() -> None:
    """As they have to be."""
    names = x509.NameConstraints([x509.DNSName("example.com")], None)
    tight = ROOT.intermediate("tight", extensions=[(names, True)])

    assert verdict(client(), tight.issue(HOST)) is None


@pytest.mark.parametrize("numbered", [True, False])
def test_lists_have_numbers(numbered: bool) -> None:
    """Nobody could tell which one is the newer."""
    leaf = ROOT.issue(HOST)
    start = leaf.certificate.not_valid_before_utc
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(
        ROOT.key.public_key()
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ROOT.certificate.subject)
        .last_update(start)
        .next_update(start + 60 * DAY)
        .add_extension(aki, False)
    )
    if numbered:
        builder = builder.add_extension(x509.CRLNumber(5), False)
    crl = builder.sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.DER)
    context = client()
    context.load_crls(crl)
    context.load_crls(CA("somebody else").crl())

    assert numbered == (verdict(context, leaf) is None)


@pytest.mark.parametrize(
    ("name", "host", "good"),
    [
        ("*.co.uk", "any.co.uk", False),
        ("*.example.co.uk", "any.example.co.uk", True),
    ],
)
def test_wildcards_under_public_suffixes(
    name: str, host: str, good: bool
) -> None:
    """They would stand for all customers of a registry."""
    pytest.importorskip("publicsuffixlist")
    leaf = ROOT.issue(name)
    assert verdict(client(strict=False), leaf, host) is None

    words = verdict(client(), leaf, host)
    assert good == (words is None), words


def test_without_the_list_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Then such wildcards pass, and that is noted."""

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(profile, "import_module", missing)
    profile._suffixes.cache_clear()
    try:
        with caplog.at_level(logging.INFO, "tlskit.verify"):
            context = client()

        assert verdict(context, ROOT.issue("*.co.uk"), "any.co.uk") is None
        assert "tlskit[strict]" in caplog.text
    finally:
        profile._suffixes.cache_clear()


# -- and what is right is not refused ---------------------------------------


def test_directory_names_in_constraints() -> None:
    """OpenSSL weighs them, and the second verifier can't."""
    barred = x509.NameConstraints(None, [DE])
    below = ROOT.intermediate("below", extensions=[(barred, True)])

    assert verdict(client(), below.issue(HOST)) is None


def test_a_ca_that_issued_itself_anew() -> None:
    """It does not count against the path length (RFC 5280, 6.1.4)."""
    old = ROOT.intermediate("rolling", path_length=0)
    new = CA("rolling", parent=old, path_length=0)

    assert verdict(client(), new.issue(HOST)) is None
    assert verdict(client(), old.intermediate("x").issue(HOST)) is not None


def test_long_chains_and_underscores() -> None:
    """Those are limits of the second verifier only."""
    last = ROOT
    for number in range(9):
        last = last.intermediate(f"number {number}")
    assert verdict(client(), last.issue(HOST)) is None
    named = ROOT.issue("a_b.example.com")

    assert verdict(client(), named, "a_b.example.com") is None
    with pytest.raises(tlskit.IdentityError):
        client().verify_chain(named.chain, hostname="c_d.example.com")


def test_a_depth_that_is_too_small_is_named() -> None:
    """With the setting that helps."""
    ed = CA("edwards", key_type="ed25519")
    with pytest.raises(VerificationError) as info:
        client(ed).verify_chain(ed.issue(HOST).chain, hostname=HOST)

    assert "no Ed25519" in info.value.hint
    assert "AlgorithmIdentifier" not in str(info.value)


def test_the_strange_extension_is_named() -> None:
    """A critical one that OpenSSL does not know."""
    for oid, words in (
        ("2.5.29.46", "freshestCRL (2.5.29.46)"),
        ("1.2.3.4", "1.2.3.4"),
    ):
        strange = x509.UnrecognizedExtension(
            x509.ObjectIdentifier(oid), b"\x30\x00"
        )
        leaf = ROOT.issue(HOST, extensions=[(strange, True)])
        with pytest.raises(VerificationError) as info:
            client(strict=False).verify_chain(leaf.chain)

        assert "unknown-extension" == info.value.code
        assert words in str(info.value)


# -- a rule for everybody ---------------------------------------------------


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("name", "host", "good"),
    [
        ("*.example.com", "barred.example.com", False),
        ("*.example.com", "open.example.com", True),
        ("*.barred.example.com", "x.barred.example.com", False),
    ],
)
def test_a_wildcard_can_t_reach_what_is_excluded(
    strict: bool, name: str, host: str, good: bool
) -> None:
    """A CA that may not certify a host can't do it by a wildcard either."""
    barred = x509.NameConstraints(None, [x509.DNSName("barred.example.com")])
    below = ROOT.intermediate("limited", extensions=[(barred, True)])
    leaf = below.issue(name)
    words = verdict(client(strict=strict), leaf, host)

    # A newer second verifier takes no wildcard above what is excluded at all.
    allowed = {good} | ({False} if strict else set())
    assert (words is None) in allowed, words


def test_it_is_told_where_it_is_tolerated() -> None:
    """try_verify() goes on, and nobody is verified."""
    barred = x509.NameConstraints(None, [x509.DNSName("barred.example.com")])
    below = ROOT.intermediate("limited", extensions=[(barred, True)])
    leaf = below.issue("*.example.com")
    context = client(strict=False)
    context.try_verify()
    server = tlskit.ServerContext(
        certificate_chain=leaf.chain, private_key=leaf.key
    )
    here, there = memory_pair(context, server, hostname="barred.example.com")
    with here, there:
        assert not here.peer_verified
        assert here.verify_error is not None
        assert "name-constraints" == here.verify_error.code


@pytest.mark.parametrize(
    ("usages", "fine"),
    [
        ([Usage.SERVER_AUTH], True),
        ([Usage.ANY_EXTENDED_KEY_USAGE], True),
        ([Usage.CLIENT_AUTH], False),
        (None, True),
    ],
)
def test_what_a_server_s_certificate_is_for(
    usages: list[x509.ObjectIdentifier] | None, fine: bool
) -> None:
    """The second verifier asks where it judges a URI or a service."""
    found = None if usages is None else x509.ExtendedKeyUsage(usages)
    with nullcontext() if fine else pytest.raises(ValueError, match="servers"):
        second._check_for_servers(None, None, found)  # type: ignore[arg-type]
