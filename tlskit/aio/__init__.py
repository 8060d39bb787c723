"""TLS for asyncio: the same engine, contexts and verbs."""

from ._client import open_connection
from ._port import AsyncSSLPort
from ._server import AsyncServer, start_server
from ._upgrade import start_tls

__all__ = [
    "AsyncSSLPort",
    "AsyncServer",
    "open_connection",
    "start_server",
    "start_tls",
]
