"""Certificates that OpenSSL holds, as DER.

pyOpenSSL makes an object of each, and cffi another one for each piece of
memory; together that is ten times what OpenSSL takes to write one down.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .probing import binding

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection

__all__ = [
    "der_of",
    "ders_of",
    "encoded",
    "peer_leaf",
    "sent_chain",
    "verified_chain",
]

_ROOM = 16384
# Memory of OpenSSL's, and ours; who is at work takes one.
_spare: list[tuple[Any, Any]] = []


@functools.cache
def _functions() -> tuple[Any, ...]:
    """Give what is called for each certificate."""
    lib, ffi = binding()
    return lib.i2d_X509_bio, lib.BIO_read, ffi.unpack


def encoded(certificates: Iterable[Any]) -> tuple[bytes, ...]:
    """Give certificates of OpenSSL's as DER."""
    write, read, unpack = _functions()
    try:
        bio, room = _spare.pop()
    except IndexError:
        lib, ffi = binding()
        bio = ffi.gc(lib.BIO_new(lib.BIO_s_mem()), lib.BIO_free)
        room = ffi.new("char[]", _ROOM)
    ders: list[bytes] = []
    for certificate in certificates:
        write(bio, certificate)
        size = read(bio, room, _ROOM)
        der = unpack(room, max(0, size))
        while size == _ROOM:
            size = read(bio, room, _ROOM)
            der += unpack(room, max(0, size))
        ders.append(der)
    # Not after an interrupt: there may be something left in it.
    _spare.append((bio, room))
    return tuple(ders)


def der_of(certificate: Any) -> bytes:
    """Give a certificate of OpenSSL's as DER."""
    return encoded((certificate,))[0]


def ders_of(stack: Any, start: int = 0) -> tuple[bytes, ...]:
    """Give the certificates of a stack, which may be NULL, as DER.

    Args:
        stack: Of certificates; it stays OpenSSL's.
        start: The number of the first to be given.
    """
    lib, ffi = binding()
    if stack == ffi.NULL:
        return ()
    return encoded(
        lib.sk_X509_value(stack, number)
        for number in range(start, lib.sk_X509_num(stack))
    )


def peer_leaf(connection: Connection) -> bytes | None:
    """Give the peer's own certificate."""
    lib, ffi = binding()
    found = lib.SSL_get_peer_certificate(connection._ssl)
    if found == ffi.NULL:
        return None
    try:
        return der_of(found)
    finally:
        lib.X509_free(found)


def sent_chain(connection: Connection, start: int = 0) -> tuple[bytes, ...]:
    """Give what the peer sent; to a server without the client's own.

    Args:
        connection: The session.
        start: The number of the first to be given.
    """
    lib, _ = binding()
    return ders_of(lib.SSL_get_peer_cert_chain(connection._ssl), start)


def verified_chain(connection: Connection) -> tuple[bytes, ...]:
    """Give the path that OpenSSL has built last."""
    lib, _ = binding()
    return ders_of(lib.SSL_get0_verified_chain(connection._ssl))
