"""What this binding can do: each private name is looked for before use."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from ...errors import TLSError, UnsupportedError
from ..gate import SSL, is_available, translated

__all__ = [
    "binding",
    "capabilities",
    "fail",
    "has",
    "library_handle",
    "require",
    "without",
]

_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "agreed": (
            "SSL_CIPHER_get_name",
            "SSL_get0_group_name",
            "SSL_get_current_cipher",
        ),
        "alpn-refusal": ("SSL_CTX_set_alpn_select_cb",),
        "any-private-key": (
            "BIO_new_mem_buf",
            "EVP_PKEY_free",
            "SSL_CTX_use_PrivateKey",
            "d2i_PrivateKey_bio",
        ),
        "certificate-requests": ("SSL_CTX_set_cert_cb",),
        "certificates": (
            "BIO_new",
            "BIO_read",
            "BIO_s_mem",
            "SSL_get0_verified_chain",
            "SSL_get_peer_cert_chain",
            "SSL_get_peer_certificate",
            "X509_free",
            "i2d_X509_bio",
            "sk_X509_num",
            "sk_X509_value",
        ),
        "dh-parameters-from-memory": (
            "BIO_new_mem_buf",
            "PEM_read_bio_DHparams",
            "SSL_CTX_set_tmp_dh",
        ),
        "direct-io": (
            "BIO_get_mem_data",
            "BIO_new",
            "BIO_new_mem_buf",
            "BIO_read",
            "BIO_s_mem",
            "BIO_set_mem_eof_return",
            "BIO_write",
            "ERR_GET_REASON",
            "ERR_peek_error",
            "SSL_ERROR_WANT_READ",
            "SSL_do_handshake",
            "SSL_get_error",
            "SSL_pending",
            "SSL_read",
            "SSL_set_bio",
            "SSL_write",
        ),
        "ech-grease": ("OpenSSL_version_num",),
        "extended-master-secret": ("SSL_get_extms_support",),
        "groups": ("SSL_CTX_set1_curves_list",),
        "handshake-timestamps": (
            "SSL_CTX_add_client_custom_ext",
            "SSL_CTX_set_msg_callback",
        ),
        "key-lines": ("SSL_CTX_set_keylog_callback",),
        "messages": ("SSL_CTX_set_msg_callback",),
        "peer-name": (
            "SSL_get0_param",
            "X509_VERIFY_PARAM_set1_host",
            "X509_VERIFY_PARAM_set1_ip",
            "X509_VERIFY_PARAM_set_hostflags",
        ),
        "post-handshake-authentication": (
            "SSL_CTX_set_post_handshake_auth",
            "SSL_verify_client_post_handshake",
        ),
        "pre-shared-keys": (
            "Cryptography_SSL_SESSION_new",
            "SSL_CIPHER_find",
            "SSL_CTX_set_psk_find_session_callback",
            "SSL_CTX_set_psk_use_session_callback",
            "SSL_SESSION_set1_master_key",
            "SSL_SESSION_set_cipher",
            "SSL_SESSION_set_protocol_version",
            "SSL_session_reused",
        ),
        "session-copies": (
            "SSL_SESSION_free",
            "SSL_get1_session",
            "SSL_get_session",
            "SSL_session_reused",
            "SSL_set_session",
            "d2i_SSL_SESSION",
            "i2d_SSL_SESSION",
        ),
        "session-ids": ("SSL_CTX_set_session_id_context",),
        "session-verdicts": ("SSL_get_verify_result",),
        "session-reused": ("SSL_session_reused",),
        "server-name-refusal": ("SSL_CTX_set_tlsext_servername_callback",),
        "shared-roots": (
            "SSL_CTX_set_cert_store",
            "X509_STORE_add_cert",
            "X509_STORE_load_locations",
            "X509_STORE_up_ref",
            "d2i_X509_bio",
        ),
        "signature-algorithms": ("SSL_CTX_set1_sigalgs_list",),
        "stapled-responses": (
            "OPENSSL_malloc",
            "SSL_CTX_set_tlsext_status_cb",
            "SSL_get_tlsext_status_ocsp_resp",
            "SSL_set_tlsext_status_ocsp_resp",
        ),
        "verify-error": (
            "SSL_CTX_set_verify",
            "SSL_set_verify",
            "X509_STORE_CTX_get1_chain",
            "X509_STORE_CTX_get_current_cert",
            "X509_STORE_CTX_get_error",
            "X509_STORE_CTX_get_error_depth",
            "X509_STORE_CTX_get_ex_data",
            "X509_STORE_CTX_set_error",
            "X509_free",
            "i2d_X509_bio",
            "sk_X509_free",
            "sk_X509_num",
            "sk_X509_value",
        ),
        "verify-purpose": ("X509_STORE_set_purpose",),
    }
)

# What no function stands for: the version of OpenSSL that brought it.
_SINCE = MappingProxyType({"ech-grease": 0x40000000})

_switched_off: set[str] = set()


def library_handle() -> Any:
    """Give cffi's handle on the libraries, or None without them."""
    if not is_available():
        return None
    from OpenSSL import _util

    return _util.lib


@functools.cache
def binding() -> tuple[Any, Any]:
    """Give the library and cffi's handle on it."""
    from OpenSSL import _util

    return _util.lib, _util.ffi


class _Answers(dict[str, bool]):
    """Whether this binding can do what a capability names, once asked."""

    def __missing__(self, capability: str) -> bool:
        answer = capability not in _switched_off and _is_bound(capability)
        self[capability] = answer
        return answer


_answers = _Answers()
#: Says whether this binding can do what a capability names.  A handshake asks
#: a dozen times, so that is a look into a table, and no call of Python's.
has: Callable[[str], bool] = _answers.__getitem__


@functools.cache
def _is_bound(capability: str) -> bool:
    handle = library_handle()
    return (
        handle is not None
        and all(hasattr(handle, name) for name in _NEEDS[capability])
        and handle.OpenSSL_version_num() >= _SINCE.get(capability, 0)
    )


def capabilities() -> Mapping[str, bool]:
    """Tell what this pair of pyOpenSSL and OpenSSL can do.

    Returns:
        The name of each capability, and whether it is there.
    """
    return MappingProxyType({name: has(name) for name in _NEEDS})


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Do without these capabilities for a while; for tests of the fallbacks.

    Args:
        names: Which ones; none means all of them.
    """
    before = set(_switched_off)
    _switched_off.update(names or _NEEDS)
    _answers.clear()
    try:
        yield
    finally:
        _switched_off.clear()
        _switched_off.update(before)
        _answers.clear()


def require(capability: str, wanted: str) -> tuple[Any, Any]:
    """Give library and cffi, or say that *wanted* is impossible here."""
    if not has(capability):
        raise UnsupportedError(
            f"this OpenSSL binding can't {wanted} "
            f"(it lacks the capability {capability!r})",
            hint="python -m pip install --upgrade pyOpenSSL cryptography",
        )
    return binding()


def fail(kind: type[TLSError], doing: str) -> None:
    """Raise from OpenSSL's error queue."""
    from OpenSSL._util import exception_from_error_queue

    with translated(kind, doing):
        exception_from_error_queue(SSL.Error)
