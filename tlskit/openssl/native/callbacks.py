"""Callbacks that tell OpenSSL which alert to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..gate import SSL
from .certificates import der_of, encoded
from .probing import require

if TYPE_CHECKING:
    from types import TracebackType

    from OpenSSL.SSL import Connection, Context

__all__ = [
    "ALERT",
    "by_ssl",
    "connection_of",
    "onerror",
    "set_alpn_function",
    "set_request_function",
    "set_server_name_function",
    "set_verify",
]

#: Returned by a refusing callback: the number of the alert to send.
ALERT = int

#: Told what came up in a callback where no function of ours could catch it.
FailureFunction = Callable[["Connection", BaseException], None]
VerifyFunction = Callable[
    ["Connection", "tuple[bytes, ...]", int, int, bool], int
]
NameFunction = Callable[["Connection"], "int | None"]
AlpnFunction = Callable[["Connection", "list[bytes]"], "bytes | int | None"]


def connection_of(ssl: Any) -> Connection | None:
    """Find pyOpenSSL's object for OpenSSL's, unless it is gone."""
    found: Connection | None = SSL.Connection._reverse_mapping.get(ssl)
    return found


def by_ssl(names: Mapping[str, Any]) -> Connection | None:
    """Find the connection of a callback whose argument is called *ssl*."""
    return connection_of(names["ssl"])


def onerror(
    find: Callable[[Mapping[str, Any]], Connection | None],
    failed: FailureFunction,
) -> Callable[[Any, BaseException, TracebackType], None]:
    """Make what cffi calls after an exception, rather than print it.

    An interrupt may come before the first line of a callback, or after its
    last; nobody in there can catch that.

    Args:
        find: Gives the connection, from the callback's variables.
        failed: Told which one, and what.
    """

    def told(_kind: Any, error: BaseException, trace: TracebackType) -> None:
        found = find(trace.tb_frame.f_locals)
        if found is not None:  # pragma: no branch - the callback had it
            failed(found, error)

    return told


def set_verify(
    target: Context | Connection,
    mode: int,
    function: VerifyFunction,
    failed: FailureFunction,
    *,
    each: bool,
) -> None:
    """Ask *function* about certificates.

    It gets the connection, the certificate's DER, OpenSSL's code, the depth
    and OpenSSL's verdict, and returns the code to go on with: 0 accepts,
    a positive one refuses, with the alert that OpenSSL has for that code.  A
    negative one accepts what has this fault: OpenSSL then keeps the fault
    with the session, and a ticket can't turn it into a good verdict.

    Args:
        target: A context, or one connection.
        mode: OpenSSL's.
        function: Called with certificates as DER.
        failed: Told what came up around it.
        each: Ask about every certificate, the root first.  If not, then only
            about the peer's own and about faults; and what stands above
            comes behind the certificate in question.
    """
    lib, ffi = require("verify-error", "choose the alert of a refusal")
    of_ssl = lib.SSL_get_ex_data_X509_STORE_CTX_idx()

    def find(names: Mapping[str, Any]) -> Connection | None:
        ssl = lib.X509_STORE_CTX_get_ex_data(names["store"], of_ssl)
        return connection_of(ssl)

    # To look one up costs as much as to call it.
    depth_of = lib.X509_STORE_CTX_get_error_depth
    data_of = lib.X509_STORE_CTX_get_ex_data

    def callback(ok: int, store: Any) -> int:
        depth = depth_of(store)
        if ok and depth and not each:
            return 1
        found = connection_of(data_of(store, of_ssl))
        if found is None:
            return 0
        if ok and not each:  # Nothing is wrong with the whole chain.
            code = function(found, _built(lib, store, 0), 0, 0, True)
            if code == 0:
                return 1
        else:
            ders = (der_of(lib.X509_STORE_CTX_get_current_cert(store)),)
            code = function(
                found,
                ders if each else ders + _built(lib, store, depth + 1),
                lib.X509_STORE_CTX_get_error(store),
                depth,
                bool(ok),
            )
        lib.X509_STORE_CTX_set_error(store, abs(code))
        return int(code <= 0)

    handle = ffi.callback(
        "int (*)(int, X509_STORE_CTX *)",
        callback,
        error=0,
        onerror=onerror(find, failed),
    )
    if isinstance(target, SSL.Context):
        lib.SSL_CTX_set_verify(target._context, mode, handle)
    else:
        lib.SSL_set_verify(target._ssl, mode, handle)
    # pyOpenSSL's own field for it, which also each connection holds on to.
    target._verify_callback = handle


def _built(lib: Any, store: Any, start: int) -> tuple[bytes, ...]:
    """Give the chain that was built, as DER, from number *start* on."""
    chain = lib.X509_STORE_CTX_get1_chain(store)
    held = [
        lib.sk_X509_value(chain, number)
        for number in range(lib.sk_X509_num(chain))
    ]
    try:
        return encoded(held[start:])
    finally:
        free = lib.X509_free
        for each in held:
            free(each)
        lib.sk_X509_free(chain)


def set_server_name_function(
    context: Context, function: NameFunction, failed: FailureFunction
) -> None:
    """Call *function* when a ClientHello is in.

    It returns None to go on, or the number of the alert to refuse with.
    """
    lib, ffi = require("server-name-refusal", "refuse a server name")

    def callback(ssl: Any, alert: Any, _argument: Any) -> int:
        found = connection_of(ssl)
        refusal = 80 if found is None else function(found)
        if refusal is None:
            return 0
        alert[0] = refusal
        return int(lib.SSL_TLSEXT_ERR_ALERT_FATAL)

    handle = ffi.callback(
        "int (*)(SSL *, int *, void *)",
        callback,
        error=2,
        onerror=onerror(by_ssl, failed),
    )
    lib.SSL_CTX_set_tlsext_servername_callback(context._context, handle)
    context._tlsext_servername_callback = handle


def set_request_function(
    context: Context,
    function: Callable[[Connection], None],
    failed: FailureFunction,
) -> None:
    """Call *function* when a server asks a client for a certificate."""
    lib, ffi = require("certificate-requests", "tell of certificate requests")

    def callback(ssl: Any, _argument: Any) -> int:
        found = connection_of(ssl)
        if found is not None:  # pragma: no branch - OpenSSL has no others
            function(found)
        return 1

    handle = ffi.callback(
        "int (*)(SSL *, void *)",
        callback,
        error=1,
        onerror=onerror(by_ssl, failed),
    )
    lib.SSL_CTX_set_cert_cb(context._context, handle, ffi.NULL)
    # It lives as long as the context, to which each connection holds on.
    vars(context)["_request_callback"] = handle


def set_alpn_function(
    context: Context, function: AlpnFunction, failed: FailureFunction
) -> None:
    """Call *function* with what the client offers.

    It returns the protocol, None for none, or a number to refuse with
    ``no_application_protocol`` (OpenSSL knows no other alert here).
    """
    lib, ffi = require("alpn-refusal", "refuse an ALPN offer")

    def callback(
        ssl: Any, out: Any, length: Any, data: Any, size: int, _argument: Any
    ) -> int:
        found = connection_of(ssl)
        offered = _protocols(bytes(ffi.buffer(data, size)))
        chosen = found and function(found, offered)
        # Without a connection that anybody knows, there is nobody to ask.
        if found is None or isinstance(chosen, int):
            return int(lib.SSL_TLSEXT_ERR_ALERT_FATAL)
        if chosen is None:
            return int(lib.SSL_TLSEXT_ERR_NOACK)
        # OpenSSL copies the bytes only after we have returned.
        kept = ffi.new("unsigned char[]", chosen)
        found._alpn_select_callback_args = kept
        out[0] = kept
        length[0] = len(chosen)
        return 0

    handle = ffi.callback(
        "int (*)(SSL *, unsigned char **, unsigned char *, "
        "const unsigned char *, unsigned int, void *)",
        callback,
        error=2,
        onerror=onerror(by_ssl, failed),
    )
    context._alpn_select_callback = handle
    lib.SSL_CTX_set_alpn_select_cb(context._context, handle, ffi.NULL)


def _protocols(wire: bytes) -> list[bytes]:
    """Split the length-prefixed names of RFC 7301, section 3.1."""
    names = []
    while wire:
        names.append(wire[1 : 1 + wire[0]])
        wire = wire[1 + wire[0] :]
    return names
