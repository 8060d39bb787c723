"""STARTTLS: connections that begin in plaintext and go on over TLS.

A door to ``tlskit.client.starttls``.
"""

from __future__ import annotations

from .client.starttls import PORTS, PROTOCOLS, Dialogue, connect, negotiate

__all__ = ["PORTS", "PROTOCOLS", "Dialogue", "connect", "negotiate"]
