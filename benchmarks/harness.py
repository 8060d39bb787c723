"""Measure stacks side by side: interleaved rounds, medians, paired ratios."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

__all__ = [
    "BenchmarkError",
    "Goal",
    "Measurement",
    "Result",
    "Workload",
    "measure",
]

#: The least and the most that a figure can be.  No memory moves faster; no
#: packet comes back in a microsecond, not even from loopback; no handshake
#: takes less than its signature; no call takes less than a tick; and no
#: session is smaller than its keys.
_POSSIBLE = {
    "bytes/s": (1.0, 50e9),
    "turns/s": (1.0, 1e6),
    "handshakes/s": (0.1, 100e3),
    "s": (1e-7, 120.0),
    "bytes": (256.0, 1e9),
}


class BenchmarkError(Exception):
    """A worker died, a byte differs or a figure is impossible."""


@dataclass(frozen=True)
class Measurement:
    """One stack's figure in one round.

    Args:
        figure: In the workload's unit.
        by_cpu: What it were if only the time had passed that all sides
            together worked; None if that says nothing.
        cpu: How long each side worked, in seconds.
        suite: The cipher that was in use; empty if there was none.
    """

    figure: float
    by_cpu: float | None = None
    cpu: Mapping[str, float] = field(default_factory=dict)
    suite: str = ""

    @classmethod
    def rate(
        cls, work: float, sides: Mapping[str, Mapping[str, Any]], clock: str
    ) -> Measurement:
        """Divide *work* by the seconds of one of the *sides*.

        Raises:
            BenchmarkError: The sides contradict each other, or the clock.
        """
        suites = {side["suite"] for side in sides.values()}
        if len(suites) != 1:
            raise BenchmarkError(
                f"the sides speak different ciphers: {suites}"
            )
        seconds = sides[clock]["seconds"]
        cpu = {name: side["cpu"] for name, side in sides.items()}
        worked = sum(cpu.values())
        # A server's clock may start a moment before the client's.
        most = 1.5 * seconds * (os.cpu_count() or 1) + 0.2
        if seconds <= 0 or not 0 < worked <= most:
            raise BenchmarkError(
                f"{worked} s of work in {seconds} s are impossible"
            )
        return cls(work / seconds, work / worked, cpu, suites.pop())


@dataclass(frozen=True)
class Goal:
    """What one stack shall be, compared with another.

    Args:
        stack: Whose figure.
        against: Whose figure it is compared with.
        ratio: With *at_least*, how many times better; else how many times as
            much it may be at most.
        at_least: Whether the ratio is a lower bound.
    """

    stack: str
    against: str
    ratio: float
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
        missing: Stacks that can't be measured here, and why.
    """

    name: str
    unit: str
    stacks: Mapping[str, Callable[[], Measurement]]
    goals: tuple[Goal, ...] = ()
    higher: bool = True
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """What came of one workload, round by round."""

    workload: Workload
    rounds: dict[str, list[Measurement]] = field(default_factory=dict)

    def figures(self, stack: str, *, by_cpu: bool = False) -> list[float]:
        """Give the figures of *stack*; none where they say nothing."""
        found = (
            each.by_cpu if by_cpu else each.figure
            for each in self.rounds.get(stack, ())
        )
        return [each for each in found if each is not None]

    def median(self, stack: str) -> float:
        """Give the middle figure of *stack*."""
        return median(self.figures(stack))

    def ratios(
        self, stack: str, against: str, *, by_cpu: bool = False
    ) -> list[float]:
        """Divide the figures of two stacks, round by round."""
        return [
            one / other
            for one, other in zip(
                self.figures(stack, by_cpu=by_cpu),
                self.figures(against, by_cpu=by_cpu),
                strict=True,
            )
        ]

    def towards(self, goal: Goal, *, by_cpu: bool = False) -> list[float]:
        """Give the ratios that *goal* is about; none if one is missing."""
        if not {goal.stack, goal.against} <= self.rounds.keys():
            return []
        pair = goal.stack, goal.against
        if goal.at_least and not self.workload.higher:
            pair = goal.against, goal.stack
        return self.ratios(*pair, by_cpu=by_cpu)


def measure(
    workload: Workload, rounds: int, progress: Callable[[str], None]
) -> Result:
    """Run every stack once a round, in an order that changes.

    Raises:
        BenchmarkError: A worker failed, gave an impossible figure, or spoke
            another cipher than the others.
    """
    result = Result(workload, {name: [] for name in workload.stacks})
    names = list(workload.stacks)
    for turn in range(rounds):
        random.shuffle(names)
        for name in names:
            progress(f"{workload.name}: round {turn + 1}, {name}")
            found = workload.stacks[name]()
            _check(workload, name, found)
            result.rounds[name].append(found)
    _check_suites(result)
    return result


#: What the name of a stack ends in that always has the easier cipher.
_OWN_SUITE = ", AES-128"


def _check(workload: Workload, name: str, found: Measurement) -> None:
    least, most = _POSSIBLE[workload.unit]
    if not least <= found.figure <= most:
        raise BenchmarkError(
            f"{workload.name} with {name} gave {found.figure} "
            f"{workload.unit}: impossible"
        )


def _check_suites(result: Result) -> None:
    """Compare nobody with one who has an easier cipher."""
    suites = {
        (each.suite, name)
        for name, rounds in result.rounds.items()
        for each in rounds
        # Who can't be told which one to use has it in the name.
        if each.suite and not name.endswith(_OWN_SUITE)
    }
    if len({suite for suite, _ in suites}) > 1:
        raise BenchmarkError(
            f"{result.workload.name}: not comparable, the ciphers are "
            + ", ".join(f"{suite} ({name})" for suite, name in sorted(suites))
        )
