"""What web applications are told of a session, by ASGI and by CGI's names."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from ..x509.names import issuer_text, subject_text
from ..x509.pem import encoded
from ..x509.reading import serial_number

if TYPE_CHECKING:
    from .facts import Facts

__all__ = ["asgi", "cipher_number", "environ"]

#: As OpenSSL and Apache write them.
_VERSIONS = {
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}
#: OpenSSL glues the size to the cipher.
_SIZES = re.compile(r"\b(AES|CAMELLIA|ARIA)(128|256)\b")
#: What says itself how it is used; the rest is CBC.
_COMPLETE = re.compile(r"GCM|CCM|CBC|NULL")


def asgi(facts: Facts) -> dict[str, Any]:
    """Give what ASGI's TLS extension wants."""
    error = facts.verify_error if facts.peer_certificate else None
    leaf = facts.peer_certificate if facts.peer_verified else None
    return {
        "server_cert": None
        if facts.certificate_der is None
        else _pem(facts.certificate_der),
        "client_cert_chain": [_pem(each) for each in facts.peer_ders],
        "client_cert_name": None if leaf is None else subject_text(leaf),
        "client_cert_error": None if error is None else str(error),
        "tls_version": facts.version,
        "cipher_suite": cipher_number(facts.cipher),
    }


def environ(facts: Facts) -> dict[str, str]:
    """Give the variables of mod_ssl."""
    found = {
        "HTTPS": "on",
        "SSL_PROTOCOL": _VERSIONS[facts.version],
        "SSL_CIPHER": facts.cipher or "",
        "SSL_TLS_SNI": facts.server_name or "",
        "SSL_SESSION_RESUMED": "Resumed"
        if facts.session_reused
        else "Initial",
        "SSL_CLIENT_VERIFY": _verdict(facts),
    }
    leaf = facts.peer_certificate
    if leaf is None or not facts.peer_verified:
        return found
    found |= {
        "SSL_CLIENT_CERT": _pem(facts.peer_ders[0]),
        "SSL_CLIENT_S_DN": subject_text(leaf),
        "SSL_CLIENT_I_DN": issuer_text(leaf),
        "SSL_CLIENT_M_SERIAL": f"{serial_number(leaf):X}",
        "SSL_CLIENT_V_START": _stamp(leaf.not_valid_before_utc),
        "SSL_CLIENT_V_END": _stamp(leaf.not_valid_after_utc),
    }
    for number, each in enumerate(facts.peer_ders[1:]):
        found[f"SSL_CLIENT_CERT_CHAIN_{number}"] = _pem(each)
    for kind, name in (("host", "DNS"), ("uri", "URI")):
        texts = [i.text for i in facts.peer_identities if i.kind == kind]
        for number, text in enumerate(texts):
            found[f"SSL_CLIENT_SAN_{name}_{number}"] = text
    return found


def _verdict(facts: Facts) -> str:
    if facts.peer_certificate is None:
        return "NONE"
    if facts.peer_verified:
        return "SUCCESS"
    error = facts.verify_error
    return f"FAILED:{'unverified' if error is None else error.code}"


def _pem(der: bytes) -> str:
    return encoded("CERTIFICATE", der).decode("ascii")


def _stamp(moment: datetime) -> str:
    return f"{moment:%b} {moment.day:2} {moment:%H:%M:%S %Y} GMT"


@cache
def _numbers() -> dict[str, int]:
    from .hello.cipher_suites import CIPHER_SUITES

    return {name: number for number, name in CIPHER_SUITES.items()}


def cipher_number(name: str | None) -> int | None:
    """Find IANA's number of a cipher suite by OpenSSL's name.

    Returns:
        None for what IANA does not know by a name that follows from it.
    """
    if name is None:
        return None
    return _numbers().get(name) or _numbers().get(_iana_name(name))


def _iana_name(name: str) -> str:
    """Write the name of a suite for TLS 1.2 and before as IANA does."""
    text = _SIZES.sub(r"\1_\2", name).replace("-", "_")
    text = text.replace("CCM8", "CCM_8")
    exchange = re.match(
        r"(?:(?:EC)?DHE_)?(?:RSA_PSK|RSA|ECDSA|DSS|PSK)_", text
    )
    keys = "RSA_" if exchange is None else exchange[0]
    rest = text if exchange is None else text[exchange.end() :]
    if rest.endswith("POLY1305"):
        rest += "_SHA256"
    elif not _COMPLETE.search(rest):
        rest = re.sub(r"_(SHA\d*|MD5)$", r"_CBC_\1", rest)
    return f"TLS_{keys}WITH_{rest}"
