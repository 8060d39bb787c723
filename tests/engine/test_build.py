"""Building an OpenSSL context out of settings, where it is not plain."""

from __future__ import annotations

import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

import tlskit
from tlskit import VerifySource
from tlskit.openssl import native
from tlskit.openssl.native import callbacks
from tlskit.testing import memory_pair

from ..engines import authority, client_context, server_context
from ..peers import needs


@pytest.mark.filterwarnings("ignore::tlskit.InsecureProtocolWarning")
def test_ciphers_of_old_protocols():
    """Chosen ciphers of an old version get the level that it needs."""
    asking, context = client_context("tls11"), server_context("tls11")
    for each in (asking, context):
        each.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    for port in memory_pair(asking, context):
        assert "ECDHE-ECDSA-AES128-SHA" == port.cipher
        port.close()

    strict = server_context("tls11")
    strict.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=2")
    with pytest.raises(tlskit.HandshakeError):
        memory_pair(asking, strict)


@needs("openssl")
def test_directories_by_the_public_interface(tmp_path):
    """Without our own store, OpenSSL still looks into directories."""
    (tmp_path / "root.pem").write_bytes(authority().pem)
    (tmp_path / "none").mkdir()
    subprocess.run(["openssl", "rehash", tmp_path], check=True)
    with native.without():
        for place, trusted in ((tmp_path, True), (tmp_path / "none", False)):
            context = tlskit.ClientContext("auto")
            context.set_verify()
            context.set_verify_hostname()
            context.load_verify_source(VerifySource.directory(place))
            if trusted:
                with memory_pair(context, server_context())[0] as port:
                    assert port.peer_verified
            else:
                with pytest.raises(tlskit.VerificationError):
                    memory_pair(context, server_context())


@pytest.mark.native
def test_root_that_openssl_refuses():
    """One broken root costs only itself."""
    store = native.RootStore(
        (b"garbage", authority().certificate.public_bytes(Encoding.DER)), ()
    )
    context = SSL.Context(SSL.TLS_METHOD)
    store.give_to(context)

    assert context.get_cert_store() is not None


@pytest.mark.native
def test_name_that_openssl_refuses():
    """An expected name that can't be set is an error, and is not ignored."""
    connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)

    with pytest.raises(tlskit.ConfigurationError):
        native.expect_peer(connection, b"a\0b", None)
    with pytest.raises(tlskit.ConfigurationError):
        native.expect_peer(connection, None, b"abc")
    native.expect_peer(connection, None, None)


@needs("openssl")
@pytest.mark.native
def test_parameters_that_openssl_refuses():
    """Diffie-Hellman parameters below its security level are refused."""
    small = subprocess.run(
        ["openssl", "dhparam", "512"], check=True, capture_output=True
    ).stdout
    context = SSL.Context(SSL.TLS_METHOD)

    with pytest.raises(tlskit.ConfigurationError, match="Diffie-Hellman"):
        native.set_dh_parameters(context, small)


@pytest.mark.native
@pytest.mark.parametrize("side", ["client", "server"])
def test_callback_for_nobody(monkeypatch, side):
    """A callback whose connection can't be found refuses."""
    context = server_context()
    context.set_alpn(["h2"])
    asking = client_context()
    asking.set_alpn(["h2"])
    if side == "server":
        # Then the client's own callback would be the first to refuse.
        asking.set_verify_hostname(False)
        asking.set_verify(False)
    found = callbacks.connection_of

    def lost(ssl):
        connection = found(ssl)
        server_side = connection.get_app_data().server_side
        return None if server_side == (side == "server") else connection

    monkeypatch.setattr(callbacks, "connection_of", lost)
    with pytest.raises(tlskit.HandshakeError):
        memory_pair(asking, context)
