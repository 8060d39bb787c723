"""STARTTLS: connections that begin in plaintext and go on over TLS.

Plaintext can be changed by anybody on the way.  So nothing that was said
before the handshake counts after it, and a server that does not begin TLS is
an error, never a reason to go on without.  Bytes that follow the server's
go-ahead, or come before we asked, are refused: programs that kept them for
later took an attacker's plaintext for the server's (CVE-2011-0411).

``Dialogue`` is the conversation without I/O; ``negotiate`` runs it over a
socket, and ``connect`` does all of it.
"""

from __future__ import annotations

from .client.starttls.connect import (
    PORTS,
    PROTOCOLS,
    Dialogue,
    connect,
    negotiate,
)

__all__ = ["PORTS", "PROTOCOLS", "Dialogue", "connect", "negotiate"]
