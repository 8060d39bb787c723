"""What is said before TLS, for each protocol that begins without it.

Each protocol is a script, a generator: it says what it has to by calling
*say*, and yields how the server's next piece is cut out of the bytes that
come in; it is sent that piece.  When the script ends, the server has given
its go-ahead.  Nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from xml.parsers import expat

from ..errors import NotTLSError
from .conversation import Cut, Say, Script, quoted

__all__ = ["SCRIPTS"]

#: RFC 5321, section 4.5.3.1.5, has 512 bytes; some servers are talkative.
_LONGEST_LINE = 4096


def _not_offered(protocol: str, said: str) -> NotTLSError:
    return NotTLSError(
        f"expected the {protocol} server to begin TLS, but {said}",
        code="no-starttls",
        hint="have STARTTLS switched on at the server, or connect to the "
        "port on which it speaks TLS from the beginning; anybody on the way "
        "may have removed the offer, so don't go on without",
    )


def _not_spoken(protocol: str, said: bytes) -> NotTLSError:
    return NotTLSError(
        f"expected {protocol}, but the server said {quoted(said)}",
        hint=f"check host and port: what listens there is no {protocol} "
        "server",
    )


# -- protocols of lines -----------------------------------------------------


def _line(data: bytes) -> int | None:
    end = data.find(b"\n", 0, _LONGEST_LINE) + 1
    if end:
        return end
    if len(data) >= _LONGEST_LINE:
        raise NotTLSError(
            f"the server's line is longer than {_LONGEST_LINE} bytes: "
            f"{quoted(data[:40])}",
            hint="check host and port: something else listens there",
        )
    return None


def _reply(protocol: str, wanted: bytes) -> Generator[Cut, bytes, list[bytes]]:
    """Read a reply of one line or more (RFC 5321, 4.2; RFC 959, 4.2)."""
    lines = [(yield _line)]
    if not re.match(rb"[1-5]\d\d[ -]|[1-5]\d\d\r?\n", lines[0]):
        raise _not_spoken(protocol, lines[0])
    code = lines[0][:3]
    while lines[-1][:3] != code or lines[-1][3:4] == b"-":
        lines.append((yield _line))
    if code != wanted:
        raise _not_offered(protocol, f"it answers {quoted(lines[0])}")
    return lines


def _smtp(say: Say, _host: str) -> Script:
    """RFC 3207."""
    yield from _reply("SMTP", b"220")
    say(b"EHLO [127.0.0.1]\r\n")
    lines = yield from _reply("SMTP", b"250")
    if b"STARTTLS" not in {each[4:].strip().upper() for each in lines}:
        raise _not_offered("SMTP", "STARTTLS is not among its extensions")
    say(b"STARTTLS\r\n")
    yield from _reply("SMTP", b"220")


def _ftp(say: Say, _host: str) -> Script:
    """RFC 4217, section 4."""
    yield from _reply("FTP", b"220")
    say(b"AUTH TLS\r\n")
    yield from _reply("FTP", b"234")


def _pop3(say: Say, _host: str) -> Script:
    """RFC 2595, section 4."""
    greeting = yield _line
    if not greeting.startswith(b"+OK"):
        raise _not_spoken("POP3", greeting)
    say(b"STLS\r\n")
    answer = yield _line
    if not answer.startswith(b"+OK"):
        raise _not_offered("POP3", f"it answers {quoted(answer)}")


def _imap(say: Say, _host: str) -> Script:
    """RFC 9051, section 6.2.1."""
    greeting = yield _line
    if greeting.startswith(b"* PREAUTH"):
        # Somebody else's login: STARTTLS is not allowed any more.
        raise _not_offered("IMAP", "it says that we are logged in already")
    if not greeting.startswith(b"* OK"):
        raise _not_spoken("IMAP", greeting)
    say(b"a1 CAPABILITY\r\n")
    lines = yield from _tagged(b"a1")
    words = b" ".join(
        each.upper()
        for each in lines
        if each.upper().startswith(b"* CAPABILITY ")
    )
    if b"STARTTLS" not in words.split():
        raise _not_offered("IMAP", "STARTTLS is not among its capabilities")
    say(b"a2 STARTTLS\r\n")
    yield from _tagged(b"a2")


def _tagged(tag: bytes) -> Generator[Cut, bytes, list[bytes]]:
    """Read up to the line that answers the command of this tag."""
    lines = [(yield _line)]
    while lines[-1].startswith(b"* "):
        lines.append((yield _line))
    if not lines[-1].startswith(tag + b" OK"):
        raise _not_offered("IMAP", f"it answers {quoted(lines[-1])}")
    return lines


# -- binary protocols -------------------------------------------------------


def _octet(data: bytes) -> int | None:
    return 1 if data else None


def _postgres(say: Say, _host: str) -> Script:
    """Its manual, "Message Flow": SSLRequest."""
    say(b"\0\0\0\x08\x04\xd2\x16\x2f")
    answer = yield _octet
    if answer == b"N":
        raise _not_offered("PostgreSQL", "it answers that it has none (N)")
    if answer == b"E":
        raise _not_offered("PostgreSQL", "it answers with an error (E)")
    if answer != b"S":
        raise _not_spoken("PostgreSQL", answer)


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
        raise _not_spoken("LDAP", answer) from None
    if code:
        raise _not_offered(
            "LDAP", f"it answers with result code {code}: {quoted(words)}"
        )


def _ber(data: bytes) -> int | None:
    """Find the end of one element of ASN.1 (X.690, section 8.1)."""
    if data and data[0] != 0x30:
        raise _not_spoken("LDAP", data[:40])
    if len(data) < 2:
        return None
    size, start = data[1], 2
    if size & 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4:  # RFC 4511, 5.1: the definite form only.
            raise _not_spoken("LDAP", data[:40])
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
#: How often a parser that says nothing is replaced; no server needs it.
_MOST_RETRIES = 16


def _xmpp(say: Say, host: str) -> Script:
    """RFC 6120, section 5.4."""
    stanzas = _Stanzas()
    say(
        f"<?xml version='1.0'?><stream:stream to='{host}' version='1.0' "
        f"xmlns='jabber:client' xmlns:stream='{_STREAMS}'>".encode("ascii")
    )
    offer = yield stanzas.cut
    if stanzas.names[0] != f"{_STREAMS} features":
        raise _not_offered("XMPP", f"it answers {quoted(offer)}")
    if f"{_TLS} starttls" not in stanzas.names:
        raise _not_offered("XMPP", "STARTTLS is not among its features")
    say(f"<starttls xmlns='{_TLS}'/>".encode("ascii"))
    answer = yield stanzas.cut
    if stanzas.names[0] != f"{_TLS} proceed":
        raise _not_offered("XMPP", f"it answers {quoted(answer)}")


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
            raise _not_spoken("XMPP", data[:80])
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
            raise _not_spoken("XMPP", tag[:80])
        self._begin()
        self._parse(bytes(self._past))
        # What ended before this tag was told then.
        self._whole &= self._ended_at >= len(self._past) - len(tag)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.Parse(data)
        except expat.ExpatError:
            raise _not_spoken("XMPP", data[:80]) from None

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
            raise _not_offered("XMPP", "it ended the stream")

    def _refuse(self, *_: object) -> None:
        # RFC 6120, section 11.1; entities are for bombs.
        raise _not_spoken("XMPP", b"<!DOCTYPE")


#: The script of each protocol, and the port that it is usually on.
SCRIPTS: dict[str, tuple[Callable[[Say, str], Script], int]] = {
    "smtp": (_smtp, 25),
    "imap": (_imap, 143),
    "pop3": (_pop3, 110),
    "ftp": (_ftp, 21),
    "ldap": (_ldap, 389),
    "postgres": (_postgres, 5432),
    "xmpp": (_xmpp, 5222),
}
