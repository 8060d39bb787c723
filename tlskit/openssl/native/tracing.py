"""Messages in the clear, as OpenSSL makes and reads them, and their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .callbacks import FailureFunction, by_ssl, connection_of, onerror
from .probing import require

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection, Context

__all__ = [
    "request_timestamps",
    "set_key_function",
    "set_message_function",
]

#: signed_certificate_timestamp (RFC 6962, section 3.3.1).
_TIMESTAMPS = 18

MessageFunction = Callable[["Connection", bool, int, bytes], None]
KeyFunction = Callable[["Connection", bytes], None]


def set_message_function(
    context: Context, function: MessageFunction, failed: FailureFunction
) -> None:
    """Call *function* for each record's header and each message.

    It gets the connection, whether we send, the type of the content (256 for
    a header), and the bytes.
    """
    lib, ffi = require("messages", "tell of handshake messages")

    def callback(
        sent: int,
        _version: int,
        kind: int,
        data: Any,
        size: int,
        ssl: Any,
        _argument: Any,
    ) -> None:
        found = connection_of(ssl)
        if found is not None:  # pragma: no branch - OpenSSL has no others
            function(found, bool(sent), kind, bytes(ffi.buffer(data, size)))

    handle = ffi.callback(
        "void (*)(int, int, int, const void *, size_t, SSL *, void *)",
        callback,
        onerror=onerror(by_ssl, failed),
    )
    lib.SSL_CTX_set_msg_callback(context._context, handle)
    # It lives as long as the context, to which each connection holds on.
    vars(context)["_message_callback"] = handle


def request_timestamps(context: Context) -> None:
    """Ask servers for timestamps of logs, in the handshake.

    Without functions OpenSSL sends an empty extension, and lets any answer
    pass; that is then among the messages.

    Raises:
        UnsupportedError: The binding has no such function.
    """
    name, wanted = "handshake-timestamps", "ask for timestamps of logs"
    lib, ffi = require(name, wanted)
    none = ffi.NULL
    done = lib.SSL_CTX_add_client_custom_ext(
        context._context, _TIMESTAMPS, none, none, none, none, none
    )
    assert done == 1  # It is asked for once, and not by OpenSSL itself.


def set_key_function(
    context: Context, function: KeyFunction, failed: FailureFunction
) -> None:
    """Call *function* with each line of the key log, without its end.

    pyOpenSSL's own loses what comes up around it.
    """
    lib, ffi = require("key-lines", "tell what comes up in a key log")

    def callback(ssl: Any, line: Any) -> None:
        found = connection_of(ssl)
        if found is not None:  # pragma: no branch - OpenSSL has no others
            function(found, ffi.string(line))

    handle = ffi.callback(
        "void (*)(const SSL *, const char *)",
        callback,
        onerror=onerror(by_ssl, failed),
    )
    lib.SSL_CTX_set_keylog_callback(context._context, handle)
    context._keylog_callback = handle
