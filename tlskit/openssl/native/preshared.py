"""Keys that both sides have beforehand, for TLS 1.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .callbacks import FailureFunction, by_ssl, connection_of, onerror
from .probing import require

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection, Context

__all__ = ["set_psk_client_function", "set_psk_server_function"]

OfferFunction = Callable[["Connection"], "tuple[bytes, bytes] | int | None"]
FindFunction = Callable[["Connection", bytes], "bytes | int | None"]

_NAME, _WANTED = "pre-shared-keys", "use pre-shared keys"
_TLS_1_3 = 0x0304


def set_psk_client_function(
    context: Context,
    suite: bytes,
    function: OfferFunction,
    failed: FailureFunction,
) -> None:
    """Call *function* before a ClientHello.

    It returns the identity and the key to offer, None for none, or a number
    to give up.  *suite* is the number of a cipher suite with the key's hash.
    """
    lib, ffi = require(_NAME, _WANTED)

    def callback(
        ssl: Any, _digest: Any, identity: Any, length: Any, session: Any
    ) -> int:
        # Only suites with the key's hash are offered, so a digest which is
        # known by now (after a HelloRetryRequest) is the right one.
        session[0] = ffi.NULL
        found = connection_of(ssl)
        offer = 0 if found is None else function(found)
        if offer is None:
            return 1
        if isinstance(offer, int):
            return 0
        assert found is not None
        session[0] = _session(lib, ffi, ssl, suite, offer[1])
        # OpenSSL copies it only after we have returned.
        kept = ffi.new("unsigned char[]", offer[0])
        vars(found)["_psk_identity"] = kept
        identity[0] = kept
        length[0] = len(offer[0])
        return 1

    handle = ffi.callback(
        "int (*)(SSL *, const EVP_MD *, const unsigned char **, size_t *, "
        "SSL_SESSION **)",
        callback,
        error=0,
        onerror=onerror(by_ssl, failed),
    )
    lib.SSL_CTX_set_psk_use_session_callback(context._context, handle)
    vars(context)["_psk_callback"] = handle


def set_psk_server_function(
    context: Context,
    suite: bytes,
    function: FindFunction,
    failed: FailureFunction,
) -> None:
    """Call *function* with each identity that a client offers.

    It returns the key, None if it knows none, or a number to refuse with
    ``internal_error``.
    """
    lib, ffi = require(_NAME, _WANTED)

    def callback(ssl: Any, identity: Any, length: int, session: Any) -> int:
        session[0] = ffi.NULL
        found = connection_of(ssl)
        asked = bytes(ffi.buffer(identity, length))
        key = 0 if found is None else function(found, asked)
        if isinstance(key, int):
            return 0
        if key is not None:
            session[0] = _session(lib, ffi, ssl, suite, key)
        return 1

    handle = ffi.callback(
        "int (*)(SSL *, const unsigned char *, size_t, SSL_SESSION **)",
        callback,
        error=0,
        onerror=onerror(by_ssl, failed),
    )
    lib.SSL_CTX_set_psk_find_session_callback(context._context, handle)
    vars(context)["_psk_callback"] = handle


def _session(lib: Any, ffi: Any, ssl: Any, suite: bytes, key: bytes) -> Any:
    """Put a key into the form of a session; OpenSSL will own it."""
    session = lib.Cryptography_SSL_SESSION_new()
    cipher = lib.SSL_CIPHER_find(ssl, suite)
    assert session != ffi.NULL
    assert cipher != ffi.NULL
    lib.SSL_SESSION_set1_master_key(session, key, len(key))
    lib.SSL_SESSION_set_cipher(session, cipher)
    lib.SSL_SESSION_set_protocol_version(session, _TLS_1_3)
    return session
