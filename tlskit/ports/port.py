"""``SSLPort``: a socket and two files over an engine and a transport."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, NoReturn

from ..engine.callbacks import Hooks
from ..engine.engine import Engine
from ..errors import (
    ClosedError,
    UnsupportedError,
)
from ..policy.settings import Verify
from ..tools.deadline import NEVER, Deadline, check_timeout
from ..tools.public import public
from .blocking.driver import Driver
from .engines import new_engine
from .files import (
    InputFile,
    OutputFile,
    RawBoth,
    RawInput,
    RawOutput,
    bytes_of,
)
from .transport import SocketTransport, Transport, tune
from .view import Endpoints, SessionView

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer, Self

    from ..verify.identity import Identity

__all__ = ["SSLPort", "endpoints_of", "open_port"]

#: How long, in seconds, ``close`` waits for gathered bytes to go out.
_FAREWELL = 5.0


@public
class SSLPort(SessionView):
    """A TLS connection; a socket and a pair of files at once.

    One thread may read while another writes.  Every wait obeys the time-out
    (``settimeout``), which is a deadline for the whole call.

    Ports come from ``connect``, ``Listener.accept``, ``ports_to_ssl_ports``
    and ``SSLPort.start_tls``.
    """

    _driver: Driver

    def __init__(
        self,
        driver: Driver,
        *,
        timeout: float | None = None,
        shutdown_on_close: bool = True,
        endpoints: Endpoints | None = None,
    ) -> None:
        self._driver = driver
        self._engine: Engine = driver.engine
        self._endpoints = endpoints
        self._timeout = timeout
        self._notify = shutdown_on_close
        self._input: InputFile | None = None
        self._output: OutputFile | None = None
        self._making = threading.Lock()  # Around making these two.
        self._close_wanted = False  # Perhaps while files are still open.
        self._closing = False
        self._files = 0  # Made by makefile(), and still open.
        self._halves = {"input", "output"}  # Not yet closed.
        # Whether bytes may go past all that stands between this and the
        # driver, unless a file gathers some: nothing is overridden.
        self._plain = driver.has_lane and _has_no_override(type(self))

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

        Source: ``tcp-port->ssl-port``; RFC 3207 and its like.
        """
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

    # -- reading ------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Read what is there, at least a byte; ``b""`` after close_notify.

        Args:
            bufsize: The most bytes to read.
            flags: Only 0; TLS knows none.

        Raises:
            TruncatedError: The stream ended without close_notify.
            TimeoutError: The port's time-out passed.
            WantReadError: The port is non-blocking, and nothing is there.
            OSError: The transport broke.

        Source: ``tls-socket-recv``.
        """
        if (
            self._plain
            and self._input is None
            and self._output is None
            and bufsize > 0
            and not flags
        ):
            try:
                data = self._driver.read_now(bufsize)
                return self._recv_later(bufsize) if data is None else data
            except Exception as error:
                self._locate(error, "read")
                raise
        buffer = bytearray(min(bufsize, 65536) if bufsize > 0 else bufsize)
        size = self.recv_into(buffer, 0, flags)
        return bytes(memoryview(buffer)[:size])

    def _recv_later(self, bufsize: int) -> bytes:
        """Do ``recv`` where the express lane has just given way."""
        deadline = self._deadline()
        data = self._driver.read_soon(bufsize, deadline)
        if data is not None:
            return data
        if self._driver.closed:
            self._driver._check_open()
        buffer = memoryview(bytearray(min(bufsize, 65536)))
        size = self._driver.read_slowly(buffer, deadline)
        return bytes(buffer[:size])

    def recv_into(
        self, buffer: Buffer, nbytes: int = 0, flags: int = 0
    ) -> int:
        """Read into *buffer*, at least a byte; 0 after close_notify.

        Args:
            buffer: Where to.
            nbytes: The most bytes to read; 0 fills the buffer.
            flags: Only 0; TLS knows none.

        Raises:
            OSError: As ``recv``.
        """
        if flags:
            _refuse_flags(flags)
        view = bytes_of(buffer)
        if view.readonly:
            raise TypeError(
                f"a buffer to read into has to be writable, {buffer!r:.40} "
                "is not: use a bytearray"
            )
        if nbytes:
            view = view[:nbytes]
        if self._input is None or self._input.closed:
            if self._plain and self._output is None and len(view):
                return self._read_now(view)
            return self.read_plain(view)
        # Part of the stream may be in the file's buffer.
        try:
            size = self._input.readinto1(view)
        except ValueError:  # Another thread has just closed it.
            if not self._input.closed:
                raise
            size = None
        if size is None:
            return self.read_plain(view)
        return size

    def _read_now(self, view: memoryview) -> int:
        """Do ``read_plain`` by the express lane, if that is open."""
        driver, most = self._driver, len(view)
        try:
            size = driver.read_now(most, view)
            if size is None:
                deadline = self._deadline()
                size = driver.read_soon(most, deadline, view)
                if size is None:
                    if driver.closed:
                        driver._check_open()
                    size = driver.read_slowly(view, deadline)
        except Exception as error:
            self._locate(error, "read")
            raise
        return size

    def read_plain(self, buffer: memoryview) -> int:
        """Read past the input file's buffer; for the files themselves.

        Args:
            buffer: Where to.

        Returns:
            How many bytes; 0 after close_notify.

        Raises:
            ClosedError: The port was closed.
            OSError: As ``recv``.
        """
        if self._output is not None:
            self._output.flush_if_idle()
        try:
            if self._driver.closed:
                self._driver._check_open()
            if not len(buffer):
                return 0
            return self._driver.read_into(buffer, self._deadline())
        except Exception as error:
            self._locate(error, "read")
            raise

    def pending(self) -> int:
        """Say how many bytes can be read without waiting for the peer.

        About a record's worth is counted at most.  An end that ``recv``
        would tell at once counts as one byte until it is told, and so does
        an error.  Wait for the descriptor only while this is 0: what has
        come already does not make it readable.  What the file ``input`` has
        read ahead is not counted.

        Source: ``tls-socket-pending?``.
        """
        return 0 if self.closed else self._engine.pending()

    # -- writing ------------------------------------------------------------

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send *data*, and say how much was taken.

        A blocking port takes all of it.  After a ``WantWriteError``, wait
        until the descriptor is writable, and give the same data again.

        Args:
            data: The bytes.
            flags: Only 0; TLS knows none.

        Returns:
            How many bytes were taken.

        Raises:
            ClosedError: The output was closed.
            TimeoutError: The port's time-out passed.
            WantWriteError: The port is non-blocking and takes nothing now.
            ConfigurationError: After that error, other data were given.
            OSError: The transport broke.

        Source: ``tls-socket-send``.
        """
        if flags:
            _refuse_flags(flags)
        if self._plain and self._output is None and self._timeout != 0:
            size = self._send_now(data)
            if size:
                return size
        return self._send(bytes_of(data), kept=False)

    def _send_now(self, data: Buffer) -> int:
        """Send *data* by the express lane; 0 if it is closed."""
        if type(data) is not bytes:
            data = bytes_of(data)
        size = len(data)
        if not size:
            return 0
        try:
            sent = self._driver.send_now(data, size)
            if sent is None:
                return 0
            if not sent:
                self._driver.finish_sending(self._deadline())
        except Exception as error:
            self._locate(error, "write")
            raise
        return size

    def _send(self, data: memoryview, *, kept: bool) -> int:
        """Do ``send`` for a file; *kept* is as for ``write_plain``."""
        if self._output is not None:
            self._send_gathered()
        return self.write_plain(data, kept=kept)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send all of *data*.

        Args:
            data: The bytes.
            flags: Only 0; TLS knows none.

        Raises:
            OSError: As ``send``.  After a time-out, what was encrypted is
                still sent, before anything else.
        """
        if flags:
            _refuse_flags(flags)
        if (
            self._plain
            and self._output is None
            and self._timeout != 0
            and self._send_now(data)
        ):
            return
        if self._output is not None:
            self._send_gathered()
        view = bytes_of(data)
        while True:
            sent = self.write_plain(view)
            if sent == len(view):
                return
            view = view[sent:]

    def write_plain(self, data: memoryview, *, kept: bool = False) -> int:
        """Write past the output file's buffer; for the files themselves.

        Args:
            data: The bytes.
            kept: Whether the caller keeps them if this fails, and gives them
                again.

        Returns:
            How many were taken.

        Raises:
            ClosedError: The port was closed.
            OSError: As ``send``.
        """
        try:
            if self._driver.closed:
                self._driver._check_open()
            if self._timeout == 0 and not self._closing:
                return self._driver.write_some(data)
            return self._driver.write(data, self._deadline(), kept=kept)
        except Exception as error:
            self._locate(error, "write")
            raise

    # -- the files ----------------------------------------------------------

    @property
    def input(self) -> InputFile:
        """The decrypted stream as a buffered binary file."""
        # Of two files one would be collected, and so end its direction.
        with self._making:
            if self._input is None:
                self._input = InputFile(
                    RawInput(self, lambda: self._close_half("input"))
                )
            return self._input

    @property
    def output(self) -> OutputFile:
        """The stream to the peer as a buffered binary file.

        Small writes are gathered until ``flush()``, ``close()``, or until
        the port is read.
        """
        with self._making:
            if self._output is None:
                self._output = OutputFile(
                    RawOutput(self, lambda: self._close_half("output")),
                    self._keep_quiet,
                    self._check_not_closing,
                )
            return self._output

    def __iter__(self) -> Iterator[InputFile | OutputFile]:
        """Unpack as ``input, output = port``."""
        yield self.input
        yield self.output

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Make a file of the port, as ``socket.makefile`` does.

        Closing the file leaves the port open; closing the port takes effect
        when its files are closed, too.

        Args:
            mode: ``"r"``, ``"w"`` or ``"rw"``, for text; with a ``"b"`` for
                bytes.
            buffering: The size of its buffer in bytes; 0 is none, None is
                16 KiB.
            encoding: Of text, as for ``open``; so are the others.
            errors: See there.
            newline: See there.

        Returns:
            The file.

        Raises:
            ValueError: There is no such mode, or text without a buffer.
        """
        if not set(mode) <= set("rwb") or not set(mode) & set("rw"):
            raise ValueError(
                f"the mode is 'r', 'w', 'rw' or 'b', not {mode!r}"
            )
        self._files += 1
        size = 16384 if buffering is None or buffering < 0 else buffering
        raw = RawBoth(
            mode,
            self.recv_into,
            self._send,
            self.fileno,
            on_close=self._file_closed,
            kept=size,
        )
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("only a binary file can be unbuffered")
            return raw  # type: ignore[return-value]
        file: Any
        if "r" in mode and "w" in mode:
            file = io.BufferedRWPair(raw, raw, size)
        elif "r" in mode:
            file = io.BufferedReader(raw, size)
        else:
            file = io.BufferedWriter(raw, size)
        if "b" in mode:
            return file  # type: ignore[no-any-return]
        return io.TextIOWrapper(file, encoding, errors, newline)

    def _file_closed(self) -> None:
        self._files -= 1
        if self._close_wanted and self._files == 0:
            self.close()

    # -- closing ------------------------------------------------------------

    def close(self) -> None:
        """Send what was gathered and a close_notify, and close.

        The peer's close_notify is not waited for, and whatever the peer
        does, this ends within seconds.  A second call is harmless.

        Raises:
            OSError: What was gathered in ``output`` could not be sent.  The
                port is closed all the same.

        Source: ``tls-socket-close``.
        """
        self._close_wanted = True
        if self.closed or self._closing or self._files > 0:
            return
        self._closing = True
        try:
            self._close_files()
        finally:
            self._closing = False  # After an interrupt, close() goes on.

    def _close_files(self) -> None:
        with self._making:
            pass  # Whoever makes a file now finds that it is too late.
        try:
            if self._output is not None and "output" in self._halves:
                self._output.close()
        finally:
            if self._input is not None and "input" in self._halves:
                self._input.close()
            self._driver.close(self._deadline(), notify=self._notify)

    def abandon(self) -> None:
        """Send what was written, and close without a close_notify.

        Source: ``ssl-abandon-port``.
        """
        self._keep_quiet()
        self.close()

    def shutdown(self, how: int) -> None:
        """End one direction or both; ``socket.SHUT_RD``, ``_WR``, ``_RDWR``.

        Ending the output sends a close_notify; the peer may go on sending.

        Args:
            how: Which; reading, writing or both.

        Raises:
            OSError: As ``send``.

        Source: RFC 8446, section 6.1.
        """
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self._end_output()
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self.input.close()

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

    def _end_output(self) -> None:
        with self._during("close"):
            self._send_gathered()
            self._driver.finish(self._deadline())

    def _send_gathered(self) -> None:
        if self._output is not None:
            self._output.flush_if_open()

    def _check_not_closing(self) -> None:
        if self._closing or self._driver.closed:
            with self._during("write"):
                raise ClosedError("this port was closed")

    def _keep_quiet(self) -> None:
        self._notify = False

    def _close_half(self, half: str) -> None:
        self._halves.discard(half)
        if self.closed or self._closing:
            return
        if half == "output":
            with self._during("close"):
                if self._notify:
                    self._driver.finish(self._deadline())
                else:
                    self._engine.abandon()
        if not self._halves:
            self.close()

    def __enter__(self) -> Self:
        """Give the port."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the port; after an exception, without hiding it."""
        if kind is None:
            self.close()
            return
        with suppress(OSError):
            self.close()

    # -- the rest of a socket -----------------------------------------------

    def settimeout(self, seconds: float | None) -> None:
        """Set the deadline of later calls.

        Args:
            seconds: How long a whole call may take, in seconds; None for
                ever, 0 not to wait at all.

        Raises:
            ValueError: It is negative.
        """
        if seconds is not None:
            check_timeout(seconds)
        self._timeout = None if seconds is None else float(seconds)

    def gettimeout(self) -> float | None:
        """Give the time-out in seconds, or None."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or not at all.

        Args:
            flag: Whether to wait.
        """
        self.settimeout(None if flag else 0.0)

    def fileno(self) -> int:
        """Give the descriptor to select on; -1 once closed.

        A port may have data while its descriptor has none: look at
        ``pending()`` first.
        """
        return -1 if self.closed else self._driver.transport.fileno()

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

    def _deadline(self) -> Deadline:
        if self._closing:
            return Deadline.after(self._timeout or None).sooner(_FAREWELL)
        if self._timeout is None:
            return NEVER
        if self._timeout == 0:
            return Deadline.now()
        return Deadline.after(self._timeout)


