"""Private keys as files hold them: PEM and DER, encrypted or not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import CredentialError
from . import pem
from .der import dotted, elements
from .formats import form_of, refusal_of
from .gate import dsa, ec, exceptions, rsa, serialization, x509
from .pkcs8.rewriting import read_otherwise
from .reading import complaint_of
from .rounds import check_rounds

if TYPE_CHECKING:
    from .sources import Secret

__all__ = [
    "checked_key",
    "first_key",
    "key_from_der",
    "kind_of",
]

_ELLIPTIC = "1.2.840.10045.2.1"
#: The kinds of keys that a newer or older ``cryptography`` can read.
_KNOWN = {
    _ELLIPTIC,
    "1.2.840.113549.1.1.1",  # RSA
    "1.2.840.113549.1.1.10",  # RSASSA-PSS
    "1.2.840.113549.1.3.1",  # Diffie-Hellman
    "1.2.840.10046.2.1",
    "1.2.840.10040.4.1",  # DSA
    *(f"1.3.101.{each}" for each in range(110, 114)),  # X25519 to Ed448
    *(f"2.16.840.1.101.3.4.3.{each}" for each in range(17, 20)),  # ML-DSA
    *(f"2.16.840.1.101.3.4.4.{each}" for each in range(1, 4)),  # ML-KEM
}
#: How ``cryptography`` says that it has no such cipher.
_CIPHER = re.compile(
    r"[Uu]nknown (?:key encryption algorithm: ([\d.]+)|cipher)"
)
#: What it can only say of a key that was decrypted.
_DECRYPTED = re.compile(
    r"private key is not encoded properly|[Uu]nknown key type|[Cc]urve .* not"
)
_ANOTHER = (
    "TLS can't use it here: make an RSA, EC (P-256, P-384 or P-521) or "
    "Ed25519 key, and have a certificate issued for it"
)
_CIPHERS = {
    "1.2.410.200004.1.4": "SEED-CBC",
    "1.2.410.200046.1.1.2": "ARIA-128-CBC",
    "1.2.410.200046.1.1.7": "ARIA-192-CBC",
    "1.2.410.200046.1.1.12": "ARIA-256-CBC",
    "1.2.643.2.2.21": "GOST 28147-89",
    "1.2.643.7.1.1.5.1.1": "GOST Magma",
    "1.2.392.200011.61.1.1.1.2": "Camellia-128-CBC",
    "1.2.392.200011.61.1.1.1.3": "Camellia-192-CBC",
    "1.2.392.200011.61.1.1.1.4": "Camellia-256-CBC",
    "1.3.14.3.2.7": "DES-CBC",
    "1.3.6.1.4.1.25258.3.3": "Twofish-CBC",
    "2.16.840.1.101.3.4.1.4": "AES-128-CFB",
    "2.16.840.1.101.3.4.1.24": "AES-192-CFB",
    "2.16.840.1.101.3.4.1.44": "AES-256-CFB",
    "2.16.840.1.101.3.4.2.14": "a key by HMAC-SHA3-256",
    "2.16.840.1.101.3.4.2.16": "a key by HMAC-SHA3-512",
    "2.16.840.1.101.3.4.1.6": "AES-128-GCM",
    "2.16.840.1.101.3.4.1.26": "AES-192-GCM",
    "2.16.840.1.101.3.4.1.46": "AES-256-GCM",
}


def first_key(data: bytes, name: str, want_rsa: bool, secret: Secret) -> Any:
    """Take the first key of PEM text; with *want_rsa*, the first RSA key.

    Raises:
        CredentialError: There is none, or it can't be read.
    """
    skipped = []
    for block in pem.blocks(data):
        if not block.label.endswith("PRIVATE KEY"):
            continue
        key = _key_from_pem(block, name, secret)
        if not want_rsa or isinstance(key, rsa.RSAPrivateKey):
            return checked_key(key, want_rsa, name)
        skipped.append(kind_of(key.public_key()))
    if skipped:
        raise CredentialError(
            f"an RSA key is wanted, but {name} holds only: "
            + ", ".join(skipped),
            code="no-private-key",
            hint="leave out rsa=True",
        )
    labels = sorted({block.label for block in pem.blocks(data)})
    form = form_of(data)
    content = f"holds only: {', '.join(labels)}"
    if not labels:
        content = f"is {form.what}" if form else "holds only text"
    raise CredentialError(
        f"a private key is wanted, but {name} {content}",
        code="no-private-key",
        hint=form.hint
        if form
        else "give the file that has BEGIN PRIVATE KEY in it",
    )


def _key_from_pem(block: pem.Block, name: str, secret: Secret) -> Any:
    form = refusal_of(block)
    # What is encrypted the old way has lines of its own before the base64.
    old = b"DEK-Info:" in block.text
    if block.label == "OPENSSH PRIVATE KEY":
        form = form_of(block.text)
    elif old and form is not None and form.what.startswith("not base64"):
        form = None
    if form is not None:
        raise CredentialError(
            f"the private key in {name} is {form.what}",
            code="malformed-key",
            hint=form.hint,
        )
    if not old:
        check_rounds(block.der, f"the private key in {name}")
        if _is_encrypted(block.der):  # Whatever the label says: .NET's lies.
            return _decoded(
                serialization.load_der_private_key,
                *(block.der, name, secret, True),
            )
    return _decoded(
        serialization.load_pem_private_key,
        *(block.text, name, secret, old),
        der=None if old else block.der,
    )


def _is_encrypted(der: bytes) -> bool:
    """Look for EncryptedPrivateKeyInfo (RFC 5958, section 3)."""
    try:
        (whole,) = elements(der)
        tags = [each.tag for each in elements(whole.content)]
    except (ValueError, IndexError):
        return False
    return tags == [0x30, 0x04]


def key_from_der(data: bytes, name: str, secret: Secret) -> Any:
    """Read a key that is no PEM.

    Raises:
        CredentialError: It is none, or can't be read.
    """
    if not data.strip():
        raise CredentialError(
            f"a private key is wanted, but {name} is empty",
            code="no-private-key",
            hint="give a file that has BEGIN PRIVATE KEY in it",
        )
    check_rounds(data, f"the private key in {name}")
    return _decoded(
        serialization.load_der_private_key,
        *(data, name, secret, _is_encrypted(data)),
    )


def _decoded(
    load: Callable[..., Any],
    data: bytes,
    name: str,
    secret: Secret,
    encrypted: bool,
    *,
    der: bytes | None = None,
) -> Any:
    if encrypted and not secret.given:
        raise _password_needed(name)
    password = secret.bytes() if encrypted else None
    try:
        return load(data, password=password)
    except TypeError as error:
        raise _password_needed(name) from error
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        if encrypted:
            raise _undecrypted(data, name, error) from error
        key = read_otherwise(data if der is None else der, name)
        if key is None:
            raise _malformed(data, name, error) from error
        return key


def _undecrypted(data: bytes, name: str, error: Exception) -> CredentialError:
    words = str(error)
    found = _CIPHER.search(words)
    if found is None and _DECRYPTED.search(words):
        return CredentialError(
            f"the private key in {name} was decrypted, but can't be read: "
            f"{_short(error)}",
            code="malformed-key",
            hint="take the encryption away at first: openssl pkey -in OLD "
            "-out NEW",
        )
    if found is None:
        known = words.startswith("Incorrect password")
        return CredentialError(
            f"the private key in {name} can't be decrypted: the password is "
            "wrong, or the key is damaged"
            + ("" if known else ", or of a form that is not known here"),
            code="wrong-password",
            hint="check the password"
            if known
            else "check the password, by taking the encryption away: openssl "
            "pkey -in OLD -out NEW",
        )
    old = re.search(rb"DEK-Info: *([A-Za-z0-9-]+)", data)
    cipher = found[1] or (old[1].decode() if old else "an unknown cipher")
    return CredentialError(
        f"the private key in {name} is encrypted with "
        f"{_CIPHERS.get(cipher, cipher)}, which can't be read here",
        code="unsupported-encryption",
        hint="encrypt it anew: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD "
        "-out NEW",
    )


def _malformed(data: bytes, name: str, error: Exception) -> CredentialError:
    form = form_of(data)
    if form is not None and "private key" not in form.what:
        return CredentialError(
            f"a private key is wanted, but {name} is {form.what}",
            code="no-private-key",
            hint=form.hint,
        )
    curve = _unknown_curve(data)
    reason = _short(error)
    hint = "look at it with: openssl pkey -noout -text -in FILE"
    if curve == "":
        reason = "it spells its curve out, in another way than is known here"
        hint = "name the curve: openssl pkey -ec_param_enc named_curve "
        hint += "-in OLD -out NEW"
    elif curve is not None:
        reason = f"its curve {curve} is not supported"
        hint = _ANOTHER
    elif (kind := _unknown_kind(data)) is not None:
        reason = f"its kind is not supported: {kind}"
        hint = _ANOTHER
    return CredentialError(
        f"the private key in {name} can't be read: {reason}",
        code="malformed-key",
        hint=hint,
    )


def _password_needed(name: str) -> CredentialError:
    return CredentialError(
        f"the private key in {name} is encrypted, and no password was given",
        code="password-needed",
        hint="pass password=",
    )


def _unknown_curve(data: bytes) -> str | None:
    """Give the curve of an elliptic key (RFC 5915), unless it is known.

    Returns:
        Its number; empty if the curve is spelt out; None if it is known, or
        the key is of another kind.
    """
    try:
        blocks = pem.blocks(data)
        (whole,) = elements(blocks[0].der if blocks else data)
        _, algorithm, *_ = elements(whole.content)
        kind, curve = elements(algorithm.content)
        if dotted(kind.content) != _ELLIPTIC:
            return None
        if curve.tag != 0x06:
            return ""
        identifier = x509.ObjectIdentifier(dotted(curve.content))
    except (ValueError, IndexError):
        return None
    try:
        ec.get_curve_for_oid(identifier)
    except LookupError:
        return identifier.dotted_string
    return None


def _unknown_kind(data: bytes) -> str | None:
    """Give the number of a PKCS#8 key's kind, unless it is a known one."""
    try:
        blocks = pem.blocks(data)
        (whole,) = elements(blocks[0].der if blocks else data)
        _, algorithm, *_ = elements(whole.content)
        number, *_ = elements(algorithm.content)
        found = dotted(number.content) if number.tag == 0x06 else None
    except (ValueError, IndexError):
        return None
    return None if found in _KNOWN else found


