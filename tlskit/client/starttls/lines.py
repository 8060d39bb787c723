"""STARTTLS for protocols of lines, such as SMTP; see ``dialogues``."""

from __future__ import annotations

import re
from collections.abc import Generator

from ...errors import NotTLSError
from ..conversation import Cut, Say, Script, quoted

__all__ = [
    "ftp",
    "imap",
    "irc",
    "lmtp",
    "nntp",
    "not_offered",
    "not_spoken",
    "pop3",
    "sieve",
    "smtp",
]

#: RFC 5321, section 4.5.3.1.5, has 512 bytes; some servers are talkative.
_LONGEST_LINE = 4096


def not_offered(protocol: str, said: str) -> NotTLSError:
    """Say that a server of this protocol has no TLS to begin."""
    return NotTLSError(
        f"expected the {protocol} server to begin TLS, but {said}",
        code="no-starttls",
        hint="have STARTTLS switched on at the server, or connect to the "
        "port on which it speaks TLS from the beginning; anybody on the way "
        "may have removed the offer, so don't go on without",
    )


def not_spoken(protocol: str, said: bytes) -> NotTLSError:
    """Say that it is no server of this protocol at all."""
    return NotTLSError(
        f"expected {protocol}, but the server said {quoted(said)}",
        hint=f"check host and port: what listens there is no {protocol} "
        "server",
    )


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
        raise not_spoken(protocol, lines[0])
    code = lines[0][:3]
    while lines[-1][:3] != code or lines[-1][3:4] == b"-":
        lines.append((yield _line))
    if code != wanted:
        raise not_offered(protocol, f"it answers {quoted(lines[0])}")
    return lines


def smtp(say: Say, _host: str) -> Script:
    """RFC 3207."""
    yield from _mail(say, "SMTP", b"EHLO")


def lmtp(say: Say, _host: str) -> Script:
    """RFC 2033: as SMTP, but for its greeting."""
    yield from _mail(say, "LMTP", b"LHLO")


def _mail(say: Say, protocol: str, hello: bytes) -> Script:
    yield from _reply(protocol, b"220")
    say(hello + b" [127.0.0.1]\r\n")
    lines = yield from _reply(protocol, b"250")
    if b"STARTTLS" not in {each[4:].strip().upper() for each in lines}:
        raise not_offered(protocol, "STARTTLS is not among its extensions")
    say(b"STARTTLS\r\n")
    yield from _reply(protocol, b"220")


def nntp(say: Say, _host: str) -> Script:
    """RFC 4642, section 2."""
    greeting = yield _line
    if not re.match(rb"20[01] ", greeting):
        raise not_spoken("NNTP", greeting)
    say(b"CAPABILITIES\r\n")
    lines = [(yield _line)]
    if not lines[0].startswith(b"101"):
        raise not_offered("NNTP", f"it answers {quoted(lines[0])}")
    while lines[-1].rstrip() != b".":
        lines.append((yield _line))
    if b"STARTTLS" not in {each.strip().upper() for each in lines}:
        raise not_offered("NNTP", "STARTTLS is not among its capabilities")
    say(b"STARTTLS\r\n")
    answer = yield _line
    if not answer.startswith(b"382"):
        raise not_offered("NNTP", f"it answers {quoted(answer)}")


def sieve(say: Say, _host: str) -> Script:
    """RFC 5804, section 2.2."""
    lines = yield from _capabilities()
    if b'"STARTTLS"' not in {each.strip().upper() for each in lines}:
        raise not_offered("Sieve", "STARTTLS is not among its capabilities")
    say(b"STARTTLS\r\n")
    answer = yield _line
    if not re.match(rb"OK\b", answer, re.IGNORECASE):
        raise not_offered("Sieve", f"it answers {quoted(answer)}")


def _capabilities() -> Generator[Cut, bytes, list[bytes]]:
    """Read up to the line that ends a ManageSieve server's greeting."""
    lines = [(yield _line)]
    # A literal could hold anything; no server has one here.
    while re.match(rb'"[^"]*"[^{]*$', lines[-1]):
        lines.append((yield _line))
    if re.match(rb"(NO|BYE)\b", lines[-1], re.IGNORECASE):
        raise not_offered("Sieve", f"it answers {quoted(lines[-1])}")
    if len(lines) == 1 or not re.match(rb"OK\b", lines[-1], re.IGNORECASE):
        raise not_spoken("Sieve", lines[-1])
    return lines


def irc(say: Say, _host: str) -> Script:
    """IRCv3's "tls" (https://ircv3.net/specs/deprecated/tls)."""
    say(b"STARTTLS\r\n")
    while True:
        line = yield _line
        found = re.match(
            rb"(?::[^ ]+ +([A-Z]+|\d{3})|(NOTICE|PING|ERROR))[ \r\n]",
            line,
            re.IGNORECASE,
        )
        if found is None:
            raise not_spoken("IRC", line)
        what = (found[1] or found[2]).upper()
        if what == b"670":
            return
        if what not in {b"NOTICE", b"CAP"}:
            raise not_offered("IRC", f"it answers {quoted(line)}")


def ftp(say: Say, _host: str) -> Script:
    """RFC 4217, section 4."""
    yield from _reply("FTP", b"220")
    say(b"AUTH TLS\r\n")
    yield from _reply("FTP", b"234")


def pop3(say: Say, _host: str) -> Script:
    """RFC 2595, section 4."""
    greeting = yield _line
    if not greeting.startswith(b"+OK"):
        raise not_spoken("POP3", greeting)
    say(b"STLS\r\n")
    answer = yield _line
    if not answer.startswith(b"+OK"):
        raise not_offered("POP3", f"it answers {quoted(answer)}")


def imap(say: Say, _host: str) -> Script:
    """RFC 9051, section 6.2.1."""
    greeting = yield _line
    if greeting.startswith(b"* PREAUTH"):
        # Somebody else's login: STARTTLS is not allowed any more.
        raise not_offered("IMAP", "it says that we are logged in already")
    if not greeting.startswith(b"* OK"):
        raise not_spoken("IMAP", greeting)
    say(b"a1 CAPABILITY\r\n")
    lines = yield from _tagged(b"a1")
    words = b" ".join(
        each.upper()
        for each in lines
        if each.upper().startswith(b"* CAPABILITY ")
    )
    if b"STARTTLS" not in words.split():
        raise not_offered("IMAP", "STARTTLS is not among its capabilities")
    say(b"a2 STARTTLS\r\n")
    yield from _tagged(b"a2")


def _tagged(tag: bytes) -> Generator[Cut, bytes, list[bytes]]:
    """Read up to the line that answers the command of this tag."""
    lines = [(yield _line)]
    while lines[-1].startswith(b"* "):
        lines.append((yield _line))
    if not lines[-1].startswith(tag + b" OK"):
        raise not_offered("IMAP", f"it answers {quoted(lines[-1])}")
    return lines
