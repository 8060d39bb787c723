"""One client's handshake in a listener, which never waits."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ..context.following import certificates_of
from ..errors import TLSError, WantReadError, WantWriteError
from ..errors.whereabouts import locate, place_of
from ..ports.opening import endpoints_of, open_port
from ..ports.port import SSLPort
from ..ports.view import Endpoints
from ..tools.deadline import Deadline
from ..x509.alternatives import presented_names
from .acme.renewing import proof_of
from .local import is_local
from .preface import Preface, health_check
from .tally import Meter, MeteredTransport

if TYPE_CHECKING:
    from cryptography import x509

    from ..context.sides import ServerContext
    from ..verify.identity import Identity
    from .rules import Rules
    from .sources import Sources

__all__ = ["Handshake"]

#: How long, in seconds, and how many bytes a refused client is drained, so
#: that no reset destroys the alert that it is about to read.
_LINGER = 1.0
_MOST_DRAINED = 1048576
#: A ClientHello fits; what doesn't is read by the driver.
_CHUNK = 8192


class Handshake:
    """Brings one client to a port, or to an error.

    A client that has sent nothing costs a socket, and no session yet.

    Args:
        sock: The client's socket.
        address: Where it comes from.
        rules: What to go by.
        sources: Counts the handshakes of each source.
        meter: Counts bytes.
        shake: Whether to shake hands; if not, that is left to the port.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: tuple[str, int],
        rules: Rules,
        sources: Sources,
        meter: Meter,
        *,
        shake: bool,
    ) -> None:
        self.sock = sock
        self.number = sock.fileno()
        #: When it began, on ``time.monotonic()``'s clock.
        self.since: float = time.monotonic()
        self.deadline = Deadline.after(rules.handshake_timeout)
        self.interest = selectors.EVENT_READ
        self.over = False
        self.refused = False
        #: The client, as far as it is known.
        self.peer = address
        # Whether it is known only as somebody on this machine.
        self._local = is_local(sock)
        self._transport = MeteredTransport(sock, meter)
        self._rules = rules
        self._context = rules.context
        self._sources = sources
        self._source: str | None = None
        self._preface: Preface | None = None
        self._port: SSLPort | None = None
        self._shake = shake
        self._drained = 0

    @property
    def begun(self) -> bool:
        """Whether the client has said something, and was not refused."""
        return self._port is not None and not self.refused

    def advance(self) -> SSLPort | BaseException | None:
        """Go on as far as the bytes allow.

        Returns:
            The port or the error, once; None if there is no news.
        """
        if self.refused:
            self._drain()
            return None
        try:
            self.deadline.check("shaking hands with a client")
            port = self._begin() if self._port is None else self._port
            if self._shake:
                port._driver.handshake(Deadline.now())
        except WantReadError:
            self.interest = selectors.EVENT_READ
        except WantWriteError:
            self.interest = selectors.EVENT_READ | selectors.EVENT_WRITE
        except BaseException as error:
            self._refuse(error)
            return self._placed(error)
        else:
            self.over = True
            return port
        return None

    # -- before TLS ---------------------------------------------------------

    def _begin(self) -> SSLPort:
        """Open the port, once it is known who the client is."""
        if self._preface is None:
            self._preface = self._meet()
        # Whoever wants the port without a handshake gets it at once.
        if self._shake or not self._preface.headed:
            self._listen_to(self._preface)
        self._port = port = open_port(
            self._context,
            self._transport,
            server_side=True,
            endpoints=self._endpoints(self._preface),
        )
        port._called = place_of(self.peer)
        if self._preface.rest:
            port._engine.receive(self._preface.rest)
        return port

    def _meet(self) -> Preface:
        proxies = self._rules.proxies
        host = None if self._local else self.peer[0]
        parser = None if proxies is None else proxies.parser(host)
        if parser is None:
            self._enter()
        return Preface(
            self.peer,
            parser,
            self._rules.plain_http,
            # No method of ours, or we would be in a circle with it.
            partial(_is_ours, self._context),
            partial(proof_of, self._context),
        )

    def _enter(self) -> None:
        if self._local:
            return  # They all come from here.
        self._source = self._sources.enter(
            self.peer[0], self._rules.max_handshakes_per_source
        )

    def _listen_to(self, preface: Preface) -> None:
        """Read what comes before TLS, and TLS's first bytes."""
        chunk = memoryview(bytearray(_CHUNK))
        ready = False
        while not ready:
            size = self._transport.read_into(chunk)
            if size is None:
                raise WantReadError("the client has not said enough yet")
            if size == 0:
                preface.end()
                ready = True  # TLS has its own words for this.
            else:
                ready = preface.feed(bytes(chunk[:size]))
            if preface.headed and self._source is None:
                self._be_introduced(preface)

    def _be_introduced(self, preface: Preface) -> None:
        """Count the client where it comes from, not at its proxy."""
        header = preface.header
        if header is not None and header.source is not None:
            self.peer = header.source
            self._local = False
            self._enter()

    def _endpoints(self, preface: Preface) -> Endpoints | None:
        found = endpoints_of(self.sock)
        header = preface.header
        if header is None:
            return found
        if found is None:  # Not over TCP, but the client may have come so.
            if header.source is None or header.destination is None:
                return None
            return Endpoints(header.destination, header.source, header=header)
        return Endpoints(
            header.destination or found.local,
            header.source or found.remote,
            header=header,
            proxy=found.remote,
        )

    # -- the end ------------------------------------------------------------

    def _placed(self, error: BaseException) -> BaseException:
        """Say of which client it is, where the error can hold that."""
        if (
            isinstance(error, ConnectionError)
            and self._preface is not None
            and self._preface.of_proxy
        ):
            # HAProxy ends its checks by a reset, at whatever point.
            error = health_check()
        phase = "preface" if self._port is None else "handshake"
        locate(error, place_of(self.peer), phase)
        if isinstance(error, TLSError):
            error._names_peer = True
        return error

    def _refuse(self, error: BaseException) -> None:
        """The alert is out; end our direction, and hear the client out."""
        self.refused = True
        if getattr(error, "code", "") == "too-many-handshakes":
            self.over = True  # To hear them all out is what they want.
            return
        self.interest = selectors.EVENT_READ
        self.deadline = Deadline.after(_LINGER)
        with suppress(OSError):
            if self._preface is not None and self._preface.answer:
                # It fits: nothing was sent before it.
                self._transport.write(memoryview(self._preface.answer))
            self._transport.close_write()
        self._drain()

    def _drain(self) -> None:
        chunk = memoryview(bytearray(65536))
        with suppress(OSError):
            while self._drained < _MOST_DRAINED and self.deadline.left():
                size = self._transport.read_into(chunk)
                if size is None:
                    return
                if size == 0:
                    break
                self._drained += size
        self.over = True

    def leave(self) -> None:
        """Close what was refused; a finished port is its owner's."""
        if self._source is not None:
            self._sources.leave(self._source)
            self._source = None
        if self.refused:
            self.abort()

    def abort(self) -> None:
        """Close the socket at once."""
        if self._port is not None:
            self._port._driver.release()
        self._transport.close()


def _is_ours(context: ServerContext, identity: Identity) -> bool:
    """Say whether a certificate of *context* is for a host.

    Anybody may ask, so it must not take long, however many there are.
    """
    known = _by_name(tuple(certificates_of(context)))
    host = str(identity.ip) if identity.dns is None else identity.dns.decode()
    _, _, parent = host.partition(".")
    return any(
        identity.matches(each)
        for name in (host, f"*.{parent}")
        for each in known.get(name, ())
    )


@lru_cache(8)
def _by_name(
    certificates: tuple[x509.Certificate, ...],
) -> dict[str, list[x509.Certificate]]:
    """Give the certificates in which a name stands as it is, by name."""
    found: dict[str, list[x509.Certificate]] = {}
    for each in certificates:
        for name in presented_names(each):
            found.setdefault(name.lower(), []).append(each)
    return found
