"""Blocking workloads between two processes: bulk, small writes, ping-pong."""

from __future__ import annotations

from functools import partial

from .between import between
from .blocking import available
from .content import MIB
from .harness import Goal, Workload

__all__ = ["workloads"]

_ALL = (
    *("plain TCP", "C loop", "pyOpenSSL", "ssl", "rtls, AES-128"),
    "tlskit",
)
_workload = partial(between, module="worker", available=available)


def _stream(
    name: str,
    size: int,
    total: int,
    *goals: Goal,
    stacks: tuple[str, ...] = _ALL,
) -> Workload:
    return _workload(
        f"{name}, blocking",
        total,
        stacks,
        goals,
        size=size,
        total=total,
    )


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    less = 16 if quick else 1
    turns = 5000 // less
    return [
        _stream("bulk 1 KiB", 1024, 32 * MIB // less),
        _stream("bulk 16 KiB", 16 * 1024, 128 * MIB // less),
        _stream(
            "bulk 64 KiB",
            64 * 1024,
            192 * MIB // less,
            Goal("tlskit", "ssl", 1.4),
            Goal("tlskit", "C loop", 0.8),
        ),
        _stream("bulk 1 MiB", MIB, 192 * MIB // less),
        _stream(
            "small writes",
            1024,
            32 * MIB // less,
            Goal("tlskit, .output", "ssl", 4.5),
            Goal("tlskit, .output", "ssl, makefile", 0.95),
            Goal("tlskit", "ssl", 0.9),
            stacks=("ssl", "ssl, makefile", "tlskit", "tlskit, .output"),
        ),
        _workload(
            "ping-pong, blocking",
            turns,
            _ALL,
            (Goal("tlskit", "ssl", 0.78),),
            turns=turns,
            size=100,
        ),
    ]
