"""The tour behind ``demo``: two good handshakes' worth of facts, one refusal.

It uses the library as any program would, and prints nothing.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...client.connect import connect
from ...context.sides import ClientContext, ServerContext
from ...errors import IdentityError
from ...ports.port import SSLPort
from ...server.listener import Listener, listen
from ...testing import CA
from ...trust import VerifySource, set_default_verify_sources
from ...verify.identity import Identity

__all__ = ["HOST", "WRONG_HOST", "Meeting", "Refusal", "Tour", "take_tour"]

#: Whom the client means, and whom it means when it is to refuse.
HOST = "localhost"
WRONG_HOST = "wrong.example"

_ADDRESS = "127.0.0.1"
_ALPN = "tlskit-demo"
#: No wait takes longer, in seconds.
_PATIENCE = 4.0


@dataclass(frozen=True)
class Meeting:
    """A handshake and a talk, as both ends saw them."""

    #: Closed, but facts outlive the connection.
    client: SSLPort
    server: SSLPort
    #: How long the handshake took, in seconds.
    seconds: float
    client_said: str
    server_said: str


@dataclass(frozen=True)
class Refusal:
    """What came of a connection under the wrong name."""

    #: Why the client refused; None if it did not.
    error: IdentityError | None
    #: What the server saw of it; None if it saw nothing wrong.
    heard: OSError | None


@dataclass(frozen=True)
class Tour:
    """All that the tour saw."""

    meeting: Meeting
    refusal: Refusal
    #: How long all of it took, in seconds.
    seconds: float


def take_tour() -> Tour:
    """Make certificates and two sealed contexts, meet, and refuse.

    Raises:
        TLSError: Something that must work did not.
        OSError: There is no loopback network, or no port left.
    """
    began = time.perf_counter()
    server, client = _contexts()
    # The listener is closed first, which ends whatever a thread waits for.
    with (
        ThreadPoolExecutor(1) as pool,
        listen(hostname=_ADDRESS, context=server) as listener,
    ):
        meeting = _meet(pool, listener, client)
        refusal = _refuse(pool, listener, client)
    return Tour(meeting, refusal, time.perf_counter() - began)


def _contexts() -> tuple[ServerContext, ClientContext]:
    """Seal a server and a client who know each other by one new CA."""
    root = CA("tlskit demo root")
    authority = root.intermediate(name="tlskit demo intermediate")
    host, visitor = authority.issue(HOST, _ADDRESS), authority.issue("visitor")
    trusted = VerifySource.pem(root.pem)
    # What the check of names needs is loaded at its first use, which is not
    # part of a handshake's time.
    Identity.parse(HOST).matches(root.certificate)

    server = ServerContext()
    host.apply(server)
    server.load_verify_source(trusted)
    server.set_verify()
    server.set_alpn([_ALPN])
    server.seal()

    with set_default_verify_sources([trusted]):
        client = ClientContext(
            certificate_chain=visitor.chain_pem, private_key=visitor.key_pem
        )
    return server, client


def _meet(
    pool: ThreadPoolExecutor, listener: Listener, context: ClientContext
) -> Meeting:
    answer = pool.submit(_answer, listener)
    with connect(
        _ADDRESS,
        listener.port,
        context,
        alpn=[_ALPN],
        hostname=HOST,
        timeout=_PATIENCE,
        handshake=False,
    ) as client:
        began = time.perf_counter()
        client.handshake()
        seconds = time.perf_counter() - began
        said = "who am I?"
        client.sendall(said.encode() + b"\n")
        heard = client.input.readline().decode().rstrip("\n")
    return Meeting(client, answer.result(_PATIENCE), seconds, said, heard)


def _answer(listener: Listener) -> SSLPort:
    """Be the server: tell the client what its certificate says."""
    with listener.accept(_PATIENCE) as port:
        port.settimeout(_PATIENCE)
        question = port.input.readline().decode().rstrip("\n")
        name = ", ".join(port.peer_certificate_hostnames)
        port.sendall(f'you ask "{question}": you are {name}\n'.encode())
    return port


def _refuse(
    pool: ThreadPoolExecutor, listener: Listener, context: ClientContext
) -> Refusal:
    waiting = pool.submit(_hear, listener)
    error = None
    try:
        connect(
            _ADDRESS,
            listener.port,
            context,
            hostname=WRONG_HOST,
            timeout=_PATIENCE,
        ).close()
    except IdentityError as found:
        error = found
    return Refusal(error, waiting.result(_PATIENCE))


def _hear(listener: Listener) -> OSError | None:
    """Be the server: tell how a client's handshake failed."""
    try:
        listener.accept(_PATIENCE).close()
    except OSError as error:
        return error
    return None
