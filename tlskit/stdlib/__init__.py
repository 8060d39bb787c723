"""A context as the ``ssl.SSLContext`` that existing libraries want."""

from __future__ import annotations

from .context import SSLContext
from .socket import SSLObject, SSLSocket

__all__ = ["SSLContext", "SSLObject", "SSLSocket"]
