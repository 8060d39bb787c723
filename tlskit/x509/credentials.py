"""``CertificateChain`` and ``PrivateKey``: load, match, diagnose.

A source is a path, bytes, or objects of ``cryptography``; whether it is PEM
or DER is found out.  Nothing is ever asked for on a terminal, and no secret
shows in a ``repr`` or a message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CredentialError
from ..tools.public import public
from . import gate, pem
from .gate import Encoding, dsa, ec, exceptions, rsa, serialization, x509
from .names import subject_text
from .paths import path_of
from .reading import complaint_of, readable, unreadable

if TYPE_CHECKING:
    from typing import TypeAlias

    from cryptography.hazmat.primitives.asymmetric.types import (
        PrivateKeyTypes,
        PublicKeyTypes,
    )

__all__ = [
    "CertificateChain",
    "KeySource",
    "Password",
    "PrivateKey",
    "Secret",
    "Source",
    "check_pair",
    "checked_kind",
    "kind_of",
    "load_certificates",
    "load_ders",
    "read_source",
]

Bytes = bytes | bytearray | memoryview
AnyPath = str | os.PathLike[str]
Source: TypeAlias = (
    "AnyPath | Bytes | x509.Certificate | Sequence[x509.Certificate]"
)
KeySource: TypeAlias = "AnyPath | Bytes | PrivateKeyTypes"
Password = str | bytes | Callable[[], str | bytes] | None


@public
@dataclass(frozen=True)
class CertificateChain:
    """Our own certificate and its issuers, as they are presented."""

    #: Our own first.
    certificates: tuple[gate.x509.Certificate, ...]
    #: The same, byte for byte, DER.
    ders: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Encode what was not given encoded."""
        if not self.ders:
            ders = tuple(
                each.public_bytes(gate.Encoding.DER)
                for each in self.certificates
            )
            object.__setattr__(self, "ders", ders)

    @classmethod
    def load(cls, source: Source) -> CertificateChain:
        """Read a chain.

        Args:
            source: A path, bytes (PEM or DER), or certificates of
                ``cryptography``, our own first.

        Returns:
            The chain.

        Raises:
            CredentialError: There is none, or it is malformed.
            TypeError: *source* can't be one.
        """
        ders, complaints = _found(source)
        return cls(tuple(map(_checked, ders, complaints)), ders)

    @property
    def exact(self) -> bool:
        """Whether ``cryptography`` reads all of it just as it is encoded."""
        pairs = zip(self.certificates, self.ders, strict=True)
        return all(
            each.public_bytes(gate.Encoding.DER) == der for each, der in pairs
        )

    @property
    def leaf(self) -> x509.Certificate:
        """Our own certificate."""
        return self.certificates[0]


@public
class PrivateKey:
    """A private key; equal to another one with the same public key.

    Args:
        key: The key of ``cryptography``.
    """

    def __init__(self, key: PrivateKeyTypes) -> None:
        self._key = key

    @classmethod
    def load(
        cls,
        source: KeySource,
        *,
        rsa: bool = False,
        asn1: bool = False,
        password: Password = None,
    ) -> PrivateKey:
        """Read the first private key.

        Args:
            source: A path, bytes, or a key.
            rsa: Take the first RSA key; skip others.
            asn1: Read DER, and nothing else.
            password: For an encrypted key.

        Raises:
            CredentialError: There is no such key, or it can't be read.
            TypeError: *source* can't be one.
        """
        if hasattr(source, "private_bytes"):
            given: Any = source
            return checked_kind(cls(given), rsa, "the key object")
        data, name = read_source(source, "a private key")
        secret = Secret(password)
        if not asn1 and b"-----BEGIN " in data:
            return _first_key(data, name, rsa, secret)
        key = cls(_key_from_der(data, name, secret))
        return checked_kind(key, rsa, name)

    @property
    def key(self) -> PrivateKeyTypes:
        """The key of ``cryptography``."""
        return self._key

    @cached_property
    def public_bytes(self) -> bytes:
        """The public key as SubjectPublicKeyInfo, DER."""
        return _spki(self._key.public_key())

    @property
    def kind(self) -> str:
        """What kind of key it is, such as ``RSA-2048``."""
        return kind_of(self._key.public_key())

    def __eq__(self, other: object) -> bool:
        """Compare public keys."""
        if not isinstance(other, PrivateKey):
            return NotImplemented
        return self.public_bytes == other.public_bytes

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(self.public_bytes)

    def __repr__(self) -> str:
        """Tell the kind, and nothing of the key."""
        return f"<{type(self).__name__} {self.kind}>"


