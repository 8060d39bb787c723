"""Responses of OCSP responders that a server staples (RFC 6066, section 8).

pyOpenSSL's own ways lose what comes up around them, such as Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .callbacks import FailureFunction, by_ssl, connection_of, onerror
from .probing import require

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection, Context

__all__ = ["set_response_function", "set_staple_function"]

ResponseFunction = Callable[["Connection"], bytes]
StapleFunction = Callable[["Connection", bytes], bool]

_NAME, _WANTED = "stapled-responses", "tell what comes up around a staple"
_TYPE = "int (*)(SSL *, void *)"


def set_response_function(
    context: Context, function: ResponseFunction, failed: FailureFunction
) -> None:
    """Ask *function* what to staple, for a client that wants a response.

    It returns the response, or ``b""`` to staple none.
    """
    lib, ffi = require(_NAME, _WANTED)

    def callback(ssl: Any, _argument: Any) -> int:
        found = connection_of(ssl)
        data = b"" if found is None else function(found)
        if not data:
            return int(lib.SSL_TLSEXT_ERR_NOACK)
        # OpenSSL will own it.
        copy = lib.OPENSSL_malloc(len(data))
        ffi.memmove(copy, data, len(data))
        lib.SSL_set_tlsext_status_ocsp_resp(ssl, copy, len(data))
        return 0

    _set(context, callback, 2, failed)


def set_staple_function(
    context: Context, function: StapleFunction, failed: FailureFunction
) -> None:
    """Show *function* what the server has stapled; ``b""`` is nothing.

    It returns whether that is good.  If not, the server gets the alert
    ``bad_certificate_status_response``.
    """
    lib, ffi = require(_NAME, _WANTED)

    def callback(ssl: Any, _argument: Any) -> int:
        found = connection_of(ssl)
        if found is None:  # pragma: no cover - OpenSSL has no others
            return -1
        data = ffi.new("unsigned char **")
        size = lib.SSL_get_tlsext_status_ocsp_resp(ssl, data)
        staple = b"" if size < 0 else bytes(ffi.buffer(data[0], size))
        return int(function(found, staple))

    _set(context, callback, -1, failed)


def _set(
    context: Context,
    callback: Callable[[Any, Any], int],
    error: int,
    failed: FailureFunction,
) -> None:
    lib, ffi = require(_NAME, _WANTED)
    handle = ffi.callback(
        _TYPE, callback, error=error, onerror=onerror(by_ssl, failed)
    )
    lib.SSL_CTX_set_tlsext_status_cb(context._context, handle)
    # It lives as long as the context, to which each connection holds on.
    vars(context)["_status_callback"] = handle
