"""Channel bindings where they are undefined, or depend on a certificate."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

import tlskit
from tlskit.engine.bindings import channel_binding
from tlskit.openssl import native

from ..engines import server_context
from ..joined import tcp_pair
from ..peers import Task

_NO_EXTENDED_MASTER_SECRET = 0x1


class Signed:
    """A certificate as far as this binding looks at one."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    @property
    def signature_hash_algorithm(self) -> Any:
        """Give the signature's hash, or raise what ``cryptography`` does."""
        if isinstance(self._algorithm, Exception):
            raise self._algorithm
        return self._algorithm


def end_point(certificate: Any) -> bytes:
    """Bind to *certificate* as a client does."""
    facts: Any = SimpleNamespace(
        peer_certificate=certificate, peer_ders=(b"der",)
    )
    return channel_binding(
        "tls-server-end-point", facts, pytest.fail, server_side=False
    )


@pytest.mark.parametrize(
    ("algorithm", "used"),
    [
        (hashes.MD5(), "sha256"),
        (hashes.SHA1(), "sha256"),
        (hashes.SHA256(), "sha256"),
        (hashes.SHA384(), "sha384"),
        (hashes.SHA512(), "sha512"),
    ],
)
def test_end_point_hash(algorithm, used):
    """The signature's own hash, but SHA-256 for the broken ones."""
    expected = hashlib.new(used, b"der").digest()

    assert expected == end_point(Signed(algorithm))


@pytest.mark.parametrize(
    "algorithm", [None, UnsupportedAlgorithm("nobody knows it")]
)
def test_end_point_needs_a_hash(algorithm):
    """RFC 5929 defines nothing for a signature that names no known hash."""
    with pytest.raises(tlskit.UnsupportedError, match="names no hash"):
        end_point(Signed(algorithm))


def test_end_point_needs_a_certificate():
    """A server that showed none has nothing to bind to."""
    with pytest.raises(tlskit.StreamError, match="no certificate"):
        end_point(None)


@pytest.mark.native
@pytest.mark.parametrize("extended", [False, True])
def test_exporter_needs_the_extended_master_secret(extended):
    """Below TLS 1.3, RFC 9266 wants RFC 7627; without it there is a hint."""
    assert native.has("extended-master-secret")
    raw = SSL.Context(SSL.TLS_CLIENT_METHOD)
    raw.set_max_proto_version(SSL.TLS1_2_VERSION)
    if not extended:
        raw.set_options(_NO_EXTENDED_MASTER_SECRET)
    left, right = tcp_pair()
    left.settimeout(None)
    client = SSL.Connection(raw, left)
    client.set_connect_state()
    task = Task(
        lambda: tlskit.SSLPort.start_tls(
            right, server_context(), server_side=True
        )
    )
    client.do_handshake()

    with left, task.result() as port:
        if extended:
            theirs = client.export_keying_material(
                b"EXPORTER-Channel-Binding", 32, b""
            )
            assert theirs == port.channel_binding("tls-exporter")
        else:
            with pytest.raises(tlskit.UnsupportedError) as caught:
                port.channel_binding("tls-exporter")
            assert "RFC 7627" in str(caught.value)
            assert "tls-server-end-point" in caught.value.hint
            assert port.channel_binding("tls-server-end-point")
