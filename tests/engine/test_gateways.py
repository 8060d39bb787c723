"""What web applications are told: ASGI's TLS extension, and CGI's names."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import tlskit
from tlskit.engine.gateways import cipher_number
from tlskit.testing import CA, memory_pair

from ..engines import authority, client_context, server_context
from ..peers import needs

PEM = Encoding.PEM

SPIFFE = "spiffe://example.org/client"


def facts(
    version: str = "tls13",
    *,
    leaf: Any = None,
    demand: str | None = "try_verify",
    session: bool = False,
) -> tlskit.Facts:
    """What a server knows of a session."""
    server = server_context()
    authority().trust(server)
    if demand is not None:
        getattr(server, demand)()
    client = client_context(version)
    if leaf is not None:
        leaf.apply(client)
    ours, theirs = memory_pair(client, server)
    ours.close()
    theirs.close()
    assert ours.facts is not None
    found = theirs.facts
    assert found is not None
    return found


def test_asgi_without_a_client_certificate() -> None:
    """Nobody is named, and nothing is wrong."""
    found = facts(demand=None)
    told = found.asgi()

    assert None is told["client_cert_name"]
    assert None is told["client_cert_error"]
    assert [] == told["client_cert_chain"]
    assert 0x0304 == told["tls_version"]
    assert cipher_number(found.cipher) == told["cipher_suite"]
    assert found.certificate == x509.load_pem_x509_certificate(
        told["server_cert"].encode()
    )


def test_asgi_with_a_verified_client() -> None:
    """Chain and name are there, as text."""
    middle = authority().intermediate("middle")
    leaf = middle.issue("client.example", common_name="client")
    told = facts(leaf=leaf, demand="set_verify").asgi()

    assert "CN=client" == told["client_cert_name"]
    assert [each.public_bytes(PEM).decode() for each in leaf.chain] == told[
        "client_cert_chain"
    ]
    assert told["client_cert_error"] is None


def test_a_client_that_is_not_verified_has_no_name() -> None:
    """What it says of itself is not told as if it were true."""
    found = facts(leaf=CA("stranger").issue("client.example"))
    told, variables = found.asgi(), found.environ()

    assert told["client_cert_name"] is None
    assert "issued by" in told["client_cert_error"]
    assert 1 == len(told["client_cert_chain"])
    assert variables["SSL_CLIENT_VERIFY"].startswith("FAILED:unknown-issuer")
    assert "SSL_CLIENT_S_DN" not in variables
    assert "SSL_CLIENT_CERT" not in variables


def test_environ_without_a_client_certificate() -> None:
    """Names and values are mod_ssl's."""
    found = facts("tls12", demand=None)

    assert {
        "HTTPS": "on",
        "SSL_PROTOCOL": "TLSv1.2",
        "SSL_CIPHER": found.cipher,
        "SSL_TLS_SNI": "localhost",
        "SSL_SESSION_RESUMED": "Initial",
        "SSL_CLIENT_VERIFY": "NONE",
    } == found.environ()


def test_environ_with_a_verified_client() -> None:
    """Subject, issuer, serial number, life and names are there."""
    middle = authority().intermediate("middle")
    leaf = middle.issue("a.example", "b.example", SPIFFE, "192.0.2.1")
    found = facts(leaf=leaf, demand="set_verify").environ()
    certificate = leaf.certificate

    assert "SUCCESS" == found["SSL_CLIENT_VERIFY"]
    assert "CN=a.example" == found["SSL_CLIENT_S_DN"]
    assert "CN=middle" == found["SSL_CLIENT_I_DN"]
    assert certificate.serial_number == int(found["SSL_CLIENT_M_SERIAL"], 16)
    assert "a.example" == found["SSL_CLIENT_SAN_DNS_0"]
    assert "b.example" == found["SSL_CLIENT_SAN_DNS_1"]
    assert SPIFFE == found["SSL_CLIENT_SAN_URI_0"]
    assert found["SSL_CLIENT_V_END"].endswith(" GMT")
    assert leaf.chain[1] == x509.load_pem_x509_certificate(
        found["SSL_CLIENT_CERT_CHAIN_0"].encode()
    )


def test_a_verdict_without_an_error() -> None:
    """A certificate that nobody has judged is not verified."""
    from dataclasses import replace

    found = replace(
        facts(leaf=authority().issue("a.example")), peer_verified=False
    )

    assert "FAILED:unverified" == found.environ()["SSL_CLIENT_VERIFY"]


def test_the_adapter_has_the_facts(tmp_path: Any) -> None:
    """``SSLObject.facts`` is None before the handshake, and then all."""
    import ssl

    client = client_context().as_ssl_context()
    server = server_context().as_ssl_context()
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(one, two, server_hostname="localhost")
    theirs = server.wrap_bio(two, one, server_side=True)
    assert ours.facts is None
    for _ in range(3):
        for side in (ours, theirs):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()

    assert ours.facts.peer_verified
    assert "localhost" == theirs.facts.server_name


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("TLS_AES_256_GCM_SHA384", 0x1302),
        ("ECDHE-RSA-AES128-GCM-SHA256", 0xC02F),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", 0xCCA9),
        ("DHE-RSA-AES256-SHA", 0x0039),
        ("AES128-SHA256", 0x003C),
        ("ECDHE-ECDSA-AES128-CCM8", 0xC0AE),
        ("GOST2012-MAGMA-MAGMAOMAC", None),
        ("(NONE)", None),
        (None, None),
    ],
)
def test_numbers_of_cipher_suites(
    name: str | None, number: int | None
) -> None:
    """OpenSSL's names lead to IANA's numbers."""
    assert number == cipher_number(name)


@needs("openssl")
def test_no_cipher_suite_has_a_wrong_number() -> None:
    """Of all that the openssl program lists, most are found, none wrongly."""
    lines = subprocess.run(
        ["openssl", "ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()
    known = {}
    for line in lines:
        code, _, name, *_ = line.split()
        high, low = code.split(",")
        known[name] = int(high, 16) << 8 | int(low, 16)
    found = {name: cipher_number(name) for name in known}
    right = {name for name in known if found[name] == known[name]}

    assert {None} >= {found[name] for name in known.keys() - right}
    assert len(right) > len(known) * 0.8
