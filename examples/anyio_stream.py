"""One byte stream of anyio's, over whichever loop the program runs on.

tlskit has a driver for asyncio and one for trio.  ``TLSStream`` is what
anyio's own streams are, over both of them.

Run it, there is nothing to set up: ``python anyio_stream.py``
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import anyio.abc
import trio

import tlskit
from tlskit import aio
from tlskit import trio as tlskit_trio
from tlskit.testing import CA


class TLSStream(anyio.abc.ByteStream):
    """A byte stream of anyio's over a port of asyncio's or of trio's."""

    def __init__(self, port: Any) -> None:
        self.port = port

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        context: tlskit.ClientContext,
        **options: Any,
    ) -> TLSStream:
        """Connect by the driver for the loop that runs."""
        driver = tlskit_trio if on_trio() else aio
        made = await driver.open_connection(host, port, context, **options)
        return cls(made)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive at least a byte, until the peer's close_notify."""
        with translated():
            data: bytes = await self.port.read(max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Send all of *item*."""
        with translated():
            self.port.write(item)
            await self.port.drain()

    async def send_eof(self) -> None:
        """Send our close_notify; the peer may go on."""
        with translated():
            done = self.port.write_eof()
            if done is not None:
                await done

    async def aclose(self) -> None:
        """Close the connection; at once if cancelled."""
        await self.port.aclose()


def on_trio() -> bool:
    """Whether this program runs on trio now."""
    return anyio.get_cancelled_exc_class() is trio.Cancelled


@contextmanager
def translated() -> Iterator[None]:
    """Raise what anyio wants, because of what tlskit has raised."""
    try:
        yield
    except tlskit.ClosedError as error:
        raise anyio.ClosedResourceError from error
    except TimeoutError:
        raise
    except OSError as error:
        raise anyio.BrokenResourceError from error


async def shout(port: Any) -> None:
    """Send everything back in capitals: a server's handler."""
    stream = TLSStream(port)
    async for piece in stream:
        await stream.send(piece.upper())


async def ask(port: int, context: tlskit.ClientContext, words: bytes) -> bytes:
    """Ask a server on this machine, and hear the whole answer."""
    stream = await TLSStream.connect("localhost", port, context, timeout=10)
    async with stream:
        await stream.send(words)
        await stream.send_eof()
        return b"".join([piece async for piece in stream])


async def main(
    server: tlskit.ServerContext, client: tlskit.ClientContext
) -> None:
    """Serve one question, on whichever loop this is."""
    if on_trio():
        async with trio.open_nursery() as nursery:
            serve = partial(
                tlskit_trio.serve, shout, "localhost", context=server
            )
            listener = await nursery.start(serve)
            answer = await ask(listener.port, client, b"trio?")
            listener.close()
    else:
        async with await aio.start_server(
            shout, "localhost", context=server
        ) as listener:
            answer = await ask(listener.port, client, b"asyncio?")
    print(answer.decode())


if __name__ == "__main__":
    ca = CA()
    ours, theirs = tlskit.ServerContext(), tlskit.ClientContext().copy()
    ca.issue("localhost").apply(ours)
    ca.trust(theirs)
    for backend in ("asyncio", "trio"):
        anyio.run(main, ours, theirs, backend=backend)
