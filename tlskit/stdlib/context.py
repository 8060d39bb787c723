"""A context as the ``ssl.SSLContext`` that existing libraries want.

``Context.as_ssl_context()`` makes one.  It is a real ``ssl.SSLContext``, and
what it wraps are real ``ssl.SSLSocket`` and ``ssl.SSLObject``; but the
sessions are tlskit's, with its verification and its errors.

**The context beneath.**  A real ``ssl.SSLContext`` has one of the standard
library's own inside, written in C.  Should any code reach for that one, it
finds a context that trusts nobody, demands a certificate of everybody, has
none to show, and so comes to no session at all.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any, NoReturn

from ..context.context import Context
from ..engine.engine import Engine
from ..errors import ConfigurationError, TLSError, UnsupportedError
from ..policy.settings import alpn_names
from ..tools.versioned import VersionedCache
from ..verify.identity import Identity
from .alpn import Cache, WithALPN
from .errors import as_ssl_error
from .naming import Question, WithNames
from .newer import Newer
from .originals import ContextBeneath, check
from .resuming import kept_of
from .session import MemorySession
from .socket import SocketSession, SSLObject, SSLSocket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

__all__ = ["SSLContext", "SSLObject", "SSLSocket"]


class SSLContext(Newer):
    """An ``ssl.SSLContext`` that leaves TLS to tlskit.

    It changes when its tlskit context does, and the other way round; what
    libraries want to weaken of a sealed one raises ``SealedError``.  Each
    adapter has application protocols of its own (``set_alpn_protocols``):
    they belong to who speaks them, and may change even if the context is
    sealed.

    Args:
        context: A ``ClientContext`` or a ``ServerContext``.

    Raises:
        TypeError: *context* is something else, such as a protocol of
            ``ssl``.
        UnsupportedError: ``ssl.SSLSocket`` was exchanged for another class,
            as gevent and eventlet do.
    """

    sslsocket_class: type[ssl.SSLSocket] = SSLSocket
    sslobject_class: type[ssl.SSLObject] = SSLObject

    _hooks: Context | WithALPN
    _alpn: tuple[bytes, ...]
    _named: Cache

    def __new__(cls, context: Context) -> Self:
        """Make the context beneath, which is good for nothing."""
        if not isinstance(context, Context):
            raise TypeError(
                f"expected a context of tlskit, found {context!r}; "
                "use ClientContext().as_ssl_context()"
            )
        check()
        self: Self = super().__new__(
            cls,
            ssl.PROTOCOL_TLS_SERVER
            if context.server_side
            else ssl.PROTOCOL_TLS_CLIENT,
        )
        self._tlskit = context
        self._hooks = context
        self._alpn = ()
        self._named = VersionedCache(64)
        # A client's demands a certificate, and checks its name, from birth.
        beneath: Any = ContextBeneath.__mro__[1]
        beneath.verify_mode.__set__(self, ssl.CERT_REQUIRED)
        return self

    def __init__(self, context: Context) -> None:
        del context  # It was taken when the object was made.
        super().__init__()

    @property
    def tlskit_context(self) -> Context:
        """The context that decides."""
        return self._tlskit

    def __repr__(self) -> str:
        """Tell which context decides."""
        return f"<tlskit.stdlib.{type(self).__name__} of {self._tlskit!r}>"

    def __copy__(self) -> SSLContext:
        """Make another adapter of the same context."""
        copy = type(self)(self._tlskit)
        copy._set_alpn(self._alpn)
        copy._sni_callback = self._sni_callback
        return copy

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: sockets and keys can't travel."""
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    # -- application protocols ----------------------------------------------

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Choose the application protocols of this adapter's connections.

        A server refuses a client that offers none of them, unless the
        tlskit context has ``set_alpn(..., allow_no_match=True)``.

        Args:
            alpn_protocols: Their names, the preferred first; none at all
                leaves it to the tlskit context.

        Raises:
            ssl.SSLError: A name is empty, or longer than 255 bytes.
        """
        try:
            names = alpn_names(list(alpn_protocols))
        except ValueError as error:
            raise ssl.SSLError(
                "ALPN protocols must be 1 to 255 in length"
            ) from error
        self._set_alpn(names)

    def _set_alpn(self, names: tuple[bytes, ...]) -> None:
        self._alpn = names
        if names and self._tlskit.server_side:
            self._hooks = WithALPN(self._tlskit, names)
        else:
            self._hooks = self._tlskit

    def set_npn_protocols(self, npn_protocols: Iterable[str]) -> None:
        """Refuse what preceded ALPN.

        Raises:
            UnsupportedError: Always.
        """
        del npn_protocols
        raise UnsupportedError(
            "NPN is obsolete", hint="use set_alpn_protocols()"
        )

    # -- connections --------------------------------------------------------

    def wrap_socket(  # noqa: PLR0917 - as in ssl
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Speak TLS over *sock*, which is taken over.

        Args:
            sock: A stream socket, connected or not, or one that listens.
            server_side: Whether we are the server.
            do_handshake_on_connect: Whether to shake hands at once;
                otherwise it is done when first needed.
            suppress_ragged_eofs: Not looked at.  Whether an end of file
                without close_notify counts as one is decided by the tlskit
                context (``allow_truncation``).
            server_hostname: Whom we want to reach.
            session: What another socket's ``session`` gave, to be resumed if
                it came about by the same rules; None resumes none.

        Raises:
            ssl.SSLCertVerificationError: The peer was refused.
            ssl.SSLError: There is no session.
            ValueError: The context checks the host name, and there is none;
                or *session* belongs to another context.
            TypeError: *session* is something else.
            OSError: The socket broke.
        """
        del suppress_ragged_eofs
        return self.sslsocket_class._create(  # type: ignore[attr-defined,no-any-return]
            sock=sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            suppress_ragged_eofs=False,
            server_hostname=server_hostname,
            context=self,
            session=session,
        )

    # wrap_bio() is inherited: it calls _wrap_bio() below.

    def _encode_hostname(self, hostname: str | bytes | None) -> str | None:
        """Read a host name as tlskit does; ``ssl`` has older rules.

        Raises:
            ValueError: It can be none.
        """
        if hostname is None:
            return None
        text = hostname if isinstance(hostname, str) else hostname.decode()
        try:
            identity = Identity.parse(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return text if identity.dns is None else identity.dns.decode("ascii")

    def _wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: object = None,
        session: ssl.SSLSession | None = None,
    ) -> SocketSession:
        """Make the session of a socket; ``ssl.SSLSocket`` calls this."""
        if not isinstance(sock, SSLSocket):
            raise UnsupportedError(
                f"{type(sock).__name__} can't be a socket of this context",
                hint="call its wrap_socket()",
            )
        del owner  # It is the socket.
        question = self._question(server_side)
        engine = self._engine(server_side, server_hostname, session, question)
        made = SocketSession(engine, self, sock, server_hostname)
        if question is not None:
            question.of(made)
        return made

    def _wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: object = None,
        session: ssl.SSLSession | None = None,
    ) -> MemorySession:
        """Make a session in memory; ``ssl.SSLObject`` calls this."""
        question = self._question(server_side)
        made = MemorySession(
            self._engine(server_side, server_hostname, session, question),
            self,
            owner,
            server_hostname,
            incoming=incoming,
            outgoing=outgoing,
        )
        if question is not None:
            question.of(made)
        return made

    def _question(self, server_side: bool) -> Question | None:
        callback = self._sni_callback
        if callback is None or not server_side:
            return None
        return Question(self, callback)

    def _engine(
        self,
        server_side: bool,
        server_hostname: str | None,
        session: ssl.SSLSession | None,
        question: Question | None,
    ) -> Engine:
        if server_side is not self._tlskit.server_side:
            side = "server" if server_side else "client"
            raise ssl.SSLError(
                ssl.SSL_ERROR_SSL,
                f"Cannot create a {side} socket with a "
                f"{type(self._tlskit).__name__}",
            )
        kept = kept_of(session, self)
        if server_side and kept is not None:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if server_side and server_hostname:
            raise ValueError(
                "server_hostname can only be specified in client mode"
            )
        if self.check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        hooks = self._hooks
        if question is not None:
            hooks = WithNames(self._tlskit, self._alpn, self._named, question)
        try:
            return Engine(
                hooks,
                server_side=server_side,
                identity=Identity.parse(server_hostname)
                if server_hostname
                else None,
                alpn=() if server_side else self._alpn,
                given=kept,
            )
        except TLSError as error:
            raise as_ssl_error(error) from error