def _short(error: Exception) -> str:
    """Give the first sentence; the library adds whole error stacks."""
    words = complaint_of(error).partition(" (")[0].partition("[")[0]
    # A dot ends a sentence only before a space: identifiers have some, too.
    return words.partition(". ")[0].strip().removesuffix(".")


def checked_key(key: Any, want_rsa: bool, name: str) -> Any:
    """Refuse a key that no handshake can use.

    Raises:
        CredentialError: It is one.
    """
    if want_rsa and not isinstance(key, rsa.RSAPrivateKey):
        raise CredentialError(
            f"an RSA key is wanted, but {name} is {kind_of(key.public_key())}",
            code="no-private-key",
            hint="leave out rsa=True",
        )
    if isinstance(key, dsa.DSAPrivateKey):
        raise CredentialError(
            f"{name} is a DSA key, which no current TLS can use",
            code="unusable-key",
            hint="use an RSA, EC or Ed25519 key",
        )
    if not hasattr(key, "sign"):
        raise CredentialError(
            f"{name} is {kind_of(key.public_key())}, a key that can't sign a "
            "handshake",
            code="unusable-key",
            hint="use an RSA, EC or Ed25519 key",
        )
    return key


def kind_of(public_key: Any) -> str:
    """Name a public key's kind, such as ``RSA-2048`` or ``EC-secp256r1``."""
    name = type(public_key).__name__.replace("PublicKey", "").lstrip("_")
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return f"EC-{public_key.curve.name}"
    size = getattr(public_key, "key_size", None)
    return f"{name}-{size}" if size else name