class Secret:
    """A password, asked for once and only when it is needed."""

    def __init__(self, password: Password) -> None:
        self._password = password

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return self._password is not None

    def bytes(self) -> bytes:
        """Ask for it.

        Raises:
            TypeError: It is no password.
        """
        value = self._password
        if callable(value):
            value = value()
        if isinstance(value, str):
            value = value.encode()
        if not isinstance(value, bytes):
            raise TypeError("a password is str, bytes, or gives one of them")
        return value


def read_source(source: object, wanted: str) -> tuple[bytes, str]:
    """Give the bytes of a path or of bytes, and a name for messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "the bytes given"
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"{wanted} is a path, bytes, or an object of cryptography, "
            f"not {type(source).__name__}"
        )
    path = path_of(source, wanted, CredentialError)
    try:
        return Path(path).read_bytes(), path
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error)
        raise CredentialError(
            f"can't read {wanted} from {path!r}: {reason}",
            code="unreadable-file",
            hint="check the path and its permissions",
            errno=number,
            filename=path,
        ) from error


# -- certificates -----------------------------------------------------------


def load_certificates(source: Source) -> tuple[x509.Certificate, ...]:
    """Read certificates.

    Args:
        source: A path, bytes (PEM or DER), a certificate or several.

    Raises:
        CredentialError: There is none, or one is malformed.
        TypeError: *source* can't be one.
    """
    return CertificateChain.load(source).certificates


def load_ders(source: Source) -> tuple[bytes, ...]:
    """Read certificates that a peer may have sent, each as it is encoded.

    Args:
        source: A path, bytes (PEM or DER), a certificate or several.

    Raises:
        CredentialError: There is none, or the first one is malformed.
        TypeError: *source* can't be one.
    """
    ders, names = _found(source)
    _checked(ders[0], names[0])
    return ders


def _found(source: Source) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Give each certificate, and how to complain of it."""
    if isinstance(source, x509.Certificate):
        source = (source,)
    if isinstance(source, Iterable) and not isinstance(
        source, (str, bytes, bytearray, memoryview)
    ):
        found = _objects(source)
        complaint = "a certificate that was given as an object is malformed"
        ders = tuple(each.public_bytes(Encoding.DER) for each in found)
        return ders, (complaint,) * len(ders)
    data, name = read_source(source, "a certificate")
    if b"-----BEGIN " not in data:
        return (data,), (f"{name} holds no certificate, PEM or DER",)
    ders = _from_pem(data, name)
    return ders, tuple(
        f"certificate number {number} in {name} is malformed"
        for number in range(1, len(ders) + 1)
    )


def _objects(source: Iterable[Any]) -> tuple[x509.Certificate, ...]:
    found = tuple(source)
    for each in found:
        if not isinstance(each, x509.Certificate):
            raise TypeError(f"a certificate is wanted, found {each!r}")
    if not found:
        raise CredentialError("there is no certificate in an empty sequence")
    return found


def _from_pem(data: bytes, name: str) -> tuple[bytes, ...]:
    ders = pem.certificates(data)
    if not ders:
        labels = sorted({block.label for block in pem.blocks(data)})
        raise CredentialError(
            f"a certificate is wanted, but {name} holds only: "
            + (", ".join(labels) or "text"),
            code="no-certificate",
            hint="give the file that has BEGIN CERTIFICATE in it",
        )
    return ders


def _checked(der: bytes, complaint: str) -> x509.Certificate:
    if not der.strip():
        raise CredentialError(
            complaint + ": it is empty",
            code="no-certificate",
            hint="give a file that has BEGIN CERTIFICATE in it",
        )
    try:
        certificate = readable(der)
        certificate.public_key()
    except unreadable() as error:
        raise CredentialError(
            f"{complaint}: {complaint_of(error)}",
            code="malformed-certificate",
            hint="look at it with: openssl x509 -text -in FILE",
        ) from error
    return certificate


