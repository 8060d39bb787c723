"""The certificate that answers a TLS-ALPN-01 challenge (RFC 8737)."""

from __future__ import annotations

import hashlib
import ipaddress
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from ...context.sides import ServerContext
from ...x509.credentials import CertificateChain, PrivateKey
from ...x509.gate import Encoding, ec, hashes, oid, x509
from ...x509.pairs import Pair

__all__ = [
    "ALPN",
    "HTTP",
    "PORTS",
    "challenge_context",
    "general_name",
    "placeholder",
    "server_name_of",
]

#: The protocol by which the ACME server asks.
ALPN = "acme-tls/1"
HTTP = "http-01"
#: Which challenges can be answered, and where the server asks.
PORTS = {"tls-alpn-01": 443, HTTP: 80}
#: id-pe-acmeIdentifier (RFC 8737, section 3).
_IDENTIFIER = "1.3.6.1.5.5.7.1.31"
_LIFE = timedelta(days=7)
_SKEW = timedelta(days=1)


def server_name_of(name: str) -> str:
    """Give the server name by which *name* is asked for.

    For an address this is its reverse mapping (RFC 8738, section 6).
    """
    with suppress(ValueError):
        return ipaddress.ip_address(name).reverse_pointer
    return name.lower()


def general_name(name: str) -> x509.GeneralName:
    """Make the alternative name of a host name or an address."""
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _self_signed(name: str, title: str, *critical: x509.ExtensionType) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, title)])
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFE)
        .add_extension(
            x509.SubjectAlternativeName([general_name(name)]), critical=False
        )
    )
    for extension in critical:
        builder = builder.add_extension(extension, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    return Pair(
        CertificateChain.load(certificate.public_bytes(Encoding.PEM)),
        PrivateKey.load(key),
    )


def challenge_context(name: str, authorization: str) -> ServerContext:
    """Make what proves control of *name* to an ACME server.

    Args:
        name: The host name or address that is validated.
        authorization: The token and the thumbprint of the account's key (RFC
            8555, section 8.1).
    """
    digest = hashlib.sha256(authorization.encode("ascii")).digest()
    proof = x509.UnrecognizedExtension(
        x509.ObjectIdentifier(_IDENTIFIER), b"\x04\x20" + digest
    )
    pair = _self_signed(name, "tlskit ACME challenge", proof)
    context = ServerContext("auto")
    context.load_certificate_chain(pair.chain.certificates)
    context.load_private_key(pair.key.key)
    context.set_alpn([ALPN])
    context.set_session_lifetime(0)
    context.seal()
    return context


def placeholder(name: str) -> Pair:
    """Make what is presented before the first certificate was obtained.

    Nobody trusts it: a client that verifies refuses it as self-signed.
    """
    return _self_signed(name, "tlskit: no certificate yet")
