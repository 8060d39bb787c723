"""Workloads between two processes: bulk, small writes, ping-pong."""

from __future__ import annotations

from functools import partial
from typing import Any

from .blocking import STACKS
from .credentials import files
from .harness import Goal, Workload, ended, python_worker, said, worker

__all__ = ["workloads"]

_MIB = 1 << 20


def _both(stack: str, server: str, client: str, **options: Any) -> float:
    """Run a pair of workers; give the figure that one of them says."""
    common = {"files": files()}
    theirs = {
        name: value
        for name, value in options.items()
        if server == "pong" or name == "total"
    }
    with worker(*python_worker(server, stack, **common, **theirs)) as one:
        port = said(one)["port"]
        command = python_worker(client, stack, **common, port=port, **options)
        with worker(*command) as other:
            teller = one if server == "receive" else other
            figure: float = said(teller)["figure"]
            ended((one, other))
    return figure


def _bulk(size: int, total: int, *goals: Goal) -> Workload:
    name = f"{size // 1024} KiB" if size < _MIB else f"{size // _MIB} MiB"
    return Workload(
        f"bulk {name}",
        "bytes/s",
        {
            stack: partial(
                *(_both, stack, "receive", "send"), size=size, total=total
            )
            for stack in STACKS
        },
        goals,
    )


def _small(total: int) -> Workload:
    ways = {
        "ssl": ("ssl", "sendall"),
        "ssl, makefile": ("ssl", "makefile"),
        "tlskit": ("tlskit", "output"),
    }
    return Workload(
        "small writes",
        "bytes/s",
        {
            name: partial(
                *(_both, stack, "receive", "send"),
                size=1024,
                total=total,
                way=way,
            )
            for name, (stack, way) in ways.items()
        },
        (Goal("tlskit", "ssl", 3.5),),
    )


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    less = 8 if quick else 1
    return [
        _bulk(1024, 64 * _MIB // less),
        _bulk(16 * 1024, 384 * _MIB // less),
        _bulk(
            64 * 1024,
            768 * _MIB // less,
            Goal("tlskit", "ssl", 1.5),
            Goal("tlskit", "OpenSSL, bare", 0.8),
        ),
        _bulk(_MIB, 768 * _MIB // less),
        _small(64 * _MIB // less),
        Workload(
            "ping-pong",
            "turns/s",
            {
                stack: partial(
                    *(_both, stack, "pong", "ping"),
                    size=100,
                    turns=8000 // less,
                )
                for stack in STACKS
                if stack != "OpenSSL, bare"
            },
            (Goal("tlskit", "ssl", 1.0),),
        ),
    ]
