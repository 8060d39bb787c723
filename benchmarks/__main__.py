"""Measure: ``python -m benchmarks [--quick] [NAME…]``."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from . import (
    adapters,
    alone,
    archive,
    crowds,
    footprint,
    handshakes,
    loops,
    streams,
)
from .harness import BenchmarkError, Workload, measure
from .machine import Conditions, Sample, description
from .report import as_table

__all__ = ["workloads"]

ROUNDS = 10
#: Fewer rounds are no result.
FEWEST = 5
_MODULES = (
    *(streams, loops, alone, adapters),
    *(handshakes, crowds, footprint),
)


def workloads(*, quick: bool) -> list[Workload]:
    """Give all workloads; small ones if it shall be *quick*."""
    return [
        workload
        for module in _MODULES
        for workload in module.workloads(quick=quick)
    ]


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Small workloads, two rounds.")
@click.option("--rounds", type=click.IntRange(1), help="How many; 10.")
@click.option("--list", "listing", is_flag=True, help="Name the workloads.")
@click.option("--json", "json_file", type=Path, help="Write every figure.")
@click.option(
    "--results",
    is_flag=True,
    help="Write benchmarks/RESULTS.md; with NAMES, renew only these there.",
)
def main(
    names: tuple[str, ...],
    *,
    quick: bool,
    rounds: int | None,
    listing: bool,
    json_file: Path | None,
    results: bool,
) -> None:
    """Run the workloads whose names contain one of NAMES, or all.

    Every stack runs once a round, in an order that changes; ratios compare
    figures of the same round.  Nothing is printed or written if a worker
    dies, a byte differs or a figure is impossible.
    """
    turns = rounds or (2 if quick else ROUNDS)
    if results and (quick or turns < FEWEST):
        raise click.UsageError(
            f"results have {FEWEST} rounds of full size, or more"
        )
    every = workloads(quick=quick)
    chosen = [
        each
        for each in every
        if not names or any(name in each.name for name in names)
    ]
    if not chosen:
        raise click.UsageError("no workload is called so; see --list")
    console = Console()
    if listing:
        for workload in chosen:
            console.print(workload.name, highlight=False)
        return
    try:
        measured = _measure(chosen, turns, console)
        if results:
            archive.write(Path(__file__).parent, measured, every)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    if json_file is not None:
        json_file.write_text(json.dumps(measured, indent=1), "utf-8")


def _measure(
    chosen: list[Workload], turns: int, console: Console
) -> dict[str, object]:
    machine, begin = description(), Sample.take()
    with Console(stderr=True).status("starting") as status:
        found = [measure(each, turns, status.update) for each in chosen]
    conditions = Conditions.between(begin, Sample.take(), turns)
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    console.print(str(conditions), highlight=False)
    console.print(as_table(found))
    return archive.as_json(machine, found, conditions)


if __name__ == "__main__":
    main()
