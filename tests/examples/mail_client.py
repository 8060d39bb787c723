"""Use the standard library's clients for mail and files."""

from __future__ import annotations

import ftplib
import imaplib
import poplib
import smtplib

import tlskit


def send_mail(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Say hello to an SMTP server, after STARTTLS."""
    with smtplib.SMTP(host, port, timeout=10) as client:
        client.starttls(context=context.as_ssl_context())
        return client.noop()[1]


def count_mail(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Ask an IMAP server how many messages there are."""
    with imaplib.IMAP4_SSL(
        host, port, ssl_context=context.as_ssl_context(), timeout=10
    ) as client:
        client.login("user", "secret")
        return client.select()[1][0]


def count_mail_starttls(
    host: str, port: int, context: tlskit.ClientContext
) -> bytes:
    """Ask an IMAP server that begins without TLS."""
    with imaplib.IMAP4(host, port, timeout=10) as client:
        client.starttls(ssl_context=context.as_ssl_context())
        client.login("user", "secret")
        return client.select()[1][0]


def pop_mail(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get the first message from a POP server."""
    client = poplib.POP3_SSL(
        host, port, context=context.as_ssl_context(), timeout=10
    )
    try:
        return client.retr(1)[1][0]
    finally:
        client.close()


def download(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get a file from an FTP server, the data under TLS, too."""
    pieces: list[bytes] = []
    with ftplib.FTP_TLS(
        context=context.as_ssl_context(), timeout=10
    ) as client:
        client.connect(host, port)
        client.login("user", "secret")
        client.prot_p()
        client.retrbinary("RETR file", pieces.append)
    return b"".join(pieces)
