"""Sessions, to resume them later and elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..gate import SSL
from .probing import binding, require

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection

__all__ = [
    "copied_session",
    "has_session",
    "held_session",
    "offer_session",
    "resume_nothing",
    "session_reused",
    "verify_result",
]


def session_reused(connection: Connection) -> bool:
    """Say whether the handshake was an abbreviated one."""
    lib, _ = binding()
    return bool(lib.SSL_session_reused(connection._ssl))


def verify_result(connection: Connection) -> int:
    """Give the code of the last verification; with a session, its own."""
    lib, _ = require("session-verdicts", "ask what a session carries")
    return int(lib.SSL_get_verify_result(connection._ssl))


def held_session(connection: Connection) -> object:
    """Give the present session, and keep it alive."""
    lib, ffi = require("session-copies", "copy sessions")
    session = lib.SSL_get1_session(connection._ssl)
    return ffi.gc(session, lib.SSL_SESSION_free)


def has_session(connection: Connection, session: object) -> bool:
    """Say whether *session*, which is being held, is the present one."""
    lib, _ = binding()
    present: bool = lib.SSL_get_session(connection._ssl) == session
    return present


def copied_session(connection: Connection) -> bytes:
    """Give the present session in OpenSSL's own form, its secret included."""
    lib, ffi = require("session-copies", "copy sessions")
    session = lib.SSL_get_session(connection._ssl)
    target = ffi.new("unsigned char[]", lib.i2d_SSL_SESSION(session, ffi.NULL))
    lib.i2d_SSL_SESSION(session, ffi.new("unsigned char **", target))
    return bytes(ffi.buffer(target))


def offer_session(connection: Connection, der: bytes) -> bool:
    """Try to resume what ``copied_session`` gave; False if it is damaged."""
    lib, ffi = require("session-copies", "copy sessions")
    source = ffi.new("unsigned char[]", der)
    start = ffi.new("const unsigned char **", source)
    session = lib.d2i_SSL_SESSION(ffi.NULL, start, len(der))
    if session == ffi.NULL:
        lib.ERR_clear_error()
        return False
    session = ffi.gc(session, lib.SSL_SESSION_free)
    offered: bool = lib.SSL_set_session(connection._ssl, session) == 1
    return offered


def resume_nothing(connection: Connection) -> None:
    """Have a server's connection find no session, and no other find its own.

    To be called before the handshake.  A session is found only by who has
    the same session id context; this connection gets one of its own.
    """
    lib, _ = require("session-ids", "keep to sessions of one connection")
    context = connection.get_context()
    other = SSL.Context(SSL.TLS_SERVER_METHOD)
    other.set_session_id(os.urandom(32))
    connection.set_context(other)
    # It has taken over the id; and as this one has another now, it does not
    # take over the first one's again.
    lib.SSL_CTX_set_session_id_context(other._context, b"", 0)
    connection.set_context(context)
