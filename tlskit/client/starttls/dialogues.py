"""STARTTLS for each protocol: what is said in plaintext before TLS.

Each protocol is a script, a generator: it says what it has to by calling
*say*, and yields how the server's next piece is cut out of the bytes that
come in; it is sent that piece.  When the script ends, the server has given
its go-ahead.  Nothing here does I/O.

A new protocol is a script, a line in ``SCRIPTS``, its talk in
``tests/dialogues.py``, and a word in ``docs/howto/starttls.rst``.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from ...errors import NotTLSError
from ..conversation import Say, Script, quoted
from . import lines
from .lines import not_offered, not_spoken

__all__ = ["SCRIPTS"]

#: A MySQL server's greeting has a hundred bytes.
_LONGEST_PACKET = 4096


# -- binary protocols -------------------------------------------------------


def _octet(data: bytes) -> int | None:
    return 1 if data else None


def _postgres(say: Say, _host: str) -> Script:
    """Its manual, "Message Flow": SSLRequest."""
    say(b"\0\0\0\x08\x04\xd2\x16\x2f")
    answer = yield _octet
    if answer == b"N":
        raise not_offered("PostgreSQL", "it answers that it has none (N)")
    if answer == b"E":
        raise not_offered("PostgreSQL", "it answers with an error (E)")
    if answer != b"S":
        raise not_spoken("PostgreSQL", answer)


# MySQL's manual, "Connection Phase": flags of a server or a client.
_CLIENT_SSL = 0x0800
_PROTOCOL_41, _SECURE_CONNECTION, _PLUGIN_AUTH = 0x0200, 0x8000, 0x80000
_MOST_DATA = 1 << 24
_UTF8MB4 = 45


def _mysql(say: Say, _host: str) -> Script:
    """Its manual, "Connection Phase": there is no answer but TLS's own."""
    greeting = (yield _packet)[4:]
    if greeting[:1] == b"\xff":
        raise not_offered("MySQL", f"it says {quoted(greeting[3:])}")
    version, _, rest = greeting[1:].partition(b"\0")
    flags = int.from_bytes(rest[13:15], "little")
    if greeting[:1] != b"\x0a" or not version or len(rest) < 15:
        raise not_spoken("MySQL", greeting[:40])
    if not flags & _CLIENT_SSL:
        raise not_offered("MySQL", "its greeting has no flag for TLS")
    wanted = _CLIENT_SSL | _PROTOCOL_41 | _SECURE_CONNECTION | _PLUGIN_AUTH
    say(
        b"\x20\0\0\1"
        + wanted.to_bytes(4, "little")
        + _MOST_DATA.to_bytes(4, "little")
        + bytes([_UTF8MB4])
        + bytes(23)
    )


def _packet(data: bytes) -> int | None:
    """Find the end of a server's first packet."""
    if len(data) < 5:
        return None
    size = int.from_bytes(data[:3], "little")
    if data[3] != 0 or not 1 < size <= _LONGEST_PACKET:
        raise not_spoken("MySQL", data[:40])
    return 4 + size if len(data) >= 4 + size else None


#: RFC 4511, section 4.14.1: message 1, an ExtendedRequest for StartTLS.
_START_TLS = b"1.3.6.1.4.1.1466.20037"


def _ldap(say: Say, _host: str) -> Script:
    """RFC 4511, section 4.14."""
    name = b"\x80" + bytes([len(_START_TLS)]) + _START_TLS
    request = b"\x02\x01\x01\x77" + bytes([len(name)]) + name
    say(b"\x30" + bytes([len(request)]) + request)
    answer = yield _ber
    try:
        code, words = _ldap_result(answer)
    except ValueError:
        raise not_spoken("LDAP", answer) from None
    if code:
        raise not_offered(
            "LDAP", f"it answers with result code {code}: {quoted(words)}"
        )


def _ber(data: bytes) -> int | None:
    """Find the end of one element of ASN.1 (X.690, section 8.1)."""
    if data and data[0] != 0x30:
        raise not_spoken("LDAP", data[:40])
    if len(data) < 2:
        return None
    size, start = data[1], 2
    if size & 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4:  # RFC 4511, 5.1: the definite form only.
            raise not_spoken("LDAP", data[:40])
        start += octets
        size = int.from_bytes(data[2:start], "big")
    return start + size if len(data) >= start + size else None


