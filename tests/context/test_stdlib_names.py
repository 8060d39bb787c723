"""What a program that was written for ``ssl`` tries on a context."""

from __future__ import annotations

import re
import ssl

import pytest

import tlskit
from tlskit.context.stdlib_names import _METHODS, SETTINGS

CALLS = re.compile(r"(\w+)\(")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_ssl_is_refused(name):
    """It would change nothing: it is an error, and told what does."""
    context = tlskit.ServerContext()
    with pytest.raises(AttributeError, match=r"ssl\.SSLContext; use "):
        setattr(context, name, ssl.CERT_REQUIRED)

    assert name not in vars(context)


@pytest.mark.parametrize("name", SETTINGS | _METHODS)
def test_a_name_of_ssl_is_told(name):
    """Who looks for it learns what there is instead; it is not there."""
    context = tlskit.ClientContext()
    with pytest.raises(AttributeError, match=r"ssl\.SSLContext; use "):
        getattr(context, name)

    assert not hasattr(context, name)


@pytest.mark.parametrize(
    "words", sorted({*SETTINGS.values(), *_METHODS.values()})
)
def test_what_there_is_instead_exists(words):
    """Each call that is advised can be made."""
    homes = (tlskit.ServerContext, tlskit.SSLPort, tlskit)

    assert all(
        any(hasattr(home, name) for home in homes)
        for name in CALLS.findall(words)
    )


def test_another_name_is_an_ordinary_mistake():
    """What nobody has is told as Python tells it."""
    with pytest.raises(AttributeError, match=r"no attribute 'frobnicate'$"):
        tlskit.ClientContext().frobnicate  # noqa: B018 - it raises


def test_attributes_of_ones_own():
    """Others may be assigned; a subclass may have even those names."""

    class Own(tlskit.ServerContext):
        verify_mode = "mine"

    context = Own()
    context.verify_mode = "still mine"
    context.tenants = {}

    assert "still mine" == context.verify_mode
    assert {} == context.tenants


def test_options_are_not_ignored():
    """A version that is left out in the way of ``ssl`` would be spoken."""
    context = tlskit.ServerContext()
    with pytest.raises(AttributeError, match="set_policy"):
        context.options = ssl.OP_NO_TLSv1_2
