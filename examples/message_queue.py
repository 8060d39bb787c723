"""Speak TLS over a message queue, by a driver of thirty lines.

The engine does no I/O; ``QueueDriver`` carries its ciphertext in messages.
Over a serial line, a broker or a radio it would look the same.

Run it, there is nothing to set up: ``python message_queue.py``
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, Queue
from threading import Thread
from typing import TypeVar

import tlskit
from tlskit.testing import CA

T = TypeVar("T")
Messages = Queue[bytes]


class QueueDriver:
    """Moves ciphertext between an engine and two queues."""

    def __init__(
        self,
        engine: tlskit.Engine,
        inbox: Messages,
        outbox: Messages,
        patience: float = 10.0,
    ) -> None:
        self.engine = engine
        self._inbox = inbox
        self._outbox = outbox
        self._patience = patience

    def handshake(self) -> None:
        """Shake hands; without it nothing can be read or written."""
        self._drive(self.engine.handshake)

    def write(self, data: bytes) -> None:
        """Send all of *data*."""
        self._drive(lambda: self.engine.write(data))

    def read(self, size: int = 65536) -> bytes:
        """Give what there is, up to *size* bytes; b"" at the end."""
        buffer = bytearray(size)
        got = self._drive(lambda: self.engine.read_into(buffer))
        return bytes(buffer[:got])

    def close(self) -> None:
        """Say that nothing follows; an empty message is the end."""
        self.engine.finish()
        self._flush()
        self._outbox.put(b"")

    def _drive(self, step: Callable[[], T | None]) -> T:
        """Repeat *step* until it gives something, moving ciphertext."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                result = step()
            finally:
                # Also after an error: the alert for the peer is in there.
                self._flush()
            if result is not None:
                return result
            self._fill(deadline)

    def _flush(self) -> None:
        data = self.engine.outgoing()
        if data:
            self._outbox.put(bytes(data))

    def _fill(self, deadline: float) -> None:
        try:
            message = self._inbox.get(
                timeout=max(0.0, deadline - time.monotonic())
            )
        except Empty:
            raise TimeoutError("nothing came in time") from None
        self.engine.receive(message)  # The empty message is the end.


def answer(driver: QueueDriver) -> None:
    """Be a server that shouts."""
    try:
        driver.handshake()
        while question := driver.read():
            driver.write(question.upper())
        driver.close()
    except tlskit.TLSError as error:
        print("the server hears:", error.code)


def ask(
    client: tlskit.ClientContext, server: tlskit.ServerContext, name: str
) -> bytes:
    """Ask a server, reached over two queues, one question."""
    there: Messages = Queue()
    back: Messages = Queue()
    serving = QueueDriver(server.new_engine(), there, back)
    thread = Thread(target=answer, args=[serving])
    thread.start()
    driver = QueueDriver(client.new_engine(hostname=name), back, there)
    try:
        driver.handshake()
        driver.write(b"is anybody there?")
        said = driver.read()
        driver.close()
        return said
    finally:
        thread.join()


def main() -> None:
    """Reach the right server, and refuse one of another name."""
    ca = CA()
    server = tlskit.ServerContext()
    ca.issue("queue.example").apply(server)
    client = tlskit.ClientContext("secure").copy()
    ca.trust(client)
    print("the server says:", ask(client, server, "queue.example").decode())
    try:
        ask(client, server, "other.example")
    except tlskit.IdentityError as error:
        print("the client says:", error.code)


if __name__ == "__main__":
    main()
