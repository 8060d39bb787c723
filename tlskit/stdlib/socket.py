"""``SSLSocket``: the standard library's own class over tlskit's driver.

The socket of the operating system never waits while TLS runs on it; our
driver does, and knows the deadline.  So the time-out that the application
sets is kept here, and is the socket's own only before and after TLS.

**Closing.**  ``shutdown`` and ``close`` send a close_notify, which the
standard library's class leaves out: without one the peer can't tell an end
from an attack.  A process that has forked since the handshake may share the
connection with its child, as servers do that fork for each client, and one
of the two closes its copy while the other talks on.  Then ``close`` only
closes.
"""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from ..engine.engine import Engine, State
from ..errors import TruncatedError
from ..errors.whereabouts import place_of
from ..policy.settings import Verify
from ..tools.deadline import NEVER, Deadline
from .files import buffered_reader
from .originals import SocketBeneath, SSLObjectBeneath, SSLSocketBeneath
from .session import Session, check_silent, read_by
from .wire import Wire, WireDriver

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..engine.facts import Facts

__all__ = ["SSLObject", "SSLSocket", "SocketSession"]

#: How long, in seconds, ``close`` and ``shutdown`` try to say goodbye.
_FAREWELL = 5.0
#: With a time-out, one call sends no more: it is the time for each of them.
_PIECE = 16384
#: One call reads no more, unless the caller has room for it.
_ROOM = 65536

_forks = 0


def _forked() -> None:
    global _forks  # noqa: PLW0603 - the process has one history
    _forks += 1


if hasattr(os, "register_at_fork"):  # pragma: no branch - but on Windows
    os.register_at_fork(after_in_parent=_forked, after_in_child=_forked)


class _Views:
    """What both classes can do besides what the standard library's do."""

    _sslobj: Any

    @property
    def facts(self) -> Facts | None:
        """What the handshake has established; None before it is done."""
        found: Facts | None = self._sslobj._facts
        return found

    def group(self) -> str | None:
        """Give the key-exchange group, once it is agreed upon."""
        facts = self._known_facts()
        return None if facts is None else facts.group

    def server_sigalg(self) -> str | None:
        """Give what the server signed the handshake with, if that is known.

        See ``SSLPort.signature_algorithm``.
        """
        return self._sigalg(server=True)

    def client_sigalg(self) -> str | None:
        """Give what the client signed the handshake with, if it did."""
        return self._sigalg(server=False)

    def _sigalg(self, *, server: bool) -> str | None:
        if self._known_facts() is None:
            return None
        engine: Engine = self._sslobj.engine
        return engine.signature_algorithm(peer=server != engine.server_side)

    def _known_facts(self) -> Facts | None:
        return None if self._sslobj is None else self.facts

    def get_verified_chain(self) -> list[bytes]:
        """Give the path from the peer's certificate to a root, as DER."""
        return list(self._sslobj.verified_chain)

    def get_unverified_chain(self) -> list[bytes]:
        """Give what the peer sent, its own certificate first, as DER."""
        return list(self._sslobj.unverified_chain)


class SSLObject(_Views, SSLObjectBeneath):
    """What ``wrap_bio`` gives; see ``ssl.SSLObject``."""


