"""An object-oriented TLS toolkit: contexts, listeners and ports.

Each public name is loaded when it is first asked for: a program that only
may need TLS starts as fast as one that does not know of it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

__all__ = [
    "DH4096_PARAMS",
    "Alert",
    "AlertError",
    "CertificateChain",
    "CertificateInfo",
    "ClientContext",
    "ClientHello",
    "ClosedError",
    "ConfigurationError",
    "Context",
    "CredentialError",
    "Engine",
    "Facts",
    "HandshakeError",
    "HandshakeMessage",
    "HandshakeReport",
    "Identity",
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
    "State",
    "StreamError",
    "TLSError",
    "TLSVersion",
    "TruncatedError",
    "TrustSourceError",
    "UnsupportedError",
    "UnverifiedContextWarning",
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
    "match_hostname",
    "max_client_protocol",
    "max_server_protocol",
    "policies",
    "ports_to_ssl_ports",
    "prometheus_text",
    "set_default_verify_sources",
    "supported_client_protocols",
    "supported_server_protocols",
]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import library
    from .client.connect import connect
    from .client.wrapping import ports_to_ssl_ports
    from .context.context import Context
    from .context.reloading import ReloadableCredentials, ReloadableRoots
    from .context.sides import ClientContext, ServerContext
    from .engine.engine import Engine
    from .engine.facts import Facts
    from .engine.hello.client_hello import ClientHello
    from .engine.states import State
    from .engine.trace import HandshakeMessage, HandshakeReport
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
        UnverifiedContextWarning,
        VerificationError,
        WantReadError,
        WantWriteError,
    )
    from .errors.codes import Alert, VerifyReason
    from .library import available, load_fail_reason
    from .openssl.dh import DH4096_PARAMS
    from .openssl.native import capabilities
    from .openssl.protocols import (
        TLSVersion,
        max_client_protocol,
        max_server_protocol,
        supported_client_protocols,
        supported_server_protocols,
    )
    from .policy.policies import policies
    from .policy.sessions import SessionCache
    from .ports.port import SSLPort
    from .server.listener import Listener, listen
    from .server.metrics import ListenerStatistics, prometheus_text
    from .server.proxy_protocol import ProxyHeader
    from .trust import (
        VerifySource,
        default_verify_sources,
        set_default_verify_sources,
    )
    from .verify.certificates import CertificateInfo, fingerprint
    from .verify.identity import Identity, match_hostname
    from .x509.credentials import CertificateChain, PrivateKey
else:
    # Where each of these names comes from; the same as above, which tells
    # type checkers, and nobody else.
    _HOMES = {
        name: module
        for module, names in {
            "openssl.native": ("capabilities",),
            "verify.certificates": ("CertificateInfo", "fingerprint"),
            "verify.identity": ("Identity", "match_hostname"),
            "client.connect": ("connect",),
            "errors.codes": ("Alert", "VerifyReason"),
            "context.context": ("Context",),
            "x509.credentials": ("CertificateChain", "PrivateKey"),
            "openssl.dh": ("DH4096_PARAMS",),
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
                "UnverifiedContextWarning",
                "VerificationError",
                "WantReadError",
                "WantWriteError",
            ),
            "engine.hello.client_hello": ("ClientHello",),
            "engine.engine": ("Engine",),
            "engine.facts": ("Facts",),
            "engine.states": ("State",),
            "engine.trace": ("HandshakeMessage", "HandshakeReport"),
            "library": ("available", "load_fail_reason"),
            "server.listener": ("Listener", "listen"),
            "server.metrics": ("ListenerStatistics", "prometheus_text"),
            "ports.port": ("SSLPort",),
            "openssl.protocols": (
                "TLSVersion",
                "max_client_protocol",
                "max_server_protocol",
                "supported_client_protocols",
                "supported_server_protocols",
            ),
            "server.proxy_protocol": ("ProxyHeader",),
            "context.reloading": ("ReloadableCredentials", "ReloadableRoots"),
            "policy.policies": ("policies",),
            "policy.sessions": ("SessionCache",),
            "context.sides": ("ClientContext", "ServerContext"),
            "trust": (
                "VerifySource",
                "default_verify_sources",
                "set_default_verify_sources",
            ),
            "client.wrapping": ("ports_to_ssl_ports",),
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
        modules = ("acme", "aio", "hashing", "starttls", "stdlib", "testing")
        return sorted(
            {
                *__all__,
                *(name for name in globals() if name.startswith("__")),
                *(
                    name
                    for name in (*modules, "trio")
                    if find_spec(f"{__name__}.{name}")
                ),
            }
        )
