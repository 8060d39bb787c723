"""PEM text: blocks are found, and nothing else is taken for one."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

import tlskit
from tlskit.errors import CredentialError, TrustSourceError
from tlskit.testing import CA
from tlskit.verify.revocation import load_crls
from tlskit.x509.credentials import CertificateChain, PrivateKey
from tlskit.x509.der import element
from tlskit.x509.pem import blocks, certificates, is_armoured


def armour(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """Put *der* into armour."""
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


def test_blocks_in_order():
    """Every block is found, with its label; comments between are skipped."""
    data = b"one\n" + armour(b"a") + b"two\n" + armour(b"b", "PRIVATE KEY")

    assert [("CERTIFICATE", b"a"), ("PRIVATE KEY", b"b")] == [
        (block.label, block.der) for block in blocks(data)
    ]


@given(st.binary(), st.sampled_from(["CERTIFICATE", "X509 CERTIFICATE"]))
def test_round_trip(der, label):
    """Whatever was put into armour comes out again."""
    (block,) = blocks(armour(der, label))

    assert der == block.der
    assert armour(der, label).strip() == block.text


@given(st.binary())
def test_garbage_is_harmless(data):
    """No bytes make the search fail, in or out of armour."""
    begin = b"-----BEGIN CERTIFICATE-----"

    assert len(blocks(data)) >= len(certificates(data))
    assert 1 <= len(certificates(begin + data))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"  \t"])
def test_line_starts(before, newline):
    """A byte order mark, blanks and Windows' line ends do no harm."""
    data = before + armour(b"a" * 100).replace(b"\n", newline)

    assert (b"a" * 100,) == certificates(data)


@pytest.mark.parametrize("between", [b"", b" ", b"\t", b"\r", b"\n"])
@pytest.mark.parametrize("newline", [b"\n", b"\r", b" "])
def test_joined_without_a_line_end(between, newline):
    """Files joined badly, and old or lost line ends, lose no block."""
    one, two = (
        armour(each).rstrip().replace(b"\n", newline) for each in (b"a", b"b")
    )

    assert (b"a", b"b") == certificates(one + between + two)


def test_commented_out():
    """What is commented out is no block."""
    data = b"".join(
        b"# " + line for line in armour(b"a").splitlines(keepends=True)
    )

    assert () == blocks(data)


def test_no_end():
    """A block without END line can't be decoded, nor eats the next one."""
    broken = armour(b"a").partition(b"-----END")[0]
    first, second = blocks(broken + armour(b"b"))

    with pytest.raises(ValueError, match="no END line"):
        _ = first.der
    assert b"b" == second.der
    assert (b"", b"b") == certificates(broken + armour(b"b"))


def test_wrong_end():
    """The END line has to say the same as the BEGIN line."""
    data = armour(b"a").replace(b"END CERTIFICATE", b"END PRIVATE KEY")

    assert (b"",) == certificates(data)


@pytest.mark.parametrize("body", ["%%%%", "YQ=", "Proc-Type: 4,ENCRYPTED"])
def test_not_base64(body):
    """A certificate that isn't base64 counts, as an empty one."""
    text = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"

    assert (b"", b"a") == certificates(text.encode() + armour(b"a"))


def test_only_certificates():
    """Keys are left out; OpenSSL's form that may say "distrust" is empty."""
    data = (
        armour(b"key", "PRIVATE KEY")
        + armour(b"a", "X509 CERTIFICATE")
        + armour(b"t", "TRUSTED CERTIFICATE")
    )

    assert (b"a", b"") == certificates(data)


def test_odd_label():
    """A label beyond ASCII is a label, though nobody's."""
    (block,) = blocks(b"-----BEGIN \xff-----\nYQ==\n-----END \xff-----")

    assert ("\xff", b"a") == (block.label, block.der)


#: A certificate with a comment (Netscape's) that holds another one's PEM, and
#: a key and a list.
STRANGER = CA("stranger")
COMMENT = b"".join(
    (
        b"\n" + STRANGER.pem,
        armour(b"key", "PRIVATE KEY"),
        STRANGER.crl(),
    )
)
COMMENTED = CA(
    "commented",
    extensions=[
        (
            x509.UnrecognizedExtension(
                x509.ObjectIdentifier("2.16.840.1.113730.1.13"),
                element(0x16, COMMENT),
            ),
            False,
        )
    ],
).certificate


def test_der_with_pem_inside():
    """What a certificate holds as text is no certificate beside it."""
    der = COMMENTED.public_bytes(Encoding.DER)
    roots = tlskit.VerifySource.pem(der).load()

    assert COMMENT in der
    assert not is_armoured(der)
    assert (COMMENTED,) == CertificateChain.load(der).certificates
    assert (der,) == roots.ders
    with pytest.raises(CredentialError):
        PrivateKey.load(der)
    with pytest.raises(TrustSourceError, match="holds no revocation list"):
        load_crls(der)


def test_der_with_pem_behind_it():
    """It is refused; neither of the two is lost in silence."""
    data = COMMENTED.public_bytes(Encoding.DER) + STRANGER.pem
    with pytest.raises(CredentialError):
        CertificateChain.load(data)
    with pytest.raises(TrustSourceError):
        tlskit.VerifySource.pem(data).load()


def test_text_may_begin_with_a_zero():
    """The digit is the tag of a SEQUENCE; a text does not go on as DER."""
    data = b"0 is the first\n" + STRANGER.pem

    assert (STRANGER.certificate,) == CertificateChain.load(data).certificates
    assert is_armoured(data)
    assert not is_armoured(b"0")
    assert not is_armoured(b"0\x0c-----BEGIN X")
    assert is_armoured(b"0\x0b-----BEGIN X")


def test_pem_where_der_is_asked_for():
    """asn1=True says so, and the hint takes it back."""
    key = CA("x").issue("a.example").key_pem
    with pytest.raises(CredentialError, match="is PEM") as info:
        PrivateKey.load(key, asn1=True)

    assert "leave out asn1=True" == info.value.hint
