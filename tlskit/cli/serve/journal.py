"""What ``serve`` tells of its clients, as text or as lines of JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict

from rich.text import Text

from ...errors import TLSError
from ...ports.port import SSLPort
from ..console import open_console, printable, show_json, show_rows
from ..data import (
    SCHEMA,
    ErrorData,
    SessionData,
    VerificationData,
    error_data,
    session_data,
    subject_of,
    verification_data,
)

__all__ = [
    "ClientData",
    "ClosedData",
    "Journal",
    "LeftData",
    "ListeningData",
    "RefusedData",
    "ReloadedData",
    "RequestData",
    "Traffic",
]

Peer = tuple[str, int]

#: No more of a request's first line is told, in characters.
_LONGEST = 300


@dataclass
class Traffic:
    """How much a client sent and was sent, in bytes."""

    received: int = 0
    sent: int = 0


class ListeningData(TypedDict):
    """``event`` is ``"listening"``: the first line."""

    schema: int
    event: str
    host: str
    port: int
    #: Where an ACME server is answered by plain HTTP, or null.
    http_port: int | None
    #: For which names a development certificate was made; empty if the
    #: certificate was given.
    names: list[str]
    #: The file of the development CA's certificate, or null.
    ca_file: str | None
    #: Whether clients must show a certificate.
    client_certificates: bool
    #: ``"echo"``, ``"dir"`` or ``"forward"``.
    mode: str
    #: The directory, or where to; null for an echo.
    target: str | None


class ClientData(TypedDict):
    """``event`` is ``"client"``: a handshake succeeded."""

    schema: int
    event: str
    #: Address and port.
    peer: list[str | int]
    session: SessionData
    #: The server's finding about the client; null if it showed no
    #: certificate.
    verification: VerificationData | None


class RefusedData(TypedDict):
    """``event`` is ``"refused"``: a handshake failed, and why."""

    schema: int
    event: str
    peer: list[str | int]
    error: ErrorData


class RequestData(TypedDict):
    """``event`` is ``"request"``: a client asked for a file."""

    schema: int
    event: str
    peer: list[str | int]
    #: Its first line, as it came.
    request: str
    #: Of HTTP, such as 200.
    status: int


class ReloadedData(TypedDict):
    """``event`` is ``"reloaded"``: files changed, or SIGHUP came."""

    schema: int
    event: str
    files: list[str]
    #: Why the old ones are kept, or null.
    error: ErrorData | None


class LeftData(TypedDict):
    """``event`` is ``"left"``: a connection ended."""

    schema: int
    event: str
    peer: list[str | int]
    #: How many bytes the client sent ...
    bytes: int
    #: ... and how many it was sent.
    sent: int
    #: Null if both ends said goodbye as they should.
    error: ErrorData | None


class ClosedData(TypedDict):
    """``event`` is ``"closed"``: the last line."""

    schema: int
    event: str
    #: How many handshakes succeeded, and how many failed.
    served: int
    refused: int


class Journal:
    """Prints what happens, from any thread, and counts.

    Args:
        as_json: Print one JSON object a line.
        quiet: Tell only how to get here, and what goes wrong.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        #: Whether nobody reads any more: stdout has no reader.
        self.unheard = False
        self._as_json = as_json
        self._quiet = quiet
        self._console = open_console()
        self._lock = threading.Lock()
        self._served = 0
        self._refused = 0

    def listening(
        self, data: ListeningData, advice: Iterable[tuple[str, str]]
    ) -> None:
        """Tell where, and how to get there.

        Args:
            data: For programs.
            advice: For people, as labels and texts.
        """
        if self._as_json:
            self._line(data)
        else:
            with self._lock, self._hearing():
                show_rows(self._console, advice, indent=0, wrap=False)

    def client(self, port: SSLPort) -> None:
        """Tell that a handshake succeeded."""
        peer = port.getpeername()
        session = session_data(port)
        self._served += 1
        if self._quiet:
            return
        if self._as_json:
            known = port.peer_certificate is not None
            data = ClientData(
                schema=SCHEMA,
                event="client",
                peer=list(peer),
                session=session,
                verification=(
                    verification_data(port, "server") if known else None
                ),
            )
            self._line(data)
            return
        words = [session["version"], session["cipher"], session["group"]]
        if session["server_name"] is not None:
            words.append(f"for {session['server_name']}")
        words += [f"by {subject_of(c)}" for c in port.verified_chain[:1]]
        self._say(peer, "green", "  ".join(filter(None, words)))

    def refused(self, peer: Peer, error: BaseException) -> None:
        """Tell why a handshake failed."""
        self._refused += 1
        data = error_data(error)
        if self._as_json:
            self._line(
                RefusedData(
                    schema=SCHEMA,
                    event="refused",
                    peer=list(peer),
                    error=data,
                )
            )
        else:
            self._say(peer, "red", f"no session: {_explained(error, data)}")

    def request(self, peer: Peer, line: str, status: int) -> None:
        """Tell what a client asked for, and what it got.

        Args:
            peer: Who asked.
            line: The first line of its request.
            status: Of the answer.
        """
        if self._quiet and status < 500:
            return
        line = line[:_LONGEST]
        if self._as_json:
            self._line(
                RequestData(
                    schema=SCHEMA,
                    event="request",
                    peer=list(peer),
                    request=line,
                    status=status,
                )
            )
        else:
            style = "green" if status < 400 else "yellow"
            self._say(peer, style, f"{status}  {printable(line)}")

    def reloaded(
        self, files: Iterable[str], error: BaseException | None
    ) -> None:
        """Tell that files were read again, or why the old ones are kept."""
        if self._quiet and error is None:
            return
        data = ReloadedData(
            schema=SCHEMA,
            event="reloaded",
            files=list(files),
            error=None if error is None else error_data(error),
        )
        if self._as_json:
            self._line(data)
        elif data["error"] is None:
            names = ", ".join(data["files"])
            self._print(Text(f"reloaded  {printable(names)}", "green"))
        else:
            lines = map(printable, data["error"]["explanation"].split("\n"))
            words = "not reloaded, going on as before: " + "\n    ".join(lines)
            self._print(Text(words, "red"))

    def left(
        self, peer: Peer, traffic: Traffic, error: BaseException | None
    ) -> None:
        """Tell that a connection ended, and why if that was no goodbye.

        Args:
            peer: Whose.
            traffic: How much there was.
            error: What ended it, or None.
        """
        if self._quiet and error is None:
            return
        data = None if error is None else error_data(error)
        if self._as_json:
            self._line(
                LeftData(
                    schema=SCHEMA,
                    event="left",
                    peer=list(peer),
                    bytes=traffic.received,
                    sent=traffic.sent,
                    error=data,
                )
            )
            return
        words = f"left after {traffic.received} bytes"
        if data is None:
            self._say(peer, "dim", words)
        else:
            self._say(peer, "yellow", f"{words}: {data['message']}")

    def closed(self) -> None:
        """Tell the counts, at the end."""
        if self._as_json:
            self._line(
                ClosedData(
                    schema=SCHEMA,
                    event="closed",
                    served=self._served,
                    refused=self._refused,
                )
            )
        else:
            self._print(
                Text(
                    f"closed; {self._served} served, {self._refused} without "
                    f"a session"
                )
            )

    def _say(self, peer: Peer, style: str, words: str) -> None:
        lines = [printable(each) for each in words.split("\n")]
        self._print(
            Text.assemble(
                ("{}:{}".format(*peer), "cyan"),
                "  ",
                ("\n    ".join(lines), style),
            )
        )

    def _print(self, words: Text) -> None:
        with self._lock, self._hearing():
            self._console.print(words, soft_wrap=True)

    def _line(self, data: Mapping[str, object]) -> None:
        with self._lock, self._hearing():
            show_json(self._console, data, indent=None)

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        try:
            yield
        except OSError:  # The pipe is broken, or the terminal hung up.
            self.unheard = True


def _explained(error: BaseException, data: ErrorData) -> str:
    """Give the whole story, without the address that stands before it."""
    words = data["explanation"]
    if isinstance(error, TLSError) and error.peer is not None:
        words = words.replace(f" (peer {error.peer})", "", 1)
    return words
