"""Connect very often over loopback, and see that nothing is left.

::

    python benchmarks/soak.py --connections 100000
    python benchmarks/soak.py --messages 1000000 --gib 5

Client and server live in this process.  After a warm-up of a tenth, memory
(resident set), descriptors and threads are counted; at the end, when the rest
of the connections has been made and closed, they are counted again.  Most
connections are good: both versions, new and resumed.  Every tenth fails: the
name is wrong, the client vanishes in mid-handshake, or talks no TLS.

The status is 0 if memory grew by less than 5 % and nothing else was left.

The second line makes one connection, and sends so many messages of 100 bytes
there and back, then so much data in messages of 64 KiB one way.  Memory is
looked at after a tenth and at the end of each; it may grow by 1 MiB.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import itertools
import os
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import tlskit
from tlskit.testing import CA

__all__ = ["Count", "Soak"]

HOST = "localhost"
#: Seconds that anything may take.
PATIENCE = 30.0
#: How much memory may grow after the warm-up, as a share.
GROWTH = 0.05
#: How much, in bytes, while one connection is at work.
LEAK = 1 << 20
SMALL, BLOCK = b"x" * 100, 65536


@dataclass(frozen=True)
class Count:
    """What this process holds."""

    resident: int
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> Count:
        """Count; Linux only."""
        gc.collect()
        # What the allocator keeps in reserve was not forgotten by anybody.
        with suppress(AttributeError):  # Only glibc has it.
            ctypes.CDLL(None).malloc_trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - less garbage
            threading.active_count(),
        )

    def growth_since(self, before: Count) -> float:
        """Give the growth of memory, as a share."""
        return self.resident / before.resident - 1

    def __str__(self) -> str:
        """Tell it in a line."""
        return (
            f"{self.resident / 1e6:.1f} MB resident, "
            f"{self.descriptors} descriptors, {self.threads} threads"
        )


class Soak:
    """A server, and the contexts of its clients."""

    def __init__(self) -> None:
        ca = CA("tlskit soak CA")
        server = tlskit.ServerContext()
        ca.issue(HOST).apply(server)
        server.seal()
        self._clients = []
        for protocol in ("tls12", "tls13"):
            for cache in (None, tlskit.SessionCache()):
                context = tlskit.ClientContext(protocol)
                ca.trust(context)
                context.set_verify()
                context.set_verify_hostname()
                context.set_session_cache(cache)
                context.seal()
                self._clients.append(context)
        self._turns = itertools.count()
        self._faults = itertools.cycle(
            (self._wrong_name, self._vanish, self._no_tls)
        )
        self.served = self.resumed = 0
        self._listener = tlskit.listen(hostname="127.0.0.1", context=server)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for port in self._listener:
            with port, suppress(OSError):
                port.settimeout(PATIENCE)
                self.resumed += port.session_reused
                port.sendall(port.input.readline())
                self.served += 1

    def connect(self, times: int) -> None:
        """Make so many connections, one after the other."""
        for _ in range(times):
            turn = next(self._turns)
            if turn % 10 == 9:
                next(self._faults)()
                continue
            context = self._clients[turn % len(self._clients)]
            with self._connect(context) as port:
                port.sendall(b"%d\n" % turn)
                if port.input.readline() != b"%d\n" % turn:
                    raise AssertionError("the echo is another one")

    def _connect(
        self, context: tlskit.ClientContext, name: str = HOST
    ) -> tlskit.SSLPort:
        return tlskit.connect(
            "127.0.0.1",
            self._listener.port,
            context,
            hostname=name,
            timeout=PATIENCE,
        )

    def _wrong_name(self) -> None:
        with suppress(tlskit.IdentityError):
            self._connect(self._clients[-1], "other.example").close()
            raise AssertionError("a wrong name was accepted")

    def _vanish(self) -> None:
        with self._plain() as sock:
            sock.sendall(b"\x16\3\1")

    def _no_tls(self) -> None:
        with self._plain() as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with suppress(OSError):
                while sock.recv(1000):
                    pass

    def _plain(self) -> socket.socket:
        return socket.create_connection(
            ("127.0.0.1", self._listener.port), PATIENCE
        )

    def close(self) -> None:
        """End the server."""
        self._listener.close()
        self._thread.join(PATIENCE)


def soak(connections: int) -> tuple[Count, Count, Soak]:
    """Make *connections*; count after a tenth, and at the end."""
    made = Soak()
    try:
        warm = max(connections // 10, 100)
        made.connect(warm)
        before = Count.now()
        made.connect(connections - warm)
        # Whoever vanished last is noticed before the next one is served.
        made.connect(8)
        return before, Count.now(), made
    finally:
        made.close()


class Pair:
    """Both ends of one connection over loopback."""

    def __init__(self) -> None:
        ca = CA("tlskit soak CA")
        server = tlskit.ServerContext()
        ca.issue(HOST).apply(server)
        client = tlskit.ClientContext("auto")
        ca.trust(client)
        client.set_verify()
        client.set_verify_hostname()
        ends: list[tlskit.SSLPort] = []
        with tlskit.listen(hostname="127.0.0.1", context=server) as listener:
            thread = threading.Thread(
                target=lambda: ends.append(listener.accept())
            )
            thread.start()
            self.client = tlskit.connect(
                "127.0.0.1",
                listener.port,
                client,
                hostname=HOST,
                timeout=PATIENCE,
            )
            thread.join(PATIENCE)
        (self.server,) = ends
        self.server.settimeout(PATIENCE)

    def talk(self, times: int) -> None:
        """Send so many small messages there and back."""
        client, server = self.client, self.server
        for _ in range(times):
            client.sendall(SMALL)
            server.sendall(server.recv(BLOCK))
            if client.recv(BLOCK) != SMALL:
                raise AssertionError("the answer is another one")

    def pour(self, size: int) -> None:
        """Send so many bytes in large messages."""
        thread = threading.Thread(target=self._send, args=(size // BLOCK,))
        thread.start()
        buffer = memoryview(bytearray(BLOCK))
        left = size // BLOCK * BLOCK
        while left:
            left -= self.server.recv_into(buffer[: min(left, BLOCK)])
        thread.join(PATIENCE)

    def _send(self, times: int) -> None:
        block = bytes(BLOCK)
        for _ in range(times):
            self.client.sendall(block)

    def close(self) -> None:
        """Close both."""
        self.client.close()
        self.server.close()


def endure(messages: int, size: int) -> list[tuple[str, Count, Count]]:
    """Use one connection for long.

    Args:
        messages: How many small ones go there and back.
        size: How many bytes go one way then.

    Returns:
        What was done, and what was held after a tenth of it and at its end.
    """
    made, found = Pair(), []
    try:
        for what, work, amount in (
            (f"{messages} messages", made.talk, messages),
            (f"{size / 2**30:g} GiB", made.pour, size),
        ):
            work(amount // 10)
            before = Count.now()
            work(amount - amount // 10)
            found.append((what, before, Count.now()))
    finally:
        made.close()
    return found


def main() -> int:
    """Run it, and tell what is left."""
    parser = argparse.ArgumentParser(description="see that nothing is left")
    parser.add_argument("--connections", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--gib", type=float, default=0)
    options = parser.parse_args()
    if options.messages or options.gib:
        return _on_one(options.messages, int(options.gib * 2**30))
    return _on_many(options.connections)


def _on_one(messages: int, size: int) -> int:
    leaks = False
    for what, before, after in endure(messages, size):
        grown = after.resident - before.resident
        leaks = leaks or grown > LEAK
        print(f"{what}: {before}, then {after}: {grown / 1024:+.0f} KiB")
    return int(leaks)


def _on_many(connections: int) -> int:
    first = Count.now()
    before, after, made = soak(connections)
    left = Count.now()
    growth = after.growth_since(before)
    print(f"after warm-up: {before}")
    print(f"at the end:    {after}")
    print(f"server closed: {left}")
    print(
        f"memory grew by {growth:.2%}; {made.served} clients were served, "
        f"{made.resumed} of them resumed"
    )
    flat = (
        growth < GROWTH
        and after.descriptors <= before.descriptors
        and left.descriptors <= first.descriptors
        and left.threads <= first.threads
    )
    return int(not flat)


if __name__ == "__main__":
    sys.exit(main())
