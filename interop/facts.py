"""What one meeting with a client shows, and what one with a server does."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import tlskit
from tlskit import HandshakeMessage, SessionCache
from tlskit.testing import CA, Leaf

__all__ = [
    "HTTP",
    "PAGE",
    "PATIENCE",
    "SECONDS",
    "Answer",
    "Seen",
    "Stage",
    "ask",
    "client_context",
    "ended",
    "page",
    "told",
]

#: How long a peer may take to go on.
SECONDS = 5.0
#: How long we wait for a peer to close first.
PATIENCE = 1.0
_BODY = b"hello\n"
PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)

#: What is said to a server, after which it answers and closes.
HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

#: Serves a client; gives what it said.
Answer = Callable[[tlskit.SSLPort], bytes]


@dataclass
class Seen:
    """What was seen of one connection."""

    hello: tlskit.ClientHello | None = None
    version: str = ""
    group: str = ""
    resumed: bool = False
    retried: bool = False
    #: What the peer has sent as alerts, in order.
    alerts: list[str] = field(default_factory=list)
    #: How many tickets came.
    tickets: int = 0
    #: What tlskit raised: an alert's name, or the error's code.
    error: str = ""
    #: How the peer's half of the stream ended.
    end: str = ""
    said: bytes = b""


def told(error: BaseException) -> str:
    """Say in a word what an error is: the alert, if it is one."""
    code = str(getattr(error, "code", ""))
    if code.startswith("alert-"):
        return code.removeprefix("alert-").replace("-", "_")
    if isinstance(error, OSError) and error.errno in (
        errno.ECONNRESET,
        errno.EPIPE,
    ):
        return "reset"
    return code or type(error).__name__


def received(messages: Sequence[HandshakeMessage]) -> list[str]:
    """Give the alerts that came, and in which order."""
    return [
        each.summary.split()[-1].strip(":").lower()
        for each in messages
        if each.type == "alert" and not each.sent
    ]


class _Watching(tlskit.ServerContext):
    """Keeps the ClientHello, which a refused handshake has no port for."""

    def __init__(self, protocol: str, seen: list[Seen]) -> None:
        super().__init__(protocol)
        self._seen = seen

    def choose_for(self, hello: tlskit.ClientHello) -> None:
        self._seen.append(Seen(hello))


class Stage:
    """A server of ours that writes down what its clients do.

    Args:
        leaf: Its certificate and key.
        protocol: As for ``ServerContext``.
        ca: Whose clients' certificates are demanded.
        answer: How a client is served.
        alpn: What we speak.
        close: Whether we close first.
    """

    def __init__(
        self,
        leaf: Leaf,
        protocol: str = "secure",
        *,
        ca: CA | None = None,
        answer: Answer | None = None,
        alpn: Sequence[str] = ("http/1.1",),
        close: bool = False,
    ) -> None:
        self.seen: list[Seen] = []
        self.messages: list[HandshakeMessage] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Old versions are the point.
            context = _Watching(protocol, self.seen)
            if protocol == "tls11":
                context.set_ciphers("ALL:@SECLEVEL=0")
        leaf.apply(context)
        context.set_alpn(list(alpn), allow_no_match=True)
        if ca is not None:
            ca.trust(context)
            context.set_verify()
        context.set_trace(self.messages.append)
        self.context = context
        self._answer = answer or page
        self._close = close

    @contextmanager
    def open(self) -> Iterator[int]:
        """Serve in a thread; give the TCP port."""
        with tlskit.listen(
            hostname="127.0.0.1", context=self.context
        ) as listener:
            thread = threading.Thread(target=self._serve, args=(listener,))
            thread.start()
            try:
                yield listener.port
                # A client that has gone may have left something to read.
                time.sleep(0.1)
            finally:
                listener.close()
                thread.join()

    def _serve(self, listener: tlskit.Listener) -> None:
        while True:
            before = len(self.messages)
            try:
                port = listener.accept(SECONDS * 12)
            except tlskit.ClosedError:
                return
            except OSError as error:
                if self.seen:
                    self.seen[-1].error = told(error)
                    self.seen[-1].alerts = received(self.messages[before:])
                continue
            seen = next(
                (
                    each
                    for each in self.seen
                    if each.hello is not None
                    and port.client_hello is not None
                    and each.hello.raw == port.client_hello.raw
                ),
                Seen(port.client_hello),
            )
            with port:
                self._meet(port, seen)
            seen.alerts = received(self.messages[before:])

    def _meet(self, port: tlskit.SSLPort, seen: Seen) -> None:
        seen.version = str(port.version)
        seen.group = port.group or ""
        seen.resumed = port.session_reused
        report = port.handshake_report
        seen.retried = report is not None and report.hello_retry
        port.settimeout(SECONDS)
        try:
            seen.said = self._answer(port)
            if self._close:
                port.shutdown(socket.SHUT_WR)
        except OSError as error:
            seen.error = told(error)
            return
        seen.end = ended(port)


def page(port: tlskit.SSLPort) -> bytes:
    """Answer one request of HTTP; the client closes."""
    said = b""
    while b"\r\n\r\n" not in said:
        data = port.recv(4096)
        if not data:
            return said
        said += data
    port.sendall(PAGE)
    return said


def ended(port: tlskit.SSLPort) -> str:
    """Wait for the end of what the peer sends; say how it came."""
    port.settimeout(PATIENCE)
    try:
        while port.recv(4096):
            pass
    except TimeoutError:
        pass
    except OSError as error:
        return "without" if told(error) == "truncated" else told(error)
    else:
        return "close_notify"
    # It leaves that to us: does it answer?
    with suppress(OSError):
        port.shutdown(socket.SHUT_WR)
    try:
        while port.recv(4096):
            pass
    except TimeoutError:
        return "stays open"
    except OSError as error:
        code = told(error)
        return f"we first; {'without' if code == 'truncated' else code}"
    return "we first; close_notify"


# -- servers ----------------------------------------------------------------


def client_context(
    roots: str, protocol: str = "auto", leaf: Leaf | None = None
) -> tlskit.ClientContext:
    """Make the context of a client of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = tlskit.ClientContext(protocol)
        if protocol == "tls11":
            context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_verify_source(roots)
    context.set_verify()
    context.set_verify_hostname()
    context.set_session_cache(SessionCache())
    if leaf is not None:
        leaf.apply(context)
    return context


