"""Private keys that only some programs write so."""

from __future__ import annotations

import hashlib
import warnings
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from OpenSSL import crypto

import tlskit
from tlskit.errors import CredentialError
from tlskit.testing import CA
from tlskit.x509 import pem
from tlskit.x509.credentials import PrivateKey
from tlskit.x509.der import element, elements
from tlskit.x509.pkcs8.rewriting import read_otherwise
from tlskit.x509.pkcs12 import load_pkcs12

KEY = ec.derive_private_key(2**200 + 7, ec.SECP384R1())
FORMS = {
    "PKCS#8": (PrivateFormat.PKCS8, "PRIVATE KEY"),
    "RFC 5915": (PrivateFormat.TraditionalOpenSSL, "EC PRIVATE KEY"),
}
ML_DSA = {"44": "mldsa44", "65": "mldsa65", "87": "mldsa87"}


def written(form: str, length: int, key: Any = KEY) -> bytes:
    """Write a key whose number is so long."""
    kind, _ = FORMS[form]
    der: bytes = key.private_bytes(Encoding.DER, kind, NoEncryption())
    number = key.private_numbers().private_value
    usual = (key.curve.key_size + 7) // 8
    inner = der
    if form == "PKCS#8":
        (whole,) = elements(der)
        version, algorithm, packed = elements(whole.content)
        inner = packed.content
    (whole,) = elements(inner)
    one, old, *rest = elements(whole.content)
    assert usual == len(old.content)
    new = element(
        whole.tag,
        one.whole
        + element(0x04, number.to_bytes(length, "big"))
        + b"".join(each.whole for each in rest),
    )
    if form == "RFC 5915":
        return new
    return element(0x30, version.whole + algorithm.whole + element(0x04, new))


@pytest.mark.parametrize("length", [26, 47, 49, 50])
@pytest.mark.parametrize("form", FORMS)
def test_a_number_of_another_length(form: str, length: int) -> None:
    """GnuTLS begins every other one with a zero byte; others leave it out."""
    der = written(form, length)
    _, label = FORMS[form]

    assert PrivateKey(KEY) == PrivateKey.load(der)
    assert PrivateKey(KEY) == PrivateKey.load(pem.encoded(label, der))
    assert PrivateKey(KEY) == PrivateKey(read_otherwise(der, "it"))


def other_curve(der: bytes) -> bytes:
    """Name a curve that nobody knows."""
    return der.replace(
        bytes.fromhex("06052b81040022"), bytes.fromhex("06052b8104007f")
    )


TOO_LARGE = ec.derive_private_key(2**380, ec.SECP384R1())
HOPELESS = {
    "nothing": b"",
    "no DER": b"text",
    "cut off": written("PKCS#8", 49)[:-1],
    "as it should be": written("PKCS#8", 48),
    "as it should be, RFC 5915": written("RFC 5915", 48),
    "an unknown curve": other_curve(written("PKCS#8", 49)),
    "an unknown curve, RFC 5915": other_curve(written("RFC 5915", 49)),
    "no curve": element(0x30, b"\x02\x01\x01\x04\x01\x07"),
    "too large": written("RFC 5915", 49, TOO_LARGE).replace(
        b"\x10" + bytes(47), b"\x10" + bytes(47) + b"\0"
    ),
    "zero": written("RFC 5915", 49).replace(
        (2**200 + 7).to_bytes(49, "big"), bytes(49)
    ),
    "another kind": CA("root")
    .issue("a", key_type="rsa")
    .key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "no parameters": element(
        0x30,
        b"\x02\x01\x00"
        + element(0x30, bytes.fromhex("06072a8648ce3d0201"))
        + element(0x04, b"\x30\x00"),
    ),
}


@pytest.mark.parametrize("kind", HOPELESS)
def test_nothing_can_be_done(kind: str) -> None:
    """Then the first complaint counts."""
    assert read_otherwise(HOPELESS[kind], "it") is None


@pytest.mark.parametrize("kind", ["an unknown curve", "zero"])
def test_the_first_complaint_counts(kind: str) -> None:
    """It is in words, with what to do."""
    with pytest.raises(CredentialError) as info:
        PrivateKey.load(HOPELESS[kind])

    assert "malformed-key" == info.value.code
    assert "ParseError" not in str(info.value)
    assert info.value.hint


def test_a_curve_that_is_spelt_out_oddly() -> None:
    """No number of a curve is to be found, and no foreign error comes."""
    (whole,) = elements(written("PKCS#8", 48))
    version, algorithm, packed = elements(whole.content)
    kind, _ = elements(algorithm.content)
    curve = element(0x30, b"\x02\x01\x01\x30\x00")
    der = element(
        0x30,
        version.whole + element(0x30, kind.whole + curve) + packed.whole,
    )
    with pytest.raises(CredentialError, match="spells its curve out") as info:
        PrivateKey.load(pem.encoded("PRIVATE KEY", der))

    assert "named_curve" in info.value.hint
    assert read_otherwise(der, "it") is None


