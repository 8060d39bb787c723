"""Use urllib3."""

from __future__ import annotations

import urllib3

import tlskit


def fetch(host: str, port: int, context: tlskit.ClientContext) -> bytes:
    """Get a page."""
    with urllib3.PoolManager(
        ssl_context=context.as_ssl_context(), retries=False, timeout=10
    ) as pool:
        return pool.request("GET", f"https://{host}:{port}/").data
