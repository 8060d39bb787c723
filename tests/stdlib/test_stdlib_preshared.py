"""Python 3.13's names for pre-shared keys, on our engine."""

from __future__ import annotations

import gc
import ssl
import warnings

import pytest

import tlskit
from tlskit.openssl import native
from tlskit.testing import memory_pair

from ..libraries import server
from .test_stdlib_memory import end, shake

KEY = bytes(range(32))
ADAPTERS = {
    "client": lambda: tlskit.ClientContext("auto").as_ssl_context(),
    "server": lambda: tlskit.ServerContext().as_ssl_context(),
}


def adapters(offer, find):
    """Make two adapters that have keys, and no certificate."""
    ours, theirs = (make() for make in ADAPTERS.values())
    ours.set_psk_client_callback(offer)
    theirs.set_psk_server_callback(find, "a hint")
    return ours, theirs


@pytest.mark.native
def test_keys_are_proved():
    """The callbacks are called as ssl's, and both ends are in session."""
    asked = []

    def offer(hint):
        asked.append(hint)
        return "me", KEY

    def find(identity):
        asked.append(identity)
        return KEY

    client, serving = (
        end(context, hostname)
        for context, hostname in zip(
            adapters(offer, find), ("localhost", None), strict=True
        )
    )
    shake(client, serving)

    assert [None, "me"] == asked
    assert "TLSv1.3" == client.tls.version() == serving.tls.version()
    assert client.tls.cipher() == serving.tls.cipher()


@pytest.mark.native
@pytest.mark.parametrize(
    ("offer", "find"),
    [
        (lambda _: ("me", KEY), lambda _: b""),
        (lambda _: (None, b""), lambda _: KEY),
        (lambda _: ("me", KEY), lambda _: KEY[::-1]),
        (lambda _: (None, KEY), lambda _: KEY),
    ],
)
def test_what_is_not_proved_is_refused(offer, find):
    """No key on one side, another one, or no identity: no session."""
    ours, theirs = adapters(offer, find)
    ends = end(ours, "localhost"), end(theirs)
    with pytest.raises((ssl.SSLError, ValueError)):
        shake(*ends)


@pytest.mark.native
@pytest.mark.parametrize("side", ["client", "server"])
def test_nobody_awaits_a_callback(side):
    """A coroutine function is refused in words, and nothing is left over."""

    async def callback(_):
        raise AssertionError

    given = {"client": lambda _: ("me", KEY), "server": lambda _: KEY}
    ends = zip(
        adapters(*{**given, side: callback}.values()),
        ("localhost", None),
        strict=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ssl.SSLError, match="a PSK callback"):
            shake(*(end(context, name) for context, name in ends))
        gc.collect()


@pytest.mark.native
def test_cert_none_does_not_take_any_server():
    """A certificate of anybody's does not stand for the key."""
    ours, _ = adapters(lambda _: ("me", KEY), lambda _: b"")
    with pytest.raises(tlskit.HandshakeError) as caught:
        memory_pair(ours.tlskit_context, server(), hostname="localhost")

    assert "psk-not-used" == caught.value.code


@pytest.mark.parametrize("side", ADAPTERS)
@pytest.mark.parametrize("setter", ADAPTERS)
def test_none_is_none(side, setter):
    """It may be said to anybody."""
    adapter = ADAPTERS[side]()
    getattr(adapter, f"set_psk_{setter}_callback")(None)

    assert adapter.tlskit_context.settings.psk is None


@pytest.mark.parametrize("setter", ADAPTERS)
def test_keys_of_the_other_side(setter):
    """They are refused as by ssl."""
    other = {"client": "server", "server": "client"}[setter]
    adapter = ADAPTERS[other]()
    with pytest.raises(ssl.SSLError, match="Cannot add PSK"):
        getattr(adapter, f"set_psk_{setter}_callback")(lambda *_: b"")


@pytest.mark.parametrize("side", ADAPTERS)
def test_sealed_contexts_keep_their_keys(side):
    """The seal holds for the adapter, too."""
    adapter = ADAPTERS[side]()
    adapter.tlskit_context.seal()
    with pytest.raises(tlskit.SealedError):
        getattr(adapter, f"set_psk_{side}_callback")(lambda *_: b"")


@pytest.mark.parametrize("side", ADAPTERS)
def test_a_binding_that_can_not(side):
    """There are none, and who asks for some is told."""
    setter = getattr(ADAPTERS[side](), f"set_psk_{side}_callback")
    with (
        native.without("pre-shared-keys"),
        pytest.raises(tlskit.UnsupportedError, match="pre-shared keys"),
    ):
        setter(lambda *_: b"")
