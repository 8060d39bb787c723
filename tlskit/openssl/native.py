"""The only user of non-public names of pyOpenSSL, each probed before use.

A capability is a name for something that pyOpenSSL's public interface can't
do, with the library functions that it takes.  Whoever wants one asks
``has(name)`` first and has another way if the answer is no; so a binding
that lacks a function costs a feature, never the process.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import (
    ConfigurationError,
    CredentialError,
    TLSError,
    UnsupportedError,
)
from .gate import SSL, is_available, translated

if TYPE_CHECKING:
    from OpenSSL.crypto import X509Store
    from OpenSSL.SSL import Connection, Context

__all__ = [
    "ALERT",
    "capabilities",
    "has",
    "library_handle",
    "without",
]

_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "alpn-refusal": ("SSL_CTX_set_alpn_select_cb",),
        "dh-parameters-from-memory": (
            "BIO_new_mem_buf",
            "PEM_read_bio_DHparams",
            "SSL_CTX_set_tmp_dh",
        ),
        "direct-io": (
            "BIO_get_mem_data",
            "BIO_new",
            "BIO_read",
            "BIO_s_mem",
            "BIO_write",
            "SSL_ERROR_WANT_READ",
            "SSL_get_error",
            "SSL_pending",
            "SSL_read",
            "SSL_set_bio",
            "SSL_write",
        ),
        "extended-master-secret": ("SSL_get_extms_support",),
        "groups": ("SSL_CTX_set1_curves_list",),
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
        "session-copies": (
            "SSL_SESSION_free",
            "SSL_get1_session",
            "SSL_get_session",
            "SSL_session_reused",
            "SSL_set_session",
            "d2i_SSL_SESSION",
            "i2d_SSL_SESSION",
        ),
        "session-reused": ("SSL_session_reused",),
        "server-name-refusal": ("SSL_CTX_set_tlsext_servername_callback",),
        "shared-roots": (
            "SSL_CTX_set_cert_store",
            "X509_STORE_add_cert",
            "X509_STORE_load_locations",
            "X509_STORE_up_ref",
            "d2i_X509_bio",
        ),
        "verify-error": (
            "SSL_CTX_set_verify",
            "SSL_set_verify",
            "X509_STORE_CTX_get_error",
            "X509_STORE_CTX_set_error",
        ),
        "verify-purpose": ("X509_STORE_set_purpose",),
    }
)

_switched_off: set[str] = set()


def library_handle() -> Any:
    """Give cffi's handle on the libraries, or None without them."""
    if not is_available():
        return None
    from OpenSSL import _util

    return _util.lib


@functools.cache
def _binding() -> tuple[Any, Any]:
    from OpenSSL import _util

    return _util.lib, _util.ffi


def has(capability: str) -> bool:
    """Say whether this binding can do what *capability* names."""
    return capability not in _switched_off and _is_bound(capability)


