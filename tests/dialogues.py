"""What servers say before TLS: transcripts for tests, of every protocol."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from .peers import Files

__all__ = ["GO_AHEADS", "TALKS", "serve_starttls"]

_STREAM = (
    b"<?xml version='1.0'?><stream:stream from='localhost' id='1' "
    b"version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
_XMPP_TLS = b"xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
_LDAP_REQUEST = (
    b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
)

#: Protocol -> what the server says, and the client answers, in turns.  The
#: client's last word leads to the go-ahead, which is below.
TALKS: dict[str, list[tuple[bytes, bytes]]] = {
    "smtp": [
        (b"220-mail\r\n220 ready\r\n", b"EHLO [127.0.0.1]\r\n"),
        (b"250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
    ],
    "imap": [
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", b"a1 CAPABILITY\r\n"),
        (
            b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n",
            b"a2 STARTTLS\r\n",
        ),
    ],
    "pop3": [(b"+OK ready\r\n", b"STLS\r\n")],
    "ftp": [(b"220-hello\r\n over two lines\r\n220 .\r\n", b"AUTH TLS\r\n")],
    "ldap": [(b"", _LDAP_REQUEST)],
    "postgres": [(b"", b"\x00\x00\x00\x08\x04\xd2\x16\x2f")],
    "xmpp": [
        (
            b"",
            (
                b"<?xml version='1.0'?><stream:stream to='localhost' "
                b"version='1.0' xmlns='jabber:client' "
                b"xmlns:stream='http://etherx.jabber.org/streams'>"
            ),
        ),
        (
            _STREAM
            + b"<stream:features><starttls "
            + _XMPP_TLS
            + b"><required/></starttls></stream:features>",
            b"<starttls " + _XMPP_TLS + b"/>",
        ),
    ],
}
_SIEVE = (
    b'"IMPLEMENTATION" "x"\r\n"SIEVE" "fileinto vacation"\r\n'
    b'"STARTTLS"\r\nOK "ready"\r\n'
)
_MYSQL_GREETING = (
    b"\x0a5.5.5-10.11.6-MariaDB\0\7\0\0\0abcdefgh\0"
    b"\xfe\xff\x2d\2\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0"
    b"ijklmnopqrst\0mysql_native_password\0"
)
_MYSQL_GREETING = (
    len(_MYSQL_GREETING).to_bytes(3, "little") + b"\0" + _MYSQL_GREETING
)
_MYSQL_REQUEST = b"\x20\0\0\1\x00\x8a\x08\0\0\0\0\1\x2d" + bytes(23)
TALKS |= {
    "mysql": [(_MYSQL_GREETING, _MYSQL_REQUEST)],
    "nntp": [
        (b"200 news ready\r\n", b"CAPABILITIES\r\n"),
        (b"101 these\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", b"STARTTLS\r\n"),
    ],
    "sieve": [(_SIEVE, b"STARTTLS\r\n")],
    "lmtp": [
        (b"220 mail LMTP\r\n", b"LHLO [127.0.0.1]\r\n"),
        (b"250-mail\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
    ],
    "xmpp-server": [
        (said, answered.replace(b"jabber:client", b"jabber:server"))
        for said, answered in TALKS["xmpp"]
    ],
    "irc": [(b"", b"STARTTLS\r\n")],
}
GO_AHEADS = {
    # TLS begins at once.
    "mysql": b"",
    "nntp": b"382 go on\r\n",
    "sieve": b'OK "begin"\r\n',
    "lmtp": b"220 go ahead\r\n",
    "xmpp-server": b"<proceed " + _XMPP_TLS + b"/>",
    "irc": b":irc NOTICE * :*** looking up\r\n:irc 670 * :go ahead\r\n",
    "smtp": b"220 go ahead\r\n",
    "imap": b"a2 OK begin\r\n",
    "pop3": b"+OK begin\r\n",
    "ftp": b"234 go ahead\r\n",
    "ldap": b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
    "postgres": b"S",
    "xmpp": b"<proceed " + _XMPP_TLS + b"/>",
}


def serve_starttls(
    protocol: str, files: Files, more: bytes = b""
) -> Callable[[socket.socket], bytes]:
    """Give what a ``TcpServer`` does to play *protocol*'s server.

    Args:
        protocol: One of the names above.
        files: The credentials.
        more: Said together with the go-ahead.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain, files.key)

    def talk(sock: socket.socket) -> bytes:
        for said, answered in TALKS[protocol]:
            sock.sendall(said)
            _expect(sock, answered)
        sock.sendall(GO_AHEADS[protocol] + more)
        with context.wrap_socket(sock, server_side=True) as wrapped:
            data = wrapped.recv(100)
            wrapped.sendall(data)
            return data

    return talk


def _expect(sock: socket.socket, wanted: bytes) -> None:
    got = b""
    while len(got) < len(wanted):
        piece = sock.recv(len(wanted) - len(got))
        assert piece, f"{got!r} instead of {wanted!r}"
        got += piece
    assert wanted == got
