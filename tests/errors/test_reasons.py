"""What OpenSSL reports becomes one error that says what to do."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from tlskit.errors import (
    AlertError,
    ClosedError,
    ConfigurationError,
    CredentialError,
    HandshakeError,
    NegotiationError,
    NotTLSError,
    StreamError,
    TLSError,
    TruncatedError,
    UnsupportedError,
    VerificationError,
)
from tlskit.errors.alerts import ALERTS, OLD_ALERTS, alert_words
from tlskit.errors.codes import Alert, VerifyReason
from tlskit.errors.openssl_reasons import CASES
from tlskit.errors.stack import alert_of, describe_failure

TLS_1_2, TLS_1_3 = SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION
LIBRARY = "SSL routines"
NEWEST = frozenset({Alert.GENERAL_ERROR, Alert.ECH_REQUIRED})


# -- real failures: two pyOpenSSL connections over memory -------------------


@cache
def credentials(kind: str = "p256") -> tuple[x509.Certificate, Any]:
    """Make a self-signed certificate with a key of *kind*."""
    key: Any = {
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "k256": lambda: ec.generate_private_key(ec.SECP256K1()),
        "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
    }[kind]()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kind)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def make_context(
    *,
    cert: str | None = None,
    versions: tuple[int, int] = (TLS_1_2, TLS_1_3),
    ciphers: str = "",
    verify: bool = False,
    curve: ec.EllipticCurve | None = None,
) -> SSL.Context:
    """Make a pyOpenSSL context."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(versions[0])
    context.set_max_proto_version(versions[1])
    if ciphers:
        context.set_cipher_list(ciphers.encode())
    if cert is not None:
        certificate, key = credentials(cert)
        context.use_certificate(certificate)
        context.use_privatekey(key)
    if verify:
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    if curve is not None:
        context.set_tmp_ecdh(curve)
    return context


def connection(context: SSL.Context, *, server: bool) -> SSL.Connection:
    """Make a connection over memory."""
    made = SSL.Connection(context, None)
    if server:
        made.set_accept_state()
    else:
        made.set_connect_state()
    return made


def step(connection: SSL.Connection) -> list[Any] | None:
    """Go one step on; give OpenSSL's stack if that fails."""
    try:
        connection.do_handshake()
        connection.recv(10)
    except SSL.WantReadError:
        return None
    except SSL.Error as error:
        return list(error.args[0])
    return None


def drain(connection: SSL.Connection) -> bytes:
    """Take what wants to go out."""
    try:
        return connection.bio_read(65536)
    except SSL.WantReadError:
        return b""


def clash(
    client: SSL.Context, server: SSL.Context, *, alpn: bytes = b""
) -> dict[str, TLSError]:
    """Let two contexts meet; give the errors of both sides."""
    ends = {
        "client": connection(client, server=False),
        "server": connection(server, server=True),
    }
    if alpn:
        ends["client"].set_alpn_protos([alpn])
    errors: dict[str, TLSError] = {}
    for _ in range(6):
        for side, other in (("client", "server"), ("server", "client")):
            if side in errors:
                continue
            stack = step(ends[side])
            if stack is not None:
                errors[side] = describe_failure(stack, HandshakeError, "x")
            data = drain(ends[side])
            if data:
                ends[other].bio_write(data)
    return errors


def fed(data: bytes, *, server: bool, cert: str = "p256") -> TLSError:
    """Give the error of one who gets *data* instead of a handshake."""
    end = connection(make_context(cert=cert), server=server)
    assert step(end) is None
    end.bio_write(data)
    stack = step(end)
    assert stack is not None
    return describe_failure(stack, HandshakeError, "shaking hands")


def record(kind: int, payload: bytes) -> bytes:
    """Frame *payload* as a TLS 1.2 record."""
    return bytes([kind, 3, 3]) + len(payload).to_bytes(2, "big") + payload


_PROXY_REQUEST = "proxy-request"
_BAD_RECORD = "bad-record"
#: OpenSSL 3 complains of the length that it takes such bytes for.
_LESS_EXACT = {_PROXY_REQUEST: ("not-tls",), _BAD_RECORD: ("not-tls",)}


@pytest.mark.parametrize(
    ("data", "server", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True, "plain-http"),
        (b"CONNECT a:443 HTTP/1.1\r\n\r\n", True, _PROXY_REQUEST),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "not-tls"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "not-tls"),
        (b"220 mail.example ESMTP\r\n", False, "not-tls"),
        (b"\0" * 40, True, "not-tls"),
        (b"\xbd\xf8" * 40, True, "not-tls"),
    ],
)
def test_other_protocols_are_not_tls(
    data: bytes, server: bool, code: str
) -> None:
    """First bytes that are no TLS give NotTLSError with advice."""
    error = fed(data, server=server)

    assert type(error) is NotTLSError
    assert error.code in (code, *_LESS_EXACT.get(code, ()))
    assert error.hint
    assert str(error).startswith("shaking hands: expected")


