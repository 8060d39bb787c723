"""Whoever does not speak TLS is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlskit.engine.sniff import SNIFF_BYTES, alert_in_clear, not_tls
from tlskit.errors import NotTLSError

METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "CONNECT",
]


@pytest.mark.parametrize("method", METHODS)
def test_http_client(method):
    """A client of plain HTTP is told apart by its method."""
    error = not_tls(f"{method} / HTTP/1.1\r\n".encode())

    assert error is not None
    assert "plain-http" == error.code
    assert "the client spoke plain HTTP" in str(error)
    assert "https://" in error.hint


def test_nats():
    """TLS begins after the greeting there, without any command."""
    error = not_tls(b'INFO {"server_id":"x"}\r\n')

    assert error is not None
    assert "NATS" in str(error)
    assert "SSLPort.start_tls()" in error.hint
    assert "tlskit.starttls" not in error.hint


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"<!DOCTYPE HTML>\n<html lang=",
        b"<!doctype html><title>400",
        b"<html>\r\n<head><title>400",
    ],
)
def test_http_server(first):
    """A server of plain HTTP, by its status line, or by its page alone."""
    error = not_tls(first)

    assert error is not None
    assert "plain-http" == error.code
    assert "plain HTTP" in str(error)


@pytest.mark.parametrize(
    ("greeting", "name", "starttls"),
    [
        (b"220 mail.example ESMTP\r\n", "SMTP", True),
        (b"220-welcome\r\n", "SMTP", True),
        (b"+OK ready\r\n", "POP3", True),
        (b"* OK IMAP4rev1\r\n", "IMAP", True),
        (b"200 news.example InterNetNews ready\r\n", "NNTP", True),
        (b"201 reading only\r\n", "NNTP", True),
        (b'"IMPLEMENTATION" "Dovecot"\r\n', "ManageSieve", True),
        (b"<?xml version='1.0'?><stream:stream ", "XMPP", True),
        (b":irc.example NOTICE * :looking up\r\n", "IRC", True),
        (b"J\0\0\0\x0a11.8.3-MariaDB\0", "MySQL", True),
        (b"-ERR unknown command\r\n", "Redis", False),
        (b"-NOAUTH Authentication required.\r\n", "Redis", False),
        (b"-DENIED Redis is running in protected mode", "Redis", False),
        (b"ERROR\r\nERROR\r\n", "memcached", False),
        (b"AMQP\0\0\x09\1", "AMQP", False),
        (b"SSH-2.0-x\r\n", "SSH", False),
        (b"RFB 003.008\n", "VNC", False),
    ],
)
def test_greetings(greeting, name, starttls):
    """A greeting names the protocol; STARTTLS is advised where there is."""
    error = not_tls(greeting)

    assert error is not None
    assert "not-tls" == error.code
    assert name in str(error)
    assert starttls == ("start_tls" in error.hint)
    assert starttls == ("tlskit.starttls.connect(host, " in error.hint)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\x16",
        b"\x15",
        b"\x16\3",
        b"\x16\3\1\2\0\1\0",
        b"\x15\3\3\0\2\2\x28",
        b"\x80\x2e\1\3\1",
    ],
)
def test_tls(first):
    """Records, even their first byte, and an old ClientHello may be TLS."""
    assert not_tls(first) is None


@pytest.mark.parametrize(
    "first", [b"\0", b"\x17\3\3", b"\x16\2", b"\x80\0\2", b"\x80", b"hello"]
)
def test_garbage(first):
    """The rest is no record; its first bytes are shown."""
    error = not_tls(first)

    assert error is not None
    assert "not-tls" == error.code
    assert repr(first) in str(error)
    assert "host and port" in error.hint


def test_no_flood():
    """A message shows a few bytes, not all of them."""
    error = not_tls(b"\0" * SNIFF_BYTES)

    assert repr(b"\0" * 16) == str(error).rpartition(": ")[2]


@given(st.binary(max_size=SNIFF_BYTES))
def test_any_bytes(first):
    """Any bytes are judged; a verdict explains itself."""
    error = not_tls(first)

    if error is not None:
        assert isinstance(error, NotTLSError)
        assert error.hint


@given(st.sampled_from([0x15, 0x16]), st.binary())
def test_records_pass(kind, rest):
    """No beginning of a record is refused."""
    assert not_tls(bytes([kind, 3]) + rest) is None


@pytest.mark.parametrize(
    ("first", "number"),
    [
        (b"\x15\3\3\0\2\2\x75", 117),
        (b"\x15\3\1\0\2\1\x2a", 42),
        (b"\x15\3\3\0\2\2", None),
        (b"\x15\3\3\0\x1a\2\x75", None),
        (b"\x16\3\3\0\2\2\x75", None),
    ],
)
def test_an_alert_in_the_clear(first, number):
    """Its number is read; an encrypted one's, and others', is not."""
    assert number == alert_in_clear(first)
