"""PKCS#12 files (RFC 7292): a key and its certificates in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CredentialError
from .credentials import (
    CertificateChain,
    PrivateKey,
    Secret,
    checked_kind,
    read_source,
)
from .gate import exceptions, pkcs12, x509

if TYPE_CHECKING:
    from .credentials import AnyPath, Bytes, Password

__all__ = ["load_pkcs12"]


def load_pkcs12(
    source: AnyPath | Bytes, password: Password = None
) -> tuple[PrivateKey, CertificateChain]:
    """Read key and chain from a PKCS#12 file (RFC 7292).

    Args:
        source: A path, or bytes.
        password: Of the file.

    Raises:
        CredentialError: It can't be read, or lacks one of the two.
    """
    data, name = read_source(source, "a PKCS#12 file")
    secret = Secret(password)
    phrase = secret.bytes() if secret.given else None
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(data, phrase)
    except (
        ValueError,
        TypeError,
        exceptions.UnsupportedAlgorithm,
        UserWarning,  # "Not DER", where warnings are errors.
        x509.InvalidVersion,
    ) as error:
        raise CredentialError(
            f"the PKCS#12 file {name} can't be read: the password is wrong, "
            "or it is damaged",
            code="bad-pkcs12",
            hint="check the password",
        ) from error
    if key is None or leaf is None:
        missing = "private key" if key is None else "certificate"
        raise CredentialError(
            f"the PKCS#12 file {name} holds no {missing}", code="bad-pkcs12"
        )
    found = checked_kind(PrivateKey(key), False, name)
    return found, CertificateChain((leaf, *others))
