"""``tlskit serve``: a TLS server to try clients and scanners on."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from ...context.sides import ServerContext
from ...errors import ConfigurationError
from ...ports.port import SSLPort
from ...server.listener import Listener, listen
from ...testing import Leaf
from ..data import SCHEMA
from ..exit import ExitCode
from ..names import names_in
from ..places import parse_place
from .acme import Ordered, Orders, acme_options
from .advice import EVERYWHERE, advice
from .development import development_certificate
from .forward import forward
from .journal import Journal, ListeningData
from .policy import Pair, Policy
from .serving import Handler, PortServer, echo
from .site import Site
from .web import web

__all__ = ["command"]

_NAMES = ("localhost", "127.0.0.1", "::1")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("serve")
@click.option(
    "--echo",
    "echoing",
    is_flag=True,
    help="Send back what clients send; the default.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="Serve the files in this directory, by HTTPS.",
)
@click.option(
    "--forward",
    "forward_to",
    metavar="HOST:PORT",
    help="Forward to a server that speaks plain TCP.",
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
    "certs",
    type=_FILE,
    multiple=True,
    help="Certificate and its issuers, PEM; may be repeated, then clients "
    "choose by name.  Without it, a development CA makes one.",
)
@click.option(
    "--key",
    "keys",
    type=_FILE,
    multiple=True,
    help="Its private key, one for each --cert in the same order; without "
    "it, the key is looked for in --cert.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A name or address for the development CA's certificate; may be "
    f"repeated.  [default: {', '.join(_NAMES)}]",
)
@acme_options
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
    "--most",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    metavar="NUMBER",
    help="Serve so many clients at once; others wait.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON per event."
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Tell how to get here and what goes wrong, and nothing else.",
)
def command(
    *,
    echoing: bool,
    directory: Path | None,
    forward_to: str | None,
    host: str,
    port: int,
    certs: tuple[Path, ...],
    keys: tuple[Path, ...],
    names: tuple[str, ...],
    client_ca: Path | None,
    idle: float,
    most: int,
    as_json: bool,
    quiet: bool,
    **acme: Any,
) -> None:
    """Serve TLS, and tell why each failed handshake failed.

    It sends back what clients send, or serves files, or forwards to a server
    without TLS.

    Without a certificate of yours it makes a development CA and one for this
    machine, and tells how to trust it.  Files that change are read again, at
    SIGHUP at once; what is bad then is told, and changes nothing.  Ctrl-C
    ends it.

    \b
    tlskit serve
    tlskit serve --dir public --port 8443
    tlskit serve --forward localhost:8080 --cert a.pem --key a-key.pem
    tlskit serve --dir public --host 0.0.0.0 --port 443 --agree-terms
        --acme https://acme-v02.api.letsencrypt.org/directory
        --domain www.example.com
    """  # noqa: D301 - click wants the backspace itself
    if names and certs:
        raise click.UsageError("--name is for a server without --cert")
    if echoing + (directory is not None) + (forward_to is not None) > 1:
        raise click.UsageError(
            "--echo, --dir and --forward exclude each other"
        )
    pairs = _pairs(certs, keys)
    journal = Journal(as_json=as_json, quiet=quiet)
    task = _task(directory, forward_to, pairs, journal, idle)
    orders = Orders(**acme)
    orders.check(others=bool(names or pairs))
    ordered = orders.place(journal)
    chosen = names_in(names or _names_for(host))
    given = bool(pairs or ordered)
    with _tidy_end() as first, _leaf(chosen, given) as (leaf, ca_file):
        policy = Policy(
            pairs,
            leaf,
            sources=[each.source for each in ordered],
            client_ca=client_ca,
            alpn=task.alpn,
        )
        context = policy.build()
        with (
            _listen(host, port, context) as listener,
            _answering_in_plain(host, orders.plain_port, context) as plain,
            _reloading(policy, listener, journal, ordered) as on_beat,
        ):
            server = PortServer(
                listener,
                journal,
                task.handler,
                idle=idle,
                most=most,
                on_beat=on_beat,
            )
            first.append(server.close)
            try:
                data = _listening(listener, task, chosen, ca_file)
                data["http_port"] = plain
                data["client_certificates"] = client_ca is not None
                journal.listening(data, advice(data))
                server.run()
            finally:
                server.close()
                journal.closed()
    # Nothing but that ends the server without an exception.
    raise BrokenPipeError(errno.EPIPE, "nobody reads what is printed")


def _listening(
    listener: Listener, task: _Task, names: Sequence[str], ca: Path | None
) -> ListeningData:
    """Tell where the server is, for what, and by whose certificate."""
    return ListeningData(
        schema=SCHEMA,
        event="listening",
        host=listener.addresses()[0],
        port=listener.port,
        http_port=None,
        names=[] if ca is None else list(names),
        ca_file=None if ca is None else str(ca),
        client_certificates=False,
        mode=task.mode,
        target=task.target,
    )


@dataclass(frozen=True)
class _Task:
    """What is done for clients."""

    mode: str
    target: str | None
    handler: Handler
    alpn: tuple[str, ...] = ()


def _task(
    directory: Path | None,
    forward_to: str | None,
    pairs: Sequence[Pair],
    journal: Journal,
    idle: float,
) -> _Task:
    if forward_to is not None:
        place = parse_place(forward_to)
        return _Task("forward", str(place), forward(place, idle))
    if directory is None:
        return _Task("echo", None, echo)
    site = Site(directory)
    for each in pairs:
        if site.holds(each.key):
            raise click.UsageError(
                f"the private key {each.key} lies in {directory}, where "
                f"everybody could fetch it"
            )
    handler = web(site, journal, idle)
    return _Task("dir", str(site.root), handler, ("http/1.1", "http/1.0"))


def _pairs(certs: Sequence[Path], keys: Sequence[Path]) -> list[Pair]:
    if keys and len(keys) != len(certs):
        raise click.UsageError(
            "--key needs --cert, to which it belongs: one for each, in the "
            "same order"
        )
    return [
        Pair(chain, key)
        for chain, key in zip(certs, keys or certs, strict=True)
    ]


@contextmanager
def _leaf(
    names: Sequence[str], given: bool
) -> Iterator[tuple[Leaf | None, Path | None]]:
    """Have a certificate made, if none is *given*; give its CA's file."""
    if given:
        yield None, None
    else:
        with development_certificate(names) as made:
            yield made


