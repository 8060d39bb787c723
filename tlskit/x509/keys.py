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
#: How ``cryptography`` says that it has no such cipher.
_CIPHER = re.compile(
    r"[Uu]nknown (?:key encryption algorithm: ([\d.]+)|cipher)"
)
_CIPHERS = {
    "1.2.392.200011.61.1.1.1.2": "Camellia-128-CBC",
    "1.2.392.200011.61.1.1.1.3": "Camellia-192-CBC",
    "1.2.392.200011.61.1.1.1.4": "Camellia-256-CBC",
    "1.3.14.3.2.7": "DES-CBC",
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
    raise CredentialError(
        f"a private key is wanted, but {name} holds only: "
        + (", ".join(labels) or "text"),
        code="no-private-key",
        hint="give the file that has BEGIN PRIVATE KEY in it",
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
        serialization.load_pem_private_key, block.text, name, secret, old
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
        raise _malformed(data, name, error) from error


def _undecrypted(data: bytes, name: str, error: Exception) -> CredentialError:
    found = _CIPHER.search(str(error))
    if found is None:
        return CredentialError(
            f"the private key in {name} can't be decrypted: "
            "the password is wrong, or the key is damaged",
            code="wrong-password",
            hint="check the password",
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
    if curve is not None:
        reason = f"its curve {curve} is not supported"
    return CredentialError(
        f"the private key in {name} can't be read: {reason}",
        code="malformed-key",
        hint="look at it with: openssl pkey -noout -text -in FILE",
    )


def _password_needed(name: str) -> CredentialError:
    return CredentialError(
        f"the private key in {name} is encrypted, and no password was given",
        code="password-needed",
        hint="pass password=",
    )


def _unknown_curve(data: bytes) -> str | None:
    """Give the curve of an elliptic key (RFC 5915), unless it is known."""
    try:
        blocks = pem.blocks(data)
        (whole,) = elements(blocks[0].der if blocks else data)
        _, algorithm, *_ = elements(whole.content)
        kind, curve = elements(algorithm.content)
        if dotted(kind.content) != _ELLIPTIC:
            return None
        identifier = dotted(curve.content)
    except (ValueError, IndexError):
        return None
    try:
        ec.get_curve_for_oid(x509.ObjectIdentifier(identifier))
    except LookupError:
        return identifier
    return None


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
