"""Many clients that download at once from a threaded server."""

from __future__ import annotations

from functools import partial

from .content import MIB
from .credentials import files
from .crowd_worker import STACKS
from .harness import Goal, Measurement, Workload
from .processes import Worker

__all__ = ["workloads"]

#: It may take 1.1 times the CPU time of ``ssl``, of both processes.
_WANTED = 0.91


def _crowd(stack: str, count: int) -> Measurement:
    options = {"files": files("ecdsa"), "count": count}
    with (
        Worker("crowd_worker", "serve", stack, **options) as server,
        Worker("crowd_worker", "download", stack, **options) as clients,
    ):
        clients.tell(server.said())
        sides = {"clients": clients.said()}
        server.tell(sides["clients"])
        sides["server"] = server.said()
        for each in (clients, server):
            each.ended()
    return Measurement.rate(count * MIB, sides, "clients")


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    return [
        Workload(
            f"{count} clients",
            "bytes/s",
            {stack: partial(_crowd, stack, count) for stack in STACKS},
            (
                Goal("tlskit", "ssl, a thread each", _WANTED),
                Goal("tlskit", "ssl, 32 threads", _WANTED),
            ),
        )
        for count in ((10, 20) if quick else (100, 200))
    ]
