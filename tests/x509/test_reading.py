"""What strangers wrote, read as far as it goes."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlskit.stdlib.certificate import certificate_dict
from tlskit.testing import CA
from tlskit.trust import VerifySource
from tlskit.verify.chain import VerificationScene
from tlskit.verify.evidence import can_be_read
from tlskit.verify.strict import second
from tlskit.verify.strict.profile import check_profile
from tlskit.x509 import names, reading

from ..altered import altered, der_of, pem_of

ROOT = CA("reading CA")
LEAF = ROOT.issue("read.example")
SUBJECT, ISSUER = b"\x0c\x0cread.example", b"\x0c\x0areading CA"


def undecodable() -> x509.Certificate:
    """Make a certificate whose names OpenSSL reads, and others do not."""
    der = altered(
        LEAF.certificate,
        ROOT,
        (SUBJECT, b"\x14\x0cread.\xe9xample"),
        (ISSUER, b"\x14\x0areading \xe9A"),
    )
    return reading.certificate(der)


def test_names_that_can_t_be_decoded_are_shown() -> None:
    """As OpenSSL would write them."""
    odd = undecodable()
    with pytest.raises(ValueError, match=r"asn1|oid"):
        odd.subject  # noqa: B018 - decoded on access

    assert r"/CN=read.\xE9xample" == names.subject_text(odd)
    assert r"/CN=reading \xE9A" == names.issuer_text(odd)
    assert "CN=read.example" == names.subject_text(LEAF.certificate)
    assert names.is_self_issued(odd)


def test_the_dictionary_of_such_a_certificate() -> None:
    """It tells the common name; what can't be told is left out."""
    shown = certificate_dict(undecodable())

    assert ((("commonName", "read.\xe9xample"),),) == shown["subject"]
    assert () == shown["issuer"]
    assert (("DNS", "read.example"),) == shown["subjectAltName"]


def test_the_dictionary_of_an_unreadable_extension() -> None:
    """Another one is no reason to fail."""
    odd = x509.UnrecognizedExtension(
        x509.ObjectIdentifier("2.5.29.31"), b"\x30\x01"
    )
    leaf = ROOT.issue("read.example", extensions=[(odd, False)])
    shown = certificate_dict(leaf.certificate)

    assert "crlDistributionPoints" not in shown
    assert (("DNS", "read.example"),) == shown["subjectAltName"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("Same Name", "same  name", True), ("Same", "Other", False)],
)
def test_names_are_compared_as_openssl_does(
    one: str, other: str, same: bool
) -> None:
    """Without case, and without regard to blanks."""
    child = CA(one, parent=CA(other))

    assert same == names.is_self_issued(child.certificate)


def test_only_the_string_that_needs_it_is_changed() -> None:
    """One PrintableString is right, and stays one."""
    leaf = bare("DE", "read+example")
    der = altered(
        leaf, ROOT, (b"\x0c\x0cread+example", b"\x13\x0cread&example")
    )
    found = reading.readable(der)

    assert "CN=read&example,C=DE" == found.subject.rfc4514_string()
    assert b"\x13\x02DE" in der_of(found)
    assert b"\x0c\x0cread&example" in der_of(found)


def bare(country: str, name: str) -> x509.Certificate:
    """Sign a certificate without extensions."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(LEAF.key.public_key())
        .serial_number(5)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2027))
        .sign(ROOT.key, hashes.SHA256())
    )


def test_without_extensions_none_is_critical() -> None:
    """There is nothing to name."""
    assert () == reading.critical_extensions(bare("DE", "a"))
    assert "2.5.29.19" in reading.critical_extensions(ROOT.certificate)


def test_garbage_stays_unreadable() -> None:
    """The first complaint is raised."""
    for data in (b"", b"\x30", b"nonsense", der_of(LEAF.certificate)[:-9]):
        with pytest.raises(reading.unreadable()):
            reading.readable(data)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("plain words"), "plain words"),
        (ValueError(), "ValueError"),
        (
            ValueError(
                "error parsing asn1 value: ParseError { kind: ShortData "
                "{ needed: 1 } }"
            ),
            "it is no valid DER: an end before its time",
        ),
        (
            ValueError(
                "error parsing asn1 value: ParseError { kind: Strange, "
                'location: ["TbsCertificate::raw_extensions", 4, '
                '"Extension::critical"] }'
            ),
            "it is no valid DER: Strange in critical",
        ),
    ],
)
def test_complaints_are_words(error: Exception, words: str) -> None:
    """Nobody wants to read debugging output."""
    assert words == reading.complaint_of(error)


def version_five(certificate: x509.Certificate) -> bytes:
    """Claim a version that there is not; OpenSSL takes it."""
    return altered(certificate, ROOT, (b"\x02\x01\x02", b"\x02\x01\x04"))


def test_a_root_that_can_t_be_read_is_one() -> None:
    """It is trusted, and not shown."""
    der = version_five(ROOT.certificate)
    roots = VerifySource.pem(pem_of(der)).load()

    assert (der,) == roots.ders
    assert () == roots.certificates


def test_what_is_not_needed_may_be_unreadable() -> None:
    """It is only told."""
    assert not can_be_read(version_five(LEAF.certificate), needed=False)
    assert can_be_read(der_of(LEAF.certificate), needed=False)


def test_the_second_verifier_skips_what_it_can_t_read() -> None:
    """The rest is given to it."""
    good = der_of(ROOT.certificate)
    found = second._known((b"nonsense", good))

    assert [ROOT.certificate] == list(found)


def test_a_root_that_is_for_something_else() -> None:
    """Also where both verifiers have let it pass."""
    mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    root = CA("mail", extensions=[(mail, False)])
    leaf = root.issue("read.example")
    scene = VerificationScene(
        built=(der_of(leaf.certificate), der_of(root.certificate))
    )
    with pytest.raises(Exception, match="not for servers") as info:
        check_profile(scene, of_host=True)
    check_profile(scene, of_host=False)

    assert 1 == info.value.depth