@pytest.mark.parametrize(
    ("data", "server", "code"),
    [
        (record(22, b"")[:3] + b"\xff\xff" + b"a" * 60, True, _BAD_RECORD),
        (record(23, b"hello"), False, "unexpected-message"),
        (record(20, b"\1"), False, "unexpected-message"),
        (record(21, b"\7\x28"), False, "bad-message"),
        (record(22, b"\2\xff\xff\xff"), False, "message-too-long"),
        (record(22, b"\1\0\0\0"), True, "bad-message"),
        (record(22, b"\2\0\0\0"), True, "unexpected-message"),
    ],
)
def test_broken_records_and_messages_are_named(
    data: bytes, server: bool, code: str
) -> None:
    """A record or message that breaks the rules says which rule."""
    error = fed(data, server=server)

    assert type(error) in (HandshakeError, NotTLSError)
    assert error.code in (code, *_LESS_EXACT.get(code, ()))
    assert (type(error) is NotTLSError) == (error.code == "not-tls")
    assert error.status == "ssl"
    assert error.hint


def test_a_server_without_rfc_5746_is_named() -> None:
    """A server that renegotiates unsafely is NegotiationError."""
    hello = b"\3\3" + os.urandom(32) + b"\0" + b"\xc0\x2b" + b"\0"
    error = fed(
        record(22, b"\2" + len(hello).to_bytes(3, "big") + hello), server=False
    )

    assert type(error) is NegotiationError
    assert error.code == "unsafe-renegotiation"


