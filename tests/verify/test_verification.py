"""Every refused certificate comes with its cause and with what mends it."""

from __future__ import annotations

import base64
import hashlib
import pickle
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import _util, crypto

from tlskit.errors import IdentityError, VerificationError
from tlskit.errors.codes import VerifyReason
from tlskit.errors.verify_reasons import verification_story
from tlskit.verify.chain import (
    Fault,
    Pin,
    VerificationScene,
    check_pins,
    explain_faults,
    no_certificate,
    parse_pin,
    pin_of,
    second_opinion,
)
from tlskit.verify.identity import Identity
from tlskit.x509.der import fields
from tlskit.x509.glimpse import Glimpse, shown, stamp

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)
SOURCES = ("file /etc/roots.pem",)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)


def named(common_name: str | None) -> x509.Name:
    """Make a name; without a common name it has an organisation only."""
    if common_name is None:
        return x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Nameless")]
        )
    if not common_name:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def make(
    name: str | None,
    issuer: Made | None = None,
    *,
    ca: bool = False,
    dns: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
    start: datetime = NOW - 30 * DAY,
    end: datetime = NOW + 30 * DAY,
    key: Any = None,
    uses: tuple[x509.ObjectIdentifier, ...] = (
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    ),
    path_length: int | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    signed_with: Any = None,
) -> Made:
    """Make a certificate, as CAs do it unless told otherwise."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = signed_with or (key if issuer is None else issuer.key)
    above = named(name) if issuer is None else issuer.certificate.subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                signer.public_key()
            ),
            False,
        )
    )
    if ca:
        builder = builder.add_extension(SIGNS, critical=True)
    elif uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), False)
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in dns]
    names += [x509.IPAddress(ip_address(each)) for each in addresses]
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(names), False
        )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    digest = (
        None
        if isinstance(signer, ed25519.Ed25519PrivateKey)
        else hashes.SHA256()
    )
    return Made(builder.sign(signer, digest), key)


SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
PUBLISHED = (
    x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP,
                x509.UniformResourceIdentifier("http://ocsp.example"),
            ),
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier("http://ca.example/i.cer"),
            ),
        ]
    ),
    False,
)
ROOT = make("Root", ca=True)
MIDDLE = make("Middle", ROOT, ca=True)
LEAF = make("a.example", MIDDLE, dns=("a.example", "*.a.example"))
STRANGER = make("Stranger", ca=True)


def judge(
    chain: tuple[Made, ...], roots: tuple[Made, ...], flags: int = 0
) -> Fault:
    """Let OpenSSL verify *chain*; give its complaint."""
    store = crypto.X509Store()
    store.set_time(NOW)
    store.set_flags(flags)
    for each in roots:
        store.add_cert(crypto.X509.from_cryptography(each.certificate))
    first, *others = (
        crypto.X509.from_cryptography(each.certificate) for each in chain
    )
    context = crypto.X509StoreContext(store, first, others)
    with pytest.raises(crypto.X509StoreContextError) as caught:
        context.verify_certificate()
    code, depth, _ = caught.value.errors
    guilty = caught.value.certificate.to_cryptography()
    return Fault(code, depth, guilty.public_bytes(Encoding.DER))


def scene_of(
    chain: tuple[Made, ...],
    roots: int = 2,
    expected: str | None = "a.example",
    **data: Any,
) -> VerificationScene:
    """Set the scene for *chain*."""
    return VerificationScene(
        presented=tuple(each.der for each in chain),
        expected=expected,
        sources=SOURCES if roots else (),
        roots=roots,
        at=NOW,
        **data,
    )


def told(
    chain: tuple[Made, ...], *roots: Made, **data: Any
) -> VerificationError:
    """Let OpenSSL judge, and explain its verdict."""
    fault = judge(chain, roots)
    return explain_faults((fault,), scene_of(chain, len(roots), **data))


# -- issuers ----------------------------------------------------------------


def test_a_private_ca_that_is_not_loaded() -> None:
    """A lone certificate of an unknown CA names that CA."""
    leaf = make("a.example", STRANGER, dns=("a.example",))
    error = told((leaf,), ROOT)

    assert type(error) is VerificationError
    assert error.code == "unknown-issuer"
    assert error.reason is VerifyReason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    assert "'a.example' (depth 0) was issued by 'Stranger'" in str(error)
    assert "isn't loaded" in str(error)
    assert error.hint.startswith("load 'Stranger' with load_verify_source()")
    assert leaf.certificate == error.certificate
    assert error.depth == 0


def test_a_missing_intermediate() -> None:
    """A CA that publishes its certificate is known by that."""
    leaf = make("a.example", MIDDLE, dns=("a.example",), extra=(PUBLISHED,))
    error = told((leaf,), ROOT)

    assert error.code == "missing-intermediate"
    assert "did not send that intermediate" in str(error)
    assert error.hint == (
        "let the server send the certificate of 'Middle' after its own; it "
        "is published at http://ca.example/i.cer, where a browser would have "
        "fetched it"
    )


def test_a_chain_with_a_gap() -> None:
    """Other certificates in the intermediate's place don't help."""
    error = told((LEAF, STRANGER), ROOT)

    assert error.code == "missing-intermediate"
    assert "none of the other certificates" in str(error)
    assert "'Middle'" in error.hint


def test_a_wrong_intermediate_of_the_right_name() -> None:
    """An intermediate with the same name but another key is found out."""
    wrong = make("Middle", ROOT, ca=True)
    error = told((LEAF, wrong), ROOT)

    assert error.code == "wrong-intermediate"
    assert "same name, other key" in str(error)


def test_a_chain_that_ends_in_an_unknown_root() -> None:
    """The topmost certificate is at fault, and its issuer is to be loaded."""
    error = told((LEAF, MIDDLE), STRANGER)

    assert error.code == "unknown-issuer"
    assert error.depth == 1
    assert str(error) == (
        "the intermediate 'Middle' (depth 1) was issued by 'Root', which is "
        "not among the trusted roots here"
    )
    assert "load the root 'Root'" in error.hint


def test_an_issuer_that_openssl_would_not_take() -> None:
    """If the right intermediate was sent, the words stay careful."""
    fault = Fault(20, 0, LEAF.der)
    error = explain_faults((fault,), scene_of((LEAF, MIDDLE)))

    assert error.code == "unknown-issuer"


def test_a_root_that_was_sent_but_is_not_trusted() -> None:
    """Sending a root along does not make it trusted."""
    error = told((LEAF, MIDDLE, ROOT), STRANGER)

    assert error.code == "untrusted-root"
    assert error.reason is VerifyReason.SELF_SIGNED_CERT_IN_CHAIN
    assert str(error).startswith("the root 'Root' (depth 2) ends the chain")
    assert "does not make it trusted" in error.hint


def test_a_self_signed_certificate() -> None:
    """Whoever meant it may load it."""
    error = told((make("a.example", dns=("a.example",)),), ROOT)

    assert error.code == "self-signed"
    assert "load its certificate" in error.hint


@pytest.mark.parametrize("chain", [(LEAF,), (LEAF, MIDDLE, ROOT), (ROOT,)])
def test_no_root_at_all(chain: tuple[Made, ...]) -> None:
    """Without any root the cause is this side, whatever the chain is."""
    error = told(chain)

    assert error.code == "no-roots"
    assert "load_default_verify_sources()" in error.hint
    assert "trusted: 0 roots from no source at all" in error.explain()


# -- dates ------------------------------------------------------------------


def test_an_expired_certificate() -> None:
    """It tells when, how long ago, and what time it is here."""
    leaf = make("a.example", ROOT, end=NOW - 2 * DAY)
    error = told((leaf,), ROOT)

    assert error.code == "expired"
    assert str(error) == (
        "the server's certificate 'a.example' (depth 0) expired on "
        "2026-05-30T12:00:00Z, 2 days ago; it is 2026-06-01T12:00:00Z here"
    )
    assert error.hint.startswith("renew the server's certificate")


def test_an_expired_intermediate() -> None:
    """It is the peer's business to send the current one."""
    middle = make("Middle", ROOT, ca=True, end=NOW - DAY)
    error = told((make("a.example", middle), middle), ROOT)

    assert error.code == "expired"
    assert error.depth == 1
    assert "1 day ago" in str(error)
    assert "current intermediate" in error.hint


