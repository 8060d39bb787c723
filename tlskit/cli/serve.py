"""``tlskit serve``: a TLS server to try clients and scanners on."""

from __future__ import annotations

import errno
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from ..listener import Listener, listen
from ..sides import ServerContext
from ..trust import VerifySource
from ._data import SCHEMA
from ._development import development_certificate
from ._echo import EchoServer
from ._exit import ExitCode
from ._journal import Journal, ListeningData

__all__ = ["command"]

_NAMES = ("localhost", "127.0.0.1", "::1")
#: Addresses that stand for all of a machine's, and one of them each.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("serve")
@click.option(
    "--echo",
    is_flag=True,
    default=True,
    help="Send back what clients send; the default.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Listen on this address.  0.0.0.0 lets other machines in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4433,
    show_default=True,
    help="Listen on this port; 0 takes a free one.",
)
@click.option(
    "--cert",
    type=_FILE,
    help="Certificate and its issuers, PEM.  Without it, a development CA "
    "makes one.",
)
@click.option(
    "--key",
    type=_FILE,
    help="Its private key; without it, the key is looked for in --cert.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A name or address for the development CA's certificate; may be "
    f"repeated.  [default: {', '.join(_NAMES)}]",
)
@click.option(
    "--client-ca",
    type=_FILE,
    help="Demand a certificate from clients that leads to a CA in this file.",
)
@click.option(
    "--idle",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="End a client that is silent for so long.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON per event."
)
def command(
    *,
    echo: bool,  # noqa: ARG001 - there is nothing else yet
    host: str,
    port: int,
    cert: Path | None,
    key: Path | None,
    names: tuple[str, ...],
    client_ca: Path | None,
    idle: float,
    as_json: bool,
) -> None:
    """Serve TLS, and tell why each failed handshake failed.

    Without a certificate of yours it makes a development CA and one for this
    machine, and tells how to trust it.  Ctrl-C ends it.
    """
    if key is not None and cert is None:
        raise click.UsageError("--key needs --cert, to which it belongs")
    if names and cert is not None:
        raise click.UsageError("--name is for a server without --cert")
    journal = Journal(as_json=as_json)
    context = ServerContext()
    if client_ca is not None:
        context.load_verify_source(VerifySource.file(client_ca))
        context.load_suggested_certificate_authorities(client_ca)
        context.set_verify()
    chosen = names or _names_for(host)
    with _tidy_end(), _certified(context, cert, key, chosen) as ca_file:
        context.seal()
        listener = _listen(host, port, context)
        server = EchoServer(listener, journal, idle=idle)
        try:
            data = ListeningData(
                schema=SCHEMA,
                event="listening",
                host=listener.addresses()[0],
                port=listener.port,
                names=[] if ca_file is None else list(chosen),
                ca_file=None if ca_file is None else str(ca_file),
                client_certificates=client_ca is not None,
            )
            journal.listening(data, _advice(data))
            server.run()
        finally:
            server.close()
            journal.closed()
    # Nothing but that ends the server without an exception.
    raise BrokenPipeError(errno.EPIPE, "nobody reads what is printed")


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Leave by an exception at SIGTERM, as at Ctrl-C; and only once.

    Those who are in a hurry press Ctrl-C twice.  The end takes two seconds at
    most, so the second one need not disturb it.
    """
    # A shell has its background jobs ignore SIGINT; so be it.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, _nothing)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(ExitCode.TERMINATED)

    before = {each: signal.signal(each, leave) for each in numbers}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing, quietly; Python warns of a signal that comes too late."""


def _names_for(host: str) -> tuple[str, ...]:
    if host in _NAMES or host in _EVERYWHERE:
        return _NAMES
    return (*_NAMES, host)


@contextmanager
def _certified(
    context: ServerContext,
    cert: Path | None,
    key: Path | None,
    names: Sequence[str],
) -> Iterator[Path | None]:
    """Load a certificate, or have one made; give its CA's file then."""
    if cert is None:
        with development_certificate(context, names) as path:
            yield path
        return
    context.load_certificate_chain(cert)
    context.load_private_key(cert if key is None else key)
    yield None


def _listen(host: str, port: int, context: ServerContext) -> Listener:
    try:
        return listen(port, hostname=host, context=context)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"can't listen on {host}:{port}: {reason}") from error


def _advice(data: ListeningData) -> Iterator[tuple[str, str]]:
    where = _joined(data["host"], data["port"])
    yield "listening", f"{where}, and sending back what clients send"
    if data["client_certificates"]:
        yield "clients", "must show a certificate"
    if data["ca_file"] is not None:
        names = ", ".join(data["names"])
        path = shlex.quote(data["ca_file"])
        here = _EVERYWHERE.get(data["host"], data["host"])
        there = _joined(here, data["port"])
        client = f"openssl s_client -connect {there} -CAfile {path}"
        yield "certificate", f"for {names}; by a development CA"
        yield "trust it", f"the CA is in {path} while this server runs"
        yield "try it", f"{client} -verify_return_error"
        yield "or", f"SSL_CERT_FILE={path} your-program"
    yield "to end it", "Ctrl-C"


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
