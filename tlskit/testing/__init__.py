"""Certificates and connected ports for tests, made in memory.

``CA`` issues good certificates, and deliberately bad ones.  ``memory_pair``
joins two ports without a socket.  As a plugin of pytest (name it in a
``conftest.py``: ``pytest_plugins = ["tlskit.testing"]``) this module offers
the fixtures ``tls_ca``, a ``CA`` for the whole session, and ``tls_leaf``, a
``Leaf`` of it for localhost, 127.0.0.1 and ::1.

It may be imported before pytest loads it, with nothing to warn about
(PYTEST_DONT_REWRITE).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from ..ports.pipes import pipe
from .authority import CA
from .faults import BAD_KINDS
from .leaf import Leaf
from .pairs import memory_pair
from .revoking import OCSP_USAGES

__all__ = ["BAD_KINDS", "CA", "OCSP_USAGES", "Leaf", "memory_pair", "pipe"]


def pytest_configure(config: Any) -> None:
    """Offer the fixtures; pytest calls this when it loads the plugin."""
    # Not imported above: the rest of this module works without pytest.
    fixture = import_module("pytest").fixture(scope="session")
    fixtures = ModuleType("tlskit fixtures")
    for make in (_tls_ca, _tls_leaf):
        setattr(fixtures, make.__name__[1:], fixture(make))
    config.pluginmanager.register(fixtures, fixtures.__name__)


def _tls_ca() -> CA:
    """A certification authority, for the whole session."""
    return CA()


def _tls_leaf(tls_ca: CA) -> Leaf:
    """A certificate of ``tls_ca`` for this machine."""
    return tls_ca.issue("localhost", "127.0.0.1", "::1")