def test_an_expired_root() -> None:
    """It is our business to update the roots."""
    root = make("Root", ca=True, end=NOW - DAY)
    error = told((make("a.example", root),), root)

    assert error.code == "expired"
    assert str(error).startswith("the root 'Root' (depth 1) expired on")
    assert "update the trusted roots" in error.hint


def test_a_certificate_of_the_future() -> None:
    """Perhaps the clock is wrong."""
    leaf = make("a.example", ROOT, start=NOW + DAY)
    error = told((leaf,), ROOT)

    assert error.code == "not-yet-valid"
    assert "valid from 2026-06-02T12:00:00Z on" in str(error)
    assert "2026-06-01T12:00:00Z" in error.hint
    assert "slow" not in str(error)


def test_a_clock_that_is_certainly_wrong() -> None:
    """If nothing of the peer's is valid yet, the clock is slow."""
    middle = make("Middle", ROOT, ca=True, start=NOW + DAY)
    leaf = make("a.example", middle, start=NOW + DAY)
    error = told((leaf, middle), ROOT)

    assert "so this clock is slow" in str(error)


@pytest.mark.parametrize(
    ("code", "text"), [(10, "has expired"), (9, "is not valid yet")]
)
def test_dates_that_contradict_the_verdict(code: int, text: str) -> None:
    """Where our date differs from OpenSSL's, no false dates are told."""
    error = explain_faults((Fault(code, 0, LEAF.der),), scene_of((LEAF,)))

    assert str(error).endswith(text)


