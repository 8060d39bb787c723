"""Settings and role in, ``OpenSSL.SSL.Context`` out; a pure function."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import ConfigurationError, CredentialError, UnsupportedError
from ..openssl import native
from ..openssl.gate import SSL, translated
from ..openssl.protocols import TLSVersion
from ..openssl.system import minimum_version
from ..policy.sessions import policy_of
from ..policy.settings import Ocsp, Settings, Verify
from ..x509.gate import x509
from . import callbacks
from .hello.groups import set_key_exchange
from .hello.preshared import set_keys
from .presenting import on_status_request, set_credentials
from .refusal.alerts import may_refuse
from .store import fill_store
from .tickets import set_resumption
from .trace import on_message

__all__ = ["Built", "build", "set_verify", "verify_mode"]

# TLS 1.2 and before: only ephemeral keys and authenticated ciphers.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_DHE_CIPHERS = "DHE+AESGCM:DHE+CHACHA20"
# TLS 1.0 and 1.1 have no authenticated cipher and sign with SHA-1.
_OLD_CIPHERS = "ECDHE+AES:DHE+AES:@SECLEVEL=0"

_PARTIAL_WRITE = 0x1
_NO_RENEGOTIATION = 1 << 30


@dataclass(frozen=True)
class Built:
    """A context of pyOpenSSL's, and the settings it was made from."""

    #: Private: whoever has it can still change its store of roots.
    _pyopenssl: SSL.Context
    settings: Settings
    #: Whether a server may resume, and so sends tickets.
    resumes: bool = True
    #: The names of the hooks that have something to say.
    hooks: frozenset[str] = frozenset()

    @cached_property
    def policy(self) -> bytes | None:
        """The settings as a digest; None if they have none."""
        return policy_of(self.settings)


