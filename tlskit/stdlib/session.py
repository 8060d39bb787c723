"""A TLS session with the methods that the standard library expects of one.

``ssl.SSLObject`` and ``ssl.SSLSocket`` are thin: whatever they are asked,
they ask an object that their context makes (in C, an ``_ssl._SSLSocket``).
``Session`` is that object, on tlskit's engine; so what libraries see is the
standard library's own two classes, with all their habits.
"""

from __future__ import annotations

import logging
import ssl
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine.bindings import TYPES, channel_binding
from ..engine.engine import Engine, State
from ..errors import ConfigurationError, TLSError, UnsupportedError
from ..errors.copies import is_copy
from ..errors.whereabouts import told
from ..openssl.records import Records
from ..policy.settings import Verify
from ..tools.instead import Instead
from .certificate import certificate_dict
from .errors import as_ssl_error
from .resuming import SSLSession, kept_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..engine.facts import Facts

__all__ = ["MemorySession", "Session"]

T = TypeVar("T")

_log = logging.getLogger("tlskit.stdlib")

_VERSIONS = {
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}


class Session:
    """One session, as ``ssl.SSLObject`` and ``ssl.SSLSocket`` ask for it.

    Args:
        engine: The session itself.
        context: The ``ssl.SSLContext`` that made it.
        owner: The object that the application sees.
        server_hostname: Whom we want to reach.
    """

    def __init__(
        self,
        engine: Engine,
        context: ssl.SSLContext,
        owner: object,
        server_hostname: str | None,
    ) -> None:
        self.engine = engine
        self._context = context
        # Their owner holds them: a cycle would keep sockets open.
        self._owner = None if owner is None else weakref.ref(owner)
        self.server_hostname = server_hostname
        self._told = False  # That the client was refused.
        self._choosing = False  # Whether the context may be exchanged.

    def _in_ssl_terms(self) -> Instead[Exception]:
        """Raise what libraries catch, with our own error as its cause.

        Failures of the transport stay what they are.
        """
        return Instead(Exception, self._put)

    def _put(self, error: Exception) -> None:
        """Raise what libraries catch for *error*, if it is not that itself."""
        self._tell(error)
        self.engine.name_first(error)
        if isinstance(error, TLSError) or is_copy(error, self.engine.failure):
            raise as_ssl_error(error) from error

    def _tell(self, error: Exception) -> None:
        """Log, on a server, that a client was refused; once.

        What serves by way of an adapter often says nothing of it.
        """
        engine = self.engine
        if (
            self._told
            or not engine.server_side
            or engine.version is not None
            or not is_copy(error, engine.failure)
        ):
            return
        self._told = True
        level = logging.INFO
        if isinstance(error, ConfigurationError) or (
            not isinstance(error, OSError)
        ):
            level = logging.WARNING  # Ours to mend.
        hint = error.hint if isinstance(error, TLSError) else ""
        _log.log(
            level,
            "a client failed: %s",
            told(error, self._peer()),
            extra={"reason": getattr(error, "code", ""), "hint": hint},
        )

    def _peer(self) -> str | None:
        """Give the other end, where that is known, as ``"host:port"``."""
        return None

    # -- what it is ---------------------------------------------------------

    @property
    def owner(self) -> object:
        """The object that the application sees, if it still does."""
        return None if self._owner is None else self._owner()

    @property
    def context(self) -> ssl.SSLContext:
        """The context that made this session."""
        return self._context

    @context.setter
    def context(self, value: object) -> None:
        if not self._choosing:
            raise UnsupportedError(
                "a session's context can't be exchanged but by sni_callback",
                hint="choose contexts there, or by "
                "ServerContext.set_server_names()",
            )
        if not isinstance(value, type(self._context)):
            raise TypeError(
                "the context of a session is exchanged for another adapter "
                f"of a ServerContext, not for {value!r}"
            )
        self._context = value

    @contextmanager
    def choosing(self) -> Iterator[Callable[[], Any]]:
        """Let ``sni_callback`` exchange the context meanwhile.

        Returns:
            What gives the context that the session has then.
        """
        self._choosing = True
        try:
            yield lambda: self._context
        finally:
            self._choosing = False

    @property
    def server_side(self) -> bool:
        """Whether we are the server."""
        return self.engine.server_side

    @property
    def session(self) -> SSLSession | None:
        """What another connection of this context may resume.

        None before the handshake, on a server, and where nothing can be
        resumed.
        """
        if self.server_side:
            return None
        kept = self.engine.resumable()
        return None if kept is None else SSLSession(self._context, kept)

    @session.setter
    def session(self, value: object) -> None:
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        kept = kept_of(value, self._context)
        if kept is not None and not self.engine.resume(kept):
            raise ValueError("Cannot set session after handshake.")

    # -- the facts of a handshake -------------------------------------------

    @property
    def _facts(self) -> Facts | None:
        return self.engine.facts

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return self._facts is not None and self._facts.session_reused

    def getpeercert(
        self,
        binary_form: bool = False,
    ) -> dict[str, Any] | bytes | None:
        """Describe the peer's certificate, or give it as DER.

        Programs take what a server is given here for verified, so there a
        certificate that was merely tolerated is left out.

        Raises:
            ValueError: The handshake is not done.
        """
        facts = self._facts
        if facts is None:
            raise ValueError("handshake not done yet")
        certificate = facts.peer_certificate
        if certificate is None:
            return None
        if binary_form:
            shown = facts.peer_verified or not self.server_side
            return facts.peer_ders[0] if shown else None
        return certificate_dict(certificate) if facts.peer_verified else {}

    @property
    def verified_chain(self) -> tuple[bytes, ...]:
        """The path from the peer's certificate to a root, DER."""
        return () if self._facts is None else self._facts.verified_ders

    @property
    def unverified_chain(self) -> tuple[bytes, ...]:
        """What the peer sent, DER."""
        return () if self._facts is None else self._facts.peer_ders

    def selected_alpn_protocol(self) -> str | None:
        """Name the application protocol (RFC 7301)."""
        return None if self._facts is None else self._facts.alpn

    def version(self) -> str | None:
        """Name the version as ``ssl`` does."""
        return None if self._facts is None else _VERSIONS[self._facts.version]

    def cipher(self) -> tuple[str, str, int] | None:
        """Give the cipher suite, its version, and its secret bits."""
        return None if self._facts is None else self.engine.cipher()

    def shared_ciphers(self) -> None:
        """Give nothing: pyOpenSSL doesn't tell what a client offered."""

    def compression(self) -> None:
        """Give nothing: compression is off (RFC 7525, section 3.3)."""

    def uses_ktls_for_send(self) -> bool:
        """Say no: the engine encrypts, not the kernel (asked by 3.15)."""
        return False

    def uses_ktls_for_recv(self) -> bool:
        """Say no, as for sending."""
        return False

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Give a channel binding; None where it is not defined.

        Raises:
            ValueError: There is no such type.
        """
        if cb_type not in TYPES:
            raise ValueError(
                f"{cb_type} channel binding type not implemented; "
                f"there are: {', '.join(TYPES)}"
            )
        if self._facts is None:
            return None
        try:
            return channel_binding(
                cb_type,
                self._facts,
                self.engine.export,
                server_side=self.server_side,
            )
        except TLSError:
            return None

    def pending(self) -> int:
        """Say how many decrypted bytes are there."""
        return self.engine.decrypted


class MemorySession(Session):
    """A session between two ``ssl.MemoryBIO``: the caller moves the bytes."""

    def __init__(
        self,
        engine: Engine,
        context: ssl.SSLContext,
        owner: object,
        server_hostname: str | None,
        *,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        super().__init__(engine, context, owner, server_hostname)
        self._incoming = incoming
        self._outgoing = outgoing
        self._records = Records()
        self._ended = False
        self._asked = False  # For a certificate, after the handshake.

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        with self._in_ssl_terms():
            self._drive(self.engine.handshake)

    def read(self, size: int, buffer: Buffer | None = None) -> bytes | int:
        """Read up to *size* bytes, or as many as *buffer* holds."""
        with self._in_ssl_terms():
            self._prepare()
            return read_by(
                lambda view: self._drive(lambda: self.engine.read_into(view)),
                size,
                buffer,
            )

    def write(self, data: Buffer) -> int:
        """Encrypt all of *data*."""
        view = memoryview(data).cast("B")
        with self._in_ssl_terms():
            self._prepare()
            return self._drive(lambda: self.engine.write(view))

    def _prepare(self) -> None:
        """Shake hands first, where the application left that to us."""
        if self.engine.state is State.HANDSHAKE:
            self._drive(self.engine.handshake)
        if self._asked:
            self._drive(self.engine.reauthenticated)
            self._asked = False

    def shutdown(self) -> None:
        """Send our close_notify, and look for the peer's."""
        with self._in_ssl_terms():
            self.engine.finish()
            self._flush()
            if self._facts is not None:
                check_silent(
                    lambda view: self._drive(
                        lambda: self.engine.read_into(view)
                    )
                )

    def verify_client_post_handshake(self) -> None:
        """Ask the client for its certificate; reading gets the answer."""
        with self._in_ssl_terms():
            self.engine.reauthenticate(Verify.REQUIRE)
            self._asked = True
            self._flush()

    def _drive(self, step: Callable[[], T | None]) -> T:
        """Take *step* until it yields, or there is nothing left to feed."""
        while True:
            try:
                result = step()
            finally:
                self._flush()  # The peer is owed an alert, too.
            if result is not None:
                return result
            if not self._feed():
                raise ssl.SSLWantReadError(
                    ssl.SSL_ERROR_WANT_READ,
                    "The operation did not complete (read)",
                )

    def _flush(self) -> None:
        data = self.engine.outgoing()
        if data:
            self._outgoing.write(data)

    def _feed(self) -> bool:
        """Feed what there is of one record; say whether there was any."""
        pieces = []
        while piece := self._incoming.read(self._records.wanted):
            self._records.took(piece)
            pieces.append(piece)
            if self._records.complete:
                break
        if pieces:
            self.engine.receive(b"".join(pieces))
            return True
        if self._incoming.eof and not self._ended:
            self._ended = True
            self.engine.receive(b"")
            return True
        return False


def read_by(
    read_into: Callable[[memoryview], int], size: int, buffer: Buffer | None
) -> bytes | int:
    """Read as ``ssl`` does: into *buffer*, or to give bytes.

    Raises:
        ValueError: *size* is negative, and there is no buffer.
    """
    if buffer is not None:
        view = memoryview(buffer).cast("B")
        return read_into(view[:size] if 0 < size < len(view) else view)
    if size < 0:
        raise ValueError("size should not be negative")
    # No record holds more, and the caller may ask for anything.
    room = memoryview(bytearray(min(size, 65536)))
    return bytes(room[: read_into(room)])


def check_silent(read_into: Callable[[memoryview], int]) -> None:
    """Wait for the peer's close_notify, before which nothing may come.

    Raises:
        ssl.SSLError: Data came, which would be lost.
    """
    if read_into(memoryview(bytearray(1))):
        raise ssl.SSLError(
            ssl.SSL_ERROR_SSL,
            "[SSL: APPLICATION_DATA_AFTER_CLOSE_NOTIFY] the peer still sends "
            "data; read it to its end before unwrap()",
        )
