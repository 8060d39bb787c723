"""What coroutines wait for: no wait is lost, and none goes on for ever."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from time import monotonic

import pytest

from tlskit.aio.signal import News, Waiter
from tlskit.tools.deadline import NEVER

from ..looping import LOOPS, run_on


@pytest.fixture(params=LOOPS)
def run(request):
    """Give what runs a coroutine, on each kind of loop."""
    return run_on(request.param)


def waiting(waiter):
    """Have a task wait."""

    async def wait():
        await waiter
        return "woken"

    return asyncio.ensure_future(wait())


async def made():
    """Make one whose wait goes on: a task, and what it waits for."""
    waiter = Waiter(asyncio.get_running_loop(), "late")
    task = waiting(waiter)
    await asyncio.sleep(0)
    assert not waiter.done()
    return waiter, task


def test_a_callback_of_the_loop_runs_who_waits(run):
    """Who waits goes on inside the callback, not in a later turn."""

    async def main():
        waiter, task = await made()
        seen = []

        def callback():
            waiter.wake()
            seen.append(task.done())

        asyncio.get_running_loop().call_soon(callback)
        assert "woken" == await task
        assert [True] == seen

    run(main())


def test_a_task_does_not_run_another(run):
    """Woken by a task, who waits goes on when that one waits."""

    async def main():
        waiter, task = await made()
        waiter.wake()
        assert waiter.done()
        assert not task.done()
        assert "woken" == await task

    run(main())


def test_to_wake_nobody_is_harmless(run):
    """Nobody waits, or who did was woken: nothing happens."""

    async def main():
        waiter, task = await made()
        for _ in range(2):
            waiter.wake_soon()
            waiter.wake()
        assert "woken" == await task
        waiter.wake()
        waiter.wake_soon()
        assert not waiter.cancel()
        again = waiting(waiter)
        await asyncio.sleep(0)
        assert not again.done()
        waiter.wake_soon()
        assert "woken" == await again

    run(main())


def test_the_context_is_the_tasks(run):
    """Who is run by a callback sees its own context, not the callback's."""
    variable: ContextVar[str] = ContextVar("variable", default="outside")

    async def main():
        waiter = Waiter(asyncio.get_running_loop(), "late")

        async def wait():
            variable.set("inside")
            await waiter
            return variable.get()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(waiter.wake)
        assert "inside" == await task
        assert "outside" == variable.get()

    run(main())


@pytest.mark.parametrize("arguments", [(), ("why",)])
def test_a_cancelled_wait(run, arguments):
    """It ends with the canceller's words, and the next wait is a new one."""

    async def main():
        waiter, task = await made()
        task.cancel(*arguments)
        waiter.wake()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args in {arguments, ()}  # As Python has it.
        assert task.cancelled()
        again = waiting(waiter)
        await asyncio.sleep(0)
        waiter.wake_soon()
        assert "woken" == await again

    run(main())


def test_late(run):
    """The moment ends one wait, and no other."""

    async def main():
        waiter = Waiter(asyncio.get_running_loop(), "late")
        waiter.ring_at(monotonic())
        with pytest.raises(TimeoutError, match="late"):
            await waiter
        task = waiting(waiter)
        await asyncio.sleep(0)
        waiter.wake_soon()
        assert "woken" == await task

    run(main())


def test_one_timer_for_many_waits(run):
    """It is set again only by whoever has to end sooner."""

    async def main():
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop, "late")
        timers = []
        for number in range(10):
            waiter.ring_at(monotonic() + 1000 + number)
            task = waiting(waiter)
            await asyncio.sleep(0)
            waiter.wake_soon()
            await task
            timers.append(waiter._alarm)
        assert 1 == len(set(timers))
        waiter.ring_at(monotonic())
        assert waiter._alarm not in timers
        with pytest.raises(TimeoutError):
            await waiter
        assert all(timer.cancelled() for timer in timers)

    run(main())


def test_a_timer_that_rings_early(run):
    """It was set for an earlier wait: this one goes on to its own end."""

    async def main():
        waiter = Waiter(asyncio.get_running_loop(), "late")
        waiter.ring_at(monotonic() + 1000)
        task = waiting(waiter)
        await asyncio.sleep(0)
        waiter._ring()
        assert not waiter.done()
        assert waiter._alarm is not None
        waiter.wake_soon()
        assert "woken" == await task
        waiter._ring()
        waiter.rest()
        waiter.rest()
        assert waiter._alarm is None

    run(main())


def test_it_passes_for_a_future(run):
    """What asks a task's future gets answers."""

    async def main():
        waiter, task = await made()
        assert asyncio.isfuture(waiter)
        assert asyncio.get_running_loop() is waiter.get_loop()
        assert 0 == waiter.remove_done_callback(print)
        callback = waiter._callback
        assert 1 == waiter.remove_done_callback(callback)
        assert waiter.done()
        waiter.add_done_callback(callback)
        waiter.wake_soon()
        assert "woken" == await task

    run(main())


def test_news_wake_both_kinds(run):
    """Who waits on the lane, and who does on the long way."""

    async def main():
        news = News(asyncio.get_running_loop(), "late")
        first = waiting(news.waiter)
        second = asyncio.ensure_future(news.wait(NEVER))
        await asyncio.sleep(0)
        assert news.awaited is True
        news.set()
        assert "woken" == await first
        await second
        assert news.awaited is False
        news.attended = True
        assert news.awaited is True

    run(main())
