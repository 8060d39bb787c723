"""Certificates that one library reads and the other refuses to."""

from __future__ import annotations

import warnings
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from OpenSSL import SSL, crypto

import tlskit
from tlskit.engine.engine import Engine
from tlskit.testing import CA, memory_pair

from ..engines import client_context, client_engine, server_context

_CA = CA("tlskit verdict CA")
_PIN = "sha256/" + "A" * 43 + "="


def der(tag: int, *parts: bytes) -> bytes:
    """Frame *parts* by the rules of DER."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    return bytes([tag, 0x82]) + size.to_bytes(2, "big") + content


def of_version_four() -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """Make a self-signed certificate of a version that there is not."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = _CA.issue("localhost").certificate
    signed = leaf.tbs_certificate_bytes.replace(
        b"\xa0\3\2\1\2", b"\xa0\3\2\1\3", 1
    )
    old = leaf.public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    new = key.public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )
    signed = signed.replace(old, new, 1)
    algorithm = der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return der(0x30, signed, algorithm, der(3, b"\0", signature)), key


def odd_server() -> SSL.Connection:
    """Make a server that shows such a certificate."""
    certificate, key = of_version_four()
    context = SSL.Context(SSL.TLS_METHOD)
    with warnings.catch_warnings():
        # The only way in for a certificate that ``cryptography`` refuses.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.use_certificate(
            crypto.load_certificate(crypto.FILETYPE_ASN1, certificate)
        )
    context.use_privatekey(key)
    server = SSL.Connection(context, None)
    server.set_accept_state()
    return server


def shake(client: Engine, server: SSL.Connection) -> None:
    """Shake hands with a raw server; raise what the client raises."""
    for _ in range(10):
        done = client.handshake()
        if data := client.outgoing():
            server.bio_write(data)
        if done:
            return
        with suppress(SSL.WantReadError):
            server.do_handshake()
        client.receive(server.bio_read(65536))
    raise AssertionError("no handshake in 10 rounds")


@pytest.mark.parametrize("verify", [False, True])
def test_malformed_certificate(verify):
    """It is refused in words, whether or not anybody verifies."""
    context = tlskit.ClientContext("auto")
    if verify:
        context.set_certificate_verifier(lambda depth, ok, certificate: True)
    with pytest.raises(tlskit.VerificationError) as caught:
        shake(client_engine(context), odd_server())

    assert "malformed-certificate" == caught.value.code
    assert "malformed" in str(caught.value)
    assert caught.value.hint


def test_pins_for_clients_that_may_stay_unknown():
    """A server's pins are for the clients that show a certificate."""
    context = server_context()
    context.set_pins([_PIN])
    _CA.trust(context)
    context.try_verify()
    client, server = memory_pair(client_context(), context)
    with client, server:
        assert server.peer_certificate is None

    known = client_context()
    _CA.issue("alice@example.com").apply(known)
    with pytest.raises(tlskit.VerificationError):
        memory_pair(known, context)


def anonymous(context):
    """Choose the suites in which nobody shows a certificate."""
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("policy", ["verify", "pins", "strict", None])
def test_server_that_stays_anonymous(policy):
    """Who demands something of a certificate demands that there is one."""
    asking = anonymous(tlskit.ClientContext("tls12"))
    _CA.trust(asking)
    server = anonymous(server_context())
    if policy is None:
        with memory_pair(asking, server)[0] as port:
            assert not port.peer_verified
        return
    if policy == "verify":
        asking.set_verify()
    elif policy == "pins":
        asking.set_pins([_PIN])
    else:
        asking.set_strict()
    with pytest.raises(tlskit.VerificationError) as caught:
        memory_pair(asking, server)

    assert "no-certificate" == caught.value.code