def test_the_moment_defaults_to_now() -> None:
    """A scene without a moment takes the present, in UTC."""
    now = VerificationScene().now

    assert abs(datetime.now(timezone.utc) - now) < timedelta(minutes=1)
    assert now.tzinfo is timezone.utc


# -- names ------------------------------------------------------------------


def name_fault(
    leaf: Made, expected: str | None, code: int = 62
) -> VerificationError:
    """Explain a wrong name."""
    return explain_faults(
        (Fault(code, 0, leaf.der),), scene_of((leaf,), expected=expected)
    )


def test_a_wrong_host() -> None:
    """Expected and presented names are told, and the nearest advised."""
    leaf = make("a.example", ROOT, dns=("mail.b.example", "www.a.example"))
    error = name_fault(leaf, "ww.a.example")

    assert type(error) is IdentityError
    assert error.code == "wrong-identity"
    assert error.expected == "ww.a.example"
    assert error.presented == ("mail.b.example", "www.a.example")
    assert "names mail.b.example, www.a.example, but 'ww.a.ex" in str(error)
    assert "the nearest name there is www.a.example" in error.hint


def test_no_name_is_near() -> None:
    """Without a near name it may be the wrong peer altogether."""
    error = name_fault(make("x", ROOT, dns=("q.test",)), "zzzzzzzz")

    assert "check that this is the right peer" in error.hint


def test_an_expectation_that_is_no_host_name() -> None:
    """What can't be compared still gets names and general advice."""
    error = name_fault(LEAF, "no host\0")

    assert r"but 'no host\\x00' was expected" in str(error)
    assert error.hint


def test_many_names_are_not_all_told() -> None:
    """A certificate with a hundred names does not flood the message."""
    leaf = make("x", ROOT, dns=tuple(f"h{n}.example" for n in range(100)))
    error = name_fault(leaf, "other.test")

    assert "h7.example, ..., but" in str(error)
    assert len(error.presented) == 100


def test_a_wildcard_covers_one_label() -> None:
    """The usual mistake with wildcards is explained."""
    error = name_fault(LEAF, "b.c.a.example")

    assert "one label only" in error.hint
    assert "'*.a.example'" in error.hint


def test_no_subject_alternative_name() -> None:
    """A common name does not count, and the message says so."""
    error = name_fault(make("a.example", ROOT), "a.example")

    assert error.code == "no-san"
    assert "its common name 'a.example' does not count" in str(error)
    assert error.hint == (
        "have it reissued with 'a.example' as its subjectAltName"
    )


def test_no_name_of_any_kind() -> None:
    """Without a common name there is none to talk about."""
    error = name_fault(make(None, ROOT), "a.example")

    assert "common name" not in str(error)


def test_an_address_as_dns_name() -> None:
    """An address among the host names is a known mistake."""
    leaf = make("x", ROOT, dns=("192.0.2.1",))
    error = name_fault(leaf, "192.0.2.1", 64)

    assert type(error) is IdentityError
    assert error.reason is VerifyReason.IP_ADDRESS_MISMATCH
    assert "stands there as a DNS name" in error.hint


def test_a_wrong_address() -> None:
    """Another address is a wrong name like any other."""
    leaf = make("x", ROOT, addresses=("192.0.2.1",))
    error = name_fault(leaf, "192.0.2.2", 64)

    assert error.code == "wrong-identity"
    assert "names 192.0.2.1, but '192.0.2.2'" in str(error)


def test_a_wrong_name_without_an_expectation() -> None:
    """Even then there is a message."""
    error = name_fault(LEAF, None)

    assert str(error).endswith("names another host")


def test_untrusted_is_worse_than_misnamed() -> None:
    """IdentityError means: trusted otherwise."""
    error = explain_faults(
        (Fault(62, 0, LEAF.der), Fault(20, 0, LEAF.der)), scene_of((LEAF,))
    )

    assert type(error) is VerificationError
    assert error.reason is VerifyReason.UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    assert any("names another host" in line for line in error.advice)


# -- other faults, as OpenSSL finds them ------------------------------------


