"""Data: what the reasons in OpenSSL's error stack mean, and what helps.

The keys of ``CASES`` are the texts of OpenSSL 4.0; where 3.x says it in
another way, both stand here.
"""

from __future__ import annotations

from typing import NamedTuple

from . import (
    ClosedError,
    ConfigurationError,
    CredentialError,
    NegotiationError,
    NotTLSError,
    TLSError,
    TruncatedError,
    UnsupportedError,
    VerificationError,
)

__all__ = ["BAD_RECORD", "CASES", "Case"]


class Case(NamedTuple):
    """What one reason means."""

    #: The class, where it fits what was attempted; None for the default.
    kind: type[TLSError] | None
    #: None leaves the class's own.
    code: str | None
    text: str
    hint: str


_CHECK_PORT = "check host and port: something else than TLS listens there"
_SAME_VERSIONS = (
    "let both sides speak TLS 1.2 and 1.3 (the protocols 'secure' and "
    "'auto' do); for 1.3 the server needs a certificate that fits, too"
)
_DAMAGED = (
    "something between the peers changed the data, or one of them is "
    "broken; try another network path"
)
_BROKEN_PEER = "this is a fault of the peer's TLS library; look for an update"
_STRONGER = (
    "issue a new certificate with ECDSA P-256 or RSA of 2048 bits or more, "
    "signed with SHA-256"
)

_NOT_TLS = Case(
    NotTLSError,
    None,
    "expected a TLS record, but the peer sent something else",
    _CHECK_PORT,
)
BAD_RECORD = Case(
    None,
    "bad-record",
    "a record arrived that was changed on its way or made with other keys",
    _DAMAGED,
)
_BAD_MESSAGE = Case(
    None,
    "bad-message",
    "the peer sent a message that breaks the rules of TLS",
    _BROKEN_PEER,
)
_NO_VERSION = Case(
    NegotiationError,
    "no-common-version",
    "the peers have no TLS version in common",
    _SAME_VERSIONS,
)
_NO_LOCAL_VERSION = Case(
    NegotiationError,
    "no-protocols-available",
    "no TLS version is left that this side may use: the range of versions "
    "is empty, or the security level forbids all of it",
    "allow TLS 1.2 or 1.3; TLS 1.1 and older need @SECLEVEL=0 in the ciphers",
)
_NO_CIPHER = Case(
    NegotiationError,
    "no-shared-cipher",
    "the peers have no cipher suite in common, or the server has no "
    "certificate that fits the client's",
    "load a certificate and its key into the server's context, or widen "
    "set_ciphers() on one side",
)
_NO_GROUP = Case(
    NegotiationError,
    "no-shared-group",
    "the peers have no key-exchange group in common",
    "allow a group that both sides have, such as X25519 or P-256, with "
    "set_groups()",
)
_NO_SIGNATURE = Case(
    NegotiationError,
    "no-shared-signature-algorithm",
    "no signature algorithm suits both sides and the certificate's key",
    "use a certificate with an ECDSA P-256 or RSA key of 2048 bits and "
    "TLS 1.2 or later",
)
_NO_ALPN = Case(
    NegotiationError,
    "no-application-protocol",
    "the peers have no application protocol (ALPN) in common",
    "add one of the peer's protocols to alpn=, or let the server pass "
    "allow_no_match=True",
)
_WEAK_KEY = Case(
    CredentialError,
    "weak-key",
    "a certificate's key is too short for the security level",
    _STRONGER,
)
_WEAK_DIGEST = Case(
    CredentialError,
    "weak-digest",
    "a certificate is signed with a digest that is too weak for the "
    "security level",
    _STRONGER,
)
_WEAK_DH = Case(
    NegotiationError,
    "weak-dh",
    "the Diffie-Hellman parameters are too short for the security level",
    "let the server use DH4096_PARAMS or, better, ECDHE cipher suites",
)
_MISMATCH = Case(
    CredentialError,
    "key-mismatch",
    "the private key does not belong to the certificate",
    "load the key that the certificate was issued for",
)
_NO_KEY = Case(
    CredentialError,
    "no-credentials",
    "a certificate or its private key is missing",
    "call load_certificate_chain() and load_private_key() first",
)
_BAD_PEM = Case(
    CredentialError,
    "bad-pem",
    "no certificate or key in PEM form could be read",
    "pass a file that has a -----BEGIN line; DER needs no armour at all",
)
_BAD_DER = Case(
    CredentialError,
    "bad-encoding",
    "the data are not well-formed DER",
    "check that the file is whole and holds what its name says",
)
_UNSAFE_RENEGOTIATION = Case(
    NegotiationError,
    "unsafe-renegotiation",
    "the peer does not know secure renegotiation (RFC 5746)",
    "update the peer; its TLS library is older than 2010",
)
_BAD_CIPHERS = Case(
    ConfigurationError,
    "bad-ciphers",
    "this OpenSSL knows no cipher of that description",
    "see 'openssl ciphers -v' for the names; those of TLS 1.3 go to "
    "set_ciphersuites()",
)
_EOF = Case(
    TruncatedError,
    None,
    "the stream ended without close_notify",
    TruncatedError.hint,
)
_SHUT_DOWN = Case(
    ClosedError,
    None,
    "the session was closed already",
    "open a new connection",
)
_NO_RENEGOTIATION = Case(
    None,
    "no-renegotiation",
    "this session can't be renegotiated",
    "ask for the certificate in the handshake: set_verify() on the context",
)
_UNVERIFIED = Case(
    VerificationError,
    "unverified",
    "the peer's certificate was refused",
    "load the root that issued it with load_verify_source()",
)
_NO_CERTIFICATE = Case(
    VerificationError,
    "no-certificate",
    "a certificate was demanded, but the peer has none",
    "load a certificate chain and key into the peer's context, or use "
    "try_verify() here",
)
_FALLBACK = Case(
    NegotiationError,
    "inappropriate-fallback",
    "the client came back with an older version than both sides speak",
    "look for something on the way that breaks newer handshakes",
)
_UNFIT_EXTENSION = _BAD_MESSAGE._replace(code="bad-extension")
_NO_MEMORY = Case(
    None,
    "out-of-memory",
    "OpenSSL could not get memory",
    "free some memory, then try again",
)
_UNFIT_CERTIFICATE = Case(
    NegotiationError,
    "unfit-certificate",
    "the certificate's kind of key does not fit what was negotiated",
    "use a certificate with an ECDSA P-256 or RSA key of 2048 bits",
)

CASES: dict[str, Case] = {
    # First bytes that are no TLS.
    "http request": Case(
        NotTLSError,
        "plain-http",
        "expected TLS, but the client spoke plain HTTP",
        "connect with https:// instead of http://",
    ),
    "https proxy request": Case(
        NotTLSError,
        "proxy-request",
        "expected TLS, but the client sent a proxy's CONNECT request",
        "this is no proxy: check the client's proxy settings",
    ),
    "wrong version number": _NOT_TLS,
    "wrong ssl version": _NOT_TLS,
    "unknown protocol": _NOT_TLS,
    "packet length too long": _NOT_TLS,
    "bad record type": _NOT_TLS,
    "record layer failure": BAD_RECORD,
    # Nothing in common.
    "unsupported protocol": _NO_VERSION,
    "version too low": _NO_VERSION,
    "version too high": _NO_VERSION,
    "unknown ssl version": _NO_VERSION,
    "unsupported ssl version": _NO_VERSION,
    "bad protocol version number": _NO_VERSION,
    "no protocols available": _NO_LOCAL_VERSION,
    "no shared cipher": _NO_CIPHER,
    "no ciphers available": _NO_CIPHER._replace(
        code="no-ciphers-available",
        text="no cipher suite is left that this side may use",
        hint="widen set_ciphers(), or allow TLS 1.3",
    ),
    "binder does not verify": Case(
        None,
        "psk-mismatch",
        "the client has another pre-shared key for its identity than we",
        "give both sides the same key, and the same hash",
    ),
    "unknown cipher returned": _BAD_MESSAGE,
    "wrong cipher returned": _BAD_MESSAGE,
    "no suitable key share": _NO_GROUP,
    "no suitable groups": Case(
        NegotiationError,
        "no-usable-group",
        "our own list of groups holds none that these versions of TLS can "
        "use, so nothing was sent",
        "give set_groups() names that TLS 1.3 knows, such as X25519 or P-256",
    ),
    "no shared groups": _NO_GROUP,
    "unsupported elliptic curve": _NO_GROUP,
    "wrong curve": _NO_GROUP,
    "no suitable signature algorithm": _NO_SIGNATURE,
    "no shared signature algorithms": _NO_SIGNATURE,
    "no suitable digest algorithm": _NO_SIGNATURE,
    "wrong signature type": _NO_SIGNATURE,
    "legacy sigalg disallowed or unsupported": _NO_SIGNATURE._replace(
        code="legacy-signature-algorithm",
        text="the peer signs with an algorithm that is no longer allowed, "
        "such as SHA-1",
        hint="update the peer; TLS 1.2 with SHA-256 signatures is enough",
    ),
    "no application protocol": _NO_ALPN,
    "inappropriate fallback": _FALLBACK,
    "unsafe legacy renegotiation disabled": _UNSAFE_RENEGOTIATION,
    "dh key too small": _WEAK_DH,
    "bad ecc cert": _UNFIT_CERTIFICATE,
    "wrong certificate type": _UNFIT_CERTIFICATE,
    "unknown certificate type": _UNFIT_CERTIFICATE,
    "insufficient security": _NO_CIPHER,
    # Certificates and keys, the peer's and our own.
    "certificate verify failed": _UNVERIFIED,
    "peer did not return a certificate": _NO_CERTIFICATE,
    "ee key too small": _WEAK_KEY,
    "ca key too small": _WEAK_KEY,
    "ca md too weak": _WEAK_DIGEST,
    "key values mismatch": _MISMATCH,
    "key type mismatch": _MISMATCH,
    "private key mismatch": _MISMATCH,
    "no private key assigned": _NO_KEY,
    "no certificate assigned": _NO_KEY,
    "no certificate set": _NO_KEY,
    "no start line": _BAD_PEM,
    "bad base64 decode": _BAD_PEM,
    "bad end line": _BAD_PEM,
    "no such file": Case(
        None, "no-such-file", "a file does not exist", "check the path"
    ),
    "unknown group": Case(
        UnsupportedError,
        "unsupported-curve",
        "this OpenSSL does not know that group",
        "use one of the groups that 'openssl list -tls-groups' shows",
    ),
    "nested asn1 error": _BAD_DER,
    "wrong tag": _BAD_DER,
    "not enough data": _BAD_DER,
    "header too long": _BAD_DER,
    "no cipher match": _BAD_CIPHERS,
    "invalid command": _BAD_CIPHERS,
    # Records and messages.
    "decryption failed or bad record mac": BAD_RECORD,
    "decryption failed": BAD_RECORD,
    "block cipher pad is wrong": BAD_RECORD,
    "bad signature": BAD_RECORD._replace(
        code="bad-signature",
        text="the peer's signature over the handshake is wrong",
    ),
    "digest check failed": BAD_RECORD._replace(
        code="bad-finished",
        text="the peers saw different handshakes",
    ),
    "data length too long": BAD_RECORD._replace(
        text="a record is longer than TLS allows"
    ),
    "encrypted length too long": BAD_RECORD._replace(
        text="a record is longer than TLS allows"
    ),
    "excessive message size": _BAD_MESSAGE._replace(
        code="message-too-long",
        text="the peer announced a handshake message that is too long",
        hint="shorten the peer's certificate chain; if it sends none, it is "
        "not a TLS peer at all",
    ),
    "unexpected message": _BAD_MESSAGE._replace(
        code="unexpected-message",
        text="the peer sent a message that does not belong here",
    ),
    "unexpected record": _BAD_MESSAGE._replace(code="unexpected-message"),
    "app data in handshake": _BAD_MESSAGE._replace(
        code="unexpected-message",
        text="the peer sent data before the handshake was over",
    ),
    "length mismatch": _BAD_MESSAGE,
    "length too short": _BAD_MESSAGE,
    "length too long": _BAD_MESSAGE,
    "bad packet": _BAD_MESSAGE,
    "bad packet length": _BAD_MESSAGE,
    "bad extension": _UNFIT_EXTENSION,
    "unsolicited extension": _UNFIT_EXTENSION,
    "extension not received": _UNFIT_EXTENSION,
    "parse tlsext": _UNFIT_EXTENSION,
    "bad key share": _BAD_MESSAGE,
    "unknown alert type": _BAD_MESSAGE._replace(
        text="the peer sent an alert that is neither a warning nor fatal"
    ),
    "too many warn alerts": _BAD_MESSAGE._replace(
        code="alert-flood",
        text="the peer sent one warning after another, and nothing else",
    ),
    "too many key updates": _BAD_MESSAGE._replace(
        code="key-update-flood",
        text="the peer changed its keys again and again",
    ),
    # The life of a session.
    "unexpected eof while reading": _EOF,
    "protocol is shutdown": _SHUT_DOWN,
    "shutdown while in init": _SHUT_DOWN,
    "application data after close notify": _BAD_MESSAGE._replace(
        code="data-after-close",
        text="the peer sent data after its close_notify",
    ),
    "no renegotiation": _NO_RENEGOTIATION,
    "malloc failure": _NO_MEMORY,
}