def ask(
    number: int,
    context: tlskit.ClientContext,
    words: bytes = HTTP,
    *,
    hostname: str = "localhost",
    alpn: Sequence[str] = (),
    half: bool = False,
    opened: Callable[..., tlskit.SSLPort] | None = None,
) -> Seen:
    """Meet a server once, and say what was seen.

    Args:
        number: Its TCP port.
        context: With what.
        words: What it is told, at once.
        hostname: The server name.
        alpn: What we offer.
        half: Close our half before its answer can have come.
        opened: How a connection is made, if not by TLS at once.
    """
    seen = Seen()
    messages: list[HandshakeMessage] = []
    context = context.copy()
    context.set_trace(messages.append)
    port = None
    try:
        if opened is not None:
            port = opened(number, context)
        else:
            port = tlskit.connect(
                "127.0.0.1",
                number,
                context,
                hostname=hostname,
                alpn=alpn,
                timeout=SECONDS,
            )
        seen.version, seen.group = str(port.version), port.group or ""
        seen.resumed = port.session_reused
        report = port.handshake_report
        seen.retried = report is not None and report.hello_retry
        with contextlib.ExitStack() as stack:
            stack.enter_context(port)
            port.sendall(words)
            if half:
                port.shutdown(socket.SHUT_WR)
            port.settimeout(SECONDS)
            while data := port.recv(65536):
                seen.said += data
            seen.end = "close_notify"
    except TimeoutError:
        seen.end = "stays open"
    except OSError as error:
        seen.error = told(error)
        if port is not None:
            seen.end = "without" if seen.error == "truncated" else seen.error
    seen.alerts = received(messages)
    seen.tickets = sum(
        each.type == "new_session_ticket" and not each.sent
        for each in messages
    )
    return seen