@pytest.mark.parametrize(
    ("server_side", "found", "wanted"),
    [(False, "clientAuth", "serverAuth"), (True, "serverAuth", "clientAuth")],
)
def test_a_wrong_purpose(server_side: bool, found: str, wanted: str) -> None:
    """A client's certificate is no server's, and the reverse."""
    use = {
        "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    }[found]
    leaf = make("x", ROOT, uses=(use,))
    error = explain_faults(
        (Fault(26, 0, leaf.der),), scene_of((leaf,), server_side=server_side)
    )

    assert error.code == "wrong-purpose"
    assert f"is meant for {found}, but {wanted} was expected" in str(error)
    assert wanted in error.hint


@pytest.mark.parametrize("leaf", [LEAF, make("x", ROOT, uses=())])
def test_a_purpose_that_nothing_tells_of(leaf: Made) -> None:
    """Where the extension is no cause, the general words remain."""
    error = explain_faults((Fault(26, 0, leaf.der),), scene_of((leaf,)))

    assert str(error).endswith("is not meant for this use")


def test_an_issuer_that_is_no_ca() -> None:
    """A server's certificate can't issue others."""
    fake = make("b.example", LEAF, dns=("b.example",))
    error = told((fake, LEAF, MIDDLE), ROOT)

    assert error.code == "not-a-ca"
    assert error.depth == 1
    assert "'a.example' (depth 1)" in str(error)


def test_a_ca_whose_purpose_does_not_fit() -> None:
    """A real CA with a wrong purpose is told as such."""
    error = explain_faults(
        (Fault(26, 1, MIDDLE.der),), scene_of((LEAF, MIDDLE))
    )
    fake = explain_faults((Fault(26, 1, LEAF.der),), scene_of((LEAF,)))

    assert error.code == "wrong-purpose"
    assert "CA" in error.hint
    assert fake.code == "not-a-ca"


def test_a_weak_key() -> None:
    """The size of the key is told."""
    leaf = make("x", ROOT, key=rsa.generate_private_key(65537, 1024))
    error = explain_faults((Fault(66, 0, leaf.der),), scene_of((leaf,)))

    assert error.code == "weak-key"
    assert "RSA 1024 bits" in str(error)


def test_a_weak_digest() -> None:
    """The digest of the signature is told, where there is one."""
    error = explain_faults((Fault(68, 0, LEAF.der),), scene_of((LEAF,)))
    key = ed25519.Ed25519PrivateKey.generate()
    other = make("x", key=key)
    plain = explain_faults((Fault(68, 0, other.der),), scene_of((other,)))

    assert error.code == "weak-digest"
    assert "signed with SHA256" in str(error)
    assert "signed with a digest that is broken" in str(plain)


def test_name_constraints() -> None:
    """A CA that may not certify a name is refused by OpenSSL, in words."""
    permitted = x509.NameConstraints([x509.DNSName("good.example")], None)
    middle = make("Middle", ROOT, ca=True, extra=((permitted, True),))
    error = told((make("x", middle, dns=("bad.test",)), middle), ROOT)

    assert error.code == "name-constraints"
    assert "it names bad.test" in str(error)


def test_name_constraints_without_a_name() -> None:
    """A certificate whose names can't be read gets words all the same."""
    error = explain_faults((Fault(48, 0, b"junk"),), scene_of(()))

    assert "nothing that could be read" in str(error)


def test_path_length() -> None:
    """An intermediate that may have no CA below it is named."""
    top = make("Top", ROOT, ca=True, path_length=0)
    low = make("Low", top, ca=True)
    error = told((make("x", low), low, top), ROOT)

    assert error.code == "path-length"
    assert error.depth == 2


def test_a_forged_signature() -> None:
    """A signature by another key than the issuer's is found."""
    leaf = make(
        "x",
        MIDDLE,
        signed_with=ec.generate_private_key(ec.SECP256R1()),
    )
    # Without the key identifiers, only the signature can tell.
    error = explain_faults((Fault(7, 0, leaf.der),), scene_of((leaf,)))

    assert error.code == "bad-signature"


def test_a_missing_revocation_list() -> None:
    """Where revocation is checked, each CA needs its list."""
    chain = (make("x", ROOT),)
    fault = judge(chain, (ROOT,), crypto.X509StoreFlags.CRL_CHECK)
    error = explain_faults((fault,), scene_of(chain))

    assert error.code == "crl-missing"
    assert error.hint == (
        "load a current revocation list (CRL) of 'Root' with load_crls()"
    )


def test_an_unknown_critical_extension() -> None:
    """OpenSSL must not ignore what calls itself critical."""
    strange = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.2.3.4.5"), b"\5\0"
    )
    error = told((make("x", ROOT, extra=((strange, True),)),), ROOT)

    assert error.code == "unknown-extension"


