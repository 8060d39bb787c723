"""Tell what a peer speaks whose first bytes are not TLS."""

from __future__ import annotations

from ..errors import NotTLSError

__all__ = ["SNIFF_BYTES", "alert_in_clear", "not_tls", "speaks_http"]

#: How many first bytes are worth keeping.
SNIFF_BYTES = 64

_HTTP_METHODS = (
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
)
_HTTP, _NATS = "plain HTTP", "NATS without TLS"
# What a server says first (some only as an answer to what it does not know),
# what it then speaks, and the name of that for tlskit.starttls.
_GREETINGS = (
    (b"HTTP/", _HTTP, ""),
    # What answers without a status line, as Python's http.server does.
    (b"<!DOCTYPE", _HTTP, ""),
    (b"<!doctype", _HTTP, ""),
    (b"<html", _HTTP, ""),
    (b"SSH-", "SSH", ""),
    (b"220 ", "SMTP, LMTP or FTP without TLS", "smtp"),
    (b"220-", "SMTP, LMTP or FTP without TLS", "smtp"),
    (b"+OK", "POP3 without TLS", "pop3"),
    (b"* OK", "IMAP without TLS", "imap"),
    (b"200 ", "NNTP without TLS", "nntp"),
    (b"201 ", "NNTP without TLS", "nntp"),
    (b'"IMPLEMENTATION"', "ManageSieve without TLS", "sieve"),
    (b"<?xml", "XMPP without TLS", "xmpp"),
    (b"<stream:stream", "XMPP without TLS", "xmpp"),
    (b":", "IRC without TLS", "irc"),
    (b"NOTICE ", "IRC without TLS", "irc"),
    (b"-ERR", "Redis without TLS", ""),
    (b"-NOAUTH", "Redis without TLS", ""),
    (b"-DENIED", "Redis without TLS", ""),
    (b"ERROR\r\n", "memcached without TLS", ""),
    (b"AMQP", "AMQP without TLS", ""),
    (b"INFO {", _NATS, ""),
    (b"RFB ", "VNC", ""),
)


def speaks_http(first: bytes) -> bool | None:
    """Say whether a client's *first* bytes are a request of plain HTTP.

    Returns:
        None if there are too few of them to tell.
    """
    if first.startswith(_HTTP_METHODS):
        return True
    if any(method.startswith(first) for method in _HTTP_METHODS):
        return None
    return False


def _mysql(first: bytes) -> tuple[tuple[bytes, str, str], ...]:
    """Name MySQL if that is its greeting: a packet of protocol version 10."""
    if first[3:5] != b"\0\x0a":
        return ()
    return ((first, "MySQL without TLS", "mysql"),)


def _advice(protocol: str, name: str) -> str:
    if name:
        return (
            f"use tlskit.starttls.connect(host, {name!r}), or "
            "SSLPort.start_tls() after the protocol's STARTTLS command, or "
            "connect to its TLS port"
        )
    if protocol == _NATS:
        return (
            "read its first line, then use SSLPort.start_tls(): NATS begins "
            "TLS after it"
        )
    return "connect to the port on which it speaks TLS"


def alert_in_clear(first: bytes) -> int | None:
    """Give the number of the alert that *first* is, if it is one."""
    if first[:1] == b"\x15" and first[3:5] == b"\0\2" and len(first) >= 7:
        return first[6]
    return None


def not_tls(first: bytes) -> NotTLSError | None:
    """Name the protocol that *first* belongs to.

    Args:
        first: The first bytes that the peer sent.

    Returns:
        The error to raise, or None if this may well be TLS.
    """
    if first.startswith(_HTTP_METHODS):
        return NotTLSError(
            "the client spoke plain HTTP to a TLS port",
            code="plain-http",
            hint="connect with https:// instead of http://",
        )
    for greeting, protocol, name in (*_GREETINGS, *_mysql(first)):
        if first.startswith(greeting):
            return NotTLSError(
                f"the server speaks {protocol} on this port, not TLS",
                code="plain-http" if protocol == _HTTP else "not-tls",
                hint=_advice(protocol, name),
            )
    # RFC 8446, section 5.1: a record is an alert or a handshake message
    # here, of version 3.x.  0x80 is an SSL 2.0 ClientHello.
    if first and (
        first[0] not in (0x15, 0x16) or first[1:2] not in (b"", b"\3")
    ):
        if first[0] & 0x80 and first[2:3] == b"\1":
            return None
        return NotTLSError(
            f"the peer's first bytes are no TLS record: {first[:16]!r}",
            hint="check host and port: something else listens there",
        )
    return None