# -- keys -------------------------------------------------------------------


def _first_key(
    data: bytes, name: str, want_rsa: bool, secret: Secret
) -> PrivateKey:
    """Take the first key of PEM text; with *want_rsa*, the first RSA key."""
    skipped = []
    for block in pem.blocks(data):
        if not block.label.endswith("PRIVATE KEY"):
            continue
        key = PrivateKey(_key_from_pem(block.text, name, secret))
        if not want_rsa or isinstance(key.key, rsa.RSAPrivateKey):
            return checked_kind(key, want_rsa, name)
        skipped.append(key.kind)
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


def _key_from_pem(text: bytes, name: str, secret: Secret) -> Any:
    encrypted = b"ENCRYPTED" in text
    return _decoded(
        serialization.load_pem_private_key, text, name, secret, encrypted
    )


def _key_from_der(data: bytes, name: str, secret: Secret) -> Any:
    if not data.strip():
        raise CredentialError(
            f"a private key is wanted, but {name} is empty",
            code="no-private-key",
            hint="give a file that has BEGIN PRIVATE KEY in it",
        )
    try:
        return _decoded(
            serialization.load_der_private_key, data, name, secret, False
        )
    except CredentialError as error:
        if error.code != "password-needed" or not secret.given:
            raise
    return _decoded(
        serialization.load_der_private_key, data, name, secret, True
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
            raise CredentialError(
                f"the private key in {name} can't be decrypted: "
                "the password is wrong, or the key is damaged",
                code="wrong-password",
                hint="check the password",
            ) from error
        raise CredentialError(
            f"the private key in {name} can't be read: {_short(error)}",
            code="malformed-key",
            hint="look at it with: openssl pkey -noout -text -in FILE",
        ) from error


def _password_needed(name: str) -> CredentialError:
    return CredentialError(
        f"the private key in {name} is encrypted, and no password was given",
        code="password-needed",
        hint="pass password=",
    )


def _short(error: Exception) -> str:
    """Give the first sentence; the library adds whole error stacks."""
    return str(error).partition(".")[0].partition("(")[0].strip()


def checked_kind(key: PrivateKey, want_rsa: bool, name: str) -> PrivateKey:
    """Refuse a key that no handshake can use.

    Raises:
        CredentialError: It is one.
    """
    if want_rsa and not isinstance(key.key, rsa.RSAPrivateKey):
        raise CredentialError(
            f"an RSA key is wanted, but {name} is {key.kind}",
            code="no-private-key",
            hint="leave out rsa=True",
        )
    if isinstance(key.key, dsa.DSAPrivateKey):
        raise CredentialError(
            f"{name} is a DSA key, which no current TLS can use",
            code="unusable-key",
            hint="use an RSA, EC or Ed25519 key",
        )
    if not hasattr(key.key, "sign"):
        raise CredentialError(
            f"{name} is {key.kind}, a key that can't sign a handshake",
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


# -- pairs ------------------------------------------------------------------


def check_pair(chain: CertificateChain, key: PrivateKey) -> None:
    """See that *key* belongs to the first certificate of *chain*.

    Raises:
        CredentialError: It doesn't; the message names both.
    """
    keys = [_spki(each.public_key()) for each in chain.certificates]
    if keys[0] == key.public_bytes:
        return
    leaf = chain.leaf
    hint = "load the key that the certificate was issued for"
    if key.public_bytes in keys:
        number = keys.index(key.public_bytes) + 1
        hint = (
            f"the key belongs to certificate number {number} of the chain: "
            "put that one first"
        )
    raise CredentialError(
        f"the private key ({key.kind}) does not belong to the certificate "
        f"{subject_text(leaf)!r} ({kind_of(leaf.public_key())})",
        code="key-mismatch",
        hint=hint,
    )


def _spki(key: PublicKeyTypes) -> bytes:
    """Encode a public key, to be compared with others."""
    return key.public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )
