"""The table from our errors to those of ``ssl``."""

from __future__ import annotations

import ssl

import pytest

import tlskit
from tlskit.stdlib.errors import as_ssl_error

TABLE = [
    (
        tlskit.VerificationError("no", reason=tlskit.VerifyReason(10)),
        ssl.SSLCertVerificationError,
        ssl.SSL_ERROR_SSL,
        "CERTIFICATE_VERIFY_FAILED",
    ),
    (
        tlskit.IdentityError("no"),
        ssl.SSLCertVerificationError,
        ssl.SSL_ERROR_SSL,
        "CERTIFICATE_VERIFY_FAILED",
    ),
    (
        tlskit.TruncatedError("no"),
        ssl.SSLEOFError,
        ssl.SSL_ERROR_EOF,
        "UNEXPECTED_EOF_WHILE_READING",
    ),
    (
        tlskit.HandshakeError("no", code="closed-in-handshake"),
        ssl.SSLEOFError,
        ssl.SSL_ERROR_EOF,
        "UNEXPECTED_EOF_WHILE_READING",
    ),
    (
        tlskit.WantReadError("no"),
        ssl.SSLWantReadError,
        ssl.SSL_ERROR_WANT_READ,
        "WANT_READ",
    ),
    (
        tlskit.WantWriteError("no"),
        ssl.SSLWantWriteError,
        ssl.SSL_ERROR_WANT_WRITE,
        "WANT_WRITE",
    ),
    (
        tlskit.ClosedError("no"),
        ssl.SSLZeroReturnError,
        ssl.SSL_ERROR_ZERO_RETURN,
        "ZERO_RETURN",
    ),
    (
        tlskit.AlertError(
            "no",
            library_errors=(
                "unknown library: nothing",
                "SSL routines: tlsv1 alert unknown ca",
            ),
        ),
        ssl.SSLError,
        ssl.SSL_ERROR_SSL,
        "TLSV1_ALERT_UNKNOWN_CA",
    ),
    (
        tlskit.NotTLSError("no", code="plain-http"),
        ssl.SSLError,
        ssl.SSL_ERROR_SSL,
        "PLAIN_HTTP",
    ),
    (
        tlskit.ConfigurationError("no"),
        ssl.SSLError,
        ssl.SSL_ERROR_SSL,
        "BAD_CONFIGURATION",
    ),
    (ValueError("no"), ssl.SSLError, ssl.SSL_ERROR_SSL, "CALLBACK_FAILED"),
]


@pytest.mark.parametrize(
    ("error", "kind", "number", "reason"),
    TABLE,
    ids=[type(row[0]).__name__ for row in TABLE],
)
def test_every_error_becomes_one_that_libraries_catch(
    error, kind, number, reason
):
    """Class, number and reason are those that ``ssl`` would have raised."""
    made = as_ssl_error(error)

    assert kind is type(made)
    assert (number, "SSL", reason) == (made.errno, made.library, made.reason)
    assert str(made).startswith(f"[SSL: {reason}] ")
    assert "no" in str(made)


def test_the_whole_tree_is_covered():
    """Whatever is added to the tree becomes an ssl.SSLError."""
    for name in tlskit.errors.__all__:
        kind = getattr(tlskit, name, None)
        if isinstance(kind, type) and issubclass(kind, tlskit.TLSError):
            assert isinstance(as_ssl_error(kind("no")), ssl.SSLError)


def test_the_explanation_is_in_the_text():
    """Advice and hint, on one line."""
    error = tlskit.VerificationError(
        "it is old", advice=("one", "two"), hint="renew it"
    )

    assert (
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
        "it is old; one; two; renew it"
    ) == str(as_ssl_error(error))


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (tlskit.VerifyReason.CERT_HAS_EXPIRED, 10),
        (tlskit.VerifyReason.PIN_MISMATCH, 50),
        (tlskit.VerifyReason.OTHER, 50),
    ],
)
def test_verify_code_is_one_of_openssls(reason, code):
    """Our own numbers are told as "refused by the application"."""
    made = as_ssl_error(tlskit.VerificationError("no", reason=reason))

    assert (code, "no") == (made.verify_code, made.verify_message)