@pytest.mark.parametrize(
    "versions",
    [((TLS_1_2, TLS_1_2), (TLS_1_3,) * 2), ((TLS_1_3,) * 2, (TLS_1_2,) * 2)],
)
def test_no_common_version(
    versions: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    """The server finds no version in common; the client gets its alert."""
    client, server = versions
    errors = clash(
        make_context(versions=client),
        make_context(versions=server, cert="p256"),
    )

    assert type(errors["server"]) is NegotiationError
    assert errors["server"].code == "no-common-version"
    assert isinstance(errors["client"], AlertError)
    assert errors["client"].alert is Alert.PROTOCOL_VERSION
    assert errors["client"].code == "alert-protocol-version"


def test_an_empty_range_of_versions() -> None:
    """A side with no version left blames its own settings."""
    errors = clash(
        make_context(versions=(TLS_1_3, TLS_1_2)), make_context(cert="p256")
    )

    assert type(errors["client"]) is NegotiationError
    assert errors["client"].code == "no-protocols-available"


@pytest.mark.parametrize(
    ("client", "cert"),
    [
        ({"ciphers": "ECDHE-RSA-AES128-GCM-SHA256"}, "p256"),
        ({}, None),
    ],
)
def test_no_cipher_in_common(client: dict[str, Any], cert: str | None) -> None:
    """Unfit ciphers and a server without certificate look the same."""
    errors = clash(
        make_context(versions=(TLS_1_2, TLS_1_2), **client),
        make_context(cert=cert),
    )

    assert type(errors["server"]) is NegotiationError
    assert errors["server"].code == "no-shared-cipher"
    assert "certificate" in errors["server"].hint
    assert isinstance(errors["client"], AlertError)
    assert errors["client"].alert is Alert.HANDSHAKE_FAILURE


def test_no_group_in_common() -> None:
    """Key exchange without a common group is NegotiationError."""
    errors = clash(
        make_context(curve=ec.SECP256R1()),
        make_context(cert="p256", curve=ec.SECP521R1()),
    )

    assert type(errors["server"]) is NegotiationError
    assert errors["server"].code == "no-shared-group"


def test_a_certificate_that_tls_1_3_has_no_algorithm_for() -> None:
    """Such a server can't speak TLS 1.3, and its hint mentions it."""
    errors = clash(
        make_context(versions=(TLS_1_3, TLS_1_3)), make_context(cert="k256")
    )

    assert type(errors["server"]) is NegotiationError
    assert errors["server"].code == "no-common-version"
    assert "certificate" in errors["server"].hint


def test_an_untrusted_certificate() -> None:
    """Without a verdict of its own a refused chain is VerificationError."""
    errors = clash(make_context(verify=True), make_context(cert="p256"))

    assert type(errors["client"]) is VerificationError
    assert errors["client"].code == "unverified"
    assert isinstance(errors["server"], AlertError)
    assert errors["server"].alert is Alert.UNKNOWN_CA
    assert "CA" in errors["server"].hint


@pytest.mark.parametrize(
    ("version", "alert"),
    [
        (TLS_1_2, Alert.HANDSHAKE_FAILURE),
        (TLS_1_3, Alert.CERTIFICATE_REQUIRED),
    ],
)
def test_a_missing_client_certificate(version: int, alert: Alert) -> None:
    """Both sides learn that the client has no certificate."""
    errors = clash(
        make_context(versions=(version, version)),
        make_context(cert="p256", verify=True),
    )

    assert isinstance(errors["server"], VerificationError)
    assert errors["server"].code == "no-certificate"
    assert errors["server"].reason is VerifyReason.NO_CERTIFICATE
    assert isinstance(errors["client"], AlertError)
    assert errors["client"].alert is alert
    assert "load a client certificate" in errors["client"].hint


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_changed_record(version: int) -> None:
    """A record changed on its way is found, and never taken for data."""
    only = (version, version)
    client = connection(make_context(versions=only), server=False)
    server = connection(make_context(cert="p256", versions=only), server=True)
    for _ in range(4):
        for one, other in ((client, server), (server, client)):
            assert step(one) is None
            data = drain(one)
            if data:
                other.bio_write(data)
    client.send(b"hello")
    data = bytearray(drain(client))
    data[-1] ^= 1
    server.bio_write(bytes(data))
    stack = step(server)
    assert stack is not None
    error = describe_failure(stack, StreamError, "reading")

    assert type(error) is StreamError
    assert error.code == "bad-record"
    # TLS 1.2 has a remark of the provider's before it.
    assert len(stack) == len(error.library_errors)
    assert "SSL routines: record layer failure" in error.library_errors


def test_credentials_that_do_not_fit() -> None:
    """What OpenSSL says of our own credentials is CredentialError."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_certificate(credentials("p256")[0])
    with pytest.raises(SSL.Error) as mismatch:
        context.use_privatekey(
            ec.generate_private_key(ec.SECP256R1())  # A stranger's.
        )
    with pytest.raises(SSL.Error) as keyless:
        context.check_privatekey()
    with pytest.raises(SSL.Error) as weak:
        context.use_certificate(credentials("rsa1024")[0])
    errors = [
        describe_failure(caught.value.args[0], CredentialError, "loading")
        for caught in (mismatch, keyless, weak)
    ]

    assert ["key-mismatch", "no-credentials", "weak-key"] == [
        error.code for error in errors
    ]
    assert {CredentialError} == {type(error) for error in errors}
    assert all(error.hint for error in errors)


def test_a_cipher_that_does_not_exist() -> None:
    """A wrong cipher list is the caller's mistake."""
    with pytest.raises(SSL.Error) as caught:
        SSL.Context(SSL.TLS_METHOD).set_cipher_list(b"NOSUCH")
    error = describe_failure(caught.value.args[0], ConfigurationError)

    assert type(error) is ConfigurationError
    assert error.code == "bad-ciphers"
    assert not str(error).startswith(":")


# -- alerts -----------------------------------------------------------------


@pytest.mark.parametrize(
    "alert",
    [
        each
        for each in Alert
        # Not all of its releases have words for the newest ones.
        if each not in {Alert.CLOSE_NOTIFY, *NEWEST}
    ],
)
def test_each_alert_is_known_by_this_openssl(alert: Alert) -> None:
    """A fatal alert from the wire becomes an AlertError with advice."""
    error = fed(record(21, bytes([2, alert])), server=False)

    assert isinstance(error, AlertError)
    assert error.alert is alert
    assert error.code == "alert-" + alert.name.lower().replace("_", "-")
    assert ALERTS[alert][1] == error.hint
    assert alert.name.lower() in str(error).replace("cancelled", "canceled")


@pytest.mark.parametrize("number", [21, 30, 60, 99, 111, 114, 255])
def test_unassigned_alerts_are_alerts(number: int) -> None:
    """An alert without a meaning is still the peer's refusal."""
    error = fed(record(21, bytes([2, number])), server=False)

    assert isinstance(error, AlertError)
    assert error.alert is None
    assert error.code == "peer-refused"
    assert error.hint
    assert "refused us with" in str(error)


@pytest.mark.parametrize(
    "prefix", ["sslv3 alert", "ssl/tls alert", "tls alert", "tlsv1 alert"]
)
def test_alerts_of_all_releases(prefix: str) -> None:
    """OpenSSL's prefix before an alert does not matter."""
    error = describe_failure(
        [(LIBRARY, "", f"{prefix} handshake failure")], HandshakeError
    )

    assert isinstance(error, AlertError)
    assert error.alert is Alert.HANDSHAKE_FAILURE


@pytest.mark.parametrize("default", [HandshakeError, StreamError])
def test_alerts_stay_alerts_in_mid_session(default: type[TLSError]) -> None:
    """A TLS 1.3 client learns what it lacks at its first read."""
    error = describe_failure(
        [(LIBRARY, "", "tlsv13 alert certificate required")], default
    )

    assert type(error) is AlertError
    assert "load_certificate_chain()" in error.hint


def test_alert_of() -> None:
    """Numbers, names and reasons find an alert; others don't."""
    assert alert_of(48) is Alert.UNKNOWN_CA
    assert alert_of("unknown_ca") is Alert.UNKNOWN_CA
    assert alert_of("certificate-required") is Alert.CERTIFICATE_REQUIRED
    assert alert_of("tlsv1 alert user cancelled") is Alert.USER_CANCELED
    assert alert_of(99) is None
    assert alert_of("nonsense") is None


def test_reasons_that_only_look_like_alerts() -> None:
    """``tls illegal exporter label`` is no alert."""
    assert alert_words("tls illegal exporter label") is None
    assert alert_words("no shared cipher") is None
    assert alert_words("sslv3 alert no certificate") == "no certificate"


def test_every_alert_has_words() -> None:
    """No alert is left without meaning and advice."""
    assert set(Alert) == set(ALERTS)
    assert all(meaning and hint for meaning, hint in ALERTS.values())
    assert not {a.name.lower().replace("_", " ") for a in Alert} & OLD_ALERTS


# -- the tables -------------------------------------------------------------


@pytest.mark.parametrize("reason", CASES)
@pytest.mark.parametrize(
    "default",
    [HandshakeError, StreamError, ConfigurationError, CredentialError],
)
def test_a_reason_stays_in_its_part_of_the_tree(
    reason: str, default: type[TLSError]
) -> None:
    """Whatever the table says, callers get the family they asked for."""
    error = describe_failure([(LIBRARY, "", reason)], default, "x")

    assert isinstance(error, default)
    assert re.fullmatch("[a-z]+(-[a-z0-9]+)*", error.code)
    assert error.hint
    assert "\n" not in error.hint
    assert str(error).startswith("x: ")
    assert str(error).endswith(f"(OpenSSL: {reason})")
    assert error.library_errors == (f"SSL routines: {reason}",)


def test_a_finer_class_must_fit() -> None:
    """UnsupportedError is a ConfigurationError, but no CredentialError."""
    stack = [("", "", "unknown group")]

    assert UnsupportedError is type(
        describe_failure(stack, ConfigurationError)
    )
    assert CredentialError is type(describe_failure(stack, CredentialError))


def test_the_end_of_the_file() -> None:
    """It is truncation in a session, and something else before it."""
    stack = [(LIBRARY, "", "unexpected eof while reading")]
    later = describe_failure(stack, StreamError)
    before = describe_failure(stack, HandshakeError)

    assert type(later) is TruncatedError
    assert type(before) is HandshakeError
    assert before.code == "closed-in-handshake"
    assert later.status == before.status == "syscall"


def test_garbage_in_a_session() -> None:
    """Who spoke TLS before is not said to speak something else."""
    error = describe_failure(
        [(LIBRARY, "", "wrong version number")], StreamError
    )

    assert type(error) is StreamError
    assert error.code == "bad-record"


def test_a_closed_session() -> None:
    """Using a session after its end is ClosedError."""
    error = describe_failure(
        [(LIBRARY, "", "protocol is shutdown")], StreamError
    )

    assert type(error) is ClosedError
    assert error.status is None


def test_the_first_known_reason_decides() -> None:
    """Remarks that no table knows don't hide the cause behind them."""
    error = describe_failure(
        [
            ("Provider routines", "", "cipher operation failed"),
            (LIBRARY, "", "decryption failed or bad record mac"),
            (LIBRARY, "", "no shared cipher"),
        ],
        StreamError,
    )

    assert error.code == "bad-record"
    assert error.library_errors == (
        "Provider routines: cipher operation failed",
        "SSL routines: decryption failed or bad record mac",
        "SSL routines: no shared cipher",
    )


@pytest.mark.parametrize(
    ("stack", "doing", "message"),
    [
        ([], "", "OpenSSL failed and gives no reason"),
        ([], "closing", "closing: OpenSSL failed and gives no reason"),
        (
            [("system library", "", "")],
            "reading",
            "reading: system library failed and gives no reason",
        ),
        ([("", "", "")], "", "OpenSSL failed and gives no reason"),
        (
            [("system library", "", ""), ("BIO routines", "", "new words")],
            "",
            "OpenSSL failed: new words (BIO routines)",
        ),
        (
            [("", "", "new words")],
            "reading",
            "reading: new words (unknown library)",
        ),
    ],
)
def test_no_message_is_empty(
    stack: list[tuple[str, str, str]], doing: str, message: str
) -> None:
    """What no table knows keeps OpenSSL's words, or gets ours."""
    error = describe_failure(stack, StreamError, doing)

    assert type(error) is StreamError
    assert message == str(error)
    assert len(stack) == len(error.library_errors)
    assert all(error.library_errors)
