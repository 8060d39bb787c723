"""``tlskit connect``: a pipe to a TLS server, or a client to type into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click
from rich.text import Text

from ...policy.sessions import SessionCache
from ...tools.owned import open_own
from ..calling import (
    Amount,
    Caller,
    calling_options,
    credential_options,
    crl_option,
    identify,
    trusting,
)
from ..console import complain, open_console, printable, show_json, show_rows
from ..data import (
    SCHEMA,
    ErrorData,
    SessionData,
    VerificationData,
    error_data,
    session_data,
    verification_data,
)
from ..disk import File, write_all
from ..exit import ExitCode, exit_code
from .pipe import Pipe
from .told import MessageData, Told, message_data

if TYPE_CHECKING:
    from ...engine.trace import HandshakeMessage
    from ...ports.port import SSLPort
    from ..target import Target

__all__ = ["ConnectedData", "EndedData", "ToldData", "command"]

_EPILOG = """\b
Examples:
  tlskit connect example.org
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | tlskit connect example.org > page
  tlskit connect --starttls smtp --crlf mail.example.org
  tlskit connect --trace example.org < /dev/null
  tlskit connect --cert me.pem --key me.key --report api.example:8443"""
_FILE = click.Path(dir_okay=False, path_type=Path)
#: Bytes; a session has about two thousand.
_MOST_SESSIONS = 1 << 20


class ConnectedData(TypedDict):
    """``event`` is ``"connected"``: the handshake succeeded."""

    schema: int
    event: str
    host: str
    port: int
    session: SessionData
    verification: VerificationData


class ToldData(MessageData):
    """``event`` is ``"message"``: one of the handshake, with ``--trace``."""

    schema: int
    event: str


class EndedData(TypedDict):
    """``event`` is ``"ended"``: the last line."""

    schema: int
    event: str
    #: How many bytes went each way.
    sent: int
    received: int
    #: Null if both ends said goodbye as they should.
    error: ErrorData | None


@click.command("connect", epilog=_EPILOG)
@click.argument("host", metavar="HOST[:PORT]")
@calling_options
@crl_option
@click.option(
    "--alpn",
    multiple=True,
    metavar="NAME",
    help="Offer this application protocol; may be repeated.",
)
@credential_options
@click.option(
    "--keylog",
    type=_FILE,
    help="Add the session's secrets to this file, for Wireshark and others "
    "to decrypt what they captured.",
)
@click.option(
    "--session",
    type=_FILE,
    help="Resume the session in this file, if it can be, and keep the new "
    "one there.  It is as secret as a private key.",
)
@click.option(
    "--crlf", is_flag=True, help="End stdin's lines with CR LF, not LF."
)
@click.option(
    "--idle",
    type=Amount(0, 86400, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when nothing moves for so long.",
)
@click.option(
    "--trace",
    is_flag=True,
    help="Tell of each message of the handshake, and each alert, on stderr.",
)
@click.option(
    "--report", is_flag=True, help="Tell all about the session on stderr."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Tell it in lines of JSON."
)
@click.option("-q", "--quiet", is_flag=True, help="Tell of errors only.")
def command(
    *,
    host: str,
    starttls: str | None,
    name: str | None,
    identity: str | None,
    ca: tuple[Path, ...],
    crl: tuple[Path, ...],
    timeout: float,
    proxy: str | None,
    alpn: tuple[str, ...],
    cert: Path | None,
    key: Path | None,
    keylog: Path | None,
    session: Path | None,
    crlf: bool,
    idle: float,
    trace: bool,
    report: bool,
    as_json: bool,
    quiet: bool,
) -> ExitCode:
    """Connect stdin and stdout to a server, over verified TLS.

    Bytes pass as they are, both ways at once.  The end of stdin ends our
    direction, and the server's end ends the command.  Stdout has nothing but
    the server's bytes; notes are on stderr.
    """
    if session is not None and starttls is not None:
        raise click.UsageError("--session works without --starttls only")
    if quiet and (report or trace):
        raise click.UsageError("--quiet leaves no room for a report")
    context = trusting(ca, crl)
    identify(context, cert, key)
    cache = _recalled(session)
    context.set_session_cache(cache)
    if keylog is not None:
        context.set_keylog(keylog)
    notes = _Notes(as_json=as_json, full=report, quiet=quiet)
    told = Told(notes.message)
    if trace:
        context.set_trace(told)
    context.seal()
    caller = Caller(
        context, starttls, name, timeout, alpn, proxy=proxy, identity=identity
    )
    target = caller.target(host)
    try:
        port = caller.call(target)
    except OSError as error:
        # Not left to click, which takes a broken pipe for stdout's.
        notes.told(told)
        notes.ended(0, 0, error)
        return exit_code(error)
    with port:
        notes.told(told)
        notes.connected(target, port, caller.expected(target))
        pipe = Pipe(port, idle=idle, crlf=crlf)
        failure = pipe.run()
    if session is not None and cache is not None:
        write_all([File(session, cache.dump(), private=True)], force=True)
    notes.ended(pipe.sent, pipe.received, failure)
    return ExitCode.GOOD if failure is None else exit_code(failure)


def _recalled(path: Path | None) -> SessionCache | None:
    """Read the sessions that were kept; None keeps none."""
    if path is None:
        return None
    cache = SessionCache()
    try:
        # Who can write it decides who is verified.
        with os.fdopen(open_own(str(path), os.O_RDONLY), "rb") as file:
            cache.load(file.read(_MOST_SESSIONS))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise click.BadParameter(
            f"can't read sessions from {path}: {error}"
        ) from None
    return cache


class _Notes:
    """What is told on stderr."""

    def __init__(self, *, as_json: bool, full: bool, quiet: bool) -> None:
        self._console = open_console(stderr=True)
        self._as_json = as_json
        self._full = full
        self._quiet = quiet

    def message(self, message: HandshakeMessage) -> None:
        if self._as_json:
            data = ToldData(
                schema=SCHEMA, event="message", **message_data(message)
            )
            show_json(self._console, data, indent=None)
            return
        self._console.print(Text(printable(str(message))), soft_wrap=True)

    def told(self, told: Told) -> None:
        data = told.data
        if data is not None and not self._as_json:
            *_, messages, time = told.rows()
            trips = f"{data['round_trips']} round trips"
            words = f"handshake: {trips}, {messages[1]}; {time[1]}"
            self._console.print(Text(words), soft_wrap=True)

    def connected(self, target: Target, port: SSLPort, expected: str) -> None:
        if self._quiet:
            return
        data = ConnectedData(
            schema=SCHEMA,
            event="connected",
            host=target.host,
            port=target.port,
            session=session_data(port),
            verification=verification_data(port, "client", expected),
        )
        if self._as_json:
            show_json(self._console, data, indent=None)
            return
        self._console.print(
            Text.assemble(
                ("connected", "bold green"),
                f" to {printable(str(target))}, {data['session']['version']}",
            ),
            soft_wrap=True,
        )
        if self._full:
            show_rows(self._console, _report(data))

    def ended(self, sent: int, received: int, error: OSError | None) -> None:
        if self._quiet and error is None:
            return
        if self._as_json:
            data = EndedData(
                schema=SCHEMA,
                event="ended",
                sent=sent,
                received=received,
                error=None if error is None else error_data(error),
            )
            show_json(self._console, data, indent=None)
            return
        if self._full:
            words = f"ended: {sent} bytes sent, {received} received"
            self._console.print(Text(words))
        if error is not None:
            complain(error)


def _report(data: ConnectedData) -> Iterator[tuple[str, str]]:
    session, verification = data["session"], data["verification"]
    quantum = " (post-quantum)" if session["post_quantum"] else ""
    yield "cipher", session["cipher"] or "unknown"
    yield "key exchange", (session["group"] or "unknown") + quantum
    yield "ALPN", session["alpn"] or "none"
    yield "expected", verification["expected"] or "nobody"
    yield "server name", session["server_name"] or "none"
    yield (
        "verified",
        "\n".join(each["subject"] for each in verification["chain"]),
    )