class SSLSocket(_Views, SSLSocketBeneath):
    """What ``wrap_socket`` gives; see ``ssl.SSLSocket``."""

    _tls_runs = False
    _seconds: float | None = None

    # -- the session --------------------------------------------------------

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands; an interrupt leaves no socket behind."""
        try:
            super().do_handshake(block)
        except Exception:
            raise
        except BaseException:
            self.close()
            raise

    def shutdown(self, how: int) -> None:
        """End one direction or both.

        The end of the output is announced by a close_notify.  What the peer
        still sends is read through TLS, not past it.
        """
        session: SocketSession | None = self._sslobj
        if session is None:
            super().shutdown(how)
            return
        session.hang_up(how, self._goodbye())
        SocketBeneath.shutdown(self, how)

    def unwrap(self) -> socket.socket:
        """End TLS on both sides, and go on as a plain socket."""
        plain: socket.socket = super().unwrap()
        self._end_tls()
        return plain

    def detach(self) -> int:
        """Close without closing the descriptor, and give it."""
        self._end_tls()
        self._sslobj = None
        return super().detach()

    def _real_close(self) -> None:
        session, self._sslobj = self._sslobj, None
        try:
            if session is not None:
                session.close(self._goodbye())
        finally:
            self._tls_runs = False
            super()._real_close()  # type: ignore[misc]

    def _goodbye(self) -> Deadline:
        """Give the deadline of what must not take long."""
        if self.gettimeout() == 0:
            return Deadline.now()
        return Deadline.after(self.gettimeout()).sooner(_FAREWELL)

    # -- files --------------------------------------------------------------

    def makefile(
        self, mode: str = "r", buffering: int | None = None, **options: Any
    ) -> Any:
        """Give a file over the socket; see ``socket.socket.makefile``."""
        if mode == "rb" and buffering in (None, -1):
            return buffered_reader(self)
        make: Any = super().makefile
        return make(mode, buffering, **options)

    # -- time-outs ----------------------------------------------------------

    def _begin_tls(self) -> None:
        if self._tls_runs:
            return
        self._seconds = super().gettimeout()
        super().setblocking(False)
        self._tls_runs = True

    def _end_tls(self) -> None:
        if self._tls_runs:
            self._tls_runs = False
            super().settimeout(self._seconds)

    def settimeout(self, value: float | None) -> None:
        """Set the time that each later call may take, in seconds."""
        if not self._tls_runs:
            super().settimeout(value)
            return
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._seconds = None if value is None else float(value)

    def gettimeout(self) -> float | None:
        """Give the time-out in seconds, or None."""
        return self._seconds if self._tls_runs else super().gettimeout()

    @property
    def timeout(self) -> float | None:
        """The time-out in seconds, or None."""
        return self.gettimeout()

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or not at all."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Say whether calls wait at all."""
        return self.gettimeout() != 0


def _refuse_constant(buffer: Buffer) -> NoReturn:
    raise TypeError(
        "a buffer to read into has to be writable, not "
        f"{type(buffer).__name__}"
    )


