"""The figures as a table for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from statistics import median

from rich.table import Table

from .harness import Goal, Result
from .machine import Conditions

__all__ = ["as_markdown", "as_table"]

_PREFIXES = (
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
)
_OURS = "tlskit"
_PREFACE = (
    "Written by `python -m benchmarks --results`; `docs/performance.rst` "
    "says what it means."
)
_GOALS = (
    *("workload", "stack", "against", "ratio wanted"),
    *("by CPU time", "by the clock", "met?"),
)
_FIGURES = (
    *("stack", "by CPU time", f"{_OURS}, how many times better by it"),
    *("median", "lowest", "highest", "times better by the clock"),
)


def as_table(results: Iterable[Result]) -> Table:
    """Give a table for the terminal."""
    table = Table(
        *("workload", "stack", "by CPU", f"{_OURS} is better"),
        *("by the clock", f"{_OURS} is better"),
        "goal",
    )
    for result in results:
        for name, cpu, by_cpu, figure, _, _, ratio in _figures(result):
            table.add_row(
                *(result.workload.name, name, cpu, by_cpu, figure, ratio)
            )
        for name, reason in result.workload.missing.items():
            table.add_row(result.workload.name, name, f"skipped: {reason}")
        for goal in result.workload.goals:
            _, stack, against, wanted, cpu, clock, met = _goal(result, goal)
            table.add_row(
                *(result.workload.name, f"{stack} / {against}"),
                *("", cpu, "", clock, f"{wanted}: {met}"),
            )
        table.add_section()
    return table


def as_markdown(
    machine: Mapping[str, str],
    results: Iterable[tuple[Result, Conditions]],
) -> str:
    """Give the text of ``RESULTS.md``."""
    pairs = list(results)
    lines = ["# Results", "", _PREFACE, "", "## The machine", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += ["", "## The runs", ""]
    lines += [
        f"- {conditions} ({'; '.join(each.workload.name for each in group)})"
        for conditions, group in _runs(pairs)
    ]
    lines += ["", "## The goals", ""]
    goals = [
        _goal(result, goal)
        for result, _ in pairs
        for goal in result.workload.goals
    ]
    lines += _rows(_GOALS, goals)
    for result, _ in pairs:
        lines += ["", f"## {result.workload.name}", ""]
        lines += _rows(_FIGURES, _figures(result))
        for name, reason in result.workload.missing.items():
            lines += ["", f"Skipped: {name}, since {reason}."]
    return "\n".join([*lines, ""])


def _runs(
    pairs: list[tuple[Result, Conditions]],
) -> Iterator[tuple[Conditions, list[Result]]]:
    """Name each run with what it measured, the latest first."""
    ordered = sorted(pairs, key=lambda pair: pair[1].when, reverse=True)
    for conditions, group in groupby(ordered, key=lambda pair: pair[1]):
        yield conditions, [result for result, _ in group]


def _rows(
    head: tuple[str, ...], rows: Iterable[tuple[str, ...]]
) -> Iterator[str]:
    """Write a table of Markdown."""
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _figures(result: Result) -> Iterator[tuple[str, ...]]:
    """Tell of each stack, and how ours compares."""
    unit, higher = result.workload.unit, result.workload.higher
    for name in result.rounds:
        figures = result.figures(name)
        by_cpu = result.figures(name, by_cpu=True)
        pair = (_OURS, name) if higher else (name, _OURS)
        compared = name != _OURS and _OURS in result.rounds
        yield (
            name,
            _scaled(median(by_cpu), unit) if by_cpu else "",
            _spread(result.ratios(*pair, by_cpu=True)) if compared else "",
            _scaled(median(figures), unit),
            _scaled(min(figures), unit),
            _scaled(max(figures), unit),
            _spread(result.ratios(*pair)) if compared else "",
        )


def _goal(result: Result, goal: Goal) -> tuple[str, ...]:
    """Compare a goal with what was found; CPU time decides, if there is any.

    By the clock, two processes that wake each other have several modes.
    """
    clock = result.towards(goal)
    cpu = result.towards(goal, by_cpu=True)
    found = cpu or clock
    limit = "at least" if goal.at_least else "no more than"
    met = "not measured"
    if found:
        met = "yes" if goal.met(median(found)) else "no"
    return (
        result.workload.name,
        goal.stack,
        goal.against,
        f"{limit} {goal.ratio:g}",
        _spread(cpu),
        _spread(clock),
        met,
    )


def _spread(ratios: list[float]) -> str:
    """Give median, minimum and maximum of paired ratios."""
    if not ratios:
        return ""
    return f"{median(ratios):.3g} [{min(ratios):.3g}, {max(ratios):.3g}]"


def _scaled(value: float, unit: str) -> str:
    """Write *value* with the prefix that makes it readable."""
    power, prefix = next(
        (each for each in _PREFIXES if value >= each[0]), _PREFIXES[-1]
    )
    return f"{value / power:.3g} {prefix}{unit}"
