"""Each usual cause has its own class, code, reason, hint and text."""

from __future__ import annotations

import pickle
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import tlskit

DOCS = Path(__file__).parents[2] / "docs"


def load(name: str) -> ModuleType:
    """Load a program of the documentation."""
    spec = spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses and named tuples look there.
    spec.loader.exec_module(module)
    return module


explain = load("make_explain")


class Told(NamedTuple):
    """What an error has to say."""

    kind: type[tlskit.TLSError]
    code: str
    reason: str | None
    text: str
    hint: str


_V = tlskit.VerificationError
_I = tlskit.IdentityError
_A = tlskit.AlertError
_UNKNOWN = "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"
TOLD = {
    "missing-intermediate": Told(
        *(_V, "unknown-issuer", _UNKNOWN),
        "the server did not send that intermediate certificate",
        "if it is an intermediate, let the server send it",
    ),
    "wrong-intermediate": Told(
        *(_V, "wrong-intermediate", _UNKNOWN),
        "same name, other key",
        "let the server send the intermediate that really issued",
    ),
    "self-signed": Told(
        *(_V, "self-signed", "DEPTH_ZERO_SELF_SIGNED_CERT"),
        "is self-signed and not trusted here",
        "load its certificate with load_verify_source()",
    ),
    "unknown-ca": Told(
        *(_V, "unknown-issuer", _UNKNOWN),
        "that CA's root isn't loaded here",
        "load 'tlskit unknown CA' with load_verify_source()",
    ),
    "untrusted-root": Told(
        *(_V, "untrusted-root", "SELF_SIGNED_CERT_IN_CHAIN"),
        "is not among the trusted roots here",
        "sending it along does not make it trusted",
    ),
    "no-roots": Told(
        *(_V, "no-roots", _UNKNOWN),
        "no root at all is loaded",
        "call load_default_verify_sources()",
    ),
    "intercepted": Told(
        *(_V, "intercepted", _UNKNOWN),
        "looks like a proxy, firewall or virus scanner",
        "get the root 'mitmproxy' from whoever runs it",
    ),
    "expired": Told(
        *(_V, "expired", "CERT_HAS_EXPIRED"),
        "2 days ago",
        "renew the server's certificate",
    ),
    "expired-intermediate": Told(
        *(_V, "expired", "CERT_HAS_EXPIRED"),
        "the intermediate 'tlskit expired CA' (depth 1) expired on",
        "send its CA's current intermediate certificate",
    ),
    "expired-root": Told(
        *(_V, "expired", "CERT_HAS_EXPIRED"),
        "the root 'Example Old Root' (depth 1) expired on",
        "update the trusted roots",
    ),
    "not-yet-valid": Told(
        *(_V, "not-yet-valid", "CERT_NOT_YET_VALID"),
        "is valid from",
        "otherwise wait until the certificate is valid",
    ),
    "wrong-clock": Told(
        *(_V, "not-yet-valid", "CERT_NOT_YET_VALID"),
        "so this clock is slow",
        "set this machine's clock",
    ),
    "wrong-host": Told(
        *(_I, "wrong-identity", "HOSTNAME_MISMATCH"),
        "names example.com, ww.example.com, mail.example.com, but",
        "the nearest name there is ww.example.com",
    ),
    "no-san": Told(
        *(_I, "no-san", "HOSTNAME_MISMATCH"),
        "its common name 'www.example.com' does not count",
        "reissued with 'www.example.com' as its subjectAltName",
    ),
    "ip-as-dns": Told(
        *(_I, "wrong-identity", "IP_ADDRESS_MISMATCH"),
        "names a host 192.0.2.1, but the address 192.0.2.1 was expected",
        "reissued with IP:192.0.2.1",
    ),
    "wrong-purpose": Told(
        *(_V, "wrong-purpose", "INVALID_PURPOSE"),
        "is meant for codeSigning, but serverAuth was expected",
        "reissued with the extended key usage serverAuth",
    ),
    "weak-key": Told(
        *(_V, "weak-key", "EE_KEY_TOO_SMALL"),
        "too short for safety: RSA 1024 bits",
        "ECDSA P-256 or RSA of 2048 bits",
    ),
    "weak-digest": Told(
        *(_V, "weak-digest", "CA_MD_TOO_WEAK"),
        "is signed with SHA1, which is too weak",
        "signed with SHA-256",
    ),
    "forged": Told(
        *(_V, "bad-signature", "CERT_SIGNATURE_FAILURE"),
        "has a signature that does not verify",
        "the very certificates that its CA issued",
    ),
    "name-constraints": Told(
        *(_V, "name-constraints", "PERMITTED_VIOLATION"),
        "it names www.example.com",
        "a CA whose name constraints permit the name",
    ),
    "path-length": Told(
        *(_V, "path-length", "PATH_LENGTH_EXCEEDED"),
        "the intermediate 'tlskit last CA' (depth 2)",
        "a greater path length",
    ),
    "revoked": Told(
        *(_V, "revoked", "CERT_REVOKED"),
        "was revoked by its CA on",
        "don't trust this peer",
    ),
    "crl-missing": Told(
        *(_V, "crl-missing", "UNABLE_TO_GET_CRL"),
        "has no revocation list that covers it",
        "of 'Example Root CA' with load_crls()",
    ),
    "ocsp-revoked": Told(
        *(_V, "revoked", "CERT_REVOKED"),
        "(keyCompromise), as the stapled OCSP response tells",
        "don't trust this peer",
    ),
    "ocsp-missing": Told(
        *(_V, "ocsp-missing", "OCSP_VERIFY_NEEDED"),
        "came without an OCSP response",
        "staple a fresh OCSP response",
    ),
    "pin-mismatch": Told(
        *(_V, "pin-mismatch", "PIN_MISMATCH"),
        "but the server's chain has 'www.example.com' sha256/",
        "pass their pins to set_pins()",
    ),
    "second-verifier": Told(
        *(_V, "second-verifier", "SECOND_VERIFIER"),
        "the second verifier (cryptography) refuses it: ",
        "do without set_strict()",
    ),
    "no-version": Told(
        *(_A, "alert-protocol-version", None),
        "it speaks none of our TLS versions",
        "use one of the peer's versions",
    ),
    "no-cipher": Told(
        *(_A, "alert-handshake-failure", None),
        "no cipher suite or group in common",
        "widen set_ciphers()",
    ),
    "no-client-certificate": Told(
        *(_V, "no-certificate", "NO_CERTIFICATE"),
        "the client sent no certificate, though one is demanded",
        "into the client's context",
    ),
    "certificate-required": Told(
        *(_A, "alert-certificate-required", None),
        "it demands a client certificate, and we sent none",
        "load_certificate_chain() and load_private_key()",
    ),
    "client-refused": Told(
        *(_V, "unknown-issuer", _UNKNOWN),
        "the client's certificate 'me.example' (depth 0)",
        "load 'Example Partner CA' with load_verify_source()",
    ),
    "unknown-ca-alert": Told(
        *(_A, "alert-unknown-ca", None),
        "it does not know the CA that issued our certificate",
        "load our CA into the peer's trusted roots",
    ),
    "plain-http": Told(
        *(tlskit.NotTLSError, "plain-http", None),
        "the server speaks plain HTTP on this port",
        "the port on which it speaks TLS",
    ),
    "http-client": Told(
        *(tlskit.NotTLSError, "plain-http", None),
        "the client spoke plain HTTP to a TLS port",
        "https:// instead of http://",
    ),
}


def test_each_cause_is_tested() -> None:
    """The page and the table here have the same causes."""
    assert TOLD.keys() == explain.CAUSES.keys()


@pytest.mark.parametrize("name", TOLD)
def test_cause(name: str) -> None:
    """A cause leads to this class, code, reason, text and hint."""
    wanted, error = TOLD[name], explain.CAUSES[name].run()

    assert wanted.kind is type(error)
    assert wanted.code == error.code
    assert wanted.reason == getattr(
        getattr(error, "reason", None), "name", None
    )
    assert wanted.text in str(error)
    assert wanted.hint in error.hint
    assert "\n" not in error.hint
    lines = error.explain().splitlines()
    assert str(error) == lines[0]
    assert error.hint == lines[-1]
    assert error.ended_by == ("peer" if wanted.kind is _A else "us")
    assert error.explain() == pickle.loads(pickle.dumps(error)).explain()


def test_the_page_is_up_to_date() -> None:
    """``explain.rst`` is what ``make_explain.py`` writes."""
    assert explain.page() == explain.PAGE.read_text(encoding="utf-8")
