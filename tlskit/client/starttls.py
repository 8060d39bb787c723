"""STARTTLS: connections that begin in plaintext and go on over TLS.

Plaintext can be changed by anybody on the way.  So nothing that was said
before the handshake counts after it, and a server that does not begin TLS is
an error, never a reason to go on without.  Bytes that follow the server's
go-ahead, or come before we asked, are refused: programs that kept them for
later took an attacker's plaintext for the server's (CVE-2011-0411).

``Dialogue`` is the conversation without I/O; ``negotiate`` runs it over a
socket, and ``connect`` does all of it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from ..context.sides import ClientContext
from ..errors import HandshakeError, NotTLSError
from ..ports.port import SSLPort
from ..ports.transport import SocketTransport, Transport
from ..tools.deadline import Deadline
from ..verify.identity import Identity
from .connect import connect as connect_tcp
from .dialogues import SCRIPTS

__all__ = ["PORTS", "PROTOCOLS", "Dialogue", "connect", "negotiate"]

#: The protocols' names.
PROTOCOLS = tuple(SCRIPTS)
#: The port that each one is usually on.
PORTS = {name: port for name, (_, port) in SCRIPTS.items()}

#: No server needs more bytes to say that it begins TLS.
_MOST = 65536


class Dialogue:
    """The client's side of a conversation up to the server's go-ahead.

    It does no I/O: send what ``outgoing()`` gives, pass what comes to
    ``receive()``, and begin with TLS as soon as it is ``done``.

    Args:
        protocol: One of ``PROTOCOLS``.
        hostname: The server's name; XMPP's servers want to hear it.

    Raises:
        ValueError: There is no such protocol, or *hostname* is empty.
        ConfigurationError: *hostname* can be no host name.
    """

    def __init__(self, protocol: str, hostname: str = "localhost") -> None:
        if protocol not in SCRIPTS:
            raise ValueError(
                f"{protocol!r} is no protocol with STARTTLS; there are: "
                + ", ".join(PROTOCOLS)
            )
        identity = Identity.parse(hostname)
        name = identity.dns
        self._buffer = bytearray()
        self._outgoing = bytearray()
        self._taken = 0
        #: Whether the server is ready for the first bytes of TLS.
        self.done: bool = False
        self._script = SCRIPTS[protocol][0](
            self._say,
            str(identity.address) if name is None else name.decode("ascii"),
        )
        self._cut = next(self._script)

    def _say(self, data: bytes) -> None:
        if self._buffer:
            raise _injected("before it was asked", self._buffer)
        self._outgoing += data

    def outgoing(self) -> bytes:
        """Give what is to be sent now, once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> None:
        """Take bytes of the server's; none at all are its end of file.

        Args:
            data: What came; any part of an answer will do.

        Raises:
            NotTLSError: The server does not begin TLS, with the code
                ``"no-starttls"``; speaks something else, ``"not-tls"``; or
                sent more than its answer, ``"starttls-injection"``.
            HandshakeError: The server closed the connection.
        """
        if not data:
            raise HandshakeError(
                "the server closed the connection before it began TLS",
                hint="check host, port and protocol",
            )
        self._taken += len(data)
        self._buffer += data
        while not self.done:
            end = self._cut(bytes(self._buffer))
            if end is None:
                self._check_size()
                return
            piece = bytes(self._buffer[:end])
            del self._buffer[:end]
            try:
                self._cut = self._script.send(piece)
            except StopIteration:
                self.done = True
        if self._buffer:
            raise _injected("after its go-ahead for TLS", self._buffer)

    def _check_size(self) -> None:
        if self._taken > _MOST:
            raise NotTLSError(
                f"the server has sent more than {_MOST} bytes without "
                "beginning TLS",
                hint="check host and port: something else listens there",
            )


def _injected(when: str, data: bytearray) -> NotTLSError:
    return NotTLSError(
        f"the server sent {len(data)} bytes of plaintext {when}; they may be "
        "an attacker's",
        code="starttls-injection",
        hint="don't trust this connection; if it is always so, the server "
        "is broken",
    )


def negotiate(
    sock: socket.socket,
    protocol: str,
    *,
    hostname: str = "localhost",
    timeout: float | None = None,
) -> None:
    """Bring a plain socket to the point where TLS begins.

    Go on with ``SSLPort.start_tls(sock, context, hostname=hostname)``.

    Args:
        sock: A connected stream socket, on which nothing was said.  It stays
            the caller's, also if this fails.
        protocol: One of ``PROTOCOLS``.
        hostname: The server's name.
        timeout: The deadline, in seconds; None is none.

    Raises:
        NotTLSError: As ``Dialogue.receive``.
        HandshakeError: The server closed the connection.
        TimeoutError: The deadline passed.
        OSError: The socket broke.
        ConfigurationError: *hostname* can be no host name.
        ValueError: There is no such protocol.

    Source: RFC 3207, 9051, 2595, 4217, 4511, 6120.
    """
    deadline = Deadline.after(timeout)
    dialogue = Dialogue(protocol, hostname)
    transport = SocketTransport(sock, close=False)
    try:
        _talk(transport, dialogue, deadline)
    finally:
        transport.close()


def connect(
    host: str,
    protocol: str,
    port: int | None = None,
    context: ClientContext | str = "secure",
    *,
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = None,
    hostname: str | None = None,
) -> SSLPort:
    """Connect to a server whose protocol begins in plaintext.

    Args:
        host: As for ``tlskit.connect``.
        protocol: One of ``PROTOCOLS``.
        port: The TCP port; None for the protocol's usual one.
        context: As for ``tlskit.connect``.
        alpn: As for ``tlskit.connect``.
        timeout: One deadline, in seconds, for look-up, TCP, the conversation
            and the handshake together; None is none.  It is also the port's
            time-out later.
        hostname: As for ``tlskit.connect``.

    Returns:
        The port, with its handshake done.

    Raises:
        NotTLSError: The server does not begin TLS, or sent more plaintext
            than it may; above all with the codes ``"no-starttls"`` and
            ``"starttls-injection"``.
        HandshakeError: No session came about.
        TimeoutError: The deadline passed.
        OSError: The look-up or TCP failed.
        ConfigurationError: *host* or *hostname* can be no host name.
        ValueError: There is no such protocol, or an argument is out of its
            range.

    Source: RFC 3207, 9051, 2595, 4217, 4511, 6120.
    """
    deadline = Deadline.after(timeout)
    dialogue = Dialogue(protocol, host if hostname is None else hostname)
    made = connect_tcp(
        host,
        PORTS[protocol] if port is None else port,
        context,
        alpn=alpn,
        timeout=timeout,
        hostname=hostname,
        handshake=False,
    )
    try:
        _talk(made._driver.transport, dialogue, deadline)
        made._driver.handshake(deadline)
    except BaseException:
        made.close()
        raise
    return made


def _talk(
    transport: Transport, dialogue: Dialogue, deadline: Deadline
) -> None:
    """Run *dialogue* over *transport* until TLS can begin."""
    buffer = memoryview(bytearray(4096))
    while not dialogue.done:
        unsent = memoryview(dialogue.outgoing())
        while unsent:
            sent = transport.write(unsent)
            if sent is None:
                transport.wait(read=False, write=True, deadline=deadline)
            else:
                unsent = unsent[sent:]
        deadline.check("waiting for the server to begin TLS")
        size = transport.read_into(buffer)
        if size is None:
            transport.wait(read=True, write=False, deadline=deadline)
        else:
            dialogue.receive(bytes(buffer[:size]))