#: What ``ssl.SSLContext`` has in Python 3.13, all of which is thought of.
_KNOWN = frozenset(
    {
        "cert_store_stats",
        "check_hostname",
        "get_ca_certs",
        "get_ciphers",
        "hostname_checks_common_name",
        "keylog_filename",
        "load_cert_chain",
        "load_default_certs",
        "load_dh_params",
        "load_verify_locations",
        "maximum_version",
        "minimum_version",
        "num_tickets",
        "options",
        "post_handshake_auth",
        "protocol",
        "security_level",
        "session_stats",
        "set_alpn_protocols",
        "set_ciphers",
        "set_default_verify_paths",
        "set_ecdh_curve",
        "set_npn_protocols",
        "set_psk_client_callback",
        "set_psk_server_callback",
        "set_servername_callback",
        "sni_callback",
        "sslobject_class",
        "sslsocket_class",
        "verify_flags",
        "verify_mode",
        "wrap_bio",
        "wrap_socket",
    }
)


class _Unknown:
    """An attribute of a newer ``ssl.SSLContext``: neither read nor set.

    It would be the hollow context's beneath, with no effect.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise self._refused()

    def __set__(self, instance: object, value: object) -> NoReturn:
        raise self._refused()

    def _refused(self) -> UnsupportedError:
        return UnsupportedError(
            f"this Python's ssl.SSLContext has {self._name}, which tlskit "
            "does not know",
            hint="use the methods of the tlskit context",
        )


def close_unknown(adapter: type, base: type) -> None:
    """Have *adapter* refuse what *base* has and nobody has thought of."""
    for name in dir(base):
        known = name.startswith("_") or name in _KNOWN
        if not known and getattr(adapter, name, None) is getattr(base, name):
            setattr(adapter, name, _Unknown(name))


close_unknown(SSLContext, ContextBeneath)
