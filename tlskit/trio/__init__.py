"""TLS for trio: the same engine, contexts and verbs."""

from .client import open_connection
from .port import IncompleteReadError, LimitOverrunError, TrioSSLPort
from .server import TrioServer, serve
from .upgrade import start_tls

__all__ = [
    "IncompleteReadError",
    "LimitOverrunError",
    "TrioSSLPort",
    "TrioServer",
    "open_connection",
    "serve",
    "start_tls",
]
