"""Tests for what newer Pythons add to ``ssl.SSLContext``."""

from __future__ import annotations

import pytest

import tlskit
from tlskit.stdlib.context import SSLContext, close_unknown


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
