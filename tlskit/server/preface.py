"""What may come before TLS: a PROXY header, or plain HTTP by mistake."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.sniff import not_tls, speaks_http
from ..errors import HandshakeError
from ..verify.identity import Identity
from .plain_http import MOST_HEAD, PlainHTTP
from .proxy_protocol import ProxyHeader, ProxyParser

__all__ = ["Preface", "health_check"]


class Preface:
    """Takes a client's first bytes apart, without I/O.

    Args:
        sender: Where the bytes come from: the client, or its proxy.
        parser: Reads the PROXY header; None if there can be none.
        http: How to answer plain HTTP; None leaves that to the engine,
            which answers by an alert.
        ours: Says whether a host that plain HTTP was meant for is ours.
        prove: Gives what an ACME server wants to see for a token, or None.
    """

    def __init__(
        self,
        sender: tuple[str, int],
        parser: ProxyParser | None,
        http: PlainHTTP | None,
        ours: Callable[[Identity], bool],
        prove: Callable[[str], bytes | None],
    ) -> None:
        self._sender = sender
        self._parser = parser
        self._http = http
        self._ours = ours
        self._prove = prove
        self._fed = False
        #: What follows the header.
        self.rest = b""
        #: To be sent to a client that is refused.
        self.answer = b""

    @property
    def header(self) -> ProxyHeader | None:
        """The PROXY header, once it is known."""
        return None if self._parser is None else self._parser.header

    @property
    def of_proxy(self) -> bool:
        """Whether the connection is the proxy's own, as for a health check.

        HAProxy says LOCAL in version 2, and names itself in version 1; the
        specification has UNKNOWN for that, too.
        """
        header = self.header
        return header is not None and header.source in {None, self._sender}

    @property
    def headed(self) -> bool:
        """Whether it is known who the client is."""
        return self._parser is None or self._parser.done

    def feed(self, data: bytes) -> bool:
        """Take what the client sent.

        Returns:
            Whether TLS may begin, with ``rest``.

        Raises:
            HandshakeError: The header is not as it should be.
            HandshakeError: It is plain HTTP; send ``answer``.  Its code is
                ``acme-challenge`` if it was an ACME server's question.
        """
        self._fed = True
        if self._parser is not None and not self._parser.done:
            if not self._parser.feed(data):
                return False
            data = self._parser.rest
        self.rest += data
        if not self.rest:
            return False
        return self._http is None or self._is_tls(self._http)

    def _is_tls(self, http: PlainHTTP) -> bool:
        spoken = speaks_http(self.rest)
        if spoken is None:
            return False
        if not spoken:
            return True
        if b"\r\n\r\n" not in self.rest and len(self.rest) < MOST_HEAD:
            return False
        head = self.rest[:MOST_HEAD]
        proof = http.proof(head, self._prove)
        if proof is not None:
            self.answer = proof
            raise HandshakeError(
                "an ACME server has looked whether a name is ours, and was "
                "answered by HTTP",
                code="acme-challenge",
            )
        self.answer = http.answer(head, self._ours)
        error = not_tls(self.rest)
        assert error is not None
        raise error

    def end(self) -> None:
        """Judge an end of the stream; TLS has to complain of the rest.

        Raises:
            HandshakeError: The stream ended within the header, or it was a
                health check of a proxy's.
        """
        if self._fed and not self.headed:
            raise HandshakeError(
                "the stream ended within the PROXY header",
                code="bad-proxy-header",
            )
        if self.of_proxy and not self.rest:
            raise health_check()


def health_check() -> HandshakeError:
    """Make the error for a connection that was a proxy's own."""
    return HandshakeError(
        "a proxy looked whether we are alive", code="health-check"
    )
