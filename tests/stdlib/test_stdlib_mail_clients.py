"""smtplib, imaplib, poplib and ftplib on a tlskit context."""

from __future__ import annotations

import ftplib
import imaplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import pytest

from ..examples import mail_client
from ..libraries import (
    BAD,
    Plain,
    Speech,
    client,
    explanation,
    server,
    speaking,
    stdlib_server,
)
from ..peers import PATIENCE, Task, TcpServer


class Case(NamedTuple):
    """A client's function, what the server says, and what comes of it."""

    function: Callable[..., bytes]
    speech: Speech
    implicit: bool
    result: bytes


IMAP = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK done\r\n",
    b"STARTTLS": b"TAG OK begin\r\n",
    b"LOGIN": b"TAG OK welcome\r\n",
    b"SELECT": b"* 7 EXISTS\r\nTAG OK selected\r\n",
    b"LOGOUT": b"* BYE\r\nTAG OK bye\r\n",
    b"": b"* OK ready\r\n",
}
CASES = {
    "smtplib": Case(
        mail_client.send_mail,
        {
            b"": b"220 ready\r\n",
            b"EHLO": b"250-here\r\n250 STARTTLS\r\n",
            b"STARTTLS": b"220 go\r\n",
            b"NOOP": b"250 fine\r\n",
            b"QUIT": b"221 BYE\r\n",
        },
        False,
        b"fine",
    ),
    "imaplib": Case(mail_client.count_mail, IMAP, True, b"7"),
    "imaplib-starttls": Case(
        mail_client.count_mail_starttls, IMAP, False, b"7"
    ),
    "poplib": Case(
        mail_client.pop_mail,
        {
            b"": b"+OK ready\r\n",
            b"RETR": b"+OK here\r\na letter\r\n.\r\n",
        },
        True,
        b"a letter",
    ),
}


@pytest.fixture(params=CASES)
def case(request) -> Case:
    """Every client."""
    return CASES[request.param]


@pytest.mark.parametrize("context", [Plain(), client()], ids=["ssl", "tlskit"])
def test_a_good_server_is_talked_to(case, context):
    """Either context will do: the server is a server, and ours works."""
    with speaking("good", case.speech, implicit=case.implicit) as there:
        assert case.result == case.function("localhost", there.port, context)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_server_is_refused(case, kind):
    """The wrong host, or a stranger's CA: refused, and explained."""
    with speaking(kind, case.speech, implicit=case.implicit) as there:
        # IMAP4's "with" hides it by trying to log out of what is closed.
        with pytest.raises(
            (ssl.SSLCertVerificationError, imaplib.IMAP4.abort)
        ) as caught:
            case.function("localhost", there.port, client())
        with suppress(OSError):  # What we refused it with.
            there.result()

    assert BAD[kind] is type(explanation(caught.value))


# -- FTP, which opens a second connection for each file ---------------------


FTP = {
    b"": b"220 ready\r\n",
    b"AUTH": b"234 go\r\n",
    b"USER": b"331 who\r\n",
    b"PASS": b"230 in\r\n",
    b"PBSZ": b"200 ok\r\n",
    b"PROT": b"200 ok\r\n",
    b"TYPE": b"200 ok\r\n",
    b"RETR": b"150 here\r\n226 there\r\n",
    b"QUIT": b"221 BYE\r\n",
}


def serving_data(
    context: ssl.SSLContext, *, polite: bool = True
) -> TcpServer[None]:
    """Serve the data connection."""

    def talk(sock: socket.socket) -> None:
        with suppress(OSError):  # Refused by the client, or left early.
            with context.wrap_socket(sock, server_side=True) as wrapped:
                wrapped.sendall(b"the file" * 10_000)
                if polite:
                    wrapped.unwrap().close()

    return TcpServer(talk)


def with_data(port: int) -> Speech:
    """Give what a server says whose data are to be had at *port*."""
    high, low = divmod(port, 256)
    return {
        **FTP,
        b"EPSV": f"229 take (|||{port}|)\r\n".encode(),
        b"PASV": f"227 take (127,0,0,1,{high},{low})\r\n".encode(),
    }


@pytest.mark.parametrize("context", [Plain(), client()], ids=["ssl", "tlskit"])
@pytest.mark.parametrize(
    "make", [stdlib_server, lambda: server().as_ssl_context()]
)
def test_a_file_is_downloaded(context, make):
    """ftplib ends the data connection with unwrap(), on both sides."""
    with serving_data(make()) as data:
        with speaking("good", with_data(data.port)) as there:
            assert b"the file" * 10_000 == mail_client.download(
                "localhost", there.port, context
            )
        data.result()


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("where", ["control", "data"])
def test_a_bad_ftp_server_is_refused(kind, where):
    """Either of the two connections may be a stranger's."""
    kinds = {"control": "good", "data": "good", where: kind}
    with serving_data(stdlib_server(kinds["data"])) as data:
        with speaking(kinds["control"], with_data(data.port)) as there:
            with pytest.raises(ssl.SSLCertVerificationError) as caught:
                mail_client.download("localhost", there.port, client())
            with suppress(OSError):
                there.result()

    assert BAD[kind] is type(explanation(caught.value))


def test_a_cut_file_is_not_taken_for_a_whole_one():
    """A data connection that just ends may have been cut by anybody."""
    with serving_data(stdlib_server(), polite=False) as data:
        with speaking("good", with_data(data.port)) as there:
            with pytest.raises(ssl.SSLEOFError):
                mail_client.download("localhost", there.port, client())


def test_ftp_goes_back_to_plain_text():
    """After CCC both sides go on without TLS; no byte is lost."""
    speech = {**FTP, b"CCC": b"200 plain now\r\n"}

    def talk(sock: socket.socket) -> bytes:
        sock.sendall(speech[b""])
        assert b"AUTH TLS\r\n" == sock.recv(100)
        sock.sendall(speech[b"AUTH"])
        wrapped = stdlib_server().wrap_socket(sock, server_side=True)
        for line in (b"USER", b"PASS", b"CCC"):
            assert line in wrapped.recv(100)
            wrapped.sendall(speech[line])
        plain = wrapped.unwrap()
        # Right behind the close_notify, as a server does that is in a hurry.
        plain.sendall(b"220 plain text\r\n")
        with plain:
            return plain.recv(100)

    with (
        TcpServer(talk) as there,
        ftplib.FTP_TLS(
            context=client().as_ssl_context(), timeout=PATIENCE
        ) as ftp,
    ):
        ftp.connect("localhost", there.port)
        ftp.login("user", "secret")
        task = Task(ftp.ccc)
        assert "200 plain now" == task.result()
        plain = ftp.sock
        assert b"220 plain text\r\n" == plain.recv(100)
        plain.sendall(b"NOOP\r\n")
        assert b"NOOP\r\n" == there.result()
        ftp.close()
