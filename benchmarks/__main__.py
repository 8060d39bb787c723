"""Measure: ``python -m benchmarks [--quick] [NAME…]``."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from . import footprint, handshakes, streams
from .harness import BenchmarkError, measure
from .machine import description
from .report import as_json, as_markdown, as_table


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Small workloads, two rounds.")
@click.option("--rounds", type=click.IntRange(1), help="How many; 10.")
@click.option("--list", "listing", is_flag=True, help="Name the workloads.")
@click.option("--json", "json_file", type=Path, help="Write every figure.")
@click.option("--markdown", type=Path, help="Write the table, as RESULTS.md.")
def main(
    names: tuple[str, ...],
    *,
    quick: bool,
    rounds: int | None,
    listing: bool,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Run the workloads whose names contain one of NAMES, or all.

    Every stack runs once a round, in an order that changes; ratios compare
    figures of the same round.
    """
    chosen = [
        workload
        for module in (streams, handshakes, footprint)
        for workload in module.workloads(quick=quick)
        if not names or any(name in workload.name for name in names)
    ]
    console, notes = Console(), Console(stderr=True)
    if listing:
        for workload in chosen:
            console.print(workload.name)
        return
    machine = description()
    results = []
    try:
        with notes.status("starting") as status:
            for workload in chosen:
                turns = rounds or (2 if quick else 10)
                results.append(measure(workload, turns, status.update))
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    console.print(as_table(results))
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(results, machine), indent=1))
    if markdown is not None:
        markdown.write_text(as_markdown(results, machine), "utf-8")


if __name__ == "__main__":
    main()