def _has_no_override(kind: type[SSLPort]) -> bool:
    """Say whether a class leaves alone what all bytes go through."""
    return all(
        getattr(kind, name) is getattr(SSLPort, name)
        for name in ("recv_into", "read_plain", "write_plain", "_send")
    )


def _refuse_flags(flags: int) -> NoReturn:
    raise ValueError(f"TLS knows no flags, found {flags!r}")


def endpoints_of(
    sock: socket.socket, hostname: str | None = None
) -> Endpoints | None:
    """Read both addresses of a TCP socket; None for another kind."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    local, remote = sock.getsockname(), sock.getpeername()
    return Endpoints(local[:2], remote[:2], hostname)


def open_port(
    context: Hooks,
    transport: Transport,
    *,
    server_side: bool,
    hostname: str | None = None,
    alpn: tuple[bytes, ...] = (),
    timeout: float | None = None,
    owns_transport: bool = True,
    shutdown_on_close: bool = True,
    error: Callable[[str], BaseException] | None = None,
    endpoints: Endpoints | None = None,
    dialled: tuple[str, int] | None = None,
    identity: Identity | None = None,
    session_of: object = None,
) -> SSLPort:
    """Join an engine, a driver and a transport to a port of *context*'s kind.

    No byte is sent yet.

    Raises:
        ConfigurationError: As ``new_engine``.
        CredentialError: A server has no certificate.
        ValueError: *hostname* is empty.
    """
    engine = new_engine(
        context,
        server_side=server_side,
        hostname=hostname,
        alpn=alpn,
        dialled=dialled,
        identity=identity,
        session_of=session_of,
    )
    driver = Driver(
        engine, transport, owns_transport=owns_transport, error=error
    )
    port: SSLPort = context.port_class(
        driver,
        timeout=timeout,
        shutdown_on_close=shutdown_on_close,
        endpoints=endpoints,
    )
    return port
