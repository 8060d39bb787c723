"""A client that changes its keys without end, and hears no answer."""

from __future__ import annotations

import hmac
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tlskit.engine.engine import Engine

from ..engines import client_context, client_engine
from ..peers import PATIENCE, Task
from .ends import LOCAL, Driver, End

#: Some 27 bytes each, as is each answer.
COUNT = 40_000
#: So much is taken in at once while they come.
FEW = 16_384


def expand(secret: bytes, label: bytes, size: int) -> bytes:
    """Do HKDF-Expand-Label with SHA-256 (RFC 8446, section 7.1)."""
    name = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(name),)) + name + b"\0\1"
    return hmac.digest(secret, info, "sha256")[:size]


def records(secret: bytes, count: int) -> Iterator[bytes]:
    """Seal key updates that want an answer, and one byte of data."""
    for number in range(count + 1):
        last = number == count
        plain = b"x\x17" if last else b"\x18\0\0\1\1\x16"
        header = bytes((23, 3, 3, 0, len(plain) + 16))
        cipher = AESGCM(expand(secret, b"key", 16))
        yield header + cipher.encrypt(expand(secret, b"iv", 12), plain, header)
        secret = expand(secret, b"traffic upd", 32)


def shaken(sock: socket.socket) -> bytes:
    """Shake hands by an engine; give the secret of what it would send."""
    lines: list[str] = []
    context = client_context("tls13")
    context.set_ciphersuites("TLS_AES_128_GCM_SHA256")
    context.set_keylog(lines.append)
    engine: Engine = client_engine(context)
    while not engine.handshake():
        sock.sendall(engine.outgoing())
        engine.receive(sock.recv(65536))
    sock.sendall(engine.outgoing())
    (line,) = (each for each in lines if each.startswith("CLIENT_TRAFFIC"))
    return bytes.fromhex(line.split()[2])


def flood(number: int, count: int = COUNT) -> None:
    """Send as much as goes, and only then read, too."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect((LOCAL, number))
        rest = memoryview(b"".join(records(shaken(sock), count)))
        sock.setblocking(False)
        while rest and select.select([], [sock], [], 0.3)[1]:
            rest = rest[sock.send(rest) :]
        while True:
            ready, room, _ = select.select(
                [sock], [sock] if len(rest) else [], [], PATIENCE
            )
            if room:
                rest = rest[sock.send(rest) :]
            if ready and not sock.recv(65536):
                return
            assert ready or room


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_who_hears_no_answers_is_read_no_more(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that can't be sent are bounded; and all goes on afterwards."""
    driver = Driver(name)
    most = 0
    if name == "asyncio":
        monkeypatch.setattr("tlskit.aio.driver._HIGH", 16384)
        monkeypatch.setattr("tlskit.aio.driver._LOW", 4096)
        monkeypatch.setattr("tlskit.aio.lane._MOST_OWED", 49152)
    else:
        monkeypatch.setattr("tlskit.trio.driver._MOST_OWED", 49152)

    def watch(port: Any) -> None:
        inner = port._driver
        carries = (
            inner.transport.get_extra_info("socket")
            if name == "asyncio"
            else inner.carrier.sock
        )
        carries.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        # By either way.
        heard, which = (
            (inner, "arrived")
            if getattr(inner, "has_lane", False)
            else (inner.engine, "receive")
        )
        receive = getattr(heard, which)

        def note(*data: Any) -> None:
            nonlocal most
            owed = (
                inner.transport.get_write_buffer_size()
                if name == "asyncio"
                else inner._unsent
            )
            most = max(most, owed)
            receive(*data)

        setattr(heard, which, note)

    async def handler(end: End) -> None:
        watch(end.port)
        received.append(await end.receive(10))

    received: list[bytes] = []

    async def main() -> None:
        async with driver.serving(handler) as server:
            task = Task(flood, server.port)
            while not received:
                await checkpoint()
            await to_thread.run_sync(task.result)

    driver.run(main)

    assert [b"x"] == received
    # A limit, and the answers to what one read takes.
    assert 0 < most < 27 * COUNT * 2 // 3


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_few_are_gone_through_at_once(name: str) -> None:
    """Other tasks get their turn between changes of keys."""
    driver = Driver(name)
    got: dict[bool, int] = {True: 0, False: 0}  # By whether much was wanted.

    def watch(port: Any) -> None:
        inner = port._driver
        if name == "trio":
            read_into = inner.carrier.read_into

            def note(view: memoryview) -> int | None:
                size: int | None = read_into(view)
                got[len(view) > FEW] += size or 0
                return size

            inner.carrier.read_into = note
            return
        much = True
        room_for, receive = inner.room_for, inner.engine.receive
        arrived = inner.arrived

        def wanted(view: memoryview) -> memoryview:
            nonlocal much
            room: memoryview = room_for(view)
            much = len(room) > FEW
            return room

        def fed(data: Any) -> None:
            got[much] += len(data)
            receive(data)

        def came(place: Any, size: int) -> None:
            got[much] += size
            arrived(place, size)

        inner.room_for, inner.engine.receive = wanted, fed
        inner.arrived = came

    async def handler(end: End) -> None:
        watch(end.port)
        received.append(await end.receive(10))

    received: list[bytes] = []

    async def main() -> None:
        async with driver.serving(handler) as server:
            task = Task(flood, server.port, COUNT // 2)
            while task.running:
                await checkpoint()
            await to_thread.run_sync(task.result)

    driver.run(main)

    assert [b"x"] == received
    assert got[False] > got[True]