def test_a_kind_that_is_not_known() -> None:
    """It is named by its number; another look at it would not help."""
    der = written("PKCS#8", 48).replace(
        bytes.fromhex("06072a8648ce3d0201"),
        bytes.fromhex("06072a8648ce3d027f"),
    )
    with pytest.raises(
        CredentialError, match=r"not supported: 1\.2\.840\.10045\.2\.127"
    ) as info:
        PrivateKey.load(der)

    assert "make an RSA" in info.value.hint


# -- the second version -----------------------------------------------------

ATTRIBUTES = element(
    0xA0,
    element(0x30, bytes.fromhex("06032a0304") + element(0x31, b"\x05\x00")),
)
KINDS = ("ecdsa", "ed25519", "rsa")


@cache
def key_of(kind: str) -> Any:
    """Make one key of each kind."""
    return CA("x").issue("a.example", key_type=kind).key


def public_of(key: Any) -> bytes:
    """Give a public key as the BIT STRING of RFC 5280."""
    (whole,) = elements(
        key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    )
    *_, bits = elements(whole.content)
    return bits.content


def second(key: Any, *more: bytes, version: int = 1) -> bytes:
    """Write a key as the version says, with more behind it."""
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (whole,) = elements(der)
    _, *rest = elements(whole.content)
    parts = [bytes((2, 1, version)), *(each.whole for each in rest), *more]
    return element(0x30, b"".join(parts))


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_version(kind: str) -> None:
    """RFC 5958: with the public key, as Rust's libraries have it, or not."""
    key = key_of(kind)
    bits = public_of(key)
    for more in (
        (),
        (element(0x81, bits),),
        (element(0xA1, element(0x03, bits)),),
        (ATTRIBUTES, element(0x81, bits)),
    ):
        der = second(key, *more)

        assert PrivateKey(key) == PrivateKey.load(der)
        assert PrivateKey(key) == PrivateKey.load(
            pem.encoded("PRIVATE KEY", der)
        )
    assert PrivateKey(key) == PrivateKey.load(
        second(key, element(0x81, bits), version=0)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_public_key_of_another(kind: str) -> None:
    """A pair that is none is refused."""
    strange = public_of(CA("y").issue("y.example", key_type=kind).key)
    with pytest.raises(CredentialError, match="another one's") as info:
        PrivateKey.load(second(key_of(kind), element(0x81, strange)))

    assert "malformed-key" == info.value.code


def test_a_third_version() -> None:
    """There is none."""
    der = second(key_of("ed25519"), version=2)

    assert read_otherwise(der, "it") is None
    with pytest.raises(CredentialError, match="can't be read"):
        PrivateKey.load(der)


def test_both_at_once() -> None:
    """The second version, and a number with a byte too many."""
    (whole,) = elements(written("PKCS#8", 49))
    _, *rest = elements(whole.content)
    parts = (b"\x02\x01\x01", *(each.whole for each in rest))

    assert PrivateKey(KEY) == PrivateKey.load(element(0x30, b"".join(parts)))


# -- ML-DSA -----------------------------------------------------------------


@cache
def ml_dsa(kind: str) -> Any:
    """Make a key, where that is possible."""
    try:
        return CA("root").issue("a.example", key_type=kind)
    except tlskit.UnsupportedError as error:
        pytest.skip(str(error))


def by_openssl(key: Any, password: bytes | None = None) -> bytes:
    """Have OpenSSL write a key: its seed, and expanded."""
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = crypto.load_privatekey(crypto.FILETYPE_ASN1, der)
        locked = () if password is None else ("aes-256-cbc", password)
        data: bytes = crypto.dump_privatekey(
            crypto.FILETYPE_PEM, found, *locked
        )
    return data


def halves(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Give what is before, the seed, and the expanded key."""
    (whole,) = elements(der)
    version, algorithm, packed = elements(whole.content)
    (both,) = elements(packed.content)
    seed, expanded = elements(both.content)
    return version.whole + algorithm.whole, seed.content, expanded.content


def joined(begin: bytes, key: bytes) -> bytes:
    """Put a key behind its algorithm."""
    return element(0x30, begin + element(0x04, key))


@pytest.mark.parametrize("kind", ML_DSA.values())
def test_a_seed_with_the_expanded_key(kind: str) -> None:
    """The form in which OpenSSL writes ML-DSA keys unasked is read."""
    leaf = ml_dsa(kind)
    data = by_openssl(leaf.key)
    (block,) = pem.blocks(data)
    found = PrivateKey.load(data)

    assert PrivateKey(leaf.key) == found
    assert PrivateKey(leaf.key) == PrivateKey.load(block.der)
    assert halves(block.der)[1] == found.key.private_bytes_raw()


def test_the_halves_contradict_each_other() -> None:
    """RFC 9881, section 6: a key that is two keys is refused."""
    one, other = ml_dsa("mldsa65"), CA("x").issue("x", key_type="mldsa65")
    begin, seed, expanded = halves(pem.blocks(by_openssl(one.key))[0].der)
    _, _, strange = halves(pem.blocks(by_openssl(other.key))[0].der)
    digest = expanded[:64] + bytes(64) + expanded[128:]
    for each in (strange, digest, expanded[:100]):
        both = element(0x30, element(0x04, seed) + element(0x04, each))
        with pytest.raises(CredentialError, match="do not belong") as info:
            PrivateKey.load(joined(begin, both))

        assert "malformed-key" == info.value.code


@pytest.mark.parametrize("number", ML_DSA)
def test_the_expanded_key_alone(number: str) -> None:
    """It is named, with what to do; no digit of it is shown."""
    leaf = ml_dsa(ML_DSA[number])
    (block,) = pem.blocks(by_openssl(leaf.key))
    begin, _, expanded = halves(block.der)
    der = joined(begin, element(0x04, expanded))
    with pytest.raises(CredentialError, match="expanded form") as info:
        PrivateKey.load(der)

    assert "unsupported-key-form" == info.value.code
    assert f"-algorithm ML-DSA-{number} " in info.value.hint
    assert expanded[:8].hex() not in repr(info.value)


def test_an_ml_dsa_key_of_no_known_form() -> None:
    """Nothing is guessed."""
    leaf = ml_dsa("mldsa65")
    begin, seed, _ = halves(pem.blocks(by_openssl(leaf.key))[0].der)
    for each in (
        element(0x80, seed),  # As it should be.
        element(0x30, element(0x04, seed)),
        element(0x30, element(0x04, seed[1:]) + element(0x04, b"")),
    ):
        assert read_otherwise(joined(begin, each), "it") is None


def test_an_encrypted_one() -> None:
    """The password is not blamed alone; decrypting it helps."""
    data = by_openssl(ml_dsa("mldsa65").key, b"secret")
    with pytest.raises(CredentialError, match="not known here") as info:
        PrivateKey.load(data, password="secret")

    assert "openssl pkey" in info.value.hint


# -- encrypted --------------------------------------------------------------


def locked(der: bytes) -> bytes:
    """Encrypt a key as PKCS#8 (RFC 8018, section 6.2), with "secret"."""
    salt, start = bytes(16), bytes(16)
    derived = hashlib.pbkdf2_hmac("sha256", b"secret", salt, 2048)
    padder = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(derived), modes.CBC(start)).encryptor()
    body = cipher.update(padder.update(der) + padder.finalize())
    hmac = element(0x30, bytes.fromhex("06082a864886f70d02090500"))
    rounds = element(0x04, salt) + b"\x02\x02\x08\x00" + hmac
    derivation = bytes.fromhex("06092a864886f70d01050c")
    scheme = bytes.fromhex("060960864801650304012a") + element(0x04, start)
    both = element(0x30, derivation + element(0x30, rounds))
    both += element(0x30, scheme)
    kind = bytes.fromhex("06092a864886f70d01050d") + element(0x30, both)
    return element(0x30, element(0x30, kind) + element(0x04, body))


def test_what_is_locked_here_is_read() -> None:
    """The encryption of these tests is the usual one."""
    data = locked(written("PKCS#8", 48))

    assert PrivateKey(KEY) == PrivateKey.load(data, password="secret")


def test_a_decrypted_key_that_can_t_be_read() -> None:
    """The password was right, and is not blamed."""
    data = locked(other_curve(written("PKCS#8", 48)))
    with pytest.raises(CredentialError, match="was decrypted, but") as info:
        PrivateKey.load(data, password="secret")

    assert "malformed-key" == info.value.code
    assert "openssl pkey" in info.value.hint


LEAF = CA("root").issue("a.example")


@pytest.mark.parametrize("password", [None, "secret"])
def test_a_store_with_something_unreadable(password: str | None) -> None:
    """The password is not blamed for a certificate that is no good."""
    good = pkcs12.serialize_key_and_certificates(
        b"x", LEAF.key, LEAF.certificate, None, NoEncryption()
    )
    (whole,) = elements(good)
    version, contents, _ = elements(whole.content)
    der = LEAF.certificate.public_bytes(Encoding.DER)
    bad = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07")
    assert bad != der
    data = element(0x30, version.whole + contents.whole.replace(der, bad))
    with pytest.raises(CredentialError, match="something in") as info:
        load_pkcs12(data, password)

    assert "bad-pkcs12" == info.value.code
    assert "openssl pkcs12" in info.value.hint
