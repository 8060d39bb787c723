"""What a context or a connection is told."""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError, CredentialError
from .probing import binding, fail, require

if TYPE_CHECKING:
    from OpenSSL.crypto import X509Store
    from OpenSSL.SSL import Connection, Context

__all__ = [
    "agreed",
    "expect_peer",
    "has_extended_master_secret",
    "offer_post_handshake_authentication",
    "request_client_certificate",
    "set_dh_parameters",
    "set_ech_grease",
    "set_groups",
    "set_purpose",
]

_suites: dict[Any, str] = {}
#: pyOpenSSL has no name for it.
_OP_ECH_GREASE = 1 << 37


def agreed(connection: Connection) -> tuple[str | None, str | None]:
    """Give cipher suite and key-exchange group of a session.

    Its handshake is done, so there is a cipher suite.
    """
    lib, ffi = binding()
    ssl = connection._ssl
    cipher = lib.SSL_get_current_cipher(ssl)
    name = _suites.get(cipher)
    if name is None:
        # There are few, and OpenSSL has each of them once and for ever.
        name = ffi.string(lib.SSL_CIPHER_get_name(cipher)).decode()
        _suites[cipher] = name
    group = lib.SSL_get0_group_name(ssl)
    return name, intern(ffi.string(group).decode()) if group else None


def set_groups(context: Context, groups: str) -> None:
    """Offer these key-exchange groups, in this order, joined by colons."""
    lib, _ = require("groups", "choose key-exchange groups")
    if lib.SSL_CTX_set1_curves_list(context._context, groups.encode()) != 1:
        fail(ConfigurationError, f"setting the groups {groups!r}")


def set_dh_parameters(context: Context, pem: bytes) -> None:
    """Use these parameters (PEM) for DHE."""
    lib, ffi = require("dh-parameters-from-memory", "read DH parameters")
    bio = ffi.gc(lib.BIO_new_mem_buf(pem, len(pem)), lib.BIO_free)
    dh = lib.PEM_read_bio_DHparams(bio, ffi.NULL, ffi.NULL, ffi.NULL)
    if dh == ffi.NULL:
        fail(CredentialError, "reading Diffie-Hellman parameters")
    dh = ffi.gc(dh, lib.DH_free)
    if lib.SSL_CTX_set_tmp_dh(context._context, dh) != 1:
        fail(ConfigurationError, "setting Diffie-Hellman parameters")


def set_purpose(store: X509Store, purpose: str) -> None:
    """Demand of chains to *store* that they are meant for *purpose*.

    Args:
        store: Where the roots are.
        purpose: OpenSSL's name, such as ``"X509_PURPOSE_ANY"``.
    """
    lib, _ = require("verify-purpose", "demand a purpose")
    lib.X509_STORE_set_purpose(store._store, getattr(lib, purpose))


def set_ech_grease(context: Context) -> None:
    """Have ClientHellos look as if they hid another one."""
    lib, _ = require("ech-grease", "send GREASE for Encrypted Client Hello")
    lib.SSL_CTX_set_options(context._context, _OP_ECH_GREASE)


def offer_post_handshake_authentication(context: Context) -> None:
    """Announce that a server may ask for our certificate later."""
    lib, _ = require("post-handshake-authentication", "authenticate later")
    lib.SSL_CTX_set_post_handshake_auth(context._context, 1)


def request_client_certificate(connection: Connection) -> bool:
    """Ask a TLS 1.3 client for its certificate; False if it didn't offer."""
    lib, _ = require("post-handshake-authentication", "authenticate later")
    asked: bool = lib.SSL_verify_client_post_handshake(connection._ssl) == 1
    if not asked:
        lib.ERR_clear_error()
    return asked


def expect_peer(
    connection: Connection, name: bytes | None, address: bytes | None
) -> None:
    """Have OpenSSL itself check the peer's DNS name or IP address."""
    lib, _ = require("peer-name", "check names in the handshake")
    parameters = lib.SSL_get0_param(connection._ssl)
    lib.X509_VERIFY_PARAM_set_hostflags(
        parameters,
        lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
        | lib.X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
    )
    done = 1
    if name is not None:
        done = lib.X509_VERIFY_PARAM_set1_host(parameters, name, len(name))
    elif address is not None:
        done = lib.X509_VERIFY_PARAM_set1_ip(parameters, address, len(address))
    if done != 1:
        fail(ConfigurationError, "setting the expected name")


def has_extended_master_secret(connection: Connection) -> bool:
    """Say whether RFC 7627 protects this TLS 1.2 session."""
    lib, _ = require("extended-master-secret", "ask for that extension")
    return bool(lib.SSL_get_extms_support(connection._ssl) == 1)
