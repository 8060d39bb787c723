"""Use the standard library's HTTP clients."""

from __future__ import annotations

import http.client
import urllib.request

import tlskit


def fetch(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get a page by http.client."""
    connection = http.client.HTTPSConnection(
        host, port, context=context.as_ssl_context(), timeout=10
    )
    try:
        connection.request("GET", "/")
        with connection.getresponse() as response:
            return response.read()
    finally:
        connection.close()


def fetch_url(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get a page by urllib.request."""
    with urllib.request.urlopen(
        f"https://{host}:{port}/", context=context.as_ssl_context(), timeout=10
    ) as response:
        return response.read()
