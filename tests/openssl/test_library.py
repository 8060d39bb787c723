"""What the library tells of itself."""

from __future__ import annotations

import re

import pytest

import tlskit
from tlskit import library
from tlskit.openssl import library as inner


def test_handles():
    """Both handles are there, and no reason why they should not be."""
    assert library.available
    assert library.libcrypto is not None
    assert library.libssl is library.libcrypto
    assert library.load_fail_reason is None
    assert library.libcrypto_load_fail_reason is None
    assert library.libssl_load_fail_reason is None


def test_version():
    """The version is OpenSSL's own text, or a relative's."""
    text = library.version()

    assert text is not None
    assert re.match(r"\w+SSL \d", text) or "BoringSSL" in text


def test_versions():
    """What is linked comes first, then its number."""
    text = library.version() or ""

    assert ("", text.split()[1]) == library.openssl_lib_versions


def test_without(monkeypatch):
    """Without a library there is no version."""
    monkeypatch.setattr(inner, "is_available", lambda: False)

    assert library.version() is None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = library.nothing
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tlskit.nothing
    assert ("",) == inner._linked()
