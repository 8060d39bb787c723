"""By which rules peers are verified: strictness, time, depth, purpose."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

import tlskit
from tlskit import VerifyReason
from tlskit.engine.verdict import settle
from tlskit.openssl import native
from tlskit.testing import CA, Leaf, memory_pair
from tlskit.verify.chain import pin_of
from tlskit.verify.identity import Identity

from ..engines import pair

HOST = "localhost"
NOW = datetime.now(timezone.utc)
YEAR = timedelta(days=365)
ROOT = CA("tlskit rules CA")
MIDDLE = ROOT.intermediate("tlskit rules intermediate")
LAST = MIDDLE.intermediate("tlskit rules last CA")
LEAF = LAST.issue(HOST, "me.example")

Rule = Callable[[tlskit.Context], None]


def nothing(_context: tlskit.Context) -> None:
    """Set no rule."""


def strict(context: tlskit.Context) -> None:
    """Have two verifiers."""
    context.set_strict()


def client(rule: Rule, root: CA | None = ROOT) -> tlskit.ClientContext:
    """Make a verifying client with a rule."""
    context = tlskit.ClientContext("auto")
    if root is not None:
        root.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    rule(context)
    return context


def server(leaf: Leaf = LEAF) -> tlskit.ServerContext:
    """Make a server."""
    context = tlskit.ServerContext()
    leaf.apply(context)
    return context


def meets(rule: Rule, leaf: Leaf = LEAF, root: CA | None = ROOT) -> None:
    """Have a client with *rule* meet a server with *leaf*; talk."""
    ours, theirs = memory_pair(client(rule, root), server(leaf))
    with ours, theirs:
        theirs.sendall(b"hello")

        assert b"hello" == ours.recv(5)
        assert ours.peer_verified


def refuses(
    rule: Rule, leaf: Leaf = LEAF, root: CA | None = ROOT
) -> tlskit.VerificationError:
    """Have a client with *rule* refuse a server with *leaf*."""
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(client(rule, root), server(leaf))
    return caught.value


def admits(rule: Rule, leaf: Leaf) -> None:
    """Have a server with *rule* admit a client with *leaf*."""
    context, asking = demanding(rule), client(nothing)
    leaf.apply(asking)
    ours, theirs = memory_pair(asking, context)
    with ours, theirs:
        assert theirs.peer_verified


def turns_away(rule: Rule, leaf: Leaf) -> tlskit.VerificationError:
    """Have a server with *rule* refuse a client with *leaf*."""
    context, asking = demanding(rule), client(nothing)
    leaf.apply(asking)
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(asking, context)
    return caught.value


def demanding(rule: Rule) -> tlskit.ServerContext:
    """Make a server that demands certificates, with a rule."""
    context = server()
    ROOT.trust(context)
    context.set_verify()
    rule(context)
    return context


# -- strict -----------------------------------------------------------------

# The CA/Browser Forum's profile has no such signatures; OpenSSL takes them.
UNUSUAL = ROOT.intermediate(key_type="ed25519").issue(HOST)


def test_strict_accepts() -> None:
    """A good chain of four passes both verifiers."""
    meets(strict)
    admits(strict, LEAF)


def test_the_second_verifier_refuses_alone() -> None:
    """What only the second verifier minds is refused; both are quoted."""
    leaf = UNUSUAL
    meets(nothing, leaf)
    error = refuses(strict, leaf)

    assert "second-verifier" == error.code
    assert VerifyReason.SECOND_VERIFIER is error.reason
    assert {"OpenSSL", "cryptography"} == set(error.verdicts)
    assert "accepted" == error.verdicts["OpenSSL"]
    assert error.verdicts["cryptography"].startswith("refused: ")
    assert "OpenSSL accepts" in str(error)
    assert "(cryptography) refuses it" in str(error)
    assert leaf.certificate == error.certificate
    assert pickle.loads(pickle.dumps(error)).verdicts == error.verdicts


def without_key_identifiers(ca: CA, *names: str) -> Leaf:
    """Issue what has no authority key identifier."""
    leaf = ca.issue(*names)
    builder = x509.CertificateBuilder(
        issuer_name=leaf.certificate.issuer,
        subject_name=leaf.certificate.subject,
        public_key=leaf.certificate.public_key(),
        serial_number=leaf.certificate.serial_number,
        not_valid_before=leaf.certificate.not_valid_before_utc,
        not_valid_after=leaf.certificate.not_valid_after_utc,
        extensions=[
            each
            for each in leaf.certificate.extensions
            if each.oid != x509.AuthorityKeyIdentifier.oid
        ],
    )
    digest = leaf.certificate.signature_hash_algorithm
    bare = builder.sign(ca.key, digest)
    return Leaf(leaf.key, (bare, *leaf.chain[1:]))


def test_openssl_is_strict() -> None:
    """OpenSSL runs with X509_STRICT, and both verdicts are told."""
    leaf = without_key_identifiers(ROOT, HOST)
    meets(nothing, leaf)
    error = refuses(strict, leaf)

    assert VerifyReason.MISSING_AUTHORITY_KEY_IDENTIFIER is error.reason
    assert "missing-authority-key-identifier" == error.code
    assert str(error) == error.verdicts["OpenSSL"]
    assert error.verdicts["cryptography"] in error.explain()
    assert "cryptography, the second verifier: " in error.explain()


def test_openssl_refuses_alone() -> None:
    """Where only OpenSSL refuses, it is told that the other accepts."""

    def rule(context: tlskit.Context) -> None:
        context.set_strict()
        context.load_crls(MIDDLE.crl())

    error = refuses(rule)

    assert VerifyReason.UNABLE_TO_GET_CRL is error.reason
    assert "accepted" == error.verdicts["cryptography"]
    assert "cryptography, the second verifier: accepted" in error.explain()


def test_both_refuse() -> None:
    """An untrusted chain is refused by both, in words of each."""
    error = refuses(strict, root=CA("tlskit other CA"))

    assert VerifyReason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY is error.reason
    assert error.verdicts["cryptography"].startswith("refused: ")


def test_strict_about_clients() -> None:
    """Servers are strict, too: a client without any name is refused."""
    nameless = ROOT.issue(common_name="me")
    admits(nothing, nameless)
    error = turns_away(strict, nameless)

    assert "second-verifier" == error.code
    assert "the client's certificate 'me'" in str(error)
    assert "accepted" == error.verdicts["OpenSSL"]


def test_openssl_is_strict_about_clients() -> None:
    """X509_STRICT is for clients' certificates as well."""
    leaf = without_key_identifiers(ROOT, "me.example")
    admits(nothing, leaf)

    assert (
        VerifyReason.MISSING_AUTHORITY_KEY_IDENTIFIER
        is turns_away(strict, leaf).reason
    )


