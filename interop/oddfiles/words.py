"""Write what programs say as cells of a table in reStructuredText."""

from __future__ import annotations

import re

__all__ = ["cell"]

_PROGRAMS = (
    "openssl|keytool|ssh-keygen|puttygen|iconv|jq|sed|gzip|base64|xxd|certutil"
    "|pk12util|gpgsm|trust|unzip"
)
#: Commands, armour, and names of Python's.
_LITERAL = re.compile(
    rf"(?<=[:,] )(?:{_PROGRAMS}) .*?(?=,|\.$| \(|$| and then )"
    rf"|(?<=and then )(?:{_PROGRAMS}) .*?(?=,| \(|$)"
    r"|-----[A-Z0-9 ]+-----|-----BEGIN\b|\w+\(\)|\b(?:password|rsa|asn1)=\w*"
    r"|text\.replace\(.*\)|crypto\.create.*"
)


def cell(text: str) -> str:
    """Set commands and names as literals, and let the rest be plain."""
    parts: list[str] = []
    at = 0
    for found in _LITERAL.finditer(text):
        parts += (_plain(text[at : found.start()]), f"``{found[0]}``")
        at = found.end()
    return "".join((*parts, _plain(text[at:])))


def _plain(text: str) -> str:
    return re.sub(r"([\\*`|_])", r"\\\1", text)
