"""Certificates that OpenSSL reads and ``cryptography`` does not."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.testing import CA, Leaf

from ..peers import PATIENCE, serving, stdlib_client, stdlib_server

HOST = "localhost"
ROOT = CA("tlskit malformed CA")
# [0] EXPLICIT INTEGER 2, which means version 3.
VERSION = bytes.fromhex("a003020102")


def wrapped(tag: int, content: bytes) -> bytes:
    """Encode an element of 256 bytes or more, or of less than 128."""
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def resigned(one: Leaf | CA, change: Callable[[bytes], bytes]) -> bytes:
    """Change what is signed in a certificate, and sign it again; DER."""
    tbs = change(one.certificate.tbs_certificate_bytes)
    key = ROOT.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    bits = wrapped(0x03, b"\0" + signature)
    return wrapped(0x30, tbs + algorithm + bits)


def version_five(tbs: bytes) -> bytes:
    """Claim a version that there is not."""
    return tbs.replace(VERSION, VERSION[:-1] + b"\4", 1)


def odd_time(tbs: bytes) -> bytes:
    """Give the first date as UTCTime without seconds."""
    # Not just any two bytes: a serial number has some, too.
    found = re.search(rb"\x17\x0d\d{10}(?=\d\dZ)", tbs)
    assert found is not None
    return tbs[: found.end()] + b"99" + tbs[found.end() + 2 :]


def files(der: bytes, leaf: Leaf, directory: Path) -> tuple[str, str]:
    """Write a certificate and a key to files."""
    chain, key = leaf.write(directory)
    body = base64.encodebytes(der)
    chain.write_bytes(
        b"-----BEGIN CERTIFICATE-----\n"
        + body
        + b"-----END CERTIFICATE-----\n"
    )
    return str(chain), str(key)


CHANGES = [version_five, odd_time]


@pytest.mark.parametrize("change", CHANGES)
def test_the_certificates_are_odd(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """Neither reads them all: else they would test nothing."""
    leaf = ROOT.issue(HOST)
    der = resigned(leaf, change)

    x509.load_der_x509_certificate(resigned(leaf, lambda tbs: tbs))
    with pytest.raises(Exception, match=r"."):
        x509.load_der_x509_certificate(der)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        *files(der, leaf, tmp_path)
    )


@pytest.mark.parametrize("verify", ["require", "try", "none"])
@pytest.mark.parametrize("change", CHANGES)
def test_odd_server(
    change: Callable[[bytes], bytes], verify: str, tmp_path: Path
) -> None:
    """A server's is refused by an error of the tree, however lax we are."""
    leaf = ROOT.issue(HOST)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(*files(resigned(leaf, change), leaf, tmp_path))
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    if verify == "require":
        context.set_verify()
        context.set_verify_hostname()
    elif verify == "try":
        context.try_verify()
    with stdlib_server(theirs, lambda sock: sock.recv(1)) as server:
        with pytest.raises(tlskit.VerificationError) as caught:
            tlskit.connect(
                *("127.0.0.1", server.port, context),
                hostname=HOST,
                timeout=PATIENCE,
            )
        server.task.settle()

    assert caught.value.hint
    assert caught.value.explain()


@pytest.mark.parametrize("change", CHANGES)
def test_odd_client(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A client's, too."""
    leaf = ROOT.issue("me.example")
    context = tlskit.ServerContext()
    ROOT.issue(HOST).apply(context)
    ROOT.trust(context)
    context.set_verify()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.load_verify_locations(cadata=ROOT.pem.decode())
    asking.load_cert_chain(*files(resigned(leaf, change), leaf, tmp_path))
    with serving(context) as task:
        with (
            pytest.raises(ssl.SSLError),
            stdlib_client(task.port, asking) as client,
        ):
            client.settimeout(PATIENCE)
            client.recv(1)

        assert isinstance(task.refusal(), tlskit.VerificationError)


def test_resigning_makes_good_certificates(tmp_path: Path) -> None:
    """What was signed again unchanged is accepted."""
    leaf = ROOT.issue(HOST)
    der = resigned(leaf, lambda tbs: tbs)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(*files(der, leaf, tmp_path))
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.set_verify()
    with (
        stdlib_server(theirs, lambda sock: sock.sendall(b"x")) as server,
        tlskit.connect(
            *("127.0.0.1", server.port, context),
            hostname=HOST,
            timeout=PATIENCE,
        ) as port,
    ):
        assert b"x" == port.recv(1)
        assert port.peer_certificate is not None
        assert der == port.peer_certificate.public_bytes(Encoding.DER)


def with_stray(
    change: Callable[[bytes], bytes], issuer: CA, tmp_path: Path
) -> tuple[Leaf, ssl.SSLContext]:
    """Send a certificate along that nobody needs, and few can read."""
    leaf, odd = issuer.issue(HOST), ROOT.issue("odd.example")
    chain, _ = files(resigned(odd, change), odd, tmp_path)
    key = tmp_path / "own.pem"
    key.write_bytes(leaf.key_pem)
    pem = leaf.chain_pem + Path(chain).read_bytes()
    Path(chain).write_bytes(pem)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(chain, key)
    return leaf, theirs


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_odd_certificate_sent_along(
    change: Callable[[bytes], bytes],
    verify: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One that nobody needs decides nothing; it is left out, and noted."""
    leaf, theirs = with_stray(change, ROOT, tmp_path)
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.set_verify(verify)
    with (
        caplog.at_level("INFO", "tlskit.verify"),
        stdlib_server(theirs, lambda sock: sock.sendall(b"x")) as server,
        tlskit.connect(
            *("127.0.0.1", server.port, context),
            hostname=HOST,
            timeout=PATIENCE,
        ) as port,
    ):
        assert b"x" == port.recv(1)
        assert port.peer_verified
        assert leaf.chain == port.peer_chain
    assert "certificate number 2" in caplog.text


@pytest.mark.parametrize("change", CHANGES)
def test_odd_certificate_beside_a_fault(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """What is really wrong is told, and not what nobody needs."""
    leaf, theirs = with_stray(change, CA("other"), tmp_path)
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.set_verify()
    with stdlib_server(theirs, lambda sock: sock.recv(1)) as server:
        with pytest.raises(tlskit.VerificationError) as caught:
            tlskit.connect(
                *("127.0.0.1", server.port, context),
                hostname=HOST,
                timeout=PATIENCE,
            )
        server.task.settle()

    assert caught.value.code in {"unknown-issuer", "missing-intermediate"}
    assert leaf.certificate == caught.value.built_chain[0]


@pytest.mark.parametrize("change", CHANGES)
def test_odd_issuer_where_faults_are_tolerated(
    change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """The connection goes on, and is not verified: nobody could look."""
    middle = ROOT.intermediate()
    leaf = middle.issue(HOST)
    chain, key = files(resigned(middle, change), leaf, tmp_path)
    pem = leaf.chain_pem.partition(b"-----END CERTIFICATE-----\n")
    Path(chain).write_bytes(b"".join(pem[:2]) + Path(chain).read_bytes())
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(chain, key)
    context = tlskit.ClientContext("auto")
    ROOT.trust(context)
    context.try_verify()
    with (
        stdlib_server(theirs, lambda sock: sock.sendall(b"x")) as server,
        tlskit.connect(
            *("127.0.0.1", server.port, context),
            hostname=HOST,
            timeout=PATIENCE,
        ) as port,
    ):
        assert b"x" == port.recv(1)
        assert not port.peer_verified
