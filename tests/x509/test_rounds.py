"""The bound for derivations from passwords: told before work begins."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import tlskit
from tlskit.errors import CredentialError
from tlskit.testing import CA
from tlskit.x509 import rounds
from tlskit.x509.credentials import PrivateKey
from tlskit.x509.der import element, elements
from tlskit.x509.pem import encoded
from tlskit.x509.pkcs12 import load_pkcs12
from tlskit.x509.rounds import MOST_ROUNDS, check_rounds, rounds_of

from ..altered import replaced
from ..peers import PATIENCE, needs

LEAF = CA().issue("rounds.example")
LOCK = BestAvailableEncryption(b"x")
KEY = LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, LOCK)


def bundle(algorithm: pkcs12.PBES, kdf: int = 5000, mac: int = 3) -> bytes:
    """Write PKCS#12 with chosen rounds."""
    lock = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(kdf)
        .key_cert_algorithm(algorithm)
        .hmac_hash(hashes.SHA256())
        .build(b"x")
    )
    data = pkcs12.serialize_key_and_certificates(
        b"a", LEAF.key, LEAF.certificate, None, lock
    )
    (whole,) = elements(data)
    *most, last = elements(whole.content)
    digest, salt, *_ = elements(last.content)
    number = element(0x02, mac.to_bytes(5, "big"))
    changed = element(last.tag, digest.whole + salt.whole + number)
    body = b"".join(each.whole for each in most) + changed
    return element(whole.tag, body)


MODERN = pkcs12.PBES.PBESv2SHA256AndAES256CBC
OLD = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC


def greedy(der: bytes, number: int) -> bytes:
    """Ask for 2**40 rounds where *number* stood."""
    size = number.bit_length() // 8 + 1
    old = element(0x02, number.to_bytes(size, "big"))
    changed = replaced(der, old, element(0x02, (1 << 40).to_bytes(6, "big")))
    assert changed != der
    return changed


def indefinite(der: bytes) -> bytes:
    """Write a DER element in BER, without its length."""
    (whole,) = elements(der)
    return bytes([whole.tag, 0x80]) + whole.content + b"\0\0"


def pieces(content: bytes) -> bytes:
    """Write a string in BER, in two pieces."""
    middle = len(content) // 2
    return element(
        0x24,
        element(0x04, content[:middle]) + element(0x04, content[middle:]),
    )


@pytest.mark.parametrize("algorithm", [MODERN, OLD])
def test_what_a_bundle_demands(algorithm: pkcs12.PBES) -> None:
    """The encryption counts, and so does the digest over the whole."""
    assert 5000 == rounds_of(bundle(algorithm))
    assert 9999 == rounds_of(bundle(algorithm, mac=9999))
    assert 70000 == rounds_of(bundle(algorithm, kdf=70000))


def test_what_a_key_demands() -> None:
    """PBES2 of PKCS#8; plain keys and certificates demand nothing."""
    plain = LEAF.key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    assert rounds_of(KEY) >= 2048
    assert 0 == rounds_of(plain)
    assert 0 == rounds_of(LEAF.certificate.public_bytes(Encoding.DER))
    assert 0 == rounds_of(b"")


def test_ber_hides_nothing() -> None:
    """Strings in pieces, and elements without a length, are looked into."""
    data = bundle(MODERN)
    (whole,) = elements(data)
    version, safe, mac = elements(whole.content)
    kind, tagged = elements(safe.content)
    (octets,) = elements(tagged.content)
    inner = element(tagged.tag, pieces(octets.content))
    cut = element(safe.tag, kind.whole + inner)
    for changed in (
        indefinite(data),
        element(whole.tag, version.whole + cut + mac.whole),
        indefinite(element(whole.tag, version.whole + cut + mac.whole)),
        element(whole.tag, version.whole + indefinite(cut) + mac.whole),
    ):
        assert 5000 == rounds_of(changed)


@needs("openssl")
def test_what_scrypt_demands() -> None:
    """Its cost, block size and parallel runs multiply (RFC 7914)."""
    done = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-scrypt", "-passout", "pass:x"],
        input=LEAF.key_pem,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    key = PrivateKey.load(done.stdout, password="x")
    der = b"".join(each.der for each in tlskit.x509.pem.blocks(done.stdout))

    assert key == PrivateKey(LEAF.key)
    assert (1 << 14) * 8 == rounds_of(der)


GREEDY: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "PKCS#8": (
        greedy(KEY, rounds_of(KEY)),
        lambda data: PrivateKey.load(data, password="x"),
    ),
    "PKCS#8 in PEM": (
        encoded("ENCRYPTED PRIVATE KEY", greedy(KEY, rounds_of(KEY))),
        lambda data: PrivateKey.load(data, password="x"),
    ),
    "PKCS#8 in PEM, mislabelled": (
        encoded("PRIVATE KEY", greedy(KEY, rounds_of(KEY))),
        lambda data: PrivateKey.load(data, password="x"),
    ),
    "PKCS#12, its digest": (
        bundle(MODERN, mac=1 << 35),
        lambda data: load_pkcs12(data, "x"),
    ),
}


@pytest.mark.parametrize("kind", GREEDY)
def test_what_wants_endless_work_is_refused(kind: str) -> None:
    """At once: nothing could stop it later."""
    data, load = GREEDY[kind]
    with pytest.raises(CredentialError, match="times") as info:
        load(data)

    assert "too-large" == info.value.code


def test_the_bound_itself_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as that, and no more."""
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 5000)
    check_rounds(bundle(MODERN), "it")

    with pytest.raises(CredentialError):
        check_rounds(bundle(MODERN, kdf=5001), "it")
    assert MOST_ROUNDS >= 1_000_000


def test_a_file_of_too_many_parts() -> None:
    """Nobody walks through millions of empty elements."""
    with pytest.raises(CredentialError, match="parts") as info:
        rounds_of(element(0x30, b"\5\0" * 300_000))

    assert "too-large" == info.value.code
    assert 0 == rounds_of(b"\x30\x80" + b"\5\0" * 300_000)


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80" * 5000,
        b"\x1f\x81\x01\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x07\x06\x01\x2a\x30\x02\x02\x05",
        b"\x30\x04\x06\x00\x30\x00",
        b"\x30\x0f\x06\x0b" + bytes(11) + b"\x30\x00",
    ],
)
def test_nonsense_demands_nothing(data: bytes) -> None:
    """What is no such file is somebody else's to refuse."""
    assert 0 == rounds_of(data)


def nested(depth: int) -> bytes:
    """Nest sequences."""
    data = b""
    for _ in range(depth):
        data = element(0x30, data)
    return data


def test_deep_files_end() -> None:
    """However deep, it comes to an end."""
    assert 0 == rounds_of(nested(500))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Nothing but a number comes out."""
    assert isinstance(rounds_of(b"\x30" + data), int)
