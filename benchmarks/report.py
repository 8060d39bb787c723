"""The figures as a table, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from rich.table import Table

from .harness import Goal, Result

__all__ = ["as_json", "as_markdown", "as_table"]

_PREFIXES = (
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
)
_HEAD = ("workload", "stack", "median", "ratio", "goal")


def _rows(result: Result) -> Iterable[tuple[str, str, str, str, str]]:
    workload = result.workload
    for name in workload.stacks:
        figure = _scaled(result.median(name), workload.unit)
        yield workload.name, name, figure, "", ""
    for goal in workload.goals:
        yield (
            workload.name,
            f"{goal.stack} / {goal.against}",
            "",
            _spread(result.ratios(goal.stack, goal.against)),
            _wanted(goal, result),
        )


def _spread(ratios: list[float]) -> str:
    """Give median, minimum and maximum of paired ratios."""
    return f"{median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})"


def _wanted(goal: Goal, result: Result) -> str:
    found = median(result.ratios(goal.stack, goal.against))
    sign = ">=" if goal.at_least else "<="
    return f"{sign} {goal.ratio:g}: {'met' if goal.met(found) else 'missed'}"


def _scaled(value: float, unit: str) -> str:
    """Write *value* with the prefix that makes it readable."""
    for power, prefix in _PREFIXES:
        if value >= power:
            return f"{value / power:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def as_table(results: Iterable[Result]) -> Table:
    """Give a table for the terminal."""
    table = Table(*_HEAD)
    for result in results:
        for row in _rows(result):
            table.add_row(*row)
        table.add_section()
    return table


def as_markdown(results: Iterable[Result], machine: dict[str, str]) -> str:
    """Give the text of ``RESULTS.md``."""
    lines = ["# Results", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += ["", f"| {' | '.join(_HEAD)} |", "| --- " * len(_HEAD) + "|"]
    for result in results:
        lines += [f"| {' | '.join(row)} |" for row in _rows(result)]
    return "\n".join([*lines, ""])


def as_json(results: Iterable[Result], machine: dict[str, str]) -> Any:
    """Give every figure, for other programs."""
    return {
        "machine": machine,
        "workloads": {
            result.workload.name: {
                "unit": result.workload.unit,
                "figures": result.figures,
            }
            for result in results
        },
    }
