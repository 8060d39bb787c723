"""``CertificateChain`` and ``PrivateKey``: load, match, diagnose.

A source is a path, bytes, or objects of ``cryptography``; whether it is PEM
or DER is found out.  Nothing is ever asked for on a terminal, and no secret
shows in a ``repr`` or a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import CredentialError
from ..tools.public import public
from . import gate, pem
from .formats import form_of, refusal_of
from .gate import Encoding, serialization, x509
from .keys import checked_key, first_key, key_from_der, kind_of
from .names import subject_text
from .reading import complaint_of, readable, unreadable
from .sources import AnyPath, Bytes, Password, Secret, read_source

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
    "Source",
    "check_pair",
    "kind_of",
    "load_certificates",
    "load_ders",
]

Source: TypeAlias = (
    "AnyPath | Bytes | x509.Certificate | Sequence[x509.Certificate]"
)
KeySource: TypeAlias = "AnyPath | Bytes | PrivateKeyTypes"


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
            return cls(checked_key(source, rsa, "the key object"))
        data, name = read_source(source, "a private key")
        secret = Secret(password)
        armoured = pem.is_armoured(data)
        if asn1 and armoured:
            raise CredentialError(
                f"a private key in DER is wanted, but {name} is PEM",
                code="malformed-key",
                hint="leave out asn1=True",
            )
        if armoured:
            return cls(first_key(data, name, rsa, secret))
        key = key_from_der(data, name, secret)
        return cls(checked_key(key, rsa, name))

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
    if not pem.is_armoured(data):
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
            raise TypeError(
                f"a certificate is wanted, found {type(each).__name__!r}"
            )
    if not found:
        raise CredentialError("there is no certificate in an empty sequence")
    return found


def _from_pem(data: bytes, name: str) -> tuple[bytes, ...]:
    found = [each for each in pem.blocks(data) if each.label in pem.LABELS]
    if not found:
        raise _no_certificate(data, name)
    for number, block in enumerate(found, 1):
        form = refusal_of(block)
        if form is not None:
            raise CredentialError(
                f"certificate number {number} in {name} is {form.what}",
                code="malformed-certificate",
                hint=form.hint,
            )
    return tuple(block.der for block in found)


def _no_certificate(data: bytes, name: str) -> CredentialError:
    """Say what was given instead."""
    labels = sorted({block.label for block in pem.blocks(data)})
    form = form_of(data)
    content = f"holds only: {', '.join(labels)}"
    if not labels:
        content = f"is {form.what}" if form else "holds only text"
    return CredentialError(
        f"a certificate is wanted, but {name} {content}",
        code="no-certificate",
        hint="give the file that has BEGIN CERTIFICATE in it"
        if form is None
        else form.hint,
    )


def _checked(der: bytes, complaint: str) -> x509.Certificate:
    try:
        certificate = readable(der)
        certificate.public_key()
    except unreadable() as error:
        form = form_of(der)
        if form is not None:
            raise CredentialError(
                f"{complaint}: it is {form.what}",
                code="no-certificate",
                hint=form.hint,
            ) from error
        raise CredentialError(
            f"{complaint}: {complaint_of(error)}",
            code="malformed-certificate",
            hint="look at it with: openssl x509 -text -in FILE",
        ) from error
    return certificate


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
