"""Files of other forms: what they are, and what to do with them."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import subprocess
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)

import tlskit
from tlskit.errors import CredentialError, TrustSourceError
from tlskit.testing import CA
from tlskit.x509.credentials import CertificateChain, PrivateKey
from tlskit.x509.der import element, elements
from tlskit.x509.formats import form_of
from tlskit.x509.pem import encoded

from ..peers import PATIENCE, needs

ROOT = CA("root")
LEAF = ROOT.issue("a.example")
RSA = ROOT.issue("b.example", key_type="rsa")
LOCK = BestAvailableEncryption(b"secret")
PEM = LEAF.chain_pem
PKCS8 = PrivateFormat.PKCS8
DER = LEAF.certificate.public_bytes(Encoding.DER)
CHAIN = [LEAF.certificate, ROOT.certificate]
REQUEST = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(LEAF.certificate.subject)
    .sign(LEAF.key, hashes.SHA256())
)


LIST = x509.load_pem_x509_crl(ROOT.crl()).public_bytes(Encoding.DER)


def without_version(der: bytes) -> bytes:
    """Make a list of version 1, whose signature nobody looks at."""
    (whole,) = elements(der)
    tbs, *rest = elements(whole.content)
    _, *parts = elements(tbs.content)
    body = element(tbs.tag, b"".join(each.whole for each in parts))
    return element(whole.tag, body + b"".join(each.whole for each in rest))


def key_bytes(
    leaf: Any, encoding: Encoding, form: PrivateFormat, lock: Any = None
) -> bytes:
    """Write a key down."""
    data: bytes = leaf.key.private_bytes(
        encoding, form, lock or NoEncryption()
    )
    return data


FORMS = {
    "utf-16": (PEM.decode().encode("utf-16"), "UTF-16"),
    "utf-16-be": (PEM.decode().encode("utf-16-be"), "UTF-16 without"),
    "utf-16-le": (PEM.decode().encode("utf-16-le"), "UTF-16 without"),
    "utf-32": (PEM.decode().encode("utf-32"), "UTF-32"),
    "utf-32-le": (PEM.decode().encode("utf-32-le"), "UTF-32"),
    "ebcdic": (PEM.decode().encode("cp037"), "EBCDIC"),
    "sqlite": (b"SQLite format 3\0" + bytes(84), "a database (SQLite)"),
    "pvk": (bytes.fromhex("1ef1b5b000000000"), "Microsoft's own form"),
    "blob": (bytes.fromhex("0702000000a40000"), "Microsoft's own form"),
    "uefi": (bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072"), "UEFI"),
    "gzip": (gzip.compress(PEM), "compressed (gzip)"),
    "bzip2": (bz2.compress(PEM), "compressed (bzip2)"),
    "xz": (lzma.compress(PEM), "compressed (xz)"),
    "zip": (b"PK\3\4" + bytes(26), "compressed (ZIP)"),
    "page": (b"\n<!DOCTYPE html><title>404</title>", "(HTML)"),
    "json": (b'{"cert": "-----BEGIN CERTIFICATE-----"}', "JSON"),
    "jwk": (b'{\n "kty": "EC"}', "JWK"),
    "as text": (b"Certificate:\n    Data:\n", "as text for people"),
    "twice": (base64.b64encode(PEM), "base64 once more"),
    "hex": (DER.hex().encode(), "hexadecimal digits"),
    "hex with colons": (DER.hex(":").upper().encode(), "hexadecimal digits"),
    "quoted": (PEM.replace(b"-----", b"> -----"), "PEM that is quoted"),
    "commented": (b"# " + PEM, "commented out"),
    "behind": (b"certificate: " + PEM, "does not begin its line"),
    "dashes": (
        PEM.decode().replace("--", "\N{EM DASH}").encode(),
        "without the five hyphens",
    ),
    "keybox": (bytes.fromhex("00000020010100004b425866"), "GnuPG's own"),
    "request": (REQUEST.public_bytes(Encoding.DER), "a certificate request"),
    "binary list": (LIST, "a revocation list"),
    "old list": (without_version(LIST), "a revocation list"),
    "public key": (
        LEAF.key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        ),
        "a public key",
    ),
    "pgp": (
        (
            b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ==\n"
            b"-----END PGP PRIVATE KEY BLOCK-----\n"
        ),
        "an OpenPGP key",
    ),
    "binary pgp": (bytes.fromhex("99010d046b0d73c60108"), "an OpenPGP key"),
    "gnupg": (b"Key: (private-key (rsa", "GnuPG's own"),
    "gnupg, dated": (b"Created: 2026\nKey: (private-key", "GnuPG's own"),
    "gnupg, locked": (b"(21:protected-private-key(3:rsa", "GnuPG's own"),
    "ssh certificate": (
        b"ssh-ed25519-cert-v01@openssh.com AAAA host",
        "a certificate of OpenSSH's",
    ),
    "known hosts": (b"a.example ssh-ed25519 AAAA", "a public key of SSH's"),
    "ssh.com": (
        b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n",
        "a key of ssh.com's",
    ),
    "parameters": (
        (
            b"-----BEGIN DH PARAMETERS-----\nMAYCAQsCAQI=\n"
            b"-----END DH PARAMETERS-----\n"
        ),
        "parameters without a key",
    ),
    "jks": (bytes.fromhex("feedfeed00000002"), "JKS"),
    "pkcs7": (pkcs7.serialize_certificates(CHAIN, Encoding.DER), "PKCS#7"),
    "pkcs7 pem": (
        pkcs7.serialize_certificates(CHAIN, Encoding.PEM),
        "PKCS#7",
    ),
    "pkcs12": (
        pkcs12.serialize_key_and_certificates(
            b"x", LEAF.key, LEAF.certificate, None, LOCK
        ),
        "PKCS#12",
    ),
    "ssh": (
        LEAF.key.public_key().public_bytes(
            Encoding.OpenSSH, PublicFormat.OpenSSH
        ),
        "SSH",
    ),
    "putty": (b"PuTTY-User-Key-File-3: ssh-ed25519\r\n", "PuTTY"),
    "key": (key_bytes(LEAF, Encoding.DER, PKCS8), "a private key"),
    "locked key": (
        key_bytes(LEAF, Encoding.DER, PKCS8, LOCK),
        "an encrypted private key",
    ),
    "base64": (
        base64.encodebytes(LEAF.certificate.public_bytes(Encoding.DER)),
        "base64",
    ),
    "list": (ROOT.crl(), "a revocation list"),
    "empty": (b" \n", "empty"),
    "cut": (LEAF.certificate.public_bytes(Encoding.DER)[:-9], "cut off"),
    "cut at its end": (
        key_bytes(LEAF, Encoding.DER, PKCS8)[:-3],
        "cut off",
    ),
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_is_recognised(kind: str) -> None:
    """By how it begins, or by its outermost structure."""
    data, words = FORMS[kind]
    form = form_of(data)

    assert form is not None
    assert words in form.what
    assert form.hint


@pytest.mark.parametrize(
    "data",
    [
        LEAF.certificate.public_bytes(Encoding.DER),
        b"some text",
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x86\x01",
        b"\x30",
        b"\x31\x03\x02\x01\x01",
        b"\x30\x03\x02\x01\x03",
        b"-----BEGIN SOMETHING-----\n-----END SOMETHING-----\n",
        # Three parts like those of a signed structure, the first one empty,
        # cut, or of another make.
        element(0x30, b"\x30\x00\x30\x00\x03\x01\x00"),
        element(0x30, element(0x30, b"\x02") + b"\x30\x00\x03\x01\x00"),
        element(
            0x30, element(0x30, b"\x02\x01\x07") + b"\x30\x00\x03\x01\x00"
        ),
    ],
)
def test_nothing_is_guessed(data: bytes) -> None:
    """What is none of them has no name."""
    assert form_of(data) is None


@pytest.mark.parametrize(
    "kind", ["utf-16", "jks", "pkcs7", "pkcs12", "base64", "empty", "cut"]
)
def test_loaders_say_what_it_is(kind: str) -> None:
    """Chains, keys and roots, in the same words, with what to do."""
    data, words = FORMS[kind]
    for load, error in (
        (CertificateChain.load, CredentialError),
        (PrivateKey.load, CredentialError),
        (lambda each: tlskit.VerifySource.pem(each).load(), TrustSourceError),
    ):
        with pytest.raises(error) as info:
            load(data)

        assert words in str(info.value)
        assert "ParseError" not in str(info.value)
        assert info.value.hint


@pytest.mark.parametrize("kind", ["pkcs7 pem", "list"])
def test_blocks_of_another_kind(kind: str) -> None:
    """The hint fits what is there."""
    data, _ = FORMS[kind]
    form = form_of(data)
    with pytest.raises(CredentialError, match="holds only") as info:
        CertificateChain.load(data)

    assert form is not None
    assert form.hint == info.value.hint


BROKEN = {
    "escaped": (PEM.replace(b"\n", b"\\n"), "a backslash and an n"),
    "no end": (PEM.replace(b"-----END CERTIFICATE-----", b""), "END"),
    "cut": (PEM[:300], "END"),
    "a dash too few": (PEM.replace(b"-----END", b"----END"), "END"),
    "a web page": (PEM.replace(b"\n", b"<br>\n"), "not base64"),
    "trusted": (
        PEM.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
        "OpenSSL's own form",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_block_that_can_t_be_decoded(kind: str) -> None:
    """Which one it is, and what is wrong with it; never that it is empty."""
    data, words = BROKEN[kind]
    with pytest.raises(CredentialError, match="number 2") as info:
        CertificateChain.load(ROOT.pem + data)

    assert "malformed-certificate" == info.value.code
    assert words in str(info.value)
    assert "empty" not in str(info.value)


# -- keys -------------------------------------------------------------------


def test_a_mislabelled_key_is_read() -> None:
    """.NET writes encrypted keys as if they were none."""
    data = key_bytes(LEAF, Encoding.PEM, PKCS8, LOCK)
    data = data.replace(b"ENCRYPTED PRIVATE", b"PRIVATE")
    assert PrivateKey(LEAF.key) == PrivateKey.load(data, password="secret")

    with pytest.raises(CredentialError) as info:
        PrivateKey.load(data)
    assert "password-needed" == info.value.code
    with pytest.raises(CredentialError) as info:
        PrivateKey.load(data, password="wrong")
    assert "wrong-password" == info.value.code


def test_an_openssh_key_is_told() -> None:
    """With the command that converts it."""
    data = key_bytes(LEAF, Encoding.PEM, PrivateFormat.OpenSSH)
    with pytest.raises(CredentialError, match="an OpenSSH key") as info:
        PrivateKey.load(data)

    assert "ssh-keygen -p -m PKCS8" in info.value.hint


def test_a_key_block_that_can_t_be_decoded() -> None:
    """It is not said to be of a wrong password."""
    data = key_bytes(LEAF, Encoding.PEM, PKCS8, LOCK)
    with pytest.raises(CredentialError, match="END") as info:
        PrivateKey.load(data[:-20], password="secret")

    assert "malformed-key" == info.value.code


OPENSSL = {
    "camellia": ("pkcs8", "-topk8", "-v2", "camellia-256-cbc"),
    "old camellia": ("rsa", "-camellia256", "-traditional"),
    "old aes192": ("rsa", "-aes192", "-traditional"),
}


@needs("openssl")
@pytest.mark.parametrize("kind", OPENSSL)
@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_a_cipher_that_is_not_known(kind: str, password: str) -> None:
    """The password is not blamed; the cipher is named."""
    done = subprocess.run(
        ["openssl", *OPENSSL[kind], "-passout", "pass:secret"],
        input=RSA.key_pem,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    with pytest.raises(CredentialError) as info:
        PrivateKey.load(done.stdout, password=password)

    assert "unsupported-encryption" == info.value.code
    assert any(
        each in str(info.value).lower() for each in ("camellia", "aes-192")
    )
    assert "-topk8" in info.value.hint


def test_a_curve_that_is_not_known() -> None:
    """It is named in full, by its number."""
    p256 = bytes.fromhex("06082a8648ce3d030107")
    other = bytes.fromhex("06082a8648ce3d030104")
    data = key_bytes(LEAF, Encoding.DER, PKCS8).replace(p256, other)
    for each in (data, encoded("PRIVATE KEY", data)):
        with pytest.raises(
            CredentialError, match=r"1\.2\.840\.10045\.3\.1\.4"
        ):
            PrivateKey.load(each)


def test_an_old_encrypted_key_still_loads() -> None:
    """What OpenSSL wrote for twenty years."""
    data = RSA.key.private_bytes(
        Encoding.PEM,
        PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    )

    assert PrivateKey(RSA.key) == PrivateKey.load(data, password="secret")