class SocketSession(Session):
    """A session on the very socket that owns it."""

    def __init__(
        self,
        engine: Engine,
        context: ssl.SSLContext,
        owner: SSLSocket,
        server_hostname: str | None,
    ) -> None:
        super().__init__(engine, context, owner, server_hostname)
        self._wire = Wire(owner)
        self._driver = WireDriver(engine, self._wire)
        self._forks = _forks
        self._hung_up = False
        self._owed = b""  # Encrypted, but not yet told as sent.

    def do_handshake(self) -> None:
        """Shake hands, within the socket's time-out."""
        with self._in_ssl_terms():
            self._driver.handshake(self._deadline())

    def read(self, size: int, buffer: Buffer | None = None) -> bytes | int:
        """Read up to *size* bytes, or as many as *buffer* holds."""
        try:
            if self.engine.state is State.HANDSHAKE:
                self._driver.handshake(self._deadline())
            if buffer is None:
                return self._read(size)
            view = memoryview(buffer).cast("B")
            if view.readonly:
                _refuse_constant(buffer)
            if 0 < size < len(view):
                view = view[:size]
            return self._read_into(view)
        except Exception as error:
            self._put(error)
            raise

    def _read(self, size: int) -> bytes:
        driver = self._driver
        if size <= 0 or not driver.has_lane:
            return bytes(read_by(self._read_into, size, None))
        try:
            data = driver.read_now(size)
            if data is None:
                deadline = self._deadline()
                data = driver.read_soon(size, deadline)
                if data is None:
                    room = memoryview(bytearray(min(size, _ROOM)))
                    data = bytes(room[: driver.read_slowly(room, deadline)])
        except TruncatedError:
            if self._hung_up:  # It was ourselves who cut the connection.
                return b""
            raise
        return data

    def _read_into(self, view: memoryview) -> int:
        driver, most = self._driver, len(view)
        size: int | None = None
        if not most:  # As with ssl, that waits for nobody.
            return 0
        try:
            if driver.has_lane:
                size = driver.read_now(most, view)
            if size is None:
                deadline = self._deadline()
                if driver.has_lane:
                    size = driver.read_soon(most, deadline, view)
                if size is None:
                    size = driver.read_slowly(view, deadline)
        except TruncatedError:
            if self._hung_up:
                return 0
            raise
        return size

    def write(self, data: Buffer) -> int:
        """Send *data*, or its beginning, and say how much."""
        try:
            view = memoryview(data).cast("B")
            if self.engine.state is State.HANDSHAKE:
                self._driver.handshake(self._deadline())
            if self._owed:
                return self._pay(view, self._deadline())
            if self._wire.sock.gettimeout() is None:
                return self._write(view)
            return self._write_in_time(view[:_PIECE])
        except Exception as error:
            self._put(error)
            raise

    def _write(self, view: memoryview) -> int:
        """Send all of *view*, however long that takes."""
        driver, size = self._driver, len(view)
        lane = size and driver.has_lane
        sent = driver.send_now(view, size) if lane else None
        if sent is None:
            return driver.write(view, self._deadline())
        if not sent:
            driver.finish_sending(self._deadline())
        return size

    def _write_in_time(self, piece: memoryview) -> int:
        """Send all of *piece*, or have it given again."""
        driver, size = self._driver, len(piece)
        lane = size and driver.has_lane
        sent = driver.send_now(piece, size) if lane else None
        if sent:
            return size
        deadline = self._deadline()
        if sent is None:
            driver.encrypt(piece, deadline)
        try:
            driver.flush_rest(deadline)
        except (BlockingIOError, TimeoutError):
            self._owed = bytes(piece)
            raise
        return size

    def _pay(self, view: memoryview, deadline: Deadline) -> int:
        """Send what an earlier call has encrypted; never encrypt it twice.

        As with the standard library, who was told to call again does so with
        the same data.
        """
        if view[: len(self._owed)] != self._owed:
            raise ssl.SSLError(
                ssl.SSL_ERROR_SSL,
                "[SSL: BAD_WRITE_RETRY] the last call could not send its "
                "data; call again with the same",
            )
        self._driver.flush_rest(deadline)
        paid, self._owed = len(self._owed), b""
        return paid

    def shutdown(self) -> socket.socket:
        """Send our close_notify, wait for the peer's; give the socket."""
        with self._in_ssl_terms():
            self._driver.finish(self._deadline())
            if self._facts is not None:
                check_silent(self._read_into)
            self._driver.release()
        return self._wire.sock

    def verify_client_post_handshake(self) -> None:
        """Ask the client for its certificate, and wait for the answer."""
        with self._in_ssl_terms():
            self._driver.reauthenticate(Verify.REQUIRE, self._deadline())

    # -- the end ------------------------------------------------------------

    def hang_up(self, how: int, deadline: Deadline) -> None:
        """Announce the end of the output, if that is what ends."""
        if how != socket.SHUT_WR:
            self._hung_up = True
        if how != socket.SHUT_RD:
            with suppress(OSError):
                self._begin()
                self._driver.finish(deadline)

    def close(self, deadline: Deadline) -> None:
        """Say goodbye, if nobody else has this connection."""
        if self._forks != _forks or not self._connected():
            self._driver.release()
        elif deadline.is_now:
            with suppress(OSError):
                self._begin()
                self._driver.finish(deadline)
            self._driver.release()
        else:
            self._begin()
            self._driver.close(deadline)

    def _connected(self) -> bool:
        try:
            SocketBeneath.getpeername(self._wire.sock)
        except OSError:
            return False
        return True

    # -- the beginning ------------------------------------------------------

    def _peer(self) -> str | None:
        try:
            address = SocketBeneath.getpeername(self._wire.sock)
        except OSError:
            return None
        return place_of(address[:2]) if isinstance(address, tuple) else None

    def _begin(self) -> None:
        self._wire.sock._begin_tls()

    def _deadline(self) -> Deadline:
        sock = self._wire.sock
        if not sock._tls_runs:
            sock._begin_tls()
        seconds = sock._seconds
        if seconds is None:
            return NEVER
        return Deadline.now() if seconds == 0 else Deadline.after(seconds)
