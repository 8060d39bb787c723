"""TLS for asyncio: the same engine, contexts and verbs."""

from .client import open_connection
from .port import AsyncSSLPort
from .server import AsyncServer, start_server
from .upgrade import start_tls

__all__ = [
    "AsyncSSLPort",
    "AsyncServer",
    "open_connection",
    "start_server",
    "start_tls",
]
