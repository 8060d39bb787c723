"""Both ends in one process: nothing but work is counted, nobody is woken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from . import blocking, coroutines
from .content import MIB
from .credentials import files
from .harness import Goal, Measurement, Workload
from .processes import Worker

__all__ = ["workloads"]

_LOOPS = ("asyncio", "uvloop", "aiofastnet", "tlskit", "tlskit on uvloop")
_THREAD = ("pyOpenSSL", "ssl", "tlskit", "tlskit, tracing was on")
#: As in ``loops``.
_PER_TICK = 32
_Available = Callable[..., "tuple[list[str], dict[str, str]]"]


def _workload(
    name: str,
    work: int,
    stacks: tuple[str, ...],
    *goals: Goal,
    role: str,
    available: _Available,
    **options: Any,
) -> Workload:
    def run(stack: str) -> Measurement:
        with Worker(
            *("alone_worker", role, stack), files=files("ecdsa"), **options
        ) as one:
            sides = {"both": one.said()}
            one.ended()
        return Measurement.rate(work, sides, "both")

    present, missing = available(*stacks)
    return Workload(
        name,
        "turns/s" if "turns" in options else "bytes/s",
        {stack: partial(run, stack) for stack in present},
        goals,
        missing=missing,
    )


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    less = 16 if quick else 1
    turns = 5000 // less
    in_loop = partial(_workload, available=coroutines.available)
    return [
        _workload(
            "ping-pong, one thread",
            turns,
            _THREAD,
            Goal("tlskit", "ssl", 0.88),
            role="thread",
            available=blocking.available,
            turns=turns,
            size=100,
        ),
        in_loop(
            "bulk 64 KiB, one loop",
            128 * MIB // less,
            _LOOPS,
            Goal("tlskit", "asyncio", 1.7),
            Goal("tlskit on uvloop", "uvloop", 1.5),
            Goal("tlskit", "aiofastnet", 1.2),
            role="stream",
            total=128 * MIB // less,
            size=64 * 1024,
            per_tick=1,
        ),
        in_loop(
            "small writes, one loop",
            32 * MIB // less,
            _LOOPS,
            Goal("tlskit", "asyncio", 6.0),
            Goal("tlskit", "aiofastnet", 2.5),
            role="stream",
            total=32 * MIB // less,
            size=1024,
            per_tick=_PER_TICK,
        ),
        in_loop(
            "ping-pong, one loop",
            turns,
            _LOOPS,
            Goal("tlskit", "asyncio", 1.2),
            Goal("tlskit on uvloop", "uvloop", 0.9),
            Goal("tlskit", "aiofastnet", 0.8),
            role="loop",
            turns=turns,
            size=100,
        ),
    ]