def build(
    settings: Settings, hooks: frozenset[str], *, server_side: bool
) -> Built:
    """Make a context of pyOpenSSL's.

    Args:
        settings: What was decided.
        hooks: The names of the hooks in use.
        server_side: For a server or for a client.

    Raises:
        ConfigurationError: OpenSSL refuses a setting.
        CredentialError: Certificate and key don't fit.
    """
    settings.check_pair()
    method = SSL.TLS_SERVER_METHOD if server_side else SSL.TLS_CLIENT_METHOD
    context = SSL.Context(method)
    _set_protocol(context, settings)
    _set_ciphers(context, settings, server_side)
    _set_signature_algorithms(context, settings)
    set_credentials(context, settings)
    set_keys(context, settings, callbacks.on_failure, server_side=server_side)
    fill_store(context, settings)
    resumes = True
    asks_logs = False
    if server_side:
        resumes = _set_server(context, settings, hooks)
    else:
        _set_client(context, settings)
        asks_logs = settings.transparency is not None and native.has(
            "handshake-timestamps"
        )
    if asks_logs:
        native.request_timestamps(context)
    if "log_key" in hooks or (server_side and may_refuse(settings, hooks)):
        if native.has("key-lines"):
            native.set_key_function(
                context, callbacks.on_key, callbacks.on_failure
            )
        else:
            context.set_keylog_callback(callbacks.on_key)
    if settings.trace is not None or asks_logs:
        native.set_message_function(context, on_message, callbacks.on_failure)
    context.set_options(
        SSL.OP_NO_COMPRESSION
        | SSL.OP_CIPHER_SERVER_PREFERENCE
        | (_NO_RENEGOTIATION if settings.no_renegotiation else 0)
    )
    context.clear_mode(_PARTIAL_WRITE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    mode = verify_mode(settings, server_side)
    set_verify(context, mode, each="verify_certificate" in hooks)
    return Built(context, settings, resumes, hooks)


def _set_protocol(context: SSL.Context, settings: Settings) -> None:
    protocol = settings.protocol
    # A range is narrowed by the system's policy.  What is wholly below it
    # was asked for by name.
    least = minimum_version()
    if least > protocol.maximum:
        least = 0
    with translated(UnsupportedError, f"setting up {protocol.name}"):
        context.set_min_proto_version(max(protocol.minimum, least))
        context.set_max_proto_version(protocol.maximum)


def _set_ciphers(
    context: SSL.Context, settings: Settings, server_side: bool
) -> None:
    old = settings.protocol.maximum < TLSVersion.TLS_1_2
    spec = settings.ciphers
    if spec is None:
        spec = _OLD_CIPHERS if old else _with_dhe(settings)
    elif old and "@SECLEVEL" not in spec:
        spec += ":@SECLEVEL=0"
    with translated(ConfigurationError, f"setting the ciphers {spec!r}"):
        context.set_cipher_list(spec.encode())
    suites = settings.ciphersuites
    if settings.psk is not None:
        suites = settings.psk.ciphersuites(suites, server_side=server_side)
    if suites is not None:
        doing = f"setting the cipher suites {suites!r}"
        with translated(ConfigurationError, doing):
            context.set_tls13_ciphersuites(suites.encode())
    set_key_exchange(context, settings)


def _set_signature_algorithms(
    context: SSL.Context, settings: Settings
) -> None:
    if settings.signature_algorithms:
        native.set_signature_algorithms(
            context, ":".join(settings.signature_algorithms)
        )


def _with_dhe(settings: Settings) -> str:
    """Give the default ciphers; DHE only where it was asked for."""
    if settings.dh_parameters is None:
        return _CIPHERS
    return f"{_CIPHERS}:{_DHE_CIPHERS}"


def verify_mode(settings: Settings, server_side: bool) -> int:
    """Give OpenSSL's mode for what the settings ask of the peer."""
    # A client's callback always looks, and decides by the settings; a server
    # that asks for no certificate gets none.
    if not server_side:
        return SSL.VERIFY_PEER
    if settings.verify is Verify.NONE:
        return SSL.VERIFY_NONE
    if settings.verify is not Verify.REQUIRE:
        return SSL.VERIFY_PEER
    return SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT


def set_verify(
    target: SSL.Context | SSL.Connection, mode: int, *, each: bool
) -> None:
    """Have our callback judge the peer's certificates.

    Args:
        target: A context, or one connection.
        mode: OpenSSL's.
        each: Have it judge each by itself, because a hook does.
    """
    if native.has("verify-error"):
        native.set_verify(
            target,
            mode,
            callbacks.on_certificate,
            callbacks.on_failure,
            each=each,
        )
    else:
        target.set_verify(mode, callbacks.on_certificate_public)


def _set_client(context: SSL.Context, settings: Settings) -> None:
    """Set up what only clients have."""
    if settings.pairs and native.has("post-handshake-authentication"):
        native.offer_post_handshake_authentication(context)
    if settings.ech_grease:
        native.set_ech_grease(context)
    if not settings.pairs and native.has("certificate-requests"):
        native.set_request_function(
            context, callbacks.on_certificate_request, callbacks.on_failure
        )
    if settings.ocsp is not Ocsp.OFF:
        if native.has("stapled-responses"):
            native.set_staple_function(
                context, callbacks.on_staple, callbacks.on_failure
            )
        else:
            context.set_ocsp_client_callback(callbacks.on_staple)


# -- servers ----------------------------------------------------------------


def _set_server(
    context: SSL.Context, settings: Settings, hooks: frozenset[str]
) -> bool:
    """Set up what only servers have; say whether it may resume."""
    for der in settings.suggested:
        context.add_client_ca(x509.load_der_x509_certificate(der))
    if settings.dh_parameters is not None:
        _set_dh_parameters(context, settings.dh_parameters)
    if native.has("server-name-refusal"):
        native.set_server_name_function(
            context, callbacks.on_server_name, callbacks.on_failure
        )
    else:
        context.set_tlsext_servername_callback(callbacks.on_server_name_public)
    if settings.alpn or "select_alpn" in hooks:
        if native.has("alpn-refusal"):
            native.set_alpn_function(
                context, callbacks.on_alpn, callbacks.on_failure
            )
        else:
            context.set_alpn_select_callback(
                callbacks.on_alpn_public  # type: ignore[arg-type]
            )
    if settings.staple is not None:
        if native.has("stapled-responses"):
            native.set_response_function(
                context, on_status_request, callbacks.on_failure
            )
        else:
            context.set_ocsp_server_callback(on_status_request)
    return set_resumption(context, settings, hooks)


def _set_dh_parameters(context: SSL.Context, pem: bytes) -> None:
    if native.has("dh-parameters-from-memory"):
        native.set_dh_parameters(context, pem)
        return
    import tempfile

    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        with translated(CredentialError, "reading Diffie-Hellman parameters"):
            context.load_tmp_dh(name)
    finally:
        Path(name).unlink()
