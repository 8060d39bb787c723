"""What ``serve`` tells of its clients, as text or as lines of JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypedDict

from rich.text import Text

from ..errors import TLSError
from ..ports import SSLPort
from ._console import open_console, printable, show_json, show_rows
from ._data import (
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
]

Peer = tuple[str, int]


class ListeningData(TypedDict):
    """``event`` is ``"listening"``: the first line."""

    schema: int
    event: str
    host: str
    port: int
    #: For which names a development certificate was made; empty if the
    #: certificate was given.
    names: list[str]
    #: The file of the development CA's certificate, or null.
    ca_file: str | None
    #: Whether clients must show a certificate.
    client_certificates: bool


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


class LeftData(TypedDict):
    """``event`` is ``"left"``: a connection ended."""

    schema: int
    event: str
    peer: list[str | int]
    #: How many bytes the client sent, and got back.
    bytes: int
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
    """

    def __init__(self, *, as_json: bool) -> None:
        #: Whether nobody reads any more: stdout is a pipe without a reader.
        self.unheard = False
        self._as_json = as_json
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

    def left(self, peer: Peer, size: int, error: BaseException | None) -> None:
        """Tell that a connection ended, and why if that was no goodbye.

        Args:
            peer: Whose.
            size: How many bytes the client sent.
            error: What ended it, or None.
        """
        data = None if error is None else error_data(error)
        if self._as_json:
            self._line(
                LeftData(
                    schema=SCHEMA,
                    event="left",
                    peer=list(peer),
                    bytes=size,
                    error=data,
                )
            )
            return
        words = f"left after {size} bytes"
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
        except BrokenPipeError:
            self.unheard = True


def _explained(error: BaseException, data: ErrorData) -> str:
    """Give the whole story, without the address that stands before it."""
    words = data["explanation"]
    if isinstance(error, TLSError) and error.peer is not None:
        words = words.replace(" (peer {}:{})".format(*error.peer), "", 1)
    return words