@contextmanager
def _answering_in_plain(
    host: str, port: int | None, context: ServerContext
) -> Iterator[int | None]:
    """Answer an ACME server by plain HTTP; give the port, if there is one.

    Whoever else comes there is sent to https.
    """
    if port is None:
        yield None
        return

    def part(_port: SSLPort) -> None:
        """Let go of a client that speaks TLS on this port."""

    with _listen(host, port, context) as listener:
        listener.set_plain_http("redirect")
        serving = threading.Thread(
            target=listener.serve, args=(part,), daemon=True
        )
        serving.start()
        try:
            yield listener.port
        finally:
            with suppress(TimeoutError):
                listener.shutdown(0)
            serving.join()


@contextmanager
def _reloading(
    policy: Policy,
    listener: Listener,
    journal: Journal,
    ordered: Iterable[Ordered] = (),
) -> Iterator[Callable[[], None]]:
    """Give what is to be called now and then: it reloads if need be."""
    wanted = threading.Event()

    def on_beat() -> None:
        for each in ordered:
            each.look()
        if not (wanted.is_set() or policy.changed()):
            return
        wanted.clear()
        try:
            listener.context = policy.build()
        except ConfigurationError as error:
            journal.reloaded(policy.files, error)
        else:
            journal.reloaded(policy.files, None)

    number = getattr(signal, "SIGHUP", None)
    if number is None:  # pragma: no cover - Windows has none
        yield on_beat
        return
    before = signal.signal(number, lambda *_: wanted.set())
    try:
        yield on_beat
    finally:
        signal.signal(number, before)


@contextmanager
def _tidy_end() -> Iterator[list[Callable[[], None]]]:
    """Leave by an exception at SIGTERM, as at Ctrl-C; and only once.

    What is put into the list is called before.  Those who are in a hurry
    press Ctrl-C twice.  The end takes two seconds at most, so the second one
    need not disturb it.
    """
    # A shell has its background jobs ignore SIGINT; so be it.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    first: list[Callable[[], None]] = []

    def leave(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, _nothing)
        for call in first:
            call()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(ExitCode.TERMINATED)

    before = {each: signal.signal(each, leave) for each in numbers}
    try:
        yield first
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing, quietly; Python warns of a signal that comes too late."""


def _names_for(host: str) -> tuple[str, ...]:
    if host in _NAMES or host in EVERYWHERE:
        return _NAMES
    return (*_NAMES, host)


def _listen(host: str, port: int, context: ServerContext) -> Listener:
    try:
        return listen(port, hostname=host, context=context)
    except OSError as error:
        cause = error.__cause__
        # The library names the place, too; the system's words are enough.
        system = cause if isinstance(cause, OSError) else error
        reason = system.strerror or system
        raise OSError(f"can't listen on {host}:{port}: {reason}") from error
