"""Find certificates, keys, requests, lists and responses in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import (
    PrivateKeyTypes,
    PublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509 import ocsp

from ..errors import CredentialError
from ..x509 import pem
from ..x509.reading import readable
from ..x509.rounds import check_rounds

__all__ = ["Locked", "Mystery", "Thing", "Unreadable", "unpack"]

#: More blocks than this in one file are a mistake, or an attack on patience.
_MOST = 2000

_MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    UserWarning,  # "Not DER", where warnings are errors.
    x509.InvalidVersion,
)


@dataclass(frozen=True)
class Locked:
    """A private key that can't be read without its password."""

    label: str


@dataclass(frozen=True)
class Unreadable:
    """A block that is not what it says, or broken."""

    label: str
    reason: str


@dataclass(frozen=True)
class Mystery:
    """A block of another kind, such as parameters or an SSH key."""

    label: str


Thing: TypeAlias = (
    x509.Certificate
    | x509.CertificateSigningRequest
    | x509.CertificateRevocationList
    | ocsp.OCSPResponse
    | PrivateKeyTypes
    | PublicKeyTypes
    | Locked
    | Unreadable
    | Mystery
)


def unpack(data: bytes, name: str, password: bytes | None) -> list[Thing]:
    """Find everything in *data*, in its order.

    Args:
        data: PEM with text around it, or one object in DER.
        name: What to call it in messages.
        password: For what is encrypted.

    Raises:
        CredentialError: There is nothing that is known, far too much, or the
            password is wrong; or a PKCS#12 file needs one.
    """
    if not data.strip():
        raise CredentialError(f"{name} is empty", code="nothing-known")
    blocks = pem.blocks(data)
    if len(blocks) > _MOST:
        raise CredentialError(
            f"{name} has {len(blocks)} blocks; more than {_MOST} are refused",
            code="too-large",
        )
    if not blocks:
        return _from_der(data, name, password)
    return [
        thing
        for block in blocks
        for thing in _from_block(block, name, password)
    ]


# -- PEM --------------------------------------------------------------------


def _from_block(
    block: pem.Block, name: str, password: bytes | None
) -> Iterator[Thing]:
    if block.label.endswith("PRIVATE KEY") and "OPENSSH" not in block.label:
        with suppress(ValueError):  # What can't be decoded is told below.
            check_rounds(block.der, f"a private key in {name}")
        yield _private_key(
            serialization.load_pem_private_key,
            block.text,
            block.label,
            name,
            password,
        )
    elif block.label in _BLOCKS:
        try:
            yield from _BLOCKS[block.label](block.der)
        except _MALFORMED as error:
            yield Unreadable(block.label, _first_words(error))
    elif block.label == "RSA PUBLIC KEY":
        try:
            yield serialization.load_pem_public_key(block.text)
        except _MALFORMED as error:
            yield Unreadable(block.label, _first_words(error))
    else:
        yield Mystery(block.label)


def _certificate(der: bytes) -> list[Thing]:
    return [readable(der)]


def _request(der: bytes) -> list[Thing]:
    return [x509.load_der_x509_csr(der)]


def _revocations(der: bytes) -> list[Thing]:
    return [x509.load_der_x509_crl(der)]


def _response(der: bytes) -> list[Thing]:
    return [ocsp.load_der_ocsp_response(der)]


def _public_key(der: bytes) -> list[Thing]:
    return [serialization.load_der_public_key(der)]


def _pkcs7(der: bytes) -> list[Thing]:
    return list(pkcs7.load_der_pkcs7_certificates(der))


_BLOCKS: dict[str, Callable[[bytes], list[Thing]]] = {
    "CERTIFICATE": _certificate,
    "X509 CERTIFICATE": _certificate,
    "CERTIFICATE REQUEST": _request,
    "NEW CERTIFICATE REQUEST": _request,
    "X509 CRL": _revocations,
    "OCSP RESPONSE": _response,
    "PUBLIC KEY": _public_key,
    "PKCS7": _pkcs7,
    "CMS": _pkcs7,
}


# -- DER --------------------------------------------------------------------


def _from_der(data: bytes, name: str, password: bytes | None) -> list[Thing]:
    """Try what it could be; none of the forms can be mistaken for another."""
    for load in (
        _certificate,
        _request,
        _revocations,
        _public_key,
        _pkcs7,
        _response,
    ):
        try:
            return load(data)
        except _MALFORMED:
            continue
    if _is_pkcs12(data):
        return _pkcs12(data, name, password)
    check_rounds(data, f"a private key in {name}")
    key = _private_key(
        serialization.load_der_private_key,
        data,
        "PRIVATE KEY",
        name,
        password,
    )
    if isinstance(key, Unreadable):
        raise CredentialError(
            f"{name} holds no certificate, key, request, revocation list, "
            f"OCSP response or PKCS#12 that can be read, neither as PEM nor "
            f"as DER",
            code="nothing-known",
            hint="PEM has lines such as -----BEGIN CERTIFICATE-----",
        )
    return [key]


def _is_pkcs12(data: bytes) -> bool:
    """Look for a sequence that begins with version 3 (RFC 7292, 4)."""
    return data[:1] == b"\x30" and b"\x02\x01\x03\x30" in data[2:12]


def _pkcs12(data: bytes, name: str, password: bytes | None) -> list[Thing]:
    check_rounds(data, f"the PKCS#12 file {name}")
    tries = (None, b"") if password is None else (password,)
    for each in tries:
        try:
            found = pkcs12.load_pkcs12(data, each)
        except _MALFORMED:
            continue
        things: list[Thing] = [] if found.key is None else [found.key]
        certificates = [found.cert, *found.additional_certs]
        things += [each.certificate for each in certificates if each]
        return things
    raise CredentialError(
        f"the PKCS#12 file {name} can't be read: "
        + (
            "it needs a password, or it is damaged"
            if password is None
            else "the password is wrong, or it is damaged"
        ),
        code="password-needed" if password is None else "wrong-password",
        hint="--password-file or --password-env say where the password is",
    )


# -- private keys -----------------------------------------------------------


def _private_key(
    load: Callable[..., Any],
    data: bytes,
    label: str,
    name: str,
    password: bytes | None,
) -> Thing:
    try:
        return _loaded(load, data, None)
    except TypeError:  # It is encrypted.
        if password is None:
            return Locked(label)
    except _MALFORMED:
        # The library's words could quote what nobody should read.
        return Unreadable(label, "it is malformed, or of an unknown kind")
    try:
        return _loaded(load, data, password)
    except _MALFORMED as error:
        raise CredentialError(
            f"a private key in {name} can't be decrypted: the password is "
            "wrong, or the key is damaged",
            code="wrong-password",
            hint="check the password",
        ) from error


def _loaded(
    load: Callable[..., Any], data: bytes, password: bytes | None
) -> PrivateKeyTypes:
    key: PrivateKeyTypes = load(data, password=password)
    return key


def _first_words(error: Exception) -> str:
    """Give the first sentence; the library adds whole error stacks."""
    return str(error).partition("\n")[0].partition(". ")[0].strip()
