"""Asynchronous workloads between two processes: bulk, ticks, ping-pong."""

from __future__ import annotations

from functools import partial
from typing import Any

from .between import between
from .content import MIB
from .coroutines import available
from .harness import Goal, Workload

__all__ = ["workloads"]

_ALL = (
    *("plain TCP", "asyncio", "uvloop", "aiofastnet", "trio", "Twisted"),
    *("tlskit", "tlskit on uvloop"),
)
_FEW = ("plain TCP", "asyncio", "uvloop", "tlskit")
#: How many messages are written in one turn of the loop.
_PER_TICK = 32
_workload = partial(between, module="coroutine_worker", available=available)


def _stream(
    name: str,
    size: int,
    total: int,
    *goals: Goal,
    stacks: tuple[str, ...] = _FEW,
    **options: Any,
) -> Workload:
    return _workload(
        f"{name}, asyncio",
        total,
        stacks,
        goals,
        size=size,
        total=total,
        **options,
    )


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    less = 16 if quick else 1
    turns = 2500 // less
    return [
        _stream("bulk 1 KiB", 1024, 16 * MIB // less),
        _stream("bulk 16 KiB", 16 * 1024, 64 * MIB // less),
        _stream(
            "bulk 64 KiB",
            64 * 1024,
            128 * MIB // less,
            Goal("tlskit", "asyncio", 1.7),
            Goal("tlskit", "uvloop", 1.5),
            Goal("tlskit on uvloop", "uvloop", 1.5),
            Goal("tlskit", "aiofastnet", 1.2),
            stacks=_ALL,
        ),
        _stream("bulk 1 MiB", MIB, 128 * MIB // less),
        _stream(
            "small writes",
            1024,
            32 * MIB // less,
            Goal("tlskit", "asyncio", 6.0),
            Goal("tlskit", "aiofastnet", 2.5),
            stacks=(
                *("plain TCP", "asyncio", "uvloop", "aiofastnet", "Twisted"),
                "tlskit",
            ),
            per_tick=_PER_TICK,
        ),
        _workload(
            "ping-pong, asyncio",
            turns,
            _ALL,
            (
                Goal("tlskit", "asyncio", 1.2),
                Goal("tlskit on uvloop", "uvloop", 0.9),
                Goal("tlskit", "aiofastnet", 0.8),
            ),
            turns=turns,
            size=100,
        ),
    ]