def test_revoked() -> None:
    """A revoked certificate is not to be talked round."""
    leaf = explain_faults((Fault(23, 0, LEAF.der),), scene_of((LEAF,)))
    middle = explain_faults((Fault(23, 1, MIDDLE.der),), scene_of((LEAF,)))

    assert leaf.code == middle.code == "revoked"
    assert "don't trust this peer" in leaf.hint
    assert "don't trust this CA" in middle.hint


# -- the whole story --------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 1, -1])
@pytest.mark.parametrize("reason", VerifyReason)
def test_every_reason_has_a_story(reason: VerifyReason, depth: int) -> None:
    """No verify code is left without code, words and advice."""
    story = verification_story(reason, depth)
    error = explain_faults(
        (Fault(int(reason), depth, LEAF.der),), scene_of((LEAF,))
    )

    assert story.code
    assert story.text
    assert story.hint
    assert "\n" not in error.hint
    assert error.reason is reason
    assert "'a.example'" in str(error)
    assert error.hint in error.explain()


def test_every_code_of_openssl_has_a_name() -> None:
    """What this OpenSSL has words for, ``VerifyReason`` has a name for.

    The gaps are reserved; OpenSSL answers them with "unknown".
    """
    lib, ffi = _util.lib, _util.ffi
    words = {
        code: ffi.string(lib.X509_verify_cert_error_string(code)).decode()
        for code in range(200)
    }
    known = {code for code, text in words.items() if "unknown" not in text}

    assert {0, 1, 61, 64, 95} <= known
    assert set() == known - set(map(int, VerifyReason))


@pytest.mark.parametrize(
    "name", [name for name in dir(_util.lib) if "X509_V_ERR_" in name]
)
def test_codes_are_called_as_openssl_calls_them(name: str) -> None:
    """Each constant of the binding is a member of the same name."""
    reason = VerifyReason(getattr(_util.lib, name))

    assert name.removeprefix("X509_V_ERR_") == reason.name


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (VerifyReason.PATH_LOOP, "path-loop"),
        (VerifyReason.SUITE_B_INVALID_CURVE, "suite-b"),
        (VerifyReason.OCSP_HAS_EXPIRED, "ocsp-expired"),
        (VerifyReason.OCSP_NO_RESPONSE, "ocsp-missing"),
        (VerifyReason.CRL_VERIFY_FAILED, "bad-crl"),
        (
            VerifyReason.EMPTY_AUTHORITY_KEY_IDENTIFIER,
            "empty-authority-key-identifier",
        ),
        (VerifyReason.DUPLICATE_EXTENSION, "malformed"),
    ],
)
def test_codes_of_later_releases(reason: VerifyReason, code: str) -> None:
    """Also what only later releases of OpenSSL find has a fitting code."""
    assert code == verification_story(reason, 0).code


def test_a_code_of_tomorrow() -> None:
    """A number that nobody knows yet is OTHER, with a message."""
    error = explain_faults((Fault(777, 0, LEAF.der),), scene_of((LEAF,)))

    assert error.reason is VerifyReason.OTHER
    assert str(error).endswith("was refused with OpenSSL's verify code 777")
    assert "X509_STORE_CTX_get_error" in error.hint


def test_no_fault_at_all() -> None:
    """A refusal without a reason is still a VerificationError."""
    error = explain_faults((), scene_of((LEAF,)))

    assert error.reason is VerifyReason.UNSPECIFIED
    assert "'a.example'" in str(error)


def test_the_story_tells_everything() -> None:
    """Expected, presented and trusted are all in explain(), and as data."""
    built = (LEAF.der, MIDDLE.der)
    scene = scene_of((LEAF, MIDDLE), 1, built=built)
    error = explain_faults((Fault(10, 0, LEAF.der),), scene)

    assert error.explain().splitlines()[1:] == [
        "expected: a.example",
        (
            "presented: 0 'a.example' issued by 'Middle'; "
            "1 'Middle' issued by 'Root'"
        ),
        "trusted: 1 root from file /etc/roots.pem",
        error.hint,
    ]
    assert error.presented == ("a.example", "*.a.example")
    assert error.sources == SOURCES
    assert error.roots == 1
    assert error.presented_chain == (LEAF.certificate, MIDDLE.certificate)
    assert error.built_chain == error.presented_chain


def test_several_faults_are_all_told() -> None:
    """The first decides; the others are advice, each of them once."""
    expired = Fault(10, 1, MIDDLE.der)
    error = explain_faults(
        (
            Fault(20, 0, LEAF.der),
            Fault(21, 0, LEAF.der),  # OpenSSL repeats itself in other words.
            expired,
            expired,
        ),
        scene_of((LEAF,)),
    )
    also = [line for line in error.advice if line.startswith("also:")]

    assert ["also: the intermediate 'Middle' (depth 1) has expired"] == also


