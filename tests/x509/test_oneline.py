"""Names are written as OpenSSL writes them, byte for byte."""

from __future__ import annotations

import datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL._util import ffi, lib

from tlskit.x509 import der as _der
from tlskit.x509 import names
from tlskit.x509.names import (
    common_names,
    issuer_oneline,
    oneline,
    subject_oneline,
)

CN = bytes.fromhex("550403")
MAIL = bytes.fromhex("2a864886f70d010901")


def tlv(tag: int, content: bytes) -> bytes:
    """Encode one element in DER."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | count]) + size.to_bytes(count, "big") + content


def rdn(*attributes: tuple[bytes, int, bytes]) -> bytes:
    """Encode a relative distinguished name of (type, tag, value)."""
    return tlv(
        0x31,
        b"".join(
            sorted(
                tlv(0x30, tlv(6, oid) + tlv(tag, value))
                for oid, tag, value in attributes
            )
        ),
    )


@cache
def key() -> ec.EllipticCurvePrivateKey:
    """Give the one key of these tests."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(subject: bytes, issuer: bytes = b"") -> x509.Certificate:
    """Make a certificate whose names are any content of a DER sequence."""
    place = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subject")])
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    start = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)
    body = (
        x509.CertificateBuilder()
        .subject_name(place)
        .issuer_name(other)
        .public_key(key().public_key())
        .serial_number(5)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(key(), hashes.SHA256())
    )
    content = body.tbs_certificate_bytes[2:]
    if body.tbs_certificate_bytes[1] & 0x80:
        content = content[body.tbs_certificate_bytes[1] & 0x7F :]
    content = content.replace(place.public_bytes(), tlv(0x30, subject))
    content = content.replace(other.public_bytes(), tlv(0x30, issuer))
    # Nobody looks at the signature here.
    rest = tlv(0x30, bytes.fromhex("06082a8648ce3d040302")) + tlv(3, b"\0\0")
    return x509.load_der_x509_certificate(tlv(0x30, tlv(0x30, content) + rest))


def by_openssl(der: bytes) -> bytes | None:
    """Write the DER of a name by OpenSSL; None if it refuses to read it."""
    place = ffi.new("unsigned char[]", der)
    cursor = ffi.new("unsigned char **", place)
    name = lib.d2i_X509_NAME(ffi.NULL, cursor, len(der))
    if name == ffi.NULL:
        lib.ERR_clear_error()
        return None
    name = ffi.gc(name, lib.X509_NAME_free)
    # A name without attributes leaves a buffer of OpenSSL's own untouched.
    buffer = ffi.new("char[]", 1 << 16)
    line = lib.X509_NAME_oneline(name, buffer, len(buffer))
    return ffi.string(line)


def name(*attributes: x509.NameAttribute) -> x509.Name:
    """Make a name of single attributes."""
    return x509.Name(attributes)


NAMES = {
    "usual": name(
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Bayern"),
        x509.NameAttribute(NameOID.LOCALITY_NAME, "Bad Tölz"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A & B, Ltd."),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x=y"),
        x509.NameAttribute(NameOID.COMMON_NAME, "example.com"),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com"),
    ),
    "empty": name(),
    "slash and plus": name(
        x509.NameAttribute(NameOID.COMMON_NAME, "a/b+c\\d"),
    ),
    "control characters": name(
        x509.NameAttribute(NameOID.COMMON_NAME, "a\0b\n\x7f~ \x1f"),
    ),
    "BMPString": name(
        x509.NameAttribute(
            NameOID.COMMON_NAME, "bücher", _type=_ASN1Type.BMPString
        ),
    ),
    "UniversalString": name(
        x509.NameAttribute(
            NameOID.COMMON_NAME, "b😀", _type=_ASN1Type.UniversalString
        ),
    ),
    "bit string": name(
        x509.NameAttribute(
            NameOID.X500_UNIQUE_IDENTIFIER,
            b"\x05ab\xff",
            _type=_ASN1Type.BitString,
        ),
    ),
    "multi-valued": x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "b"),
                    x509.NameAttribute(NameOID.SURNAME, "a"),
                    x509.NameAttribute(NameOID.USER_ID, "c"),
                ]
            ),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.COMMON_NAME, "d"),
                    x509.NameAttribute(NameOID.GIVEN_NAME, "e"),
                ]
            ),
        ]
    ),
    "unknown type": name(
        x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4.99999"), "x"),
        x509.NameAttribute(x509.ObjectIdentifier("2.999.7"), "y"),
        x509.NameAttribute(x509.ObjectIdentifier("0.39.1"), "z"),
    ),
    "long unknown type": name(
        x509.NameAttribute(
            x509.ObjectIdentifier("1.2.3" + ".1234567" * 14), "x"
        ),
    ),
    "empty value": name(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "")),
    "long value": name(
        x509.NameAttribute(NameOID.STREET_ADDRESS, "ä/" * 5000),
    ),
}


@pytest.mark.parametrize("case", NAMES)
def test_as_openssl(case: str):
    """A name of cryptography's reads as it does from OpenSSL."""
    assert by_openssl(NAMES[case].public_bytes()) == oneline(NAMES[case])


