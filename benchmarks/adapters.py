"""Python's own HTTP client over tlskit's adapter, and over ``ssl``."""

from __future__ import annotations

from functools import partial

from .credentials import files
from .harness import Goal, Measurement, Workload
from .processes import pair

__all__ = ["workloads"]

_STACKS = ("ssl", "tlskit", "tlskit, both ends")


def _ask(stack: str, turns: int, down: int, up: int) -> Measurement:
    return pair(
        "http_worker",
        ("answer", "ask"),
        stack,
        turns,
        files=files("ecdsa"),
        turns=turns,
        down=down,
        up=up,
    )


def _workload(
    name: str, turns: int, goal: float, *, down: int, up: int
) -> Workload:
    return Workload(
        f"http.client, {name}",
        "turns/s",
        {stack: partial(_ask, stack, turns, down, up) for stack in _STACKS},
        (Goal("tlskit", "ssl", goal),),
    )


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    less = 16 if quick else 1
    body = 64 * 1024
    return [
        _workload("64 KiB down", 1600 // less, 1.1, down=body, up=0),
        _workload("64 KiB both ways", 1600 // less, 1.1, down=body, up=body),
        _workload("small requests", 3200 // less, 0.75, down=100, up=0),
    ]