def test_strict_tolerates_where_all_is_tolerated() -> None:
    """``try_verify`` keeps the second verifier's complaint for the caller."""

    def rule(context: tlskit.Context) -> None:
        context.set_strict()
        context.try_verify()

    ours, theirs = memory_pair(client(rule), server(UNUSUAL))
    with ours, theirs:
        assert not ours.peer_verified
        assert ours.verify_error is not None
        assert "second-verifier" == ours.verify_error.code


def test_no_verifier_overrides_strictness() -> None:
    """A function that accepts everything does not make two verifiers one."""

    def lenient(context: tlskit.Context) -> None:
        context.set_certificate_verifier(lambda *_: True)

    def rule(context: tlskit.Context) -> None:
        lenient(context)
        context.set_strict()

    meets(rule)
    refuses(rule, UNUSUAL)
    expired = ROOT.issue_bad("expired", HOST)
    ours, theirs = memory_pair(client(lenient), server(expired))
    with ours, theirs:
        assert not ours.peer_verified
    error = refuses(rule, expired)

    assert "expired" == error.code
    assert {"OpenSSL", "cryptography"} == set(error.verdicts)


def test_strict_tolerates_what_is_told_anyway() -> None:
    """``try_verify`` tells of OpenSSL's fault, strict or not."""

    def rule(context: tlskit.Context) -> None:
        context.set_strict()
        context.try_verify()

    expired = ROOT.issue_bad("expired", HOST)
    ours, theirs = memory_pair(client(rule), server(expired))
    with ours, theirs:
        assert ours.verify_error is not None
        assert "expired" == ours.verify_error.code


def test_strict_without_a_certificate() -> None:
    """A server that may be met without a certificate still can be."""

    def rule(context: tlskit.Context) -> None:
        context.set_strict()
        context.try_verify()

    ours, theirs = memory_pair(client(nothing), demanding(rule))
    with ours, theirs:
        assert not theirs.peer_verified


def test_strict_and_pinned() -> None:
    """Strictness and pins go together; each refuses for itself."""

    def rule(context: tlskit.Context) -> None:
        context.set_strict()
        context.set_pins([pin()])

    meets(rule)
    assert "second-verifier" == refuses(rule, UNUSUAL).code
    other = CA("tlskit other CA")
    assert "pin-mismatch" == refuses(rule, other.issue(HOST), other).code


