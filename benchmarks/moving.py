"""The loops whose time is measured, over any blocking connection."""

from __future__ import annotations

from typing import Any, Protocol

from .content import messages

__all__ = ["Connection", "FileMover", "Mover", "OutputMover", "take"]


class Connection(Protocol):
    """What the loops need of a connection."""

    def recv_into(self, buffer: Any) -> int:
        """Read at least a byte."""
        ...

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


def take(connection: Connection, size: int) -> bytes:
    """Read exactly *size* bytes.

    Raises:
        EOFError: There are no more.
    """
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        piece = connection.recv_into(view[got:])
        if piece <= 0:
            raise EOFError(f"{size - got} bytes are missing")
        got += piece
    return bytes(data)


class Mover:
    """By ``sendall`` and ``recv_into``, as one does it with a socket."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def send_stream(self, size: int, total: int) -> None:
        """Send *total* bytes in messages of *size*."""
        sendall = self.connection.sendall
        for message in messages(size, total):
            sendall(message)

    def receive_stream(self, buffer: bytearray, total: int) -> int:
        """Receive *total* bytes, and give how many of them came last.

        Raises:
            EOFError: There were fewer.
            ValueError: There were more.
        """
        recv_into, view = self.connection.recv_into, memoryview(buffer)
        left, got = total, 0
        while left > 0:
            got = recv_into(view)
            if got <= 0:
                raise EOFError(f"{left} bytes are missing")
            left -= got
        if left:
            raise ValueError(f"{-left} bytes too many")
        return got

    def ping(self, message: bytes, turns: int) -> None:
        """Send *message* and have it back.

        Raises:
            ValueError: The echo is another one.
        """
        for _ in range(turns):
            self.connection.sendall(message)
            if take(self.connection, len(message)) != message:
                raise ValueError("the echo is another one")

    def pong(self, size: int, turns: int) -> None:
        """Send back what comes."""
        for _ in range(turns):
            self.connection.sendall(take(self.connection, size))


class OutputMover(Mover):
    """Writes to tlskit's buffered file."""

    def send_stream(self, size: int, total: int) -> None:
        """Send *total* bytes in messages of *size*."""
        output = self.connection.output
        for message in messages(size, total):
            output.write(message)
        output.flush()


class FileMover(Mover):
    """Writes to a buffered file over the connection."""

    def send_stream(self, size: int, total: int) -> None:
        """Send *total* bytes in messages of *size*."""
        with self.connection.makefile("wb") as output:
            for message in messages(size, total):
                output.write(message)
