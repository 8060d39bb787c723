"""What the system's configuration of OpenSSL demands (``OPENSSL_CONF``)."""

from __future__ import annotations

from functools import lru_cache

from .gate import SSL

__all__ = ["minimum_version"]

_SUPPORTED_VERSIONS = 43
# Records' and messages' headers, the version and the random.
_BEFORE_SESSION_ID = 5 + 4 + 2 + 32


@lru_cache(maxsize=1)
def minimum_version() -> int:
    """Give the oldest version that the system's policy leaves.

    OpenSSL applies ``MinProtocol`` to each new context, and forgets it when
    told another minimum; no function gives it.  So a ClientHello is made, by
    nothing but that policy, and looked at.

    Returns:
        Its number on the wire; 0 if there is no such policy, or if it can't
        be found out.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    # Else the security level would rule old versions out.
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return min(_offered(connection.bio_read(65536)), default=0)
    except SSL.Error:
        pass
    return 0


def _offered(hello: bytes) -> list[int]:
    """Read which versions a ClientHello of OpenSSL's offers."""
    at = _BEFORE_SESSION_ID
    for size in (1, 2, 1):  # Session id, cipher suites, compression.
        at += size + int.from_bytes(hello[at : at + size], "big")
    at += 2
    while at < len(hello):
        kind = int.from_bytes(hello[at : at + 2], "big")
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        at += 4
        if kind == _SUPPORTED_VERSIONS:
            listed = hello[at + 1 : at + size]
            return [
                int.from_bytes(listed[i : i + 2], "big")
                for i in range(0, len(listed), 2)
            ]
        at += size
    return []  # Without TLS 1.3 there is no list, and nothing below to raise.