def _ldap_result(message: bytes) -> tuple[int, bytes]:
    """Read result code and diagnostic message.

    Raises:
        ValueError: It is no answer to our request.
    """
    _, inside, rest = _element(message)
    _, number, inside = _element(inside)
    tag, response, _ = _element(inside)
    if rest or number != b"\1" or tag != 0x78:
        raise ValueError
    tag, code, response = _element(response)
    if tag != 0x0A or len(code) != 1:
        raise ValueError
    _, _matched, response = _element(response)
    _, words, _ = _element(response)
    return code[0], words


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Split ASN.1 into the first tag, its contents, and the rest."""
    if len(data) < 2:
        raise ValueError
    start = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    size = data[1] if start == 2 else int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        raise ValueError
    return data[0], data[start : start + size], data[start + size :]


# -- XML --------------------------------------------------------------------

_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
_STREAMS = "http://etherx.jabber.org/streams"
_REASONS = "urn:ietf:params:xml:ns:xmpp-streams"
#: How often a parser that says nothing is replaced; no server needs it.
_MOST_RETRIES = 16


def _xmpp(say: Say, host: str) -> Script:
    """RFC 6120, section 5.4."""
    yield from _stream(say, host, "client")


def _xmpp_server(say: Say, host: str) -> Script:
    """RFC 6120, section 5.4, between servers."""
    yield from _stream(say, host, "server")


def _stream(say: Say, host: str, kind: str) -> Script:
    stanzas = _Stanzas()
    say(
        f"<?xml version='1.0'?><stream:stream to='{host}' version='1.0' "
        f"xmlns='jabber:{kind}' xmlns:stream='{_STREAMS}'>".encode("ascii")
    )
    offer = yield stanzas.cut
    if f"{_REASONS} host-unknown" in stanzas.names:
        raise NotTLSError(
            f"this XMPP server does not serve {host!r}",
            code="host-unknown",
            hint="pass the domain that it serves as hostname=",
        )
    if stanzas.names[0] != f"{_STREAMS} features":
        raise not_offered("XMPP", f"it answers {quoted(offer)}")
    if f"{_TLS} starttls" not in stanzas.names:
        raise not_offered("XMPP", "STARTTLS is not among its features")
    say(f"<starttls xmlns='{_TLS}'/>".encode("ascii"))
    answer = yield stanzas.cut
    if stanzas.names[0] != f"{_TLS} proceed":
        raise not_offered("XMPP", f"it answers {quoted(answer)}")


class _Stanzas:
    """Cuts a stream of XML behind each element just below its root.

    Expat may wait for more before it parses what it has (since 2.6, and in
    what distributions have made of older ones), and not every Python can tell
    it not to.  So it gets whole tags, which it has no reason to put off; and
    where it says nothing all the same, a new one gets all at once.
    """

    def __init__(self) -> None:
        #: All elements of the last stanza, with their name spaces.
        self.names: list[str] = []
        self._whole = False
        self._seen = 0
        self._past = bytearray()
        self._retries = _MOST_RETRIES
        self._begin()

    def _begin(self) -> None:
        self._depth = 0
        self._ended_at = 0
        self._spoke = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.DefaultHandler = self._other

    def cut(self, data: bytes) -> int | None:
        """See ``Cut``; tag by tag, to know where an element ends."""
        if not (self._past or data.lstrip()[:1] in {b"", b"<"}):
            raise not_spoken("XMPP", data[:80])
        while end := data.find(b">", self._seen) + 1:
            self._feed(data[self._seen : end])
            self._seen = end
            if self._whole:
                self._whole, self._seen = False, 0
                return end
        return None

    def _feed(self, tag: bytes) -> None:
        self._past += tag
        self._spoke = False
        self._parse(tag)
        if self._spoke:
            return
        # A ">" inside of a value, or a parser that waits.
        self._retries -= 1
        if not self._retries:
            raise not_spoken("XMPP", tag[:80])
        self._begin()
        self._parse(bytes(self._past))
        # What ended before this tag was told then.
        self._whole &= self._ended_at >= len(self._past) - len(tag)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.Parse(data)
        except expat.ExpatError:
            raise not_spoken("XMPP", data[:80]) from None

    def _other(self, _text: str) -> None:
        self._spoke = True

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._spoke = True
        if self._depth == 1:
            self.names.clear()
        if self._depth:
            self.names.append(name)
        self._depth += 1

    def _end(self, _name: str) -> None:
        self._spoke = True
        self._depth -= 1
        self._whole = self._depth <= 1
        self._ended_at = self._parser.CurrentByteIndex
        if not self._depth:
            raise not_offered("XMPP", "it ended the stream")

    def _refuse(self, *_: object) -> None:
        # RFC 6120, section 11.1; entities are for bombs.
        raise not_spoken("XMPP", b"<!DOCTYPE")


#: The script of each protocol, and the port that it is usually on.
SCRIPTS: dict[str, tuple[Callable[[Say, str], Script], int]] = {
    "smtp": (lines.smtp, 25),
    "imap": (lines.imap, 143),
    "pop3": (lines.pop3, 110),
    "ftp": (lines.ftp, 21),
    "ldap": (_ldap, 389),
    "postgres": (_postgres, 5432),
    "xmpp": (_xmpp, 5222),
    "mysql": (_mysql, 3306),
    "nntp": (lines.nntp, 119),
    "sieve": (lines.sieve, 4190),
    "lmtp": (lines.lmtp, 24),
    "xmpp-server": (_xmpp_server, 5269),
    "irc": (lines.irc, 6667),
}
