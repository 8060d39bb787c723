"""What a peer has said before it cut the connection off: its reason."""

from __future__ import annotations

import asyncio

import pytest

import tlskit
from tlskit import aio

from ..engines import client_context
from ..looping import LOOPS, Run, joined, run_on, until
from ..peers import HOST, PATIENCE
from ..refusing import refusing


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run[None]:
    """Give what runs a coroutine, on each kind of loop."""
    return run_on(request.param)


async def dialled(number: int) -> aio.AsyncSSLPort:
    """Connect, and wait until the server has said its last."""
    port = await aio.open_connection(
        "127.0.0.1", number, client_context(), hostname=HOST, timeout=PATIENCE
    )
    await until(lambda: port._driver._heard)
    return port


async def talk(port: aio.AsyncSSLPort) -> None:
    """Write, and never read, until that fails."""
    while True:
        port.write(b"PING")
        await port.drain()
        await asyncio.sleep(0)


def test_the_reason_behind_a_reset(run: Run[None]) -> None:
    """The alert is the error, and the reset its cause; as often as asked."""

    async def main(number: int) -> None:
        async with await dialled(number) as port:
            with pytest.raises(tlskit.AlertError) as caught:
                await talk(port)
            assert "alert-certificate-required" == caught.value.code
            assert isinstance(caught.value.__cause__, ConnectionError)
            with pytest.raises(tlskit.AlertError):
                await port.read(1)
            with pytest.raises(tlskit.AlertError):
                port.write(b"more")

    with refusing() as number:
        run(main(number))


def test_a_reset_behind_which_nothing_is(run: Run[None]) -> None:
    """It is told as itself; what came before it can still be read."""

    async def main(number: int) -> None:
        async with await dialled(number) as port:
            with pytest.raises(ConnectionError) as caught:
                await talk(port)
            assert not isinstance(caught.value, tlskit.TLSError)
            assert b"hello" == await port.readexactly(5)
            with pytest.raises(ConnectionError):
                await port.read(1)

    with refusing(b"hello") as number:
        run(main(number))


def test_a_transport_that_is_gone(run: Run[None]) -> None:
    """Nobody was told why: then nothing can be sent, and that is all."""

    async def main() -> None:
        async with joined() as (ours, _):
            ours._driver.transport.abort()
            await until(lambda: ours._driver._lost)
            with pytest.raises(BrokenPipeError):
                ours.write(b"x")
            with pytest.raises(BrokenPipeError):
                await ours.drain()

    run(main())