def test_a_fault_without_a_certificate_takes_the_presented_one() -> None:
    """What the peer sent at that depth is at fault then."""
    error = explain_faults((Fault(10, 1),), scene_of((LEAF, MIDDLE)))
    beyond = explain_faults((Fault(10, 2),), scene_of((LEAF, MIDDLE)))

    assert MIDDLE.certificate == error.certificate
    assert beyond.certificate is None


def test_a_server_that_knows_the_built_chain_only() -> None:
    """OpenSSL forgets what a refused client sent; the path tells its name."""
    scene = VerificationScene(built=(LEAF.der,), server_side=True)
    error = explain_faults((Fault(23, 0, LEAF.der),), scene)

    assert "the client's certificate" in str(error)
    assert error.presented == ("a.example", "*.a.example")


def test_errors_can_be_pickled() -> None:
    """They cross process borders with all their data."""
    error = explain_faults((Fault(62, 0, LEAF.der),), scene_of((LEAF,)))
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is IdentityError
    assert error.explain() == copy.explain()
    assert LEAF.certificate == copy.certificate


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"junk",
        LEAF.der[:-1],
        LEAF.der + b"x",
        # An extension is damaged; it fails only when it is looked at.
        LEAF.der.replace(b"\x55\x1d\x11\x04", b"\x55\x1d\x11\x05", 1),
        LEAF.der.replace(b"a.example", b"a.\xff\xffample"),
    ],
)
@pytest.mark.parametrize("code", [7, 10, 18, 20, 26, 47, 62, 64, 66, 68])
def test_broken_certificates_break_nothing(der: bytes, code: int) -> None:
    """Whatever a peer sends, the error is one of the tree."""
    scene = VerificationScene(
        presented=(der, der), built=(der,), expected="a.example"
    )
    error = explain_faults((Fault(code, 0, der),), scene)

    assert isinstance(error, VerificationError)
    assert str(error)
    assert error.explain()
    assert isinstance(error.presented_chain, tuple)
    assert isinstance(error.built_chain, tuple)
    assert (error.certificate is None) == (Glimpse(der).der is None)
    with pytest.raises(VerificationError):
        check_pins((der,), (Pin(b"x" * 32),), scene)
    with pytest.raises(VerificationError):
        opine((der,), (ROOT,))


@settings(deadline=None)
@given(st.integers(0, len(LEAF.der) - 1), st.integers(1, 255))
def test_damaged_certificates_break_nothing(at: int, change: int) -> None:
    """No single changed byte leads out of the tree."""
    damaged = bytearray(LEAF.der)
    damaged[at] ^= change
    der = bytes(damaged)
    scene = scene_of((), built=(der, MIDDLE.der))
    for code in (10, 20, 26, 48, 62, 66, 68):
        error = explain_faults((Fault(code, 0, der),), scene)
        assert error.explain()
    with pytest.raises(VerificationError):
        check_pins((der, MIDDLE.der), (Pin(b"x" * 32),), scene)
    with suppress(VerificationError):  # A changed signature's last bits.
        opine((der, MIDDLE.der))


def test_names_of_strangers_can_not_write_on_the_terminal() -> None:
    """Control characters and endless names are made harmless."""
    leaf = make("evil\x1b[2J\nname", ROOT, dns=("x.example",))
    error = name_fault(leaf, "a.example")

    assert r"evil\x1b[2J\nname" in error.explain().replace("\\\\", "\\")
    assert "\x1b" not in error.explain()
    assert len(shown("x" * 1000)) == 80


def test_no_certificate() -> None:
    """An absent certificate is told from the side that misses it."""
    client = no_certificate(VerificationScene(server_side=True))
    server = no_certificate(VerificationScene())

    assert client.reason is server.reason is VerifyReason.NO_CERTIFICATE
    assert client.code == "no-certificate"
    assert str(client).startswith("the client sent no certificate")
    assert "set_verify_optional()" in client.hint
    assert str(server).startswith("the server sent no certificate")
    assert "server's context" in server.hint
    assert client.certificate is None


# -- glimpses ---------------------------------------------------------------


def test_a_glimpse_of_a_certificate() -> None:
    """What messages need can be read from a sound certificate."""
    glimpse = Glimpse(LEAF.der)

    assert glimpse.name == "a.example"
    assert glimpse.issuer == "Middle"
    assert glimpse.common_names == ("a.example",)
    assert glimpse.names == ("a.example", "*.a.example")
    assert glimpse.purposes == ("serverAuth", "clientAuth")
    assert glimpse.key == "EC 256 bits"
    assert glimpse.digest == "SHA256"
    assert not glimpse.is_ca
    assert not glimpse.self_issued
    assert Glimpse(ROOT.der).is_ca
    assert Glimpse(ROOT.der).self_issued
    assert glimpse.issuer_url is None
    assert stamp(NOW) == "2026-06-01T12:00:00Z"


