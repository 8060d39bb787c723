"""The names of ``ssl.SSLContext``, and what a context has instead.

A program that was written for ``ssl`` may set ``verify_mode`` on one of our
contexts.  As on any object of Python's that would work, and change nothing:
nobody would be verified, and nobody would know.
"""

from __future__ import annotations

__all__ = ["SETTINGS", "instead_of"]

_ADAPTER = "as_ssl_context(), which gives a real ssl.SSLContext"
_VERSIONS = 'a protocol such as "tls13", or set_policy()'
#: Attributes that decide about security when they are assigned.
SETTINGS = {
    "check_hostname": "set_verify_hostname()",
    "hostname_checks_common_name": "nothing: common names never count",
    "keylog_filename": "set_keylog()",
    "maximum_version": _VERSIONS,
    "minimum_version": _VERSIONS,
    "num_tickets": "set_session_lifetime(0) for none",
    "options": f"{_VERSIONS}, set_policy() for all else",
    "post_handshake_auth": "SSLPort.set_verify() in mid-session",
    "security_level": "set_policy()",
    "sni_callback": "set_server_names() or set_server_name_callback()",
    "verify_flags": "load_crls(), set_partial_chain() or set_strict()",
    "verify_mode": "set_verify(), set_verify_optional() or set_verify(False)",
}
_METHODS = {
    "load_cert_chain": "load_certificate_chain() and load_private_key()",
    "load_default_certs": "load_default_verify_sources()",
    "load_dh_params": "enable_dhe()",
    "load_verify_locations": "load_verify_source()",
    "set_alpn_protocols": "set_alpn()",
    "set_default_verify_paths": "load_default_verify_sources()",
    "set_ecdh_curve": "set_groups()",
    "set_servername_callback": SETTINGS["sni_callback"],
    "wrap_bio": f"new_engine(); or {_ADAPTER}",
    "wrap_socket": f"connect(), listen() or start_tls(); or {_ADAPTER}",
}


def instead_of(kind: type, name: str) -> str:
    """Say that a context has no such attribute, and what it has.

    Args:
        kind: The class of the context.
        name: What was looked for.
    """
    words = f"{kind.__name__!r} object has no attribute {name!r}"
    found = (SETTINGS | _METHODS).get(name)
    if found is None:
        return words
    return f"{words}, which is one of ssl.SSLContext; use {found}"
