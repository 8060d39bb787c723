"""Trusted certificates in a Windows system store."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import TrustSourceError, UnsupportedError

__all__ = ["certificates"]

# True stands for all purposes.
_Purposes = bool | frozenset[str]
_Entry = tuple[bytes, str, _Purposes]
_Enumerate = Callable[[str], list[_Entry]]

# What Windows itself refuses, whatever store it is in.
_DISALLOWED = "Disallowed"
_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"


def certificates(store: str) -> tuple[bytes, ...]:
    """Read a store: ``"ROOT"``, ``"CA"`` or another one's name.

    Left out are certificates in another encoding than X.509, those that
    Windows doesn't trust to name TLS servers, and those it disallows.

    Returns:
        DER, not yet checked.

    Raises:
        TrustSourceError: The store can't be read.
        UnsupportedError: This is not Windows.
    """
    import ssl  # Only here: nothing else of tlskit needs it.

    enumerate_store = getattr(ssl, "enum_certificates", None)
    if enumerate_store is None:
        raise UnsupportedError(
            f"the certificate store {store!r} exists on Windows only",
            hint="VerifySource.system() fits every platform",
        )
    disallowed = {der for der, _, _ in _entries(enumerate_store, _DISALLOWED)}
    return tuple(
        der
        for der, encoding, purposes in _entries(enumerate_store, store)
        if encoding == "x509_asn"
        and der not in disallowed
        and _names_servers(purposes)
    )


def _entries(enumerate_store: _Enumerate, store: str) -> list[_Entry]:
    try:
        return enumerate_store(store)
    except OSError as error:
        raise TrustSourceError(
            f"can't read the Windows certificate store {store!r}: {error}",
            errno=error.errno,
            hint="certutil -store NAME shows what is in a store",
        ) from error


def _names_servers(purposes: _Purposes) -> bool:
    if isinstance(purposes, bool):
        return purposes
    return _SERVER_AUTH in purposes
