"""``SSLPort``: a socket and two files over an engine and a transport."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from ..engine.callbacks import Hooks
from ..errors import ClosedError, UnsupportedError
from ..policy.settings import Verify
from ..tools.public import public
from .blocking.driver import Driver
from .halves import Halves
from .opening import endpoints_of, open_port
from .transport import SocketTransport, tune
from .view import Endpoints

if TYPE_CHECKING:
    from ..verify.identity import Identity

__all__ = ["SSLPort"]


@public
class SSLPort(Halves):
    """A TLS connection; a socket and a pair of files at once.

    One thread may read while another writes.  Every wait obeys the time-out
    (``settimeout``), which is a deadline for the whole call.

    Ports come from ``connect``, ``Listener.accept``, ``ports_to_ssl_ports``
    and ``SSLPort.start_tls``.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        timeout: float | None = None,
        shutdown_on_close: bool = True,
        endpoints: Endpoints | None = None,
    ) -> None:
        super().__init__(
            driver,
            timeout=timeout,
            endpoints=endpoints,
            shutdown_on_close=shutdown_on_close,
        )

    @classmethod
    def start_tls(
        cls,
        sock: socket.socket,
        context: Hooks,
        *,
        server_side: bool = False,
        hostname: str | None = None,
        identity: Identity | None = None,
        pending: bytes = b"",
        session_of: object = None,
    ) -> SSLPort:
        """Upgrade a plain socket in place (STARTTLS).

        The socket's time-out becomes the port's, and is the deadline of the
        handshake.  When the handshake fails, the socket is closed.

        Args:
            sock: A connected stream socket; the port takes it over.
            context: A ``ClientContext``, or a ``ServerContext`` with
                *server_side*.
            server_side: Whether we are the server.
            hostname: Whom we want to reach.
            identity: Whom the peer has to prove to be, instead of
                *hostname*, which is then announced only.  The context must
                verify its peers; a server asks it of a client, too.
            pending: Bytes of the handshake that were read already.
            session_of: As for ``connect()``.

        Raises:
            HandshakeError: There is no session.
            TimeoutError: The socket's time-out passed.
            OSError: The socket broke.
            TypeError: *sock* is no socket.

        Source: ``tcp-port->ssl-port``; RFC 3207 and its like.
        """
        if not hasattr(sock, "family"):  # A port has none, for one.
            raise TypeError(
                f"a socket is wanted, not {sock!r}; for other streams there "
                "is ports_to_ssl_ports()"
            )
        timeout = sock.gettimeout()
        try:
            tune(sock)
            port = open_port(
                context,
                SocketTransport(sock),
                server_side=server_side,
                hostname=hostname,
                identity=identity,
                timeout=timeout,
                endpoints=endpoints_of(sock, hostname),
                session_of=session_of,
            )
        except BaseException:
            sock.close()
            raise
        try:
            if pending:
                port._engine.receive(pending)
            port.handshake()
        except BaseException:
            port.close()
            raise
        return port

    # -- the session --------------------------------------------------------

    def handshake(self) -> None:
        """Shake hands, if that has not been done; else harmless.

        Raises:
            HandshakeError: There is no session.
            TimeoutError: The port's time-out passed; call again to go on.
            OSError: The transport broke.

        Source: ``tls-client-handshake``, ``tls-server-handshake``.
        """
        with self._during("handshake"):
            self._driver.handshake(self._deadline())

    def set_verify(self, on: bool = True) -> None:
        """Demand the peer's certificate now, in mid-session.

        A server renegotiates (TLS 1.2) or asks for post-handshake
        authentication (TLS 1.3); the client must be reading.  A client has
        the server's certificate already, and looks at the verdict.

        Before the handshake it is said for this port, whichever context
        ``choose_for()`` and the like choose; if the chosen one demands more,
        that counts.

        Args:
            on: False demands nothing from now on.

        Raises:
            VerificationError: There is no certificate, or a bad one.
            UnsupportedError: This peer can't be asked now.
            SealedError: Before the handshake: that is less than a sealed
                client's context demands.

        Source: ``ssl-set-verify!`` on a port.
        """
        with self._during("handshake"):
            self._ask(Verify.REQUIRE if on else Verify.NONE)
            if on and self._facts is not None:
                self._insist()

    def try_verify(self, on: bool = True) -> None:
        """Ask for the peer's certificate now; tolerate what is wrong.

        Afterwards ``peer_verified`` and ``verify_error`` tell.

        Args:
            on: False asks for nothing from now on.

        Raises:
            UnsupportedError: This peer can't be asked now.
            SealedError: As ``set_verify``.

        Source: ``ssl-try-verify!`` on a port.
        """
        with self._during("handshake"):
            self._ask(Verify.TRY if on else Verify.NONE)

    def _ask(self, verify: Verify) -> None:
        if self.closed:
            raise ClosedError("this port was closed")
        if self._facts is None:
            self._engine.expect(verify)
        elif self._engine.server_side and verify is not Verify.NONE:
            self._driver.reauthenticate(verify, self._deadline())

    # -- the rest of a socket -----------------------------------------------

    def getpeername(self) -> tuple[str, int]:
        """Give the remote ``(host, port)``.

        Raises:
            UnsupportedError: The port does not run over TCP.
        """
        if self._endpoints is None:
            raise UnsupportedError("this port does not run over TCP")
        return self._endpoints.remote

    def getsockname(self) -> tuple[str, int]:
        """Give our own ``(host, port)``.

        Raises:
            UnsupportedError: The port does not run over TCP.
        """
        if self._endpoints is None:
            raise UnsupportedError("this port does not run over TCP")
        return self._endpoints.local

    def unwrap(self) -> socket.socket:
        """End TLS on both sides, and give the plain socket back.

        Our close_notify is sent and the peer's is waited for, within the
        port's time-out.

        Returns:
            The socket, open and with the port's time-out.  If plaintext has
            come right behind the peer's close_notify, it is another object,
            whose first reads give that; don't select on it before.

        Raises:
            UnsupportedError: The port does not run over a socket.
            TruncatedError: The peer sent no close_notify.
            OSError: As ``recv``.

        Source: RFC 8446, section 6.1.
        """
        transport = self._driver.transport
        if not isinstance(transport, SocketTransport):
            raise UnsupportedError("this port does not run over a socket")
        rest = memoryview(bytearray(16384))
        with self._during("close"):
            self._end_output()
            deadline = self._deadline()
            while self._driver.read_into(rest, deadline):
                pass
        ahead = self._engine.leftover()
        self._driver.release()
        return transport.give_back(self._timeout, ahead)

    def detach(self) -> int:
        """Close without closing the socket, and give its descriptor.

        Returns:
            The descriptor, which is the caller's now.

        Raises:
            UnsupportedError: The port does not run over a socket.
        """
        transport = self._driver.transport
        if not isinstance(transport, SocketTransport):
            raise UnsupportedError("this port does not run over a socket")
        self._driver.release()
        return transport.detach()
