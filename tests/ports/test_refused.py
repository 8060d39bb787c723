"""A write that fails: for what reason, and what can be read afterwards."""

from __future__ import annotations

import socket
import ssl

import pytest

import tlskit

from ..engines import client_context
from ..peers import HOST, PATIENCE
from ..refusing import refusing


def dialled(number: int) -> tlskit.SSLPort:
    """Connect."""
    return tlskit.connect(
        "127.0.0.1", number, client_context(), hostname=HOST, timeout=PATIENCE
    )


def talk(port: tlskit.SSLPort | ssl.SSLSocket) -> None:
    """Write, and never read, until that fails."""
    while True:
        port.sendall(b"PING")


def test_the_reason_behind_a_reset() -> None:
    """The alert is the error, and the reset its cause; as often as asked."""
    with refusing() as number, dialled(number) as port:
        with pytest.raises(tlskit.AlertError) as caught:
            talk(port)
        assert "alert-certificate-required" == caught.value.code
        assert isinstance(caught.value.__cause__, ConnectionError)
        with pytest.raises(tlskit.AlertError):
            port.recv(1)


def test_what_came_before_a_reset() -> None:
    """It is told as itself; an answer that is there can still be read."""
    with refusing(b"hello") as number, dialled(number) as port:
        with pytest.raises(ConnectionError) as caught:
            talk(port)
        assert not isinstance(caught.value, tlskit.TLSError)
        assert b"hello" == port.recv(5)
        with pytest.raises(OSError) as end:  # noqa: PT011 - one of two
            port.recv(1)
        assert isinstance(end.value, (tlskit.TruncatedError, ConnectionError))


def test_what_came_before_a_reset_through_the_adapter() -> None:
    """HTTP clients read the answer to a request that could not be sent."""
    with refusing(b"hello") as number:
        sock = socket.create_connection(("127.0.0.1", number), PATIENCE)
        with (
            client_context()
            .as_ssl_context()
            .wrap_socket(sock, server_hostname=HOST) as wrapped
        ):
            with pytest.raises(ConnectionError):
                talk(wrapped)
            assert b"hello" == wrapped.recv(5)
