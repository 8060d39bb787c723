"""How subcommands connect: their common options, and the verifying client."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from .. import starttls
from ..client.connect import connect
from ..client.proxies import ENVIRONMENT, Proxy
from ..context.sides import ClientContext
from ..errors import ConfigurationError
from ..openssl import native
from ..policy.settings import alpn_names
from ..ports.port import SSLPort
from ..trust import VerifySource
from ..verify.identity import Identity
from .target import Target, parse_target

__all__ = [
    "Amount",
    "Caller",
    "Share",
    "alpn_offer",
    "alpn_option",
    "calling_options",
    "credential_options",
    "crl_option",
    "identify",
    "parse_identity",
    "trusting",
    "watch_messages",
]

F = TypeVar("F", bound=Callable[..., Any])

_HTTPS = 443


class Amount(click.FloatRange):
    """A number that can be waited for; "nan" and "inf" can't."""

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """See ``click.ParamType``."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return found


class Share(Amount):
    """A share from 0 to 1, written as a percentage: "25%", or "25"."""

    name = "percent"

    def __init__(self) -> None:
        super().__init__(0, 100)

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """See ``click.ParamType``."""
        text = str(value).removesuffix("%")
        return super().convert(text, param, ctx) / 100


_OPTIONS = (
    click.option(
        "--starttls",
        type=click.Choice(starttls.PROTOCOLS),
        help="Begin in this protocol's plaintext, and have the server switch "
        "to TLS.  It also decides the port, if none is given.",
    ),
    click.option(
        "--name",
        metavar="HOST",
        help="Expect a certificate for this name or address, and announce it, "
        "instead of the host's own.",
    ),
    click.option(
        "--identity",
        metavar="WHO",
        help="Expect a certificate for this instead: a URI such as "
        "spiffe://example.org/billing, a service such as "
        "_xmpp-server.example.org, a host or an address.  --name is then "
        "announced only.",
    ),
    click.option(
        "--ca",
        multiple=True,
        metavar="FILE",
        type=click.Path(exists=True, path_type=Path),
        help="Trust the roots in this PEM file or hashed directory, instead "
        "of this machine's; may be repeated.",
    ),
    click.option(
        "--timeout",
        type=Amount(0, 86400, min_open=True),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="Give up when a connection takes longer, all in all.",
    ),
    click.option(
        "--proxy",
        metavar="URL",
        help="Have this proxy connect us: http://[USER:PASSWORD@]HOST:PORT, "
        "https://... or socks5://...; HTTPS_PROXY for the environment's.",
    ),
)


_CRL = click.option(
    "--crl",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Refuse what this revocation list takes back, and what no list "
    "covers; may be repeated.",
)


def crl_option(function: F) -> F:
    """Give a subcommand the option for revocation lists."""
    return _CRL(function)


#: What is offered where HTTP is likely, for the servers' answer.
_ALPN = ("h2", "http/1.1")
_ALPN_OPTION = click.option(
    "--alpn",
    multiple=True,
    metavar="NAME",
    help="Offer this application protocol; may be repeated.  [default: "
    f"{', '.join(_ALPN)}; none with --starttls]",
)


def alpn_option(function: F) -> F:
    """Give a subcommand the option that ``alpn_offer`` reads."""
    return _ALPN_OPTION(function)


def alpn_offer(
    given: tuple[str, ...], starttls: str | None
) -> tuple[str, ...]:
    """Say which application protocols to offer.

    Args:
        given: Those that were named.
        starttls: The protocol that begins in plaintext, if there is one.
    """
    return given or (_ALPN if starttls is None else ())


_FILE = click.Path(dir_okay=False, path_type=Path)
_CREDENTIALS = (
    click.option(
        "--cert",
        type=_FILE,
        metavar="FILE",
        help="Our own certificate and its issuers, PEM, for servers that ask.",
    ),
    click.option(
        "--key",
        type=_FILE,
        metavar="FILE",
        help="Its private key; without it, the key is looked for in --cert.",
    ),
)


def credential_options(function: F) -> F:
    """Give a subcommand the options that ``identify`` takes."""
    for option in reversed(_CREDENTIALS):
        function = option(function)
    return function


def identify(
    context: ClientContext, cert: Path | None, key: Path | None
) -> None:
    """Have *context* show our own certificate.

    Raises:
        click.UsageError: There is a key only.
        CredentialError: A file can't be read, or they don't fit.
    """
    if cert is None:
        if key is not None:
            raise click.UsageError("--key needs --cert, to which it belongs")
        return
    context.load_certificate_chain(cert)
    context.load_private_key(cert if key is None else key)


def calling_options(function: F) -> F:
    """Give a subcommand the options that ``Caller`` is made of."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def trusting(
    ca: tuple[Path, ...], crl: tuple[Path, ...] = ()
) -> ClientContext:
    """Make a context that verifies certificate and host name.

    Args:
        ca: Whose roots to trust; this machine's, if there is none.
        crl: Revocation lists; without any, only what the server staples
            tells of revocations.

    Returns:
        The context; not sealed.

    Raises:
        TrustSourceError: One of *ca* can't be read, or holds no root; or
            one of *crl*, and no list.
    """
    context = ClientContext("auto")
    for path in ca:
        directory = path.is_dir()
        kind = VerifySource.directory if directory else VerifySource.file
        context.load_verify_source(kind(path))
    if not ca:
        context.load_default_verify_sources()
    for path in crl:
        context.load_crls(path)
    # Nothing is fetched; but who staples that it was revoked is believed.
    context.set_ocsp("check")
    context.set_verify()
    context.set_verify_hostname()
    return context


