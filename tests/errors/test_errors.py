"""The exception tree: codes, words, data, and the way through a pickle."""

from __future__ import annotations

import copy
import pickle
import re
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlskit import errors
from tlskit.errors import (
    AlertError,
    ClosedError,
    ConfigurationError,
    CredentialError,
    HandshakeError,
    IdentityError,
    NegotiationError,
    NotTLSError,
    SealedError,
    StreamError,
    TLSError,
    TruncatedError,
    TrustSourceError,
    UnsupportedError,
    VerificationError,
    WantReadError,
    WantWriteError,
    codes,
)
from tlskit.errors.codes import Alert, VerifyReason

#: Class -> (base, code, status), as the architecture has it.
TREE: dict[type[TLSError], tuple[type[Exception], str, str | None]] = {
    TLSError: (OSError, "error", None),
    ConfigurationError: (TLSError, "bad-configuration", None),
    SealedError: (ConfigurationError, "sealed", None),
    CredentialError: (ConfigurationError, "bad-credentials", None),
    TrustSourceError: (ConfigurationError, "bad-trust-source", None),
    UnsupportedError: (ConfigurationError, "unsupported", None),
    HandshakeError: (TLSError, "handshake-failed", "ssl"),
    NegotiationError: (HandshakeError, "nothing-in-common", "ssl"),
    AlertError: (HandshakeError, "peer-refused", "ssl"),
    NotTLSError: (HandshakeError, "not-tls", "ssl"),
    VerificationError: (HandshakeError, "unverified", None),
    IdentityError: (VerificationError, "wrong-identity", None),
    StreamError: (TLSError, "broken", "ssl"),
    TruncatedError: (StreamError, "truncated", "syscall"),
    ClosedError: (StreamError, "closed", None),
    WantReadError: (StreamError, "want-read", "want-read"),
    WantWriteError: (StreamError, "want-write", "want-write"),
}
KINDS = list(TREE)


def make_der(name: str) -> bytes:
    """Make a certificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


LEAF, ROOT = make_der("leaf"), make_der("root")


def full(kind: type[TLSError]) -> TLSError:
    """Make an error of *kind* with everything that it can hold."""
    data: dict[str, object] = {
        "code": "fine",
        "status": "syscall",
        "hint": "do this",
        "errno": 2,
        "filename": "/etc/x.pem",
        "library_errors": ("SSL routines: x",),
    }
    if issubclass(kind, AlertError):
        data["alert"] = Alert.UNKNOWN_CA
    if issubclass(kind, VerificationError):
        data.update(
            reason=VerifyReason.CERT_HAS_EXPIRED,
            der=LEAF,
            depth=1,
            presented_chain=(LEAF, ROOT),
            built_chain=(LEAF,),
            expected="a.example",
            presented=("b.example",),
            sources=("file x",),
            roots=3,
            advice=("also this",),
        )
    error = kind("what happened", **data)  # type: ignore[arg-type]
    error.peer, error.phase = "192.0.2.1:1234", "read"
    return error


def test_the_tree_is_complete() -> None:
    """Every error class stands in the table, and is exported."""
    classes = {
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, TLSError)
    }

    assert set(KINDS) == classes
    assert {each.__name__ for each in KINDS} < set(errors.__all__)
    assert sorted(errors.__all__) == errors.__all__


@pytest.mark.parametrize("kind", KINDS)
def test_base_code_and_status(kind: type[TLSError]) -> None:
    """Each class has its place, its code and its status."""
    base, code, status = TREE[kind]
    error = kind("x")

    assert kind.__bases__[0] is base
    assert code == error.code
    assert status == error.status
    assert kind.__doc__


def test_codes_are_slugs_and_distinct() -> None:
    """A code can be matched: no two classes share one."""
    codes_seen = [each.code for each in KINDS]

    assert len(codes_seen) == len(set(codes_seen))
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", each) for each in codes_seen)


@pytest.mark.parametrize("kind", [WantReadError, WantWriteError])
def test_want_is_blocking(kind: type[TLSError]) -> None:
    """Whoever knows non-blocking sockets catches BlockingIOError."""
    assert issubclass(kind, BlockingIOError)
    assert kind().hint.startswith("wait until the port is")


@pytest.mark.parametrize("kind", KINDS)
def test_str_is_the_message(kind: type[TLSError]) -> None:
    """OSError's own form with an errno never shows through."""
    error = kind("what happened", errno=2, filename="/x")

    assert str(error) == "what happened"
    assert error.message == "what happened"
    assert error.errno == 2
    assert error.filename == "/x"
    assert error.args == ("what happened",)


@pytest.mark.parametrize("kind", KINDS)
def test_str_is_never_empty(kind: type[TLSError]) -> None:
    """Without a message the class speaks for itself."""
    assert str(kind()) == f"{kind.__name__} ({kind.code})"


def test_str_names_the_peer() -> None:
    """A listener's errors tell which client it was."""
    error = HandshakeError("no good")
    error.peer, error._names_peer = "[::1]:4433", True

    assert str(error) == "no good (peer [::1]:4433)"


