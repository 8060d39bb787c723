"""``set_verify_optional()``: no certificate is fine, a bad one is refused."""

from __future__ import annotations

import ssl

import pytest

import tlskit
from tlskit.testing import CA, memory_pair

HOST = "localhost"
CA_OF_BOTH = CA("a CA that is trusted")
STRANGER = CA("somebody else's CA")


def server() -> tlskit.ServerContext:
    """Make a server that asks, and lets clients in without."""
    context = tlskit.ServerContext()
    CA_OF_BOTH.issue(HOST).apply(context)
    CA_OF_BOTH.trust(context)
    context.set_verify_optional()
    return context


def client(protocol: str, ca: CA | None) -> tlskit.ClientContext:
    """Make a client with a certificate of *ca*, or none."""
    context = tlskit.ClientContext(protocol)
    CA_OF_BOTH.trust(context)
    context.set_verify()
    if ca is not None:
        ca.issue("client.example").apply(context)
    return context


@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
@pytest.mark.parametrize("ca", [CA_OF_BOTH, None])
def test_let_in(protocol: str, ca: CA | None) -> None:
    """Who shows a good certificate is known, who shows none is not."""
    ours, theirs = memory_pair(client(protocol, ca), server())
    with ours, theirs:
        assert (ca is not None) == theirs.peer_verified
        assert theirs.verify_error is None


@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
@pytest.mark.parametrize("rule", ["chain", "pin", "strict", "hook"])
def test_a_bad_one_is_refused(protocol: str, rule: str) -> None:
    """Whatever is wrong with it."""

    class Strict(tlskit.ServerContext):
        def verify_peer(self, verdict):
            if verdict.peer_certificate is not None:
                raise tlskit.VerificationError("not this one")

    context = server()
    ca = STRANGER if rule == "chain" else CA_OF_BOTH
    if rule == "pin":
        context.set_pins(["sha256/" + "A" * 43 + "="])
    elif rule == "strict":
        context.set_strict()
        ca = STRANGER
    elif rule == "hook":
        context = Strict()
        CA_OF_BOTH.issue(HOST).apply(context)
        CA_OF_BOTH.trust(context)
        context.set_verify_optional()
    with pytest.raises(tlskit.TLSError):
        ours, theirs = memory_pair(client(protocol, ca), context)
        with ours, theirs:
            ours.recv(1)


@pytest.mark.parametrize("protocol", ["tls12", "tls13"])
def test_pins_and_nobody(protocol: str) -> None:
    """Pins are for those who show a certificate."""
    context = server()
    context.set_pins(["sha256/" + "A" * 43 + "="])
    ours, theirs = memory_pair(client(protocol, None), context)
    with ours, theirs:
        assert not theirs.peer_verified


def test_off_asks_nobody() -> None:
    """False takes it back."""
    context = server()
    context.set_verify_optional(False)
    ours, theirs = memory_pair(client("tls13", STRANGER), context)
    with ours, theirs:
        assert theirs.peer_certificate is None


def test_a_client_demands_all_the_same() -> None:
    """A server always has a certificate; a bad one is refused."""
    context = tlskit.ClientContext("tls13")
    STRANGER.trust(context)
    context.set_verify_optional()

    with pytest.raises(tlskit.VerificationError):
        memory_pair(context, server())


def test_the_adapter_means_the_same() -> None:
    """CERT_OPTIONAL sets it, and reads back."""
    context = tlskit.ServerContext()
    adapter = context.as_ssl_context()
    adapter.verify_mode = ssl.CERT_OPTIONAL

    assert "optional" == context.settings.verify.value
    assert ssl.CERT_OPTIONAL == adapter.verify_mode
    context.try_verify()
    assert ssl.CERT_OPTIONAL == adapter.verify_mode


def test_absence_under_try_verify_is_not_called_a_demand() -> None:
    """The words fit what the server has asked for."""
    context = server()
    context.try_verify()
    ours, theirs = memory_pair(client("tls13", None), context)
    with ours, theirs:
        assert "though one is asked for" in str(theirs.verify_error)
        assert "try_verify" not in theirs.verify_error.hint
