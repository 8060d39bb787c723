"""Groups for the exchange of keys, and Diffie-Hellman beside them."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

import tlskit
from tlskit.engine.hello.groups import _bits, _finite
from tlskit.openssl import native
from tlskit.openssl.protocols import protocol
from tlskit.policy.settings import Settings
from tlskit.testing import memory_pair
from tlskit.x509.der import element

from ..engines import authority, client_context

DHE = "DHE-RSA-AES256-GCM-SHA384"
BEGIN = b"-----BEGIN DH PARAMETERS-----\n"


def written(bits: int) -> bytes:
    """Write parameters of this size, that nobody is to use."""
    prime = element(2, b"\0" + (2**bits - 1).to_bytes(bits // 8, "big"))
    der = element(0x30, prime + element(2, b"\2"))
    return BEGIN + base64.encodebytes(der) + b"-----END DH PARAMETERS-----\n"


Setup = Callable[[tlskit.ServerContext], object]
needs_groups = pytest.mark.skipif(
    not tlskit.capabilities()["groups"], reason="the binding has no groups"
)


def server(setup: Setup) -> tlskit.ServerContext:
    """Make a server with an RSA key, which DHE wants."""
    context = tlskit.ServerContext()
    authority().issue("localhost", key_type="rsa").apply(context)
    setup(context)
    return context


def group_of(setup: Setup, groups: str | None, ciphers: str) -> str | None:
    """Give what a server says of the group that was used."""
    asking = client_context("tls12")
    asking.set_ciphers(ciphers)
    if groups is not None:
        asking.set_groups(groups)
    client, theirs = memory_pair(asking, server(setup))
    with client, theirs:
        assert ciphers == client.cipher
        return theirs.group


def both(context: tlskit.ServerContext) -> None:
    """Make the usual pair of calls."""
    context.enable_dhe()
    context.enable_ecdhe()


def chosen(context: tlskit.ServerContext) -> None:
    """Give a list of curves."""
    context.enable_dhe()
    context.set_groups(["X25519", "P-256"])


@pytest.mark.native
@needs_groups
@pytest.mark.parametrize(
    "setup", [lambda context: context.enable_dhe(), both, chosen]
)
def test_parameters_are_used(setup: Setup) -> None:
    """The very parameters, where the client has or names them."""
    assert group_of(setup, "X25519:P-256", DHE) is None
    assert "ffdhe4096" == group_of(setup, "X25519:ffdhe4096", DHE)
    assert "ffdhe4096" == group_of(setup, "ffdhe2048:ffdhe4096", DHE)


@pytest.mark.native
@needs_groups
@pytest.mark.parametrize(
    "setup", [lambda context: context.enable_dhe(), both, chosen]
)
def test_every_client_is_served(setup: Setup) -> None:
    """Who names only smaller groups gets the largest of them."""
    assert "ffdhe3072" == group_of(setup, None, DHE)
    assert "ffdhe2048" == group_of(setup, "ffdhe2048", DHE)


@pytest.mark.native
@needs_groups
def test_curves_stay_what_they_were() -> None:
    """With DHE beside them, ECDHE uses the curve that was chosen."""
    cipher = "ECDHE-RSA-AES256-GCM-SHA384"

    assert "secp521r1" == group_of(both, "P-521:ffdhe2048", cipher)
    assert "x25519" == group_of(chosen, "X25519:ffdhe2048", cipher)


def settings(**more: object) -> Settings:
    """Make a server's settings."""
    return Settings(protocol("auto"), **more)  # type: ignore[arg-type]


@pytest.mark.native
@needs_groups
def test_an_own_list_is_left_alone() -> None:
    """Who lists such groups himself, or wants no DHE, gets none added."""
    pem = tlskit.DH4096_PARAMS
    own = settings(dh_parameters=pem, groups=("X25519", "ffdhe2048"))

    assert () == _finite(settings(groups=("X25519",)))
    assert () == _finite(own)
    assert (
        "ffdhe4096",
        "ffdhe6144",
        "ffdhe8192",
        "ffdhe3072",
        "ffdhe2048",
    ) == _finite(settings(dh_parameters=pem))
    with native.without("groups"):
        assert () == _finite(settings(dh_parameters=pem))


def test_the_size_of_parameters() -> None:
    """Of any prime; what is none is left to OpenSSL."""
    assert 4096 == _bits(tlskit.DH4096_PARAMS)
    assert 2048 == _bits(written(2048))
    for bad in (
        b"",
        b"garbage",
        BEGIN + b"?",
        BEGIN + b"MAA=",
        BEGIN + b"MA==",
    ):
        assert 0 == _bits(bad)
