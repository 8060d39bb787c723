"""What hardly happens in a session, met directly."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from OpenSSL import SSL

import tlskit
from tlskit.engine import presenting, trace, verdict
from tlskit.engine.engine import State
from tlskit.openssl import native
from tlskit.policy.settings import Verify
from tlskit.testing import CA

from ..engines import authority
from ..joined import over_sockets


def test_a_close_notify_behind_another_alert_ends_well() -> None:
    """OpenSSL reports an error for Java's user_canceled; the end has come."""
    client, server = over_sockets()
    with client, server:
        engine = client._driver.engine
        real, engine._connection = (
            engine._connection,
            SimpleNamespace(get_shutdown=lambda: SSL.RECEIVED_SHUTDOWN),
        )
        given = engine._cut_off(OSError(), tlskit.StreamError)
        engine._connection = real

        assert 0 == given
        assert State.INPUT_ENDED is engine.state


def test_a_certificate_that_is_none_of_ours() -> None:
    """Of two pairs, a certificate that belongs to neither names none."""
    ca = CA()
    context = tlskit.ServerContext()
    ca.issue("localhost").apply(context)
    other = ca.issue("localhost", key_type="rsa")
    context.add_credentials(other.chain_pem, other.key_pem)
    connection = SimpleNamespace(get_certificate=lambda **_: None)

    assert presenting.own_pair(connection, context.settings) is None


def test_a_message_of_a_connection_without_a_trace() -> None:
    """It is not told to anybody."""
    record = SimpleNamespace(tracer=None)
    connection = SimpleNamespace(get_app_data=lambda: record)

    assert trace.on_message(connection, sent=True, kind=22, data=b"") is None


def test_a_session_that_nobody_can_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A certificate out of a session is no verified one without a verdict."""
    monkeypatch.setattr(native, "has", lambda _: False)
    record = SimpleNamespace(
        chain={}, faults=[], settings=SimpleNamespace(verify=Verify.TRY)
    )
    verdict._check_carried(None, record, authority().certificate)

    assert [0] == [fault.depth for fault in record.faults]


def test_a_context_chooses_nothing_by_itself() -> None:
    """The hook's default is to go on with the same context."""
    assert tlskit.ServerContext().choose_for(None) is None


@pytest.mark.native
@pytest.mark.parametrize("what", ["garbage", "another key"])
def test_a_key_that_openssl_does_not_take(what: str) -> None:
    """It is an error of the tree."""
    from cryptography.hazmat.primitives import serialization

    ca = CA()
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    der = b"garbage"
    if what == "another key":
        context.use_certificate(ca.issue("localhost").certificate)
        der = ca.issue("localhost").key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    with pytest.raises(tlskit.CredentialError):
        native.use_private_key(context, der)
