"""Two engines joined by nothing but function calls, for tests."""

from __future__ import annotations

from typing import Any

import tlskit
from tlskit.engine.engine import Engine
from tlskit.testing import CA
from tlskit.verify.identity import Identity

__all__ = [
    "authority",
    "client_context",
    "client_engine",
    "exchange",
    "move",
    "pair",
    "read",
    "server_context",
    "server_engine",
    "shake",
]

_CA = CA("tlskit engines CA")
_LEAF = _CA.issue("localhost", "127.0.0.1")


def authority() -> CA:
    """Give the CA that both sides trust."""
    return _CA


def client_context(
    protocol: str = "auto", **keywords: Any
) -> tlskit.ClientContext:
    """Make a verifying client's context."""
    context = tlskit.ClientContext(protocol, **keywords)
    _CA.trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


def server_context(
    protocol: str = "secure", **keywords: Any
) -> tlskit.ServerContext:
    """Make a server's context with a certificate for localhost."""
    context = tlskit.ServerContext(protocol, **keywords)
    _LEAF.apply(context)
    return context


def client_engine(
    context: tlskit.ClientContext | None = None,
    hostname: str | None = "localhost",
) -> Engine:
    """Make a client's engine."""
    return Engine(
        client_context() if context is None else context,
        server_side=False,
        identity=None if hostname is None else Identity.parse(hostname),
    )


def server_engine(context: tlskit.ServerContext | None = None) -> Engine:
    """Make a server's engine."""
    return Engine(
        server_context() if context is None else context, server_side=True
    )


def move(source: Engine, target: Engine) -> int:
    """Carry what waits in one engine to the other."""
    data = source.outgoing()
    if data:
        target.receive(data)
    return len(data)


def shake(client: Engine, server: Engine) -> None:
    """Shake hands; raise what either side raises."""
    done: set[Engine] = set()
    for _ in range(20):
        for one, other in ((client, server), (server, client)):
            if one.handshake():
                done.add(one)
            move(one, other)
        if len(done) == 2:
            return
    raise AssertionError("no handshake in 20 rounds")


def pair(
    client: tlskit.ClientContext | None = None,
    server: tlskit.ServerContext | None = None,
) -> tuple[Engine, Engine]:
    """Make two engines that have shaken hands."""
    ours, theirs = client_engine(client), server_engine(server)
    shake(ours, theirs)
    return ours, theirs


def read(engine: Engine, size: int = 65536) -> bytes | None:
    """Read once."""
    buffer = memoryview(bytearray(size))
    got = engine.read_into(buffer)
    return None if got is None else bytes(buffer[:got])


def exchange(source: Engine, target: Engine, data: bytes) -> bytes | None:
    """Write at one end, and read once at the other."""
    source.write(memoryview(data))
    move(source, target)
    return read(target)