def test_strict_without_host_name() -> None:
    """Where no name is checked, neither verifier checks one."""

    def rule(context: tlskit.Context) -> None:
        context.set_strict()
        context.set_verify_hostname(False)

    meets(rule, ROOT.issue("other.example"))


def test_strict_with_a_directory(tmp_path: Path) -> None:
    """Roots in a directory count for both verifiers."""
    tmp_path.joinpath("root.pem").write_bytes(ROOT.pem)
    subprocess.run(["openssl", "rehash", tmp_path], check=True)

    def rule(context: tlskit.Context) -> None:
        context.load_verify_root_certificates(None, tmp_path)
        context.set_strict()

    meets(rule, root=None)
    refuses(rule, CA("tlskit other CA").issue(HOST), root=None)


def pin() -> str:
    """Give a pin of the root's."""
    return pin_of(ROOT.certificate)


# -- time -------------------------------------------------------------------


def at(moment: datetime | None) -> Rule:
    """Verify at another time."""
    return lambda context: context.set_verification_time(moment)


@pytest.mark.parametrize("with_strict", [False, True])
def test_another_time(with_strict: bool) -> None:
    """What has expired was valid once, for both verifiers."""
    root = CA("old", valid=(NOW - 3 * YEAR, NOW + YEAR))
    leaf = root.issue(HOST, valid=(NOW - 2 * YEAR, NOW - YEAR))

    def rule(context: tlskit.Context) -> None:
        context.set_strict(with_strict)
        context.set_verification_time(NOW - 1.5 * YEAR)

    def later(context: tlskit.Context) -> None:
        rule(context)
        context.set_verification_time(NOW - 0.5 * YEAR)

    meets(rule, leaf, root)
    error = refuses(later, leaf, root)
    refuses(nothing, leaf, root)

    assert VerifyReason.CERT_HAS_EXPIRED is error.reason
    year = (NOW - 0.5 * YEAR).strftime("%Y-%m-%d")
    assert f"it is {year}" in str(error)


def test_time_in_another_zone() -> None:
    """A moment is the same moment in each time zone."""
    zone = timezone(timedelta(hours=12))
    leaf = ROOT.issue(HOST, valid=(NOW - YEAR / 100, NOW + timedelta(hours=6)))

    meets(at(NOW.astimezone(zone)), leaf)
    refuses(at((NOW + timedelta(hours=7)).astimezone(zone)), leaf)


def test_the_present_again() -> None:
    """None takes the time back."""

    def rule(context: tlskit.Context) -> None:
        context.set_verification_time(NOW + 20 * YEAR)
        context.set_verification_time(None)

    meets(rule)


def test_time_without_zone() -> None:
    """A moment that could be another one elsewhere is refused."""
    context = tlskit.ClientContext("auto")
    with pytest.raises(ValueError, match="time zone"):
        context.set_verification_time(NOW.replace(tzinfo=None))


# -- depth ------------------------------------------------------------------


@pytest.mark.parametrize("with_strict", [False, True])
def test_depth(with_strict: bool) -> None:
    """Two CAs stand between this peer and its root; one is too few."""

    def limited(depth: int | None) -> Rule:
        def rule(context: tlskit.Context) -> None:
            context.set_strict(with_strict)
            context.set_verify_depth(depth)

        return rule

    meets(limited(None))
    meets(limited(2))
    meets(limited(0), ROOT.issue(HOST))
    for depth in (0, 1):
        error = refuses(limited(depth))

        assert VerifyReason.CERT_CHAIN_TOO_LONG is error.reason
        assert "chain-too-long" == error.code
    refuses(limited(0), MIDDLE.issue(HOST))


def test_depth_of_a_chosen_context() -> None:
    """The limit moves with the context that the server name chooses."""

    def rule(context: tlskit.Context) -> None:
        context.set_verify_depth(1)

    front = server()
    front.set_server_names({HOST: demanding(rule)})
    asking = client(nothing)
    LEAF.apply(asking)
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(asking, front)

    assert VerifyReason.CERT_CHAIN_TOO_LONG is caught.value.reason


def test_negative_depth() -> None:
    """There is no such number of CAs."""
    with pytest.raises(ValueError, match="-1"):
        tlskit.ClientContext("auto").set_verify_depth(-1)


# -- partial chains ---------------------------------------------------------


@pytest.mark.parametrize("with_strict", [False, True])
def test_partial_chain(with_strict: bool) -> None:
    """An intermediate that is trusted ends a chain if that is allowed."""

    def rule(context: tlskit.Context) -> None:
        context.set_strict(with_strict)
        context.set_partial_chain()

    meets(rule, root=MIDDLE)
    refuses(rule, root=ROOT.intermediate("tlskit other intermediate"))
    assert (
        VerifyReason.UNABLE_TO_GET_ISSUER_CERT
        is refuses(nothing, root=MIDDLE).reason
    )


