"""FTPS with servers whose data connections must resume the control one."""

from __future__ import annotations

import ftplib
import io
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import tlskit
from tlskit import starttls
from tlskit.testing import CA

from .. import daemons
from ..daemons import Ftp
from ..examples.ftps_client import FTP
from ..libraries import explanation
from ..peers import HOST, PATIENCE, Vault, client_context, needs
from .callers import PAYLOAD

VERSIONS = pytest.mark.parametrize("version", ["tls12", "tls13"])
#: Sessions can't be handed on without it.
native = pytest.mark.native


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=needs(name)) for name in ("vsftpd", "proftpd")
    ],
)
def server(request: pytest.FixtureRequest, vault: Vault) -> Iterator[Ftp]:
    """Each of the servers, all the time."""
    with getattr(daemons, request.param)(
        vault.leaf(HOST, kind="rsa")
    ) as found:
        yield found


@contextmanager
def client(
    server: Ftp,
    context: tlskit.ClientContext,
    kind: type[ftplib.FTP_TLS] = FTP,
    host: str = HOST,
) -> Iterator[ftplib.FTP_TLS]:
    """Log in, with data under TLS."""
    with kind(context=context.as_ssl_context(), timeout=PATIENCE) as ftp:
        ftp.connect(host, server.port)
        ftp.login(server.user, "secret")
        ftp.prot_p()
        yield ftp


@native
@VERSIONS
def test_files_go_both_ways(server: Ftp, vault: Vault, version: str) -> None:
    """By the usual recipe for ftplib, byte by byte."""
    heard: list[bytes] = []
    with client(server, client_context(vault, version)) as ftp:
        ftp.storbinary(f"STOR {server.folder}{version}", io.BytesIO(PAYLOAD))
        ftp.retrbinary(f"RETR {server.folder}{version}", heard.append)

    assert PAYLOAD == b"".join(heard)


@VERSIONS
def test_without_the_session_nothing_goes(
    server: Ftp, vault: Vault, version: str
) -> None:
    """The server demands it, so the test before has shown something."""
    begun = []
    with (
        pytest.raises((ftplib.Error, OSError)),
        client(server, client_context(vault, version), ftplib.FTP_TLS) as ftp,
    ):
        begun.append(ftp.pwd())
        ftp.storbinary(f"STOR {server.folder}no", io.BytesIO(PAYLOAD))

    assert 1 == len(begun)


@native
@VERSIONS
def test_a_port_resumes_the_session_of_another(
    server: Ftp, vault: Vault, version: str
) -> None:
    """``session_of=`` does what the recipe does, without ftplib."""
    context = client_context(vault, version)
    with starttls.connect(
        HOST, "ftp", server.port, context, timeout=PATIENCE
    ) as control:

        def ask(command: str) -> str:
            control.sendall(f"{command}\r\n".encode())
            return answer()

        def answer() -> str:
            while (line := control.input.readline())[3:4] == b"-":
                pass
            return str(line.decode())

        ask(f"USER {server.user}")
        assert "230" == ask("PASS secret")[:3]
        ask("PBSZ 0")
        ask("PROT P")
        ask("TYPE I")
        *_, high, low = re.findall(r"\d+", ask("PASV"))
        plain = socket.create_connection(
            ("127.0.0.1", int(high) * 256 + int(low)), PATIENCE
        )
        control.sendall(f"STOR {server.folder}{version}-again\r\n".encode())
        with tlskit.SSLPort.start_tls(
            plain, context, hostname=HOST, session_of=control
        ) as data:
            assert data.session_reused
            data.sendall(PAYLOAD)
            data.unwrap().close()
        said = [answer()[:3], answer()[:3]]

    assert ["150", "226"] == said


def test_a_stranger_is_refused(server: Ftp) -> None:
    """ftplib raises ``ssl``'s error, with our explanation."""
    strict = tlskit.ClientContext("auto")
    CA("nobody's CA").trust(strict)
    strict.set_verify()
    strict.set_verify_hostname()
    with (
        pytest.raises(ssl.SSLCertVerificationError) as caught,
        client(server, strict),
    ):
        pass

    assert isinstance(explanation(caught.value), tlskit.VerificationError)


def test_the_wrong_server_is_refused(server: Ftp, vault: Vault) -> None:
    """Its certificate does not name the address."""
    with (
        pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.1"),
        client(server, client_context(vault), host="127.0.0.1"),
    ):
        pass
