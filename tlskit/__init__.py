"""An object-oriented TLS toolkit: contexts, listeners and ports.

Each public name is loaded when it is first asked for: a program that only
may need TLS starts as fast as one that does not know of it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ._version import __version__

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
    from . import library
    from ._native import capabilities
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
    from .library import available, load_fail_reason
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
else:
    # Where each of these names comes from; the same as above, which tells
    # type checkers, and nobody else.
    _HOMES = {
        name: module
        for module, names in {
            "_native": ("capabilities",),
            "certificates": ("CertificateInfo", "fingerprint"),
            "client": ("connect",),
            "codes": ("Alert", "VerifyReason"),
            "context": ("Context",),
            "credentials": ("CertificateChain", "PrivateKey"),
            "dh": ("DH4096_PARAMS",),
            "errors": (
                "AlertError",
                "ClosedError",
                "ConfigurationError",
                "CredentialError",
                "HandshakeError",
                "IdentityError",
                "InsecureProtocolWarning",
                "NegotiationError",
                "NotTLSError",
                "SealedError",
                "StreamError",
                "TLSError",
                "TruncatedError",
                "TrustSourceError",
                "UnsupportedError",
                "VerificationError",
                "WantReadError",
                "WantWriteError",
            ),
            "facts": ("Facts",),
            "library": ("available", "load_fail_reason"),
            "listener": ("Listener", "listen"),
            "metrics": ("ListenerStatistics", "prometheus_text"),
            "ports": ("SSLPort",),
            "protocols": (
                "TLSVersion",
                "max_client_protocol",
                "max_server_protocol",
                "supported_client_protocols",
                "supported_server_protocols",
            ),
            "proxy_protocol": ("ProxyHeader",),
            "reloading": ("ReloadableCredentials", "ReloadableRoots"),
            "sessions": ("SessionCache",),
            "sides": ("ClientContext", "ServerContext"),
            "trust": (
                "VerifySource",
                "default_verify_sources",
                "set_default_verify_sources",
            ),
            "wrapping": ("ports_to_ssl_ports",),
        }.items()
        for name in names
    }

    def __getattr__(name: str) -> object:
        """Load what is asked for: a public name or a public module."""
        if name in _HOMES:
            home = import_module(f"{__name__}.{_HOMES[name]}")
            value = getattr(home, name)
            if _HOMES[name] != "library":  # That may still change its mind.
                globals()[name] = value
            return value
        if not name.startswith("_") and find_spec(f"{__name__}.{name}"):
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
