"""What a server of ours says to clients that do not speak HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tlskit

__all__ = ["SPEECHES"]

_MOST = 65536


def _chat(
    greeting: bytes, answers: Mapping[bytes, bytes], last: bytes = b"QUIT"
) -> Callable[[tlskit.SSLPort], bytes]:
    """Make an answer of lines: by the first word of what is said."""

    def answer(port: tlskit.SSLPort) -> bytes:
        said = b""
        if greeting:
            port.sendall(greeting)
        done = 0
        while len(said) < _MOST:
            data = port.recv(4096)
            if not data:
                break
            said += data
            while (end := said.find(b"\n", done)) >= 0:
                line, done = said[done:end].strip(), end + 1
                word = line.split(b" ")[0].upper()
                if word in answers:
                    port.sendall(answers[word])
                if word == last:
                    return said
        return said

    return answer


def _blocks(*answers: bytes) -> Callable[[tlskit.SSLPort], bytes]:
    """Make an answer of binary protocols: one for each thing that comes."""

    def answer(port: tlskit.SSLPort) -> bytes:
        said = b""
        for each in answers:
            data = port.recv(4096)
            if not data:
                break
            said += data
            port.sendall(each)
        return said

    return answer


SPEECHES: dict[str, Callable[[tlskit.SSLPort], bytes]] = {
    "smtp": _chat(
        b"220 localhost ESMTP\r\n",
        {
            b"EHLO": b"250-localhost\r\n250 8BITMIME\r\n",
            b"HELO": b"250 localhost\r\n",
            b"MAIL": b"250 ok\r\n",
            b"RCPT": b"250 ok\r\n",
            b"DATA": b"354 go on\r\n",
            b".": b"250 ok\r\n",
            b"NOOP": b"250 ok\r\n",
            b"RSET": b"250 ok\r\n",
            b"QUIT": b"221 bye\r\n",
        },
    ),
    "pop3": _chat(
        b"+OK hello\r\n",
        {
            b"CAPA": b"+OK\r\nUSER\r\n.\r\n",
            b"USER": b"+OK\r\n",
            b"PASS": b"+OK\r\n",
            b"STAT": b"+OK 0 0\r\n",
            b"LIST": b"+OK\r\n.\r\n",
            b"UIDL": b"+OK\r\n.\r\n",
            b"LAST": b"+OK 0\r\n",
            b"QUIT": b"+OK\r\n",
        },
    ),
    "redis": _chat(b"", {b"PING": b"+PONG\r\n"}, b"PING"),
    "irc": _chat(
        b"",
        {b"CAP": b"", b"USER": b":localhost 001 nobody :hello\r\n"},
    ),
    # A bind and the end of a search that has found nothing.
    "ldap": _blocks(
        bytes.fromhex("300c02010161070a010004000400"),
        bytes.fromhex("300c02010265070a010004000400"),
    ),
    # CONNACK.
    "mqtt": _blocks(bytes.fromhex("20020000")),
}
