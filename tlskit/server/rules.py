"""What a listener does with later clients: limits, context, and before TLS."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NoReturn

from ..context.sides import ServerContext, server_context
from ..verify.identity import Identity
from .plain_http import PlainHTTP
from .proxy_protocol import ProxyRules

if TYPE_CHECKING:
    import os

    from ..x509.credentials import KeySource, Password, Source

__all__ = ["Rules"]


class Rules:
    """May be changed at any time; looked at anew for each client.

    Args:
        context: Decides about later clients.
    """

    #: How long one client's handshake may take, in seconds.
    handshake_timeout: float = 10.0
    #: How many handshakes may go on at once; later clients wait in the
    #: backlog.
    max_handshakes: int = 512
    #: How many of them may come from one address (from one /64 in IPv6);
    #: further ones are refused.
    max_handshakes_per_source: int = 256
    #: How many connections may be open at once, handshakes included; later
    #: clients wait in the backlog.  None is no limit.
    max_connections: int | None = None

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self.proxies: ProxyRules | None = None
        self.plain_http: PlainHTTP | None = None

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Refuse to be copied or pickled: a socket has one owner."""
        raise TypeError("a listener can't be copied or pickled")

    # -- before TLS ---------------------------------------------------------

    def set_proxy_protocol(
        self,
        trusted: Iterable[str | ipaddress.IPv4Network | ipaddress.IPv6Network]
        | None,
        *,
        required: bool = True,
    ) -> None:
        """Let proxies say whom they forward, by the PROXY protocol.

        Its header tells the client's address, of which ``port.peer`` and the
        like then speak; ``port.proxy`` and ``port.proxy_header`` tell the
        rest.  Version 1 and 2 are found out.  The header has to arrive
        within the time-out of the handshake.

        Args:
            trusted: The proxies' networks, such as ``"10.0.0.0/8"``, or
                single addresses; ``"unix:"`` is everybody who comes by a
                socket of the file system.  Whoever may send a header may
                claim any address.  None switches it off again.
            required: Whether everybody has to come by way of a trusted proxy,
                with a header.  If not, others may come without one, and so
                may the proxies.

        Raises:
            ValueError: One of *trusted* is no network, or there is none.

        Source: ``doc/proxy-protocol.txt`` of HAProxy's.
        """
        self.proxies = (
            None
            if trusted is None
            else ProxyRules.parse(trusted, required=required)
        )

    def set_plain_http(
        self,
        answer: Literal["error", "redirect"] | None,
        *,
        hosts: Iterable[str] | None = None,
    ) -> None:
        """Answer those who speak plain HTTP to this port.

        They are refused with a ``NotTLSError`` in any case.

        Args:
            answer: ``"error"`` sends status 400 and a sentence;
                ``"redirect"`` sends 308 to the same place by https, if the
                request names one of *hosts*, or else 400.  None closes the
                connection, which browsers show as an empty page.
            hosts: Host names and addresses; by default those in the
                certificates of the context, and of those that
                ``set_server_names()`` leads to.

        Raises:
            ValueError: There is no such answer, or a host is empty.
            ConfigurationError: One of *hosts* can be no host name.

        Source: RFC 9110, sections 15.4.9 and 15.5.1.
        """
        if answer not in {None, "error", "redirect"}:
            raise ValueError(
                f"the answer is 'error', 'redirect' or None, not {answer!r}"
            )
        known = None if hosts is None else tuple(map(Identity.parse, hosts))
        self.plain_http = (
            None if answer is None else PlainHTTP(answer == "redirect", known)
        )

    # -- the context ------------------------------------------------------

    @property
    def context(self) -> ServerContext:
        """What decides about later clients; another one may be assigned.

        Clients whose handshake has begun keep what they had.
        """
        return self._context

    @context.setter
    def context(self, context: ServerContext) -> None:
        self._context = server_context(context)

    def load_certificate_chain(self, source: Source) -> None:
        """Change the context's certificates; see ``Context``.

        Args:
            source: As for ``Context.load_certificate_chain``.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no certificate in *source*.

        Source: ``ssl-load-certificate-chain!``.
        """
        self._context.load_certificate_chain(source)

    def load_private_key(
        self,
        source: KeySource,
        *,
        rsa: bool = False,
        asn1: bool = False,
        password: Password = None,
    ) -> None:
        """Change the context's private key; see ``Context``.

        Args:
            source: As for ``Context.load_private_key``; so are the others.
            rsa: See there.
            asn1: See there.
            password: See there.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no such key, or it doesn't belong to
                the certificate that is there.

        Source: ``ssl-load-private-key!``.
        """
        self._context.load_private_key(
            source, rsa=rsa, asn1=asn1, password=password
        )

    def load_verify_root_certificates(
        self,
        path: str | os.PathLike[str] | None,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        """Trust more roots; see ``Context``.

        Args:
            path: As for ``Context.load_verify_root_certificates``.
            directory: See there.

        Raises:
            SealedError: The context is sealed.
            TrustSourceError: One can't be read.
            ValueError: Both are None.

        Source: ``ssl-load-verify-root-certificates!``.
        """
        self._context.load_verify_root_certificates(path, directory)

    def load_suggested_certificate_authorities(self, source: Source) -> None:
        """Suggest these authorities to clients; see ``Context``.

        Args:
            source: As for
                ``Context.load_suggested_certificate_authorities``.

        Raises:
            SealedError: The context is sealed.
            CredentialError: There is no certificate in *source*.

        Source: ``ssl-load-suggested-certificate-authorities!``.
        """
        self._context.load_suggested_certificate_authorities(source)

    def set_verify(self, on: bool = True) -> None:
        """Require a certificate of later clients; see ``Context``.

        Args:
            on: False demands none.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-set-verify!``.
        """
        self._context.set_verify(on)

    def try_verify(self, on: bool = True) -> None:
        """Ask later clients for a certificate; see ``Context``.

        Args:
            on: False asks for none.

        Raises:
            SealedError: The context is sealed.

        Source: ``ssl-try-verify!``.
        """
        self._context.try_verify(on)