def test_usual_form():
    """The form is the seed documents', with the country first."""
    assert (
        rb"/C=DE/ST=Bayern/L=Bad T\xC3\xB6lz/O=A & B, Ltd./OU=x=y"
        rb"/CN=example.com/emailAddress=a@example.com"
    ) == oneline(NAMES["usual"])


@pytest.mark.parametrize("oid", names._SHORT_NAMES)
def test_short_names(oid: str):
    """Each short name in the table is OpenSSL's."""
    number = lib.OBJ_txt2nid(oid.encode())

    assert (
        ffi.string(lib.OBJ_nid2sn(number)).decode()
        == (names._SHORT_NAMES[oid])
    )


@pytest.mark.parametrize("arc", ["2.5.4", "1.2.840.113549.1.9"])
def test_no_short_name_missing(arc: str):
    """The table lacks no attribute of X.520 and PKCS #9 that OpenSSL has."""
    known = {
        f"{arc}.{last}"
        for last in range(200)
        if lib.OBJ_txt2nid(f"{arc}.{last}".encode())
    }
    listed = set(names._SHORT_NAMES)

    # These are types in S/MIME and PKCS #12, and never name anybody.
    assert known - listed <= {"1.2.840.113549.1.9.52"}


RAW = {
    "Latin-1 in a TeletexString": rdn((CN, 0x14, b"b\xfccher")),
    "bit string": rdn((CN, 0x03, b"\0example")),
    "unused bits": rdn((CN, 0x03, b"\x03ab\xff")),
    "empty bit string": rdn((CN, 0x03, b"\0")),
    "sequence": rdn((CN, 0x30, tlv(2, b"\5"))),
    "visible spaces": rdn((CN, 0x16, b" a  b ")),
    "two in a set": rdn((CN, 0x0C, b"b"), (CN, 0x0C, b"a")),
    "two in sequence": rdn((CN, 0x0C, b"b")) + rdn((CN, 0x0C, b"a")),
    "long set": rdn((MAIL, 0x16, b"a" * 300), (CN, 0x13, b"a" * 9000)),
}


@pytest.mark.parametrize("case", RAW)
def test_of_certificate(case: str):
    """Names that cryptography can't decode are read from a certificate."""
    other = rdn((CN, 0x13, b"other"))

    wanted = by_openssl(tlv(0x30, RAW[case]))

    assert wanted == subject_oneline(certificate(RAW[case], other))
    assert wanted == issuer_oneline(certificate(other, RAW[case]))


def test_first_version():
    """A certificate of version 1, which has no version field, is read too."""
    modern = certificate(rdn((CN, 0x13, b"a")), rdn((CN, 0x13, b"b")))
    der = modern.public_bytes(Encoding.DER)
    # Without [0]{INTEGER 2}: five bytes less in both sequences.
    (whole,) = _der.elements(der)
    body, *rest = _der.elements(whole.content)
    old = x509.load_der_x509_certificate(
        tlv(
            0x30,
            tlv(0x30, body.content[5:]) + b"".join(e.whole for e in rest),
        )
    )

    assert x509.Version.v1 == old.version
    assert b"/CN=a" == subject_oneline(old)
    assert b"/CN=b" == issuer_oneline(old)


def test_tags_of_two_bytes():
    """A value of an unheard-of type disturbs neither reader nor neighbour."""
    odd = tlv(
        0x31,
        tlv(0x30, tlv(6, CN) + b"\x9f\x81\x01" + b"\x02ab"),
    )
    made = certificate(odd + rdn((CN, 0x13, b"x")))

    assert ("x",) == common_names(made)
    assert b"/CN=ab/CN=x" == subject_oneline(made)


def test_common_names():
    """Common names come in order and decoded; others are left out."""
    made = certificate(
        rdn((CN, 0x0C, "bücher".encode()))
        + rdn((MAIL, 0x16, b"a@b"))
        + rdn((CN, 0x14, b"b\xfccher"))
        + rdn((CN, 0x1E, "bücher".encode("utf-16-be")))
        + rdn((CN, 0x0C, b"\xff"))
        + rdn((CN, 0x03, b"\0example"))
        + rdn((CN, 0x13, b"last"))
    )

    assert ("bücher", "bücher", "bücher", "last") == common_names(made)


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([CN, MAIL, b"\x2a\x03\x04", b"\x88\x37\x01"]),
                st.sampled_from([0x0C, 0x12, 0x13, 0x14, 0x16]),
                st.text(max_size=20).map(str.encode),
            ),
            min_size=1,
            max_size=3,
        ),
        max_size=4,
    )
)
def test_any_name(parts: list[list[tuple[bytes, int, bytes]]]):
    """Whatever text a certificate's names hold, OpenSSL agrees."""
    subject = b"".join(rdn(*part) for part in parts)
    wanted = by_openssl(tlv(0x30, subject))
    try:
        made = certificate(subject)
    except ValueError:  # A PrintableString of other characters.
        return

    assert wanted == subject_oneline(made)
    assert all(isinstance(text, str) for text in common_names(made))
