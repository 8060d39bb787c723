"""A handshake's messages, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, TypedDict

from ...openssl import native

if TYPE_CHECKING:
    from ...context.sides import ClientContext
    from ...engine.trace import HandshakeMessage

__all__ = [
    "HandshakeData",
    "MessageData",
    "Told",
    "message_data",
]

#: A handshake has a dozen.
_MOST = 64


class MessageData(TypedDict):
    """One message of a handshake, or an alert."""

    #: Whether we sent it.
    sent: bool
    #: The RFC's name, such as ``"client_hello"``, or ``"alert"``.
    type: str
    #: In bytes.
    size: int
    #: In seconds since the session was begun.
    at: float
    #: What is in it, in words.
    summary: str


class HandshakeData(TypedDict):
    """How a handshake went, or how far."""

    messages: list[MessageData]
    #: How often we waited for the server.
    round_trips: int
    #: Whether the server asked for another key share.
    hello_retry: bool
    #: In bytes, of the messages alone.
    sent: int
    received: int
    #: In seconds: for the server and the network, and for our own work.
    waited: float
    worked: float


def message_data(message: HandshakeMessage) -> MessageData:
    """Describe one message."""
    return MessageData(
        sent=message.sent,
        type=message.type,
        size=message.size,
        at=message.at,
        summary=message.summary,
    )


class Told:
    """Listens to one handshake, also to one that fails.

    Args:
        tell: Called with each message.
    """

    def __init__(
        self, tell: Callable[[HandshakeMessage], object] | None = None
    ) -> None:
        self._tell = tell
        self.messages: list[HandshakeMessage] = []

    def __call__(self, message: HandshakeMessage) -> None:
        """Take a message."""
        if len(self.messages) < _MOST:
            self.messages.append(message)
        if self._tell is not None:
            self._tell(message)

    def listen(self, context: ClientContext) -> None:
        """Have *context* tell, if this binding of OpenSSL can."""
        if native.has("messages"):
            context.set_trace(self)

    @property
    def data(self) -> HandshakeData | None:
        """The same for programs; None if nothing was heard."""
        heard = self.messages
        if not heard:
            return None
        turns = [each for each in heard if not _comes_later(each)]
        waited = sum(
            after.at - before.at
            for before, after in pairwise(heard)
            if before.sent and not after.sent
        )
        return HandshakeData(
            messages=list(map(message_data, heard)),
            round_trips=sum(
                before.sent and not after.sent
                for before, after in pairwise(turns)
            ),
            hello_retry=any(e.type == "hello_retry_request" for e in heard),
            sent=sum(each.size for each in heard if each.sent),
            received=sum(each.size for each in heard if not each.sent),
            waited=waited,
            worked=heard[-1].at - waited,
        )

    def rows(self) -> Iterator[tuple[str, str]]:
        """Tell what was offered, what was answered, and who ended it."""
        data = self.data
        if data is None:
            return
        for message in self.messages:
            words = message.summary.replace("; ", "\n")
            if message.type == "client_hello":
                yield "we offered", words
            elif message.type in {"server_hello", "hello_retry_request"}:
                yield "it answered", words
            elif message.type == "alert":
                whom = "us" if message.sent else "the server"
                yield "alert", f"{message.summary}, sent by {whom}"
        answered = any(not each.sent for each in self.messages)
        if not answered:
            yield "it answered", "nothing in TLS"
        retry = ", one to agree on a group" if data["hello_retry"] else ""
        work = f"{data['worked']:.4f} s for our own work"
        yield "round trips", f"{data['round_trips']}{retry}"
        yield (
            "messages",
            f"{data['sent']} bytes sent, {data['received']} received",
        )
        if answered:
            # Else nobody has measured how long it kept us waiting.
            work = f"{data['waited']:.4f} s for network and server, {work}"
        yield "time", work


def _comes_later(message: HandshakeMessage) -> bool:
    """Tell what is no part of the handshake, though it is heard with it."""
    if message.type == "alert":
        return not message.summary.startswith("fatal")
    return message.type == "new_session_ticket"