def test_defaults() -> None:
    """What nobody gave is empty, and the class's attributes stay shared."""
    error = TLSError("x")

    assert error.hint == ""
    assert error.library_errors == ()
    assert error.peer is None
    assert error.phase is None
    assert error.errno is None
    assert error.filename is None
    assert AlertError("x").alert is None


def test_keywords_override_the_class() -> None:
    """A finer cause has a finer code; the class keeps its own."""
    error = HandshakeError("x", code="finer", status="syscall", hint="so")

    assert error.code == "finer"
    assert error.status == "syscall"
    assert error.hint == "so"
    assert HandshakeError.code == "handshake-failed"


def test_explain() -> None:
    """explain() is the message and the hint, and nothing if there's none."""
    assert TLSError("a", hint="b").explain() == "a\nb"
    assert TLSError("a").explain() == "a"


def test_explain_of_a_verification() -> None:
    """The advice stands between the message and the hint."""
    error = VerificationError("a", advice=("b", "", "c"), hint="d")

    assert error.explain() == "a\nb\nc\nd"
    assert VerificationError("a").explain() == "a"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(
    kind: type[TLSError], protocol: int
) -> None:
    """Errors cross process borders with all their data."""
    error = full(kind)
    other = pickle.loads(pickle.dumps(error, protocol))

    assert type(other) is kind
    assert vars(error) == vars(other)
    assert error.args == other.args
    assert (error.errno, error.filename) == (other.errno, other.filename)
    assert str(error) == str(other)
    assert error.explain() == other.explain()


@pytest.mark.parametrize("kind", KINDS)
def test_copying(kind: type[TLSError]) -> None:
    """A copy is equal in all attributes, also of an error without any."""
    for error in (full(kind), kind()):
        other = copy.copy(error)
        assert type(other) is kind
        assert vars(error) == vars(other)
        assert str(error) == str(other)


def test_certificates_are_parsed_on_demand() -> None:
    """An error keeps DER, and gives certificates."""
    error = full(VerificationError)
    assert isinstance(error, VerificationError)
    leaf, root = map(x509.load_der_x509_certificate, (LEAF, ROOT))

    assert leaf == error.certificate
    assert error.presented_chain == (leaf, root)
    assert error.built_chain == (leaf,)


def test_no_certificate() -> None:
    """An error without certificates gives none."""
    error = VerificationError("x")

    assert error.certificate is None
    assert error.presented_chain == ()
    assert error.built_chain == ()
    assert error.reason is VerifyReason.UNSPECIFIED


def test_catch_tls_errors_first() -> None:
    """TLSError is an OSError, as ssl.SSLError is, but no time-out."""
    assert issubclass(TLSError, OSError)
    assert not any(issubclass(each, TimeoutError) for each in KINDS)
    assert not any(issubclass(each, ConnectionError) for each in KINDS)


# -- the numbers ------------------------------------------------------------


def test_verify_reasons_of_openssl() -> None:
    """A number finds its name; one that is unknown is OTHER."""
    assert VerifyReason.of(10) is VerifyReason.CERT_HAS_EXPIRED
    assert VerifyReason.of(62) is VerifyReason.HOSTNAME_MISMATCH
    assert VerifyReason.of(1000) is VerifyReason.NO_CERTIFICATE
    assert VerifyReason.of(999) is VerifyReason.OTHER
    assert VerifyReason.of(-1) is VerifyReason.OTHER


def test_slugs() -> None:
    """A reason's slug is its name as a code is written."""
    assert VerifyReason.CERT_HAS_EXPIRED.slug == "cert-has-expired"
    assert all(
        re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", each.slug)
        for each in VerifyReason
    )


def test_reasons_agree_with_openssl() -> None:
    """The usual causes have the words of this very OpenSSL."""
    from OpenSSL._util import ffi, lib

    words = {
        VerifyReason.CERT_HAS_EXPIRED: "certificate has expired",
        VerifyReason.CERT_NOT_YET_VALID: "certificate is not yet valid",
        VerifyReason.DEPTH_ZERO_SELF_SIGNED_CERT: "self-signed certificate",
        VerifyReason.CERT_REVOKED: "certificate revoked",
        VerifyReason.HOSTNAME_MISMATCH: "hostname mismatch",
        VerifyReason.IP_ADDRESS_MISMATCH: "IP address mismatch",
        VerifyReason.EE_KEY_TOO_SMALL: "EE certificate key too weak",
        VerifyReason.CA_MD_TOO_WEAK: "CA signature digest algorithm too weak",
        VerifyReason.PERMITTED_VIOLATION: "permitted subtree violation",
        VerifyReason.INVALID_CA: "invalid CA certificate",
    }

    for reason, text in words.items():
        told = lib.X509_verify_cert_error_string(int(reason))
        # Releases differ in capitals, and in what they add at the end.
        assert ffi.string(told).decode().lower().startswith(text.lower())


def test_alert_numbers() -> None:
    """The numbers are those of RFC 8446, section 6."""
    assert Alert.CLOSE_NOTIFY == 0
    assert Alert.UNKNOWN_CA == 48
    assert Alert.CERTIFICATE_REQUIRED == 116
    assert Alert.NO_APPLICATION_PROTOCOL == 120
    assert sorted(Alert) == list(Alert)
    assert codes.__all__ == ["Alert", "VerifyReason"]