# -- purpose ----------------------------------------------------------------

CLIENT_ONLY = ROOT.issue(HOST, usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
SERVER_ONLY = ROOT.issue(HOST, usages=[ExtendedKeyUsageOID.SERVER_AUTH])
CODE_ONLY = ROOT.issue_bad("wrong-purpose", HOST)


def purpose(text: str | None) -> Rule:
    """Demand a purpose."""
    return lambda context: context.set_purpose(text)


@pytest.mark.native
@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        (None, [SERVER_ONLY], [CLIENT_ONLY, CODE_ONLY]),
        ("server", [SERVER_ONLY], [CLIENT_ONLY, CODE_ONLY]),
        ("client", [CLIENT_ONLY], [SERVER_ONLY, CODE_ONLY]),
        ("any", [SERVER_ONLY, CLIENT_ONLY, CODE_ONLY], []),
    ],
)
def test_purpose(text: str | None, good: list[Leaf], bad: list[Leaf]) -> None:
    """The purpose that is demanded decides, whatever the peer is."""
    for leaf in good:
        meets(purpose(text), leaf)
    for leaf in bad:
        error = refuses(purpose(text), leaf)

        assert VerifyReason.INVALID_PURPOSE is error.reason


@pytest.mark.native
def test_purpose_of_clients() -> None:
    """A server may admit whom a server's certificate names."""
    admits(purpose("server"), SERVER_ONLY)
    turns_away(purpose("client"), SERVER_ONLY)
    turns_away(nothing, SERVER_ONLY)


def test_unknown_purpose() -> None:
    """A purpose that nobody knows is refused, and the known are told."""
    with pytest.raises(
        tlskit.ConfigurationError, match="there are: any, client, server"
    ):
        tlskit.ClientContext("auto").set_purpose("mail")


def test_purpose_without_native() -> None:
    """Without the capability it is refused at once."""
    context = tlskit.ClientContext("auto")
    with (
        native.without("verify-purpose"),
        pytest.raises(tlskit.UnsupportedError, match="verify-purpose"),
    ):
        context.set_purpose("any")

    assert None is context.settings.purpose


# -- names ------------------------------------------------------------------


def with_san(data: bytes) -> Leaf:
    """Issue a certificate with these bytes as its subjectAltName."""
    san = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, data)
    return ROOT.issue(HOST, with_san=False, extensions=[(san, False)])


# An address of five bytes, which OpenSSL takes for some name; and no
# sequence at all, after which OpenSSL believes nothing of a certificate.
ODD = with_san(bytes.fromhex("30078705 0102030405"))
BROKEN = with_san(b"\x05\x00")


def test_broken_extensions() -> None:
    """Where OpenSSL finds no issuer for that reason, the reason is told."""
    error = refuses(nothing, BROKEN)

    assert "malformed" == error.code
    assert VerifyReason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY is error.reason
    assert "has extensions that can't be read" in str(error)
    assert "reissued" in error.hint


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        (ROOT.issue("other.example", "127.0.0.1"), "wrong-identity"),
        (ROOT.issue_bad("no-san", HOST), "no-san"),
        (ODD, "unreadable-san"),
    ],
)
def test_names_are_told_in_one_way(leaf: Leaf, code: str) -> None:
    """It makes no difference whether OpenSSL or we find the wrong name."""
    error = refuses(nothing, leaf)
    with native.without("peer-name"):
        same = refuses(nothing, leaf)

    assert isinstance(error, tlskit.IdentityError)
    assert code == error.code
    assert HOST == error.expected
    assert f"expected: {HOST}" in error.explain()
    assert (str(error), error.hint, error.code) == (
        str(same),
        same.hint,
        same.code,
    )


def test_the_name_is_checked_at_the_end_too() -> None:
    """A resumed session brings no certificate to a callback."""
    ours, _ = pair()
    ours.record.identity = Identity.parse("other.example")
    with pytest.raises(tlskit.IdentityError) as caught:
        settle(ours._connection, ours.record)

    assert "wrong-identity" == caught.value.code
    assert "other.example" == caught.value.expected


def test_no_certificate_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a certificate proves no name."""
    ours, _ = pair()
    ours.record.renew()  # What was seen in the handshake.
    monkeypatch.setattr("tlskit.engine.verdict.leaf_of", lambda _: None)
    with pytest.raises(tlskit.VerificationError) as caught:
        settle(ours._connection, ours.record)

    assert "no-certificate" == caught.value.code
