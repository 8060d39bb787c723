"""A thousand clients whose certificate is still being chosen.

Nothing is measured by a clock: choices wait for an event, which comes when
others were served and half of those who wait have been cancelled.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from pathlib import Path

import pytest

import tlskit
from tlskit import aio
from tlskit.engine.engine import Engine

from ..engines import client_context, server_context
from ..peers import PATIENCE

resource = pytest.importorskip("resource")

HOST = "localhost"
OTHERS = 20


@pytest.fixture
def crowd(short):
    """How many clients come, with descriptors enough for both sides."""
    size = 100 if short else 1000
    needed = 2 * (size + OTHERS) + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield size
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Server(tlskit.ServerContext):
    """Makes those wait who ask for the protocol "slow"."""

    def __init__(self, chosen):
        super().__init__()
        self.chosen = chosen
        self.go = asyncio.Event()
        self.news = asyncio.Condition()
        self.waiting = self.ended = 0

    async def _count(self, **changes):
        async with self.news:
            for name, change in changes.items():
                setattr(self, name, getattr(self, name) + change)
            self.news.notify_all()

    async def until(self, true):
        """Wait for a count."""
        async with self.news:
            await asyncio.wait_for(self.news.wait_for(true), 3 * PATIENCE)

    async def choose_for(self, hello):
        """Choose at once, or when all may go on."""
        if "slow" not in hello.alpn:
            return self.chosen
        await self._count(waiting=1)
        try:
            await self.go.wait()
        finally:
            self.ended += 1
        return self.chosen


def left():
    """Count what connections consist of."""
    while gc.collect():
        pass
    kinds = (Engine, aio.AsyncSSLPort)
    objects = Counter(
        type(each).__name__
        for each in gc.get_objects()
        if isinstance(each, kinds)
    )
    return len(list(Path("/proc/self/fd").iterdir())), objects


@pytest.mark.timeout(240)
@pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="descriptors can't be counted"
)
def test_a_thousand_choices_wait_and_nobody_else(crowd):
    """Others are served meanwhile; half are cancelled; nothing is left."""
    asking, chosen = client_context(), server_context()
    chosen.set_alpn(["slow", "fast"])

    async def visit(number, protocol):
        port = await aio.open_connection(
            *("127.0.0.1", number, asking),
            hostname=HOST,
            timeout=None,
            alpn=[protocol],
        )
        async with port:
            return await port.readexactly(2)

    async def serve(port):
        port.write(b"hi")
        await port.drain()

    async def main():
        context = Server(chosen)
        server = await aio.start_server(
            *(serve, "127.0.0.1", 0, context),
            backlog=crowd,
            max_handshakes=crowd + OTHERS,
            handshake_timeout=None,
        )
        async with server:
            coming = [
                asyncio.create_task(visit(server.port, "slow"))
                for _ in range(crowd)
            ]
            await context.until(lambda: context.waiting == crowd)
            for _ in range(OTHERS):
                assert b"hi" == await visit(server.port, "fast")
            assert 0 == context.ended
            assert not any(each.done() for each in coming)

            gone, staying = coming[: crowd // 2], coming[crowd // 2 :]
            for each in gone:
                each.cancel()
            cancelled = await asyncio.gather(*gone, return_exceptions=True)
            assert {asyncio.CancelledError} == set(map(type, cancelled))
            context.go.set()
            assert {b"hi"} == set(await asyncio.gather(*staying))
            assert crowd == context.ended
            await server.shutdown(3 * PATIENCE)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    before = left()
    asyncio.run(main())

    assert before == left()
