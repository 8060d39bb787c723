"""An object-oriented TLS toolkit: contexts, listeners and ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import library
from ._native import capabilities
from ._version import __version__
from .certificates import CertificateInfo, fingerprint
from .client import connect
from .codes import Alert, VerifyReason
from .context import Context
from .credentials import CertificateChain, PrivateKey
from .dh import DH4096_PARAMS
from .errors import (
    AlertError,
    ClosedError,
    ConfigurationError,
    CredentialError,
    HandshakeError,
    IdentityError,
    InsecureProtocolWarning,
    NegotiationError,
    NotTLSError,
    SealedError,
    StreamError,
    TLSError,
    TruncatedError,
    TrustSourceError,
    UnsupportedError,
    VerificationError,
    WantReadError,
    WantWriteError,
)
from .facts import Facts
from .listener import Listener, listen
from .metrics import ListenerStatistics, prometheus_text
from .ports import SSLPort
from .protocols import (
    TLSVersion,
    max_client_protocol,
    max_server_protocol,
    supported_client_protocols,
    supported_server_protocols,
)
from .proxy_protocol import ProxyHeader
from .reloading import ReloadableCredentials, ReloadableRoots
from .sessions import SessionCache
from .sides import ClientContext, ServerContext
from .trust import (
    VerifySource,
    default_verify_sources,
    set_default_verify_sources,
)
from .wrapping import ports_to_ssl_ports

__all__ = [
    "DH4096_PARAMS",
    "Alert",
    "AlertError",
    "CertificateChain",
    "CertificateInfo",
    "ClientContext",
    "ClosedError",
    "ConfigurationError",
    "Context",
    "CredentialError",
    "Facts",
    "HandshakeError",
    "IdentityError",
    "InsecureProtocolWarning",
    "Listener",
    "ListenerStatistics",
    "NegotiationError",
    "NotTLSError",
    "PrivateKey",
    "ProxyHeader",
    "ReloadableCredentials",
    "ReloadableRoots",
    "SSLPort",
    "SealedError",
    "ServerContext",
    "SessionCache",
    "StreamError",
    "TLSError",
    "TLSVersion",
    "TruncatedError",
    "TrustSourceError",
    "UnsupportedError",
    "VerificationError",
    "VerifyReason",
    "VerifySource",
    "WantReadError",
    "WantWriteError",
    "__version__",
    "available",
    "capabilities",
    "connect",
    "default_verify_sources",
    "fingerprint",
    "library",
    "listen",
    "load_fail_reason",
    "max_client_protocol",
    "max_server_protocol",
    "ports_to_ssl_ports",
    "prometheus_text",
    "set_default_verify_sources",
    "supported_client_protocols",
    "supported_server_protocols",
]

if TYPE_CHECKING:
    from .library import available, load_fail_reason
else:

    def __getattr__(name: str) -> object:
        """Give what can be known only once the libraries are loaded."""
        if name in {"available", "load_fail_reason"}:
            return getattr(library, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
