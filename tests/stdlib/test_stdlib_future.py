"""Tests for what newer Pythons add to ``ssl.SSLContext``."""

from __future__ import annotations

import ssl

import pytest

import tlskit
from tlskit.stdlib.context import SSLContext, close_unknown

from ..joined import tcp_pair
from ..libraries import authority, client
from ..peers import PATIENCE, Task


def test_an_unknown_attribute_is_refused():
    """It is neither read nor set: it would have no effect."""

    class Base:
        def set_later(self):
            raise AssertionError

    class Adapter(Base):
        pass

    close_unknown(Adapter, Base)
    with pytest.raises(tlskit.UnsupportedError, match="set_later"):
        Adapter().set_later()
    with pytest.raises(tlskit.UnsupportedError, match="set_later"):
        Adapter().set_later = 1


needs_groups = pytest.mark.skipif(
    not tlskit.capabilities()["groups"],
    reason="the binding can't choose groups",
)


@pytest.mark.native
@needs_groups
def test_new_names_take_effect():
    """Python 3.15's names, on our engine; refused when sealed."""
    context = tlskit.ClientContext("auto")
    adapter = context.as_ssl_context()
    assert isinstance(adapter, SSLContext)
    adapter.set_groups("X25519:P-256")
    adapter.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256")

    assert ("X25519", "P-256") == context.settings.groups
    assert "TLS_CHACHA20_POLY1305_SHA256" == context.settings.ciphersuites
    context.seal()
    with pytest.raises(tlskit.SealedError):
        adapter.set_groups("X25519")


@pytest.mark.native
@needs_groups
def test_an_unknown_group_is_named():
    """A misspelt group is told, with those that there are."""
    with pytest.raises(tlskit.ConfigurationError, match="MLKEM786") as caught:
        tlskit.ClientContext("auto").set_groups(["X25519MLKEM786"])

    assert "X25519MLKEM768" in caught.value.hint


needs_schemes = pytest.mark.skipif(
    not tlskit.capabilities()["signature-algorithms"],
    reason="the binding can't choose signature algorithms",
)


def talking(
    ours: tlskit.ClientContext, theirs: tlskit.ServerContext
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Join two sockets of adapters, the client's first."""
    left, right = tcp_pair()
    for each in (left, right):
        each.settimeout(PATIENCE)
    task = Task(
        lambda: theirs.as_ssl_context().wrap_socket(right, server_side=True)
    )
    wrapped = ours.as_ssl_context().wrap_socket(
        left, server_hostname="localhost"
    )
    return wrapped, task.result()


@pytest.mark.native
@needs_schemes
def test_signature_algorithms_take_effect():
    """The client's list is what the server signs by; both can tell."""
    theirs = tlskit.ServerContext("auto")
    authority().issue("localhost", key_type="rsa").apply(theirs)
    ours = client().copy()
    adapter = ours.as_ssl_context()
    adapter.set_server_sigalgs("rsa_pss_rsae_sha512")
    adapter.set_client_sigalgs("rsa_pss_rsae_sha512")

    assert ("rsa_pss_rsae_sha512",) == ours.settings.signature_algorithms
    for context in (ours, theirs):
        context.set_trace(lambda _: None)
    one, two = talking(ours, theirs)
    with one, two:
        assert "rsa_pss_rsae_sha512" == one.server_sigalg()
        assert "rsa_pss_rsae_sha512" == two.server_sigalg()
        assert one.client_sigalg() is None
        assert one.group() == two.group()
        assert one.group() is not None


@pytest.mark.native
@needs_schemes
def test_clients_have_no_signature_algorithms_of_their_own():
    """What would be ignored is refused; sealed, nothing changes at all."""
    adapter = client().copy().as_ssl_context()
    with pytest.raises(tlskit.UnsupportedError, match="clients' own"):
        adapter.set_client_sigalgs("ed25519")
    for change in (
        client().as_ssl_context().set_client_sigalgs,
        client().as_ssl_context().set_server_sigalgs,
    ):
        with pytest.raises(tlskit.SealedError):
            change("ed25519")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("set_groups", marks=[needs_groups, pytest.mark.native]),
        "set_ciphersuites",
        pytest.param(
            "set_server_sigalgs", marks=[needs_schemes, pytest.mark.native]
        ),
    ],
)
def test_an_unknown_name_is_an_error_of_ssl(name):
    """As it would be in ``ssl``; ours is the cause."""
    adapter = client().copy().as_ssl_context()
    with pytest.raises(ssl.SSLError, match="nonsense") as caught:
        getattr(adapter, name)("nonsense")

    assert isinstance(caught.value.__cause__, tlskit.ConfigurationError)


def test_before_the_handshake_nothing_is_agreed_upon():
    """Neither is it where no peer is yet."""
    left, right = tcp_pair()
    with right, left:
        wrapped = (
            client()
            .as_ssl_context()
            .wrap_socket(
                left,
                server_hostname="localhost",
                do_handshake_on_connect=False,
            )
        )
        with wrapped:
            assert wrapped.group() is None
            assert wrapped.server_sigalg() is None