def test_names_of_the_nameless() -> None:
    """Without a common name something else stands for the certificate."""
    only_san = make("", ROOT, dns=("a.example",))

    assert Glimpse(make(None, ROOT).der).name == "O=Nameless"
    assert Glimpse(only_san.der).name == "a.example"
    assert Glimpse(make("", ROOT).der).name == "(no name)"
    assert Glimpse(make("").der).issuer == "(no name)"
    assert Glimpse(None).name == "(unreadable)"


def test_keys_without_a_size() -> None:
    """Ed25519 has one size only, so none is told."""
    made = make("x", key=ed25519.Ed25519PrivateKey.generate())

    assert Glimpse(made.der).key == "Ed25519"
    assert Glimpse(b"junk").key == "of an unknown kind"


def test_who_issued_whom() -> None:
    """It takes name and signature; what can't be read issued nothing."""
    leaf, middle, root = map(Glimpse, (LEAF.der, MIDDLE.der, ROOT.der))

    assert middle.issued(leaf)
    assert not root.issued(leaf)
    assert not Glimpse(b"").issued(leaf)
    assert not root.issued(Glimpse(b""))
    assert middle.named_like_issuer_of(leaf)
    assert not root.named_like_issuer_of(leaf)


def test_access_that_is_not_a_url() -> None:
    """An issuer published elsewhere than on the web is not advised."""
    elsewhere = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.DirectoryName(named("Somewhere")),
            )
        ]
    )
    made = make("x", ROOT, extra=((elsewhere, False),))

    assert Glimpse(made.der).issuer_url is None


# -- pins -------------------------------------------------------------------


def spki_pin(made: Made) -> str:
    """Compute a pin as the openssl program does."""
    spki = made.certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashlib.sha256(spki).digest()
    return "sha256/" + base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    "made",
    [
        LEAF,
        ROOT,
        make("rsa", key=rsa.generate_private_key(65537, 4096)),
        make("ed", key=ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=lambda made: str(made.certificate.subject.rfc4514_string()),
)
def test_pin_of(made: Made) -> None:
    """A pin is the digest of the SubjectPublicKeyInfo, cut from the DER."""
    assert spki_pin(made) == pin_of(made.certificate)
    assert pin_of(made.certificate) == str(parse_pin(spki_pin(made)))


def test_pins_are_values() -> None:
    """Equal texts are equal pins."""
    pin = parse_pin(spki_pin(LEAF))

    assert pin == parse_pin(str(pin))
    assert hash(pin) == hash(parse_pin(str(pin)))
    assert len(pin.digest) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256/",
        "sha256/short",
        "sha256/" + "A" * 40,
        "sha256/" + "ä" * 44,
        "sha256/" + "!" * 44,
        "sha1/" + base64.b64encode(b"x" * 32).decode(),
        base64.b64encode(b"x" * 32).decode(),
    ],
)
def test_malformed_pins(text: str) -> None:
    """Anything but sha256 and 32 bytes is refused at once."""
    with pytest.raises(ValueError, match="base64 of 32 bytes"):
        parse_pin(text)


def test_the_key_of_a_version_1_certificate() -> None:
    """Without a version field the key stands one place earlier."""
    integer, empty = b"\2\1\5", b"\x30\0"
    spki = b"\x30\x03\x02\x01\x07"
    body = integer + empty * 4 + spki
    tbs = b"\x30" + bytes([len(body)]) + body

    assert spki == fields(tbs).key.whole


@pytest.mark.parametrize("pinned", [LEAF, MIDDLE, ROOT])
def test_a_pin_anywhere_in_the_chain_suffices(pinned: Made) -> None:
    """The peer's own key may be pinned, or one of its CAs'."""
    chain = (LEAF.der, MIDDLE.der, ROOT.der)
    other = Pin(b"\0" * 32)

    check_pins(chain, (other, parse_pin(spki_pin(pinned))), scene_of(()))


def test_no_pin_demands_nothing() -> None:
    """Pins are an option."""
    check_pins((), (), scene_of(()))