@functools.cache
def _is_bound(capability: str) -> bool:
    handle = library_handle()
    return handle is not None and all(
        hasattr(handle, name) for name in _NEEDS[capability]
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
    try:
        yield
    finally:
        _switched_off.clear()
        _switched_off.update(before)


def _require(capability: str, wanted: str) -> tuple[Any, Any]:
    if not has(capability):
        raise UnsupportedError(
            f"this OpenSSL binding can't {wanted} "
            f"(it lacks the capability {capability!r})",
            hint="python -m pip install --upgrade pyOpenSSL cryptography",
        )
    return _binding()


def _fail(kind: type[TLSError], doing: str) -> None:
    """Raise from OpenSSL's error queue."""
    from OpenSSL._util import exception_from_error_queue

    with translated(kind, doing):
        exception_from_error_queue(SSL.Error)


# -- what a callback tells OpenSSL ------------------------------------------

#: Returned by a refusing callback: the number of the alert to send.
ALERT = int

VerifyFunction = Callable[["Connection", bytes, int, int, bool], int]
NameFunction = Callable[["Connection"], "int | None"]
AlpnFunction = Callable[["Connection", "list[bytes]"], "bytes | int | None"]


def _connection(ssl: Any) -> Connection | None:
    found: Connection | None = SSL.Connection._reverse_mapping.get(ssl)
    return found


def set_verify(
    target: Context | Connection, mode: int, function: VerifyFunction
) -> None:
    """Ask *function* about every certificate.

    It gets the connection, the certificate's DER, OpenSSL's code, the depth
    and OpenSSL's verdict, and returns the code to go on with: 0 accepts,
    any other refuses, with the alert that OpenSSL has for that code.
    """
    lib, ffi = _require("verify-error", "choose the alert of a refusal")

    def callback(ok: int, store: Any) -> int:
        index = lib.SSL_get_ex_data_X509_STORE_CTX_idx()
        found = _connection(lib.X509_STORE_CTX_get_ex_data(store, index))
        if found is None:
            return 0
        code = function(
            found,
            _der(lib, ffi, lib.X509_STORE_CTX_get_current_cert(store)),
            lib.X509_STORE_CTX_get_error(store),
            lib.X509_STORE_CTX_get_error_depth(store),
            bool(ok),
        )
        lib.X509_STORE_CTX_set_error(store, code)
        return int(code == 0)

    handle = ffi.callback("int (*)(int, X509_STORE_CTX *)", callback, error=0)
    if isinstance(target, SSL.Context):
        lib.SSL_CTX_set_verify(target._context, mode, handle)
    else:
        lib.SSL_set_verify(target._ssl, mode, handle)
    # pyOpenSSL's own field for it, which also each connection holds on to.
    target._verify_callback = handle


def _der(lib: Any, ffi: Any, certificate: Any) -> bytes:
    bio = ffi.gc(lib.BIO_new(lib.BIO_s_mem()), lib.BIO_free)
    lib.i2d_X509_bio(bio, certificate)
    data = ffi.new("char **")
    size = lib.BIO_get_mem_data(bio, data)
    return bytes(ffi.buffer(data[0], size))


def set_server_name_function(context: Context, function: NameFunction) -> None:
    """Call *function* when a ClientHello is in.

    It returns None to go on, or the number of the alert to refuse with.
    """
    lib, ffi = _require("server-name-refusal", "refuse a server name")

    def callback(ssl: Any, alert: Any, _argument: Any) -> int:
        found = _connection(ssl)
        refusal = 80 if found is None else function(found)
        if refusal is None:
            return 0
        alert[0] = refusal
        return int(lib.SSL_TLSEXT_ERR_ALERT_FATAL)

    handle = ffi.callback("int (*)(SSL *, int *, void *)", callback, error=2)
    lib.SSL_CTX_set_tlsext_servername_callback(context._context, handle)
    context._tlsext_servername_callback = handle


def set_alpn_function(context: Context, function: AlpnFunction) -> None:
    """Call *function* with what the client offers.

    It returns the protocol, None for none, or a number to refuse with
    ``no_application_protocol`` (OpenSSL knows no other alert here).
    """
    lib, ffi = _require("alpn-refusal", "refuse an ALPN offer")

    def callback(
        ssl: Any, out: Any, length: Any, data: Any, size: int, _argument: Any
    ) -> int:
        found = _connection(ssl)
        if found is None:
            return int(lib.SSL_TLSEXT_ERR_ALERT_FATAL)
        chosen = function(found, _protocols(bytes(ffi.buffer(data, size))))
        if isinstance(chosen, int):
            return int(lib.SSL_TLSEXT_ERR_ALERT_FATAL)
        if chosen is None:
            return int(lib.SSL_TLSEXT_ERR_NOACK)
        # OpenSSL copies the bytes only after we have returned.
        kept = ffi.new("unsigned char[]", chosen)
        found._alpn_select_callback_args = kept
        out[0] = kept
        length[0] = len(chosen)
        return 0

    handle = ffi.callback(
        "int (*)(SSL *, unsigned char **, unsigned char *, "
        "const unsigned char *, unsigned int, void *)",
        callback,
        error=2,
    )
    context._alpn_select_callback = handle
    lib.SSL_CTX_set_alpn_select_cb(context._context, handle, ffi.NULL)


def _protocols(wire: bytes) -> list[bytes]:
    """Split the length-prefixed names of RFC 7301, section 3.1."""
    names = []
    while wire:
        names.append(wire[1 : 1 + wire[0]])
        wire = wire[1 + wire[0] :]
    return names


# -- what a context or a connection is told ---------------------------------


def set_groups(context: Context, groups: str) -> None:
    """Offer these key-exchange groups, in this order, joined by colons."""
    lib, _ = _require("groups", "choose key-exchange groups")
    if lib.SSL_CTX_set1_curves_list(context._context, groups.encode()) != 1:
        _fail(ConfigurationError, f"setting the groups {groups!r}")


def set_dh_parameters(context: Context, pem: bytes) -> None:
    """Use these parameters (PEM) for DHE."""
    lib, ffi = _require("dh-parameters-from-memory", "read DH parameters")
    bio = ffi.gc(lib.BIO_new_mem_buf(pem, len(pem)), lib.BIO_free)
    dh = lib.PEM_read_bio_DHparams(bio, ffi.NULL, ffi.NULL, ffi.NULL)
    if dh == ffi.NULL:
        _fail(CredentialError, "reading Diffie-Hellman parameters")
    dh = ffi.gc(dh, lib.DH_free)
    if lib.SSL_CTX_set_tmp_dh(context._context, dh) != 1:
        _fail(ConfigurationError, "setting Diffie-Hellman parameters")


def set_purpose(store: X509Store, purpose: str) -> None:
    """Demand of chains to *store* that they are meant for *purpose*.

    Args:
        store: Where the roots are.
        purpose: OpenSSL's name, such as ``"X509_PURPOSE_ANY"``.
    """
    lib, _ = _require("verify-purpose", "demand a purpose")
    lib.X509_STORE_set_purpose(store._store, getattr(lib, purpose))


def offer_post_handshake_authentication(context: Context) -> None:
    """Announce that a server may ask for our certificate later."""
    lib, _ = _require("post-handshake-authentication", "authenticate later")
    lib.SSL_CTX_set_post_handshake_auth(context._context, 1)


def request_client_certificate(connection: Connection) -> bool:
    """Ask a TLS 1.3 client for its certificate; False if it didn't offer."""
    lib, _ = _require("post-handshake-authentication", "authenticate later")
    asked: bool = lib.SSL_verify_client_post_handshake(connection._ssl) == 1
    if not asked:
        lib.ERR_clear_error()
    return asked


def expect_peer(
    connection: Connection, name: bytes | None, address: bytes | None
) -> None:
    """Have OpenSSL itself check the peer's DNS name or IP address."""
    lib, _ = _require("peer-name", "check names in the handshake")
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
        _fail(ConfigurationError, "setting the expected name")


def has_extended_master_secret(connection: Connection) -> bool:
    """Say whether RFC 7627 protects this TLS 1.2 session."""
    lib, _ = _require("extended-master-secret", "ask for that extension")
    return bool(lib.SSL_get_extms_support(connection._ssl) == 1)


def session_reused(connection: Connection) -> bool:
    """Say whether the handshake was an abbreviated one."""
    lib = library_handle()
    return bool(lib.SSL_session_reused(connection._ssl))


def held_session(connection: Connection) -> object:
    """Give the present session, and keep it alive."""
    lib, ffi = _require("session-copies", "copy sessions")
    session = lib.SSL_get1_session(connection._ssl)
    return ffi.gc(session, lib.SSL_SESSION_free)


def has_session(connection: Connection, session: object) -> bool:
    """Say whether *session*, which is being held, is the present one."""
    lib, _ = _binding()
    present: bool = lib.SSL_get_session(connection._ssl) == session
    return present


def copied_session(connection: Connection) -> bytes:
    """Give the present session in OpenSSL's own form, its secret included."""
    lib, ffi = _require("session-copies", "copy sessions")
    session = lib.SSL_get_session(connection._ssl)
    target = ffi.new("unsigned char[]", lib.i2d_SSL_SESSION(session, ffi.NULL))
    lib.i2d_SSL_SESSION(session, ffi.new("unsigned char **", target))
    return bytes(ffi.buffer(target))


def offer_session(connection: Connection, der: bytes) -> bool:
    """Try to resume what ``copied_session`` gave; False if it is damaged."""
    lib, ffi = _require("session-copies", "copy sessions")
    source = ffi.new("unsigned char[]", der)
    start = ffi.new("const unsigned char **", source)
    session = lib.d2i_SSL_SESSION(ffi.NULL, start, len(der))
    if session == ffi.NULL:
        lib.ERR_clear_error()
        return False
    session = ffi.gc(session, lib.SSL_SESSION_free)
    offered: bool = lib.SSL_set_session(connection._ssl, session) == 1
    return offered


class RootStore:
    """Trusted roots in OpenSSL's own form, shared by many contexts."""

    def __init__(
        self, certificates: tuple[bytes, ...], directories: tuple[str, ...]
    ) -> None:
        lib, ffi = _require("shared-roots", "share trusted roots")
        self._store = ffi.gc(lib.X509_STORE_new(), lib.X509_STORE_free)
        for der in certificates:
            bio = ffi.gc(lib.BIO_new_mem_buf(der, len(der)), lib.BIO_free)
            root = ffi.gc(lib.d2i_X509_bio(bio, ffi.NULL), lib.X509_free)
            if lib.X509_STORE_add_cert(self._store, root) != 1:
                lib.ERR_clear_error()
        for directory in directories:
            path = os.fsencode(directory)
            lib.X509_STORE_load_locations(self._store, ffi.NULL, path)

    def give_to(self, context: Context) -> None:
        """Have *context* trust these roots, and no others."""
        lib, _ = _binding()
        lib.X509_STORE_up_ref(self._store)
        lib.SSL_CTX_set_cert_store(context._context, self._store)


# -- moving bytes -----------------------------------------------------------


@functools.cache
def _type_of_bytes() -> Any:
    _, ffi = _binding()
    return ffi.typeof("char[]")


#: What is worth giving back, in bytes.
_MUCH = 1024


class DirectIO:
    """Moves one connection's bytes by OpenSSL's own functions.

    pyOpenSSL allocates and copies for every record, and raises to say "not
    now".  Here many records are one call, and "not now" is ``hungry``.
    """

    __slots__ = (
        "_buffer",
        "_bytes",
        "_connection",
        "_from",
        "_into",
        "_lib",
        "_most",
        "_place",
        "_ssl",
        "hungry",
        "owes",
    )

    def __init__(self, connection: Connection) -> None:
        self._lib, ffi = _require("direct-io", "move bytes directly")
        self._buffer = ffi.from_buffer
        self._bytes = _type_of_bytes()
        self._place = ffi.new("char **")
        self._connection = connection
        self._ssl = connection._ssl
        self._into, self._from = connection._into_ssl, connection._from_ssl
        self._most = 0  # What either side may have held at once.
        #: Whether a read would only ask to be fed.
        self.hungry = False
        #: Whether reading has made ciphertext that is to go out.
        self.owes = False

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take ciphertext."""
        self.hungry = False
        size = len(data)
        self._most = max(self._most, size)
        done = self._lib.BIO_write(self._into, self._buffer(data), size)
        assert done == size  # Memory grows.

    def read_into(self, buffer: memoryview) -> tuple[int, bool]:
        """Decrypt as many records as *buffer* has room for.

        Returns:
            How many bytes, and whether only room or the peer's bytes are
            missing to go on.  If not, ``Connection.recv_into`` is to be
            called next: it tells what is the matter.
        """
        lib, ssl = self._lib, self._ssl
        size, total = len(buffer), 0
        target = self._buffer(self._bytes, buffer, True)
        while total < size:
            done = lib.SSL_read(ssl, target + total, size - total)
            if done <= 0:
                self.hungry = (
                    lib.SSL_get_error(ssl, done) == lib.SSL_ERROR_WANT_READ
                )
                break
            total += done
            # Asking is cheaper than a read in vain.  What does not fill the
            # buffer has left nothing of its record.
            spent = lib.BIO_get_mem_data(self._into, self._place) <= 0
            self.hungry = spent and (total < size or lib.SSL_pending(ssl) <= 0)
            if self.hungry:
                break
        self.owes = lib.BIO_get_mem_data(self._from, self._place) > 0
        return total, self.hungry or total == size

    def write(self, data: memoryview) -> int:
        """Encrypt all of *data*; no more than 0 is for ``explain``."""
        done: int = self._lib.SSL_write(
            self._ssl, self._buffer(data), len(data)
        )
        return done

    def explain(self, done: int) -> None:
        """Raise what pyOpenSSL does for this result."""
        self._connection._raise_ssl_error(self._ssl, done)

    def drain(self) -> bytes | bytearray:
        """Take all ciphertext that waits to go out."""
        size = self._lib.BIO_get_mem_data(self._from, self._place)
        if size <= 0:
            return b""
        self._most = max(self._most, size)
        taken = bytearray(size)
        self._lib.BIO_read(self._from, self._buffer(taken), size)
        return taken

    def rest(self) -> None:
        """Give back the memory that ciphertext once took.

        OpenSSL's own never shrinks: of a connection that has once been busy
        it would keep some 300 KiB for ever.
        """
        lib = self._lib
        if self._most < _MUCH or any(
            lib.BIO_get_mem_data(each, self._place) > 0
            for each in (self._into, self._from)
        ):
            return
        into, out = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        assert into
        assert out
        connection, swap = self._connection, lib.SSL_set_bio
        # Python looks for signals after calls: if one raises, then only when
        # nobody knows the old ones any more, which OpenSSL frees here.
        self._most = 0
        self._into = connection._into_ssl = into
        self._from = connection._from_ssl = out
        swap(self._ssl, into, out)
