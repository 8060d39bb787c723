"""Data: who breaks TLS open on its way, by the names of their CAs."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["inspector_among"]

# Proxies of companies, virus scanners and tools of developers.  Each makes
# certificates of its own CA, which carries its name.
_INSPECTORS = (
    "Avast",
    "AVG",
    "Barracuda",
    "Bitdefender",
    "Blue Coat",
    "Burp",
    "PortSwigger",
    "Charles Proxy",
    "Check Point",
    "Cisco Umbrella",
    "Cloudflare Gateway",
    "DO_NOT_TRUST_Fiddler",
    "ESET SSL Filter",
    "Forcepoint",
    "FortiGate",
    "Fortinet",
    "iboss",
    "Kaspersky",
    "McAfee Web Gateway",
    "mitmproxy",
    "Netskope",
    "Norton Web",
    "Palo Alto",
    "pfSense",
    "SonicWall",
    "Sophos",
    "Squid",
    "Symantec Web",
    "Trend Micro",
    "Untangle",
    "WatchGuard",
    "Websense",
    "Zscaler",
)
_PATTERN = re.compile(
    r"\b(" + "|".join(map(re.escape, _INSPECTORS)) + r")", re.IGNORECASE
)


def inspector_among(names: Iterable[str]) -> str | None:
    """Find the first of *names* that is an inspecting CA's.

    A name proves nothing: it makes a hint better, and decides nothing.
    """
    return next((name for name in names if _PATTERN.search(name)), None)
