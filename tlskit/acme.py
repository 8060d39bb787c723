"""Certificates that obtain and renew themselves (RFC 8555, RFC 8737).

It needs the extra ``acme``: ``python -m pip install "tlskit[acme]"``.
"""

from __future__ import annotations

from .server.acme.credentials import AcmeCredentials
from .server.acme.demand import AcmeOnDemand

__all__ = ["AcmeCredentials", "AcmeOnDemand"]
