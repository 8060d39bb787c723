"""A conversation in plaintext, up to the point where TLS can begin.

Plaintext can be changed by anybody on the way.  So nothing that was said
before the handshake counts after it, and bytes that follow the other end's
go-ahead, or come before we asked, are refused: programs that kept them for
later took an attacker's plaintext for the server's (CVE-2011-0411).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

from ..errors import HandshakeError, NotTLSError
from ..ports.transport import Transport
from ..tools.deadline import Deadline

__all__ = ["Conversation", "Cut", "Say", "Script", "quoted", "speak", "talk"]

#: Where the first piece of these bytes ends; None if more are needed.
Cut = Callable[[bytes], "int | None"]
Say = Callable[[bytes], None]
#: Yields how to cut the next piece, and is sent it.
Script = Generator[Cut, bytes, None]

#: Nobody needs more bytes to say that TLS can begin.
_MOST = 65536


def quoted(words: bytes) -> str:
    """Show what was said; control characters as escapes, and not all."""
    text = words.decode("utf-8", "replace").rstrip("\r\n")
    return repr(text if len(text) <= 200 else text[:200] + "...")


class Conversation:
    """Our side of a conversation up to the other end's go-ahead.

    It does no I/O: send what ``outgoing()`` gives, pass what comes to
    ``receive()``, and go on as soon as it is ``done``, when the last of
    ``outgoing()`` is sent.

    Args:
        script: Is called with how to say something, and gives the script.
        other: What the other end is called in messages.
    """

    def __init__(
        self, script: Callable[[Say], Script], other: str = "server"
    ) -> None:
        self._buffer = bytearray()
        self._outgoing = bytearray()
        self._taken = 0
        self._other = other
        #: Whether the other end is ready for the first bytes of TLS.
        self.done: bool = False
        self._script = script(self._say)
        self._cut = next(self._script)

    def _say(self, data: bytes) -> None:
        if self._buffer:
            raise self._injected("before it was asked")
        self._outgoing += data

    def outgoing(self) -> bytes:
        """Give what is to be sent now, once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> None:
        """Take bytes of the other end's; none at all are its end of file.

        Args:
            data: What came; any part of an answer will do.

        Raises:
            NotTLSError: The server does not begin TLS, with the code
                ``"no-starttls"``; speaks something else, ``"not-tls"``; or
                sent more than its answer, ``"starttls-injection"``.
            HandshakeError: The connection was closed; or a proxy refuses,
                with the code ``"proxy-refused"``.
        """
        if not data:
            raise HandshakeError(
                f"the {self._other} closed the connection before it began TLS",
                hint="check host, port and protocol",
            )
        self._taken += len(data)
        self._buffer += data
        while not self.done:
            end = self._cut(bytes(self._buffer))
            if end is None:
                self._check_size()
                return
            piece = bytes(self._buffer[:end])
            del self._buffer[:end]
            try:
                self._cut = self._script.send(piece)
            except StopIteration:
                self.done = True
        if self._buffer:
            raise self._injected("after its go-ahead for TLS")

    def _check_size(self) -> None:
        if self._taken > _MOST:
            raise NotTLSError(
                f"the {self._other} has sent more than {_MOST} bytes without "
                "beginning TLS",
                hint="check host and port: something else listens there",
            )

    def _injected(self, when: str) -> NotTLSError:
        return NotTLSError(
            f"the {self._other} sent {len(self._buffer)} bytes of plaintext "
            f"{when}; they may be an attacker's",
            code="starttls-injection",
            hint="don't trust this connection; if it is always so, the "
            f"{self._other} is broken",
        )


def talk(
    transport: Transport, conversation: Conversation, deadline: Deadline
) -> None:
    """Run *conversation* over *transport* until TLS can begin.

    Raises:
        HandshakeError: As ``Conversation.receive``.
        TimeoutError: The deadline passed.
        OSError: The transport broke.
    """
    buffer = memoryview(bytearray(4096))
    while True:
        unsent = memoryview(conversation.outgoing())
        while unsent:
            sent = transport.write(unsent)
            if sent is None:
                transport.wait(read=False, write=True, deadline=deadline)
            else:
                unsent = unsent[sent:]
        if conversation.done:
            return
        deadline.check("waiting for the other end to begin TLS")
        size = transport.read_into(buffer)
        if size is None:
            transport.wait(read=True, write=False, deadline=deadline)
        else:
            conversation.receive(bytes(buffer[:size]))


class _Coroutines(Protocol):
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    async def read(self, n: int) -> bytes: ...
    def abort(self) -> None: ...


async def speak(port: _Coroutines, conversation: Conversation) -> None:
    """Do ``talk`` over a port for coroutines; if that fails, close it."""
    try:
        while not conversation.done:
            port.write(conversation.outgoing())
            await port.drain()
            conversation.receive(await port.read(4096))
    except BaseException:
        port.abort()
        raise