def test_pin_mismatch() -> None:
    """The pins expected and those seen are told."""
    wanted = Pin(b"\0" * 32)
    with pytest.raises(VerificationError) as caught:
        check_pins((LEAF.der, MIDDLE.der), (wanted,), scene_of((LEAF, MIDDLE)))
    error = caught.value

    assert error.code == "pin-mismatch"
    assert error.reason is VerifyReason.PIN_MISMATCH
    assert str(wanted) in str(error)
    assert f"'a.example' {spki_pin(LEAF)}" in str(error)
    assert f"'Middle' {spki_pin(MIDDLE)}" in str(error)
    assert "set_pins()" in error.hint
    assert LEAF.certificate == error.certificate


def test_a_pinned_certificate_that_was_only_sent_along() -> None:
    """Appending the pinned CA's certificate to another chain is no proof."""
    attacker = make("a.example", STRANGER, dns=("a.example",))
    namesake = make("Root", ca=True)
    forged = make("a.example", namesake, dns=("a.example",))
    pins = (parse_pin(spki_pin(ROOT)),)

    for leaf in (attacker, forged):
        with pytest.raises(VerificationError, match="pinned"):
            check_pins((leaf.der, ROOT.der), pins, scene_of((leaf, ROOT)))


def test_pins_without_a_chain() -> None:
    """No certificate has no pinned key."""
    with pytest.raises(VerificationError, match="chain has no key"):
        check_pins((), (Pin(b"\0" * 32),), scene_of(()))


def test_a_chain_in_disorder_is_followed_by_signatures() -> None:
    """The order of the others does not matter to pins."""
    check_pins(
        (LEAF.der, ROOT.der, MIDDLE.der),
        (parse_pin(spki_pin(ROOT)),),
        scene_of(()),
    )


# -- a second verifier ------------------------------------------------------


def opine(
    chain: tuple[bytes, ...],
    roots: tuple[Made, ...] = (ROOT,),
    *,
    name: str | None = "a.example",
    server_side: bool = False,
    at: datetime | None = NOW,
) -> None:
    """Ask the second verifier."""
    second_opinion(
        chain,
        tuple(each.der for each in roots),
        identity=None if name is None else Identity.parse(name),
        at=at,
        server_side=server_side,
        scene=VerificationScene(presented=chain, at=NOW),
    )


CHAIN = (LEAF.der, MIDDLE.der)


def test_the_second_verifier_accepts() -> None:
    """A sound chain passes, by name, and also with its root sent along."""
    opine(CHAIN)
    opine((*CHAIN, ROOT.der))
    opine(CHAIN, at=None)


def test_the_second_verifier_accepts_addresses() -> None:
    """An address is looked for among the addresses."""
    leaf = make("x", ROOT, addresses=("192.0.2.1",))

    opine((leaf.der,), name="192.0.2.1")


@pytest.mark.parametrize(
    "names",
    [
        {"dns": ("*.b.example",)},
        {"addresses": ("::1",)},
    ],
)
def test_the_second_verifier_without_a_name(names: dict[str, Any]) -> None:
    """Where nobody's name is checked, the chain still is."""
    leaf = make("x", ROOT, **names)

    opine((leaf.der,), name=None)
    with pytest.raises(VerificationError, match="second verifier"):
        opine((leaf.der,), (STRANGER,), name=None)


def test_the_second_verifier_accepts_clients() -> None:
    """A client's certificate is judged as a client's."""
    leaf = make(
        "me",
        ROOT,
        dns=("me.example",),
        uses=(ExtendedKeyUsageOID.CLIENT_AUTH,),
    )

    opine((leaf.der,), name=None, server_side=True)
    with pytest.raises(VerificationError):
        opine((leaf.der,), name="me.example")


@pytest.mark.parametrize(
    "data",
    [
        {"name": "b.example"},
        {"roots": (STRANGER,)},
        {"roots": ()},
        {"at": NOW + 365 * DAY},
        {"name": "192.0.2.1"},
        {"chain": (LEAF.der,)},
        {"chain": ()},
        {"chain": (make("x", ROOT).der,), "name": None},
        {
            "chain": (
                make(
                    "x",
                    ROOT,
                    extra=(
                        (
                            x509.SubjectAlternativeName(
                                [x509.RFC822Name("a@b.example")]
                            ),
                            False,
                        ),
                    ),
                ).der,
            ),
            "name": None,
        },
    ],
)
def test_the_second_verifier_refuses(data: dict[str, Any]) -> None:
    """Who said what is told, with everything that helps."""
    with pytest.raises(VerificationError) as caught:
        opine(**{"chain": CHAIN, **data})
    error = caught.value

    assert error.code == "second-verifier"
    assert error.reason is VerifyReason.SECOND_VERIFIER
    assert str(error).startswith("OpenSSL accepts the server's certificate")
    assert "cryptography) refuses it: " in str(error)
    assert "set_strict()" in error.hint
    assert error.__cause__ is not None
