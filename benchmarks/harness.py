"""Measure stacks side by side: interleaved rounds, medians, paired ratios."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["BenchmarkError", "Goal", "Result", "Workload", "measure", "worker"]

#: Seconds that one measurement may take before the run fails.
LIMIT = 120.0
#: No memory moves faster than this, in bytes a second.
IMPOSSIBLE = 50e9


class BenchmarkError(Exception):
    """A worker died, a byte differs or a figure is impossible."""


@dataclass(frozen=True)
class Goal:
    """What one stack's figure shall be, as a ratio to another's."""

    stack: str
    against: str
    ratio: float
    #: Whether the ratio is a lower bound; otherwise it is an upper one.
    at_least: bool = True

    def met(self, ratio: float) -> bool:
        """Say whether *ratio* is good enough."""
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio


@dataclass(frozen=True)
class Workload:
    """Something to do, and the stacks that can do it.

    Args:
        name: What the command line calls it.
        unit: Of the figures.
        stacks: Each stack's name and a call that measures it once.
        goals: The ratios that were set.
        higher: Whether a higher figure is the better one.
    """

    name: str
    unit: str
    stacks: dict[str, Callable[[], float]]
    goals: tuple[Goal, ...] = ()
    higher: bool = True


@dataclass
class Result:
    """The figures of one workload, round by round."""

    workload: Workload
    figures: dict[str, list[float]] = field(default_factory=dict)

    def median(self, stack: str) -> float:
        """Give the middle figure of *stack*."""
        return median(self.figures[stack])

    def ratios(self, stack: str, against: str) -> list[float]:
        """Compare two stacks round by round; more is better for *stack*."""
        pairs = zip(self.figures[stack], self.figures[against], strict=True)
        return [one / other for one, other in pairs]


def measure(
    workload: Workload, rounds: int, progress: Callable[[str], None]
) -> Result:
    """Run every stack once a round, in an order that changes.

    Raises:
        BenchmarkError: A worker failed, or gave an impossible figure.
    """
    result = Result(workload, {name: [] for name in workload.stacks})
    names = list(workload.stacks)
    for turn in range(rounds):
        random.shuffle(names)
        for name in names:
            progress(f"{workload.name}: round {turn + 1}, {name}")
            figure = workload.stacks[name]()
            if not 0 < figure < IMPOSSIBLE:
                raise BenchmarkError(
                    f"{workload.name} with {name} gave {figure}: impossible"
                )
            result.figures[name].append(figure)
    return result


@contextmanager
def worker(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker in a process of its own, and end it whatever happens."""
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def python_worker(role: str, stack: str, **options: Any) -> tuple[str, ...]:
    """Give the command of a worker in Python."""
    return (
        sys.executable,
        *("-m", "benchmarks.worker", role, stack, json.dumps(options)),
    )


def said(process: subprocess.Popen[str]) -> Any:
    """Give the next thing that a worker says.

    Raises:
        BenchmarkError: It ended instead.
    """
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchmarkError(
            f"a worker died: {' '.join(map(str, process.args))}"  # type: ignore[arg-type]
        )
    return json.loads(line)


def ended(processes: Iterable[subprocess.Popen[str]]) -> None:
    """Wait for workers to end well.

    Raises:
        BenchmarkError: One did not.
    """
    for process in processes:
        if process.wait(LIMIT) != 0:
            raise BenchmarkError(f"a worker failed: {process.args!r}")