def watch_messages(context: ClientContext) -> None:
    """Have later ports report their handshake's messages, where they can."""
    if native.has("messages"):
        context.set_trace(_pass_by)


def _pass_by(_message: object) -> None:
    """Take what is wanted in the reports only."""


def parse_identity(text: str) -> Identity:
    """Tell a URI, a service, a host and an address from each other.

    Raises:
        ConfigurationError: It is none of them.
        ValueError: It is empty.
    """
    if "://" in text or text.lower().startswith("urn:"):
        return Identity.uri(text)
    if text.startswith("_"):
        return Identity.service(text)
    return Identity.parse(text)


@dataclass(frozen=True)
class Caller:
    """Connects to servers in one and the same way."""

    #: Sealed.
    context: ClientContext
    #: The protocol that begins in plaintext; None for TLS at once.
    starttls: str | None
    #: Whom to expect; None for the host that is connected to.
    name: str | None
    #: In seconds, for a whole connection.
    timeout: float
    #: The application protocols to offer.
    alpn: tuple[str, ...] = ()
    #: Who connects us, as for ``connect``; it may have a password in it.
    proxy: str | None = field(default=None, repr=False)
    #: Whom to expect instead of a name, as it was given.
    identity: str | None = None

    def __post_init__(self) -> None:
        """Check the names; a bad one should not cost a connection."""
        try:
            alpn_names(self.alpn)
            if self.name is not None:
                Identity.parse(self.name)
            self.whom  # noqa: B018 - parsed on access
            if self.proxy is not None and self.proxy != ENVIRONMENT:
                Proxy.parse(self.proxy)
        except (ValueError, ConfigurationError) as error:
            raise click.BadParameter(str(error)) from None

    @property
    def port(self) -> int:
        """The port of servers that are given without one."""
        if self.starttls is None:
            return _HTTPS
        return starttls.PORTS[self.starttls]

    def target(self, text: str) -> Target:
        """Parse ``HOST[:PORT]``."""
        return parse_target(text, self.port)

    @property
    def whom(self) -> Identity | None:
        """Who has to be proved instead of a name."""
        return None if self.identity is None else parse_identity(self.identity)

    def meant(self, target: Target | None = None) -> Identity | None:
        """Tell whose certificate is wanted; None for anybody's."""
        name = self.name
        if name is None and target is not None:
            name = target.host
        return self.whom or (None if name is None else Identity.parse(name))

    def expected(self, target: Target) -> str:
        """Tell whose certificate is wanted, as it was written."""
        return self.identity or self.name or target.host

    def call(self, target: Target) -> SSLPort:
        """Connect, verify, and give the port.

        Raises:
            OSError: It failed; above all a ``TLSError``.
        """
        if self.starttls is None:
            return connect(
                target.host,
                target.port,
                self.context,
                alpn=self.alpn,
                timeout=self.timeout,
                hostname=self.name,
                proxy=self.proxy,
                identity=self.whom,
            )
        return starttls.connect(
            target.host,
            self.starttls,
            target.port,
            self.context,
            alpn=self.alpn,
            timeout=self.timeout,
            hostname=self.name,
            proxy=self.proxy,
            identity=self.whom,
        )
