"""Keeps what was measured, so that a part can be measured anew.

``RESULTS.json`` holds every figure; ``RESULTS.md`` is written from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .harness import BenchmarkError, Measurement, Result, Workload
from .machine import Conditions
from .report import as_markdown

__all__ = ["as_json", "write"]


def as_json(
    machine: Mapping[str, str],
    results: Iterable[Result],
    conditions: Conditions,
) -> dict[str, Any]:
    """Give every figure."""
    return {
        "machine": dict(machine),
        "workloads": {
            result.workload.name: {
                "unit": result.workload.unit,
                "conditions": asdict(conditions),
                "missing": dict(result.workload.missing),
                "rounds": {
                    stack: [asdict(each) for each in rounds]
                    for stack, rounds in result.rounds.items()
                },
            }
            for result in results
        },
    }


def write(
    place: Path, measured: dict[str, Any], workloads: list[Workload]
) -> None:
    """Put what was *measured* beside, or instead of, what is in *place*.

    Args:
        place: The directory of ``RESULTS.json`` and ``RESULTS.md``.
        measured: What ``as_json`` gave.
        workloads: All that there are; results of others are dropped.

    Raises:
        BenchmarkError: The two are not of the same machine and versions.
    """
    store = place / "RESULTS.json"
    known = {each.name: each for each in workloads}
    merged = dict(measured)
    if store.exists() and not known.keys() <= measured["workloads"].keys():
        earlier = json.loads(store.read_text("utf-8"))
        _check_machine(earlier["machine"], measured["machine"])
        merged["workloads"] = {**earlier["workloads"], **measured["workloads"]}
    merged["workloads"] = {
        name: merged["workloads"][name]
        for name in known
        if name in merged["workloads"]
    }
    pairs = [
        _result(known[name], entry)
        for name, entry in merged["workloads"].items()
    ]
    text = as_markdown(merged["machine"], pairs)
    store.write_text(json.dumps(merged, indent=1) + "\n", "utf-8")
    (place / "RESULTS.md").write_text(text, "utf-8")


def _check_machine(earlier: dict[str, str], now: dict[str, str]) -> None:
    differences = [
        f"{name} was {earlier.get(name)}, is {now.get(name)}"
        for name in {**earlier, **now}
        if earlier.get(name) != now.get(name)
    ]
    if differences:
        raise BenchmarkError(
            "the results that are there can't be added to, measure all: "
            + "; ".join(differences)
        )


def _result(
    workload: Workload, entry: dict[str, Any]
) -> tuple[Result, Conditions]:
    """Read what ``as_json`` wrote of one workload."""
    rounds = {
        stack: [Measurement(**each) for each in measurements]
        for stack, measurements in entry["rounds"].items()
    }
    conditions = entry["conditions"]
    for name in ("load", "cores"):
        conditions[name] = tuple(conditions[name])
    return Result(workload, rounds), Conditions(**conditions)
