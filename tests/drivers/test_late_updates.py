"""A peer that changes its keys for ever, and what that must not hold up.

Its records come from a generator and not from a socket: so there are always
more of them, however fast or slow the machine is.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tlskit.ports.blocking.lane import closed_lane

from ..peers import PATIENCE, Task
from .ends import LOCAL, Driver, End
from .test_key_updates import expand, shaken

BOTH = ["asyncio", "trio"]
#: Where each driver has how long it lingers.
LINGERS = {
    "asyncio": "tlskit.aio.driver._LINGER",
    "trio": "tlskit.trio.driver.LINGER",
}
#: Who has read so many records would have read on for ever.
MOST = 2000


def records(secret: bytes, answer: bytes) -> Iterator[bytes]:
    """Seal ten bytes of data, and then key updates without end."""
    number, plain = 0, b"unread....\x17"
    while True:
        header = bytes((23, 3, 3, 0, len(plain) + 16))
        nonce = bytearray(expand(secret, b"iv", 12))
        nonce[-1] ^= number
        cipher = AESGCM(expand(secret, b"key", 16))
        yield header + cipher.encrypt(bytes(nonce), plain, header)
        if number or plain[-1] == 0x16:
            secret = expand(secret, b"traffic upd", 32)
        number = 0 if plain[-1] == 0x16 else 1
        plain = b"\x18\0\0\1" + answer + b"\x16"


class Flood:
    """What a server's port gets to read, in place of its socket's bytes."""

    def __init__(self, end: End, secret: bytes, answer: bytes, most: int):
        self.inner: Any = end.port._driver
        self.made = records(secret, answer)
        self.most = most
        self.taken = 0
        self.stopped = False
        self._take(next(self.made))
        if end.driver.name == "trio":
            self.inner.carrier.read_into = self._read_into
        else:
            self._again = self.inner.listen_again
            self.inner.listen_again = self._listen_again

    def _take(self, record: bytes) -> None:
        if self.inner.__class__.__name__ == "AsyncDriver":
            self.inner.feed(record)
        else:
            self.inner.engine.receive(record)

    def _next(self) -> bytes:
        if self.stopped or self.taken == self.most:
            return b""
        self.taken += 1
        return next(self.made)

    def _read_into(self, view: memoryview) -> int:
        record = self._next()
        view[: len(record)] = record
        return len(record)

    def _listen_again(self) -> None:
        self._again()
        record = self._next()
        heard, *what = (
            (self.inner.feed, record) if record else (self.inner.eof_received,)
        )
        self.inner.loop.call_soon(heard, *what)


def talk(
    number: int,
    secrets: list[bytes],
    told: threading.Event,
    over: threading.Event,
) -> None:
    """Shake hands, tell the secret, and stay until the other has closed."""
    with socket.socket() as sock:
        sock.settimeout(PATIENCE)
        sock.connect((LOCAL, number))
        secrets.append(shaken(sock))
        told.set()
        assert over.wait(PATIENCE)


def run(
    name: str,
    check: Callable[[End, Flood], Awaitable[None]],
    *,
    answer: bytes = b"\0",
    most: int = MOST,
) -> Flood:
    """Have a server's port meet a flood; give that."""
    driver = Driver(name)
    secrets: list[bytes] = []
    told, over = threading.Event(), threading.Event()
    floods: list[Flood] = []
    errors: list[BaseException] = []

    async def handler(end: End) -> None:
        try:
            assert await to_thread.run_sync(told.wait, PATIENCE)
            floods.append(Flood(end, secrets[0], answer, most))
            await check(end, floods[0])
        except Exception as error:
            errors.append(error)
        finally:
            end.port.abort()
            over.set()

    async def main() -> None:
        async with driver.serving(handler) as server:
            task = Task(talk, server.port, secrets, told, over)
            while not over.is_set():
                await checkpoint()
            await to_thread.run_sync(task.result)

    driver.run(main)
    for error in errors:
        raise error
    return floods[0]


@pytest.mark.parametrize("name", BOTH)
def test_a_close_lingers_no_longer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who never ends, and says nothing, is heard until the deadline only."""
    monkeypatch.setattr(LINGERS[name], 0.0)

    async def check(end: End, _: Flood) -> None:
        await end.close()

    assert MOST > run(name, check).taken


@pytest.mark.parametrize("name", BOTH)
def test_others_go_on_while_a_close_lingers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another task runs between what is heard and what is heard next."""
    monkeypatch.setattr(LINGERS[name], PATIENCE)

    async def check(end: End, flood: Flood) -> None:
        async def stop() -> None:
            while not flood.taken:
                await checkpoint()
            flood.stopped = True

        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            await end.close()

    assert 0 < run(name, check).taken < MOST


@pytest.mark.parametrize("name", BOTH)
def test_a_read_ends_in_time(name: str) -> None:
    """Bytes that hold no data don't put a reader's deadline off."""

    async def check(end: End, _: Flood) -> None:
        assert b"unread...." == await end.receive()
        end.patience(0.0)
        with pytest.raises(TimeoutError, match="timed out"):
            await end.receive()

    assert MOST > run(name, check).taken


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("express", [True, False])
def test_who_has_said_all_answers_no_more(
    name: str, express: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer behind the end breaks nothing, and cuts nobody off."""
    monkeypatch.setattr(LINGERS[name], PATIENCE)

    async def check(end: End, _: Flood) -> None:
        await end.close()

    with ExitStack() as stack:
        if not express:
            stack.enter_context(closed_lane())
        assert 20 == run(name, check, answer=b"\1", most=20).taken
