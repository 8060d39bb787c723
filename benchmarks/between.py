"""A workload whose two sides are processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .credentials import files
from .harness import Goal, Measurement, Workload
from .processes import pair

__all__ = ["Available", "between"]

#: Gives which stacks can be had, and why others can't.
Available = Callable[..., "tuple[list[str], dict[str, str]]"]


def between(
    name: str,
    work: int,
    stacks: tuple[str, ...],
    goals: tuple[Goal, ...],
    *,
    module: str,
    available: Available,
    **options: Any,
) -> Workload:
    """Make a workload: one way if it has no *turns*, else there and back.

    Args:
        name: What the workload is called.
        work: How many bytes or turns it is.
        stacks: What does it.
        goals: Which ratios are wanted.
        module: The module of this package that both sides run.
        available: What says which of the stacks can be had.
        options: What both sides are told.
    """
    pinging = "turns" in options
    roles = ("pong", "ping") if pinging else ("receive", "send")

    def run(stack: str) -> Measurement:
        return pair(
            *(module, roles, stack, work),
            clock="client" if pinging else "server",
            files=files("ecdsa"),
            **options,
        )

    present, missing = available(*stacks)
    return Workload(
        name,
        "turns/s" if pinging else "bytes/s",
        {stack: partial(run, stack) for stack in present},
        goals,
        missing=missing,
    )
