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

from ...context.sides import ClientContext
from ...ports.port import SSLPort
from ...ports.transport import SocketTransport
from ...tools.deadline import Deadline
from ...verify.identity import Identity
from ..connect import connect as connect_tcp
from ..conversation import Conversation, talk
from ..opening import OPENING
from .dialogues import SCRIPTS

__all__ = ["PORTS", "PROTOCOLS", "Dialogue", "connect", "negotiate"]

#: The protocols' names.
PROTOCOLS = tuple(SCRIPTS)
#: The port that each one is usually on.
PORTS = {name: port for name, (_, port) in SCRIPTS.items()}


class Dialogue(Conversation):
    """The client's side of a conversation up to the server's go-ahead.

    It does no I/O: send what ``outgoing()`` gives, pass what comes to
    ``receive()``, and begin with TLS as soon as it is ``done``, when the last
    of ``outgoing()`` is sent (MySQL has no go-ahead).

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
        host = str(identity.ip) if name is None else name.decode("ascii")
        begin = SCRIPTS[protocol][0]
        super().__init__(lambda say: begin(say, host))


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

    Source: RFC 3207, 9051, 2595, 4217, 4511, 6120, 4642, 5804, 2033.
    """
    deadline = Deadline.after(timeout)
    dialogue = Dialogue(protocol, hostname)
    transport = SocketTransport(sock, close=False)
    try:
        talk(transport, dialogue, deadline)
    finally:
        transport.close()


def connect(
    host: str,
    protocol: str,
    port: int | None = None,
    context: ClientContext | str = "secure",
    *,
    alpn: Iterable[str | bytes] = (),
    timeout: float | None = OPENING,
    hostname: str | None = None,
    proxy: str | None = None,
    identity: Identity | None = None,
) -> SSLPort:
    """Connect to a server whose protocol begins in plaintext.

    Args:
        host: As for ``tlskit.connect``.
        protocol: One of ``PROTOCOLS``.
        port: The TCP port; None for the protocol's usual one.
        context: As for ``tlskit.connect``.
        alpn: As for ``tlskit.connect``.
        timeout: One deadline, in seconds, for look-up, TCP, the conversation
            and the handshake together; None is none.  If it is given, it is
            also the port's time-out later.
        hostname: As for ``tlskit.connect``.
        proxy: As for ``tlskit.connect``.
        identity: As for ``tlskit.connect``.

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

    Source: RFC 3207, 9051, 2595, 4217, 4511, 6120, 4642, 5804, 2033.
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
        proxy=proxy,
        identity=identity,
    )
    try:
        with made._during("preface"):
            talk(made._driver.transport, dialogue, deadline)
        with made._during("handshake"):
            made._driver.handshake(deadline)
    except BaseException:
        made.close()
        raise
    return made
