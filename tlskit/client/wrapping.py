"""``ports_to_ssl_ports``: TLS over streams that exist already."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ..context.sides import ClientContext, ServerContext
from ..errors import HandshakeError
from ..ports.engines import alpn_offer
from ..ports.files import InputFile, OutputFile
from ..ports.opening import endpoints_of, open_port
from ..ports.port import SSLPort
from ..ports.streams import FileTransport, ThreadTransport, descriptor_of
from ..ports.transport import SocketTransport, Transport
from ..tools.deadline import Deadline
from ..verify.identity import Identity

__all__ = ["ports_to_ssl_ports"]


def ports_to_ssl_ports(
    input: Any,
    output: Any,
    *,
    mode: str,
    context: ClientContext | ServerContext | None = None,
    encrypt: str = "secure",
    close_original: bool = False,
    shutdown_on_close: bool = False,
    error: Callable[[str], BaseException] = HandshakeError,
    hostname: str | None = None,
    identity: Identity | None = None,
    alpn: Iterable[str | bytes] = (),
) -> SSLPort:
    """Speak TLS over two streams.

    Args:
        input: Where ciphertext comes from: a binary file, a pipe, a socket,
            a serial line of pySerial's, or another ``SSLPort`` (TLS in TLS).
        output: Where it goes; may be the same object.  An object that is a
            ``tlskit.ports.transport.Transport`` is used as that.
        mode: ``"connect"`` for the client's half, ``"accept"`` for the
            server's.
        context: Of the right kind; None makes one from *encrypt*.
        encrypt: The name of a protocol; not looked at if there is a context.
        close_original: Whether to close both streams when the port closes.
        shutdown_on_close: Whether closing sends a close_notify.
        error: Makes the exception for a failed handshake or a later failure
            from its message.
        hostname: The name to announce and to check.
        identity: Whom the peer has to prove to be, instead of a host name:
            ``Identity.uri("spiffe://...")`` and the like.  *hostname* is then
            the server name to announce, and nothing else; without it a URI
            or a service announces none.
        alpn: Application protocols to offer; only in mode ``"connect"``.

    Returns:
        The port, with its handshake done.

    Raises:
        HandshakeError: Or what *error* makes; the streams stay open.
        ConfigurationError: The context is for the other mode, or it checks
            host names and there is none.
        CredentialError: The server's half has no certificate.
        ValueError: *mode* is neither.
        TypeError: A stream is one of text, or can't be read or written; or
            *error* can't be called.
        OSError: A stream broke.

    Source: ``ports->ssl-ports``; the seed's manual and code disagree about
    the default mode, so there is none here.
    """
    if mode not in ("connect", "accept"):
        raise ValueError(f"mode is 'connect' or 'accept', not {mode!r}")
    if not callable(error):
        raise TypeError(f"error makes an exception; {error!r} can't")
    server_side = mode == "accept"
    names = alpn_offer(alpn, server_side=server_side)
    chosen = context if context is not None else _made(encrypt, server_side)
    both = input if input is output else None
    timeout = _timeout_of(both)  # Now: a transport changes it.
    transport = _transport(input, output, close_original)
    try:
        port = open_port(
            chosen,
            transport,
            server_side=server_side,
            hostname=hostname,
            identity=identity,
            alpn=names,
            timeout=timeout,
            owns_transport=close_original,
            shutdown_on_close=shutdown_on_close,
            error=None if error is HandshakeError else error,
            endpoints=endpoints_of(both)
            if isinstance(both, socket.socket)
            else None,
        )
        port.handshake()
    except BaseException:
        transport.close_streams = False
        with suppress(OSError):
            transport.close()
        raise
    return port


def _timeout_of(stream: Any) -> float | None:
    """Give the time-out of a stream that has one."""
    if not hasattr(stream, "gettimeout"):
        return None
    timeout: float | None = stream.gettimeout()
    return timeout


def _made(encrypt: str, server_side: bool) -> ClientContext | ServerContext:
    if server_side:
        return ServerContext(encrypt)
    if encrypt == "secure":
        return ClientContext.secure()
    return ClientContext(encrypt)


def _transport(input: Any, output: Any, close: bool) -> Transport:
    """Find the transport that suits the two streams."""
    if input is output and isinstance(input, socket.socket):
        return SocketTransport(input, close=close)
    if input is output and isinstance(input, Transport):
        input.close_streams = close
        return input
    inner = _port_of(input)
    if inner is not None and inner is _port_of(output):
        return PortTransport(inner, close=close)
    if descriptor_of(input) is not None and descriptor_of(output) is not None:
        return FileTransport(input, output, close=close)
    return ThreadTransport(input, output, close=close)


def _port_of(stream: Any) -> SSLPort | None:
    """Give the port that *stream* is, or is a file of."""
    if isinstance(stream, SSLPort):
        return stream
    if isinstance(stream, (InputFile, OutputFile)):
        raw: Any = stream.raw
        port = raw.port
        return port if isinstance(port, SSLPort) else None
    return None


class PortTransport:
    """Another port's plaintext carries our ciphertext: TLS in TLS."""

    def __init__(self, port: SSLPort, *, close: bool) -> None:
        self.close_streams = close
        self._port = port
        self._driver = port._driver
        self._timeout = port.gettimeout()
        port.setblocking(False)

    def read_into(self, buffer: memoryview) -> int | None:
        """See ``Transport``."""
        # Either direction may be what the outer session waits for.
        try:
            return self._port.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data: memoryview) -> int | None:
        """See ``Transport``; the other port says what it has sent."""
        try:
            return self._port.send(data)
        except BlockingIOError:
            return None

    def wait(
        self, *, read: bool, write: bool, deadline: Deadline
    ) -> tuple[bool, bool]:
        """See ``Transport``."""
        return self._driver.wait(read=read, write=write, deadline=deadline)

    def close_write(self) -> None:
        """End the outer port's output."""
        self._port.shutdown(socket.SHUT_WR)

    def wake(self) -> None:
        """See ``Transport``."""
        if self.close_streams:
            self._driver.transport.wake()

    def close(self) -> None:
        """Close the other port, or give it back as it came."""
        self._port.settimeout(self._timeout)
        if self.close_streams:
            self._port.close()
        else:
            self._driver.flush_rest(Deadline.after(5.0), forget=True)

    def fileno(self) -> int:
        """See ``Transport``."""
        return self._port.fileno()
