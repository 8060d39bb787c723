"""Chat over TLS with asyncio: what one guest says, all others hear.

A guest who takes too long to say a name, or to hear what was said, is shown
the door.

Run it, there is nothing to set up: ``python chat.py``
"""

from __future__ import annotations

import asyncio

import tlskit
from tlskit import aio
from tlskit.testing import CA

#: Seconds that a guest may take.
PATIENCE = 10.0


class Room:
    """Whoever is here, by name."""

    def __init__(self) -> None:
        self.guests: dict[str, aio.AsyncSSLPort] = {}

    async def welcome(self, conn: aio.AsyncSSLPort) -> None:
        """Look after one guest, who first says a name: a server's handler."""
        line = await conn.readline(timeout=PATIENCE)
        name = line.decode().strip()
        if not name or name in self.guests:
            conn.write(b"sorry, who are you?\n")
            return
        self.guests[name] = conn
        try:
            await self.tell(f"{name} comes in")
            async for line in conn:
                await self.tell(f"{name}: {line.decode().rstrip()}")
        finally:
            del self.guests[name]
            await self.tell(f"{name} leaves")

    async def tell(self, words: str) -> None:
        """Have all guests hear it, at the same time."""
        await asyncio.gather(
            *(hand(port, words) for port in self.guests.values())
        )


async def hand(conn: aio.AsyncSSLPort, words: str) -> None:
    """Have one guest hear it, or else leave."""
    try:
        conn.write(f"{words}\n".encode())
        await conn.drain(timeout=PATIENCE)
    except OSError:  # TimeoutError and TLSError are of this kind, too.
        conn.abort()


async def enter(
    name: str, port: int, context: tlskit.ClientContext
) -> aio.AsyncSSLPort:
    """Come into the room on this machine."""
    made = await aio.open_connection("localhost", port, context, timeout=10)
    made.write(f"{name}\n".encode())
    return made


async def hear(conn: aio.AsyncSSLPort) -> str:
    """Wait for what is said next."""
    return (await conn.readline()).decode().rstrip("\n")


async def main() -> None:
    """Let two guests talk."""
    ca = CA()
    client, server = tlskit.ClientContext().copy(), tlskit.ServerContext()
    ca.trust(client)
    ca.issue("localhost").apply(server)
    async with await aio.start_server(
        Room().welcome, "localhost", 0, server
    ) as chat:
        async with await enter("Ann", chat.port, client) as ann:
            print("Ann hears:", await hear(ann))
            async with await enter("Bob", chat.port, client) as bob:
                print("Ann hears:", await hear(ann))
                print("Bob hears:", await hear(bob))
                bob.write(b"nobody else can hear us\n")
                print("Ann hears:", await hear(ann))
            print("Ann hears:", await hear(ann))


if __name__ == "__main__":
    asyncio.run(main())
