"""Use requests, by an adapter: else it would add roots of its own."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

import tlskit


class TLSAdapter(HTTPAdapter):
    """Leaves verification to a tlskit context, and nothing else to anybody."""

    def __init__(self, context: tlskit.ClientContext, **keywords) -> None:
        self._ssl_context = context.as_ssl_context()
        super().__init__(**keywords)

    def build_connection_pool_key_attributes(self, request, verify, cert=None):
        """Have urllib3 use our context, without files of its own.

        A file of roots (verify="…", or REQUESTS_CA_BUNDLE) is not looked at.
        """
        if verify is False or cert is not None:
            raise tlskit.ConfigurationError(
                "verify=False and cert=... belong in the tlskit context"
            )
        host, _ = super().build_connection_pool_key_attributes(request, True)
        return host, {
            "cert_reqs": "CERT_REQUIRED",
            "ssl_context": self._ssl_context,
        }

    def cert_verify(self, conn, url, verify, cert) -> None:
        """Load nothing: the roots are in the context."""


def fetch(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get a page."""
    with requests.Session() as session:
        session.mount("https://", TLSAdapter(context))
        return session.get(f"https://{host}:{port}/", timeout=10).content
