"""Alerts that OpenSSL has no words for, and those of a session that is up."""

from __future__ import annotations

import pytest

import tlskit
from tlskit.errors.stack import describe_failure

from ..engines import client_context, client_engine, pair, server_context

LIBRARY = "SSL routines"
needs_groups = pytest.mark.skipif(
    not tlskit.capabilities()["groups"],
    reason="the binding can't choose groups",
)


def told(number: int) -> tlskit.TLSError:
    """Answer a ClientHello by a fatal alert; give what the client raises."""
    engine = client_engine()
    assert engine.handshake() is None
    engine.outgoing()
    engine.receive(bytes((21, 3, 3, 0, 2, 2, number)))
    with pytest.raises(tlskit.TLSError) as caught:
        engine.handshake()
    return caught.value


@pytest.mark.parametrize(
    "alert", [tlskit.Alert.GENERAL_ERROR, tlskit.Alert.ECH_REQUIRED]
)
def test_new_alerts_have_their_names(alert: tlskit.Alert) -> None:
    """Those that OpenSSL does not name yet are named, with advice."""
    error = told(int(alert))

    assert isinstance(error, tlskit.AlertError)
    assert alert is error.alert
    assert f"alert-{alert.name.lower().replace('_', '-')}" == error.code
    assert alert.name.lower() in str(error)
    assert error.hint


def test_an_alert_that_nobody_has_defined() -> None:
    """Its number is told; there is nothing else to say."""
    error = told(99)

    assert isinstance(error, tlskit.AlertError)
    assert error.alert is None
    assert "peer-refused" == error.code
    assert "nobody has defined: 99" in str(error)


def test_no_number_is_known() -> None:
    """Then none is told."""
    error = describe_failure([(LIBRARY, "", "")], tlskit.HandshakeError)

    assert str(error).endswith("with an alert that nobody has defined")


def test_a_renegotiation_that_the_client_gives_up() -> None:
    """A session that is up lacks no parameters."""
    stack = [(LIBRARY, "", "tls alert handshake failure")]
    early = describe_failure(stack, tlskit.HandshakeError)
    late = describe_failure(stack, tlskit.StreamError)

    assert "no acceptable set of parameters" in str(early)
    assert "acceptable set of parameters" not in str(late)
    assert "renegotiate" in str(late)
    assert "TLS 1.3" in late.hint


def test_other_alerts_mean_the_same_later() -> None:
    """A client's certificate is refused after its handshake (TLS 1.3)."""
    stack = [(LIBRARY, "", "tlsv1 alert unknown ca")]

    assert "does not know the CA" in str(
        describe_failure(stack, tlskit.StreamError)
    )


@pytest.mark.native
@needs_groups
@pytest.mark.parametrize("names", [["brainpoolP256r1"], ["?nonsense"]])
def test_a_list_of_groups_that_holds_nothing(names: list[str]) -> None:
    """Our own list is to blame when nothing could be sent."""
    context = client_context()
    try:
        context.set_groups(names)
        engine = client_engine(context)
        with pytest.raises(tlskit.NegotiationError) as caught:
            engine.handshake()
    except tlskit.ConfigurationError as error:
        assert "group" in str(error)
        return

    assert "no-usable-group" == caught.value.code
    assert "our own list" in str(caught.value)
    assert "set_groups()" in caught.value.hint


@pytest.mark.native
@needs_groups
def test_groups_that_the_peer_lacks() -> None:
    """Where something was sent, the peers have nothing in common."""
    ours, theirs = client_context("tls13"), server_context("tls13")
    ours.set_groups(["P-384"])
    theirs.set_groups(["P-521"])
    with pytest.raises(tlskit.NegotiationError) as caught:
        pair(ours, theirs)

    assert "no-shared-group" == caught.value.code
    assert "in common" in str(caught.value)
