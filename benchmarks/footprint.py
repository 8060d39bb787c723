"""What it costs to be there: imports, contexts, idle connections."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

from .credentials import files
from .harness import (
    BenchmarkError,
    Goal,
    Workload,
    ended,
    python_worker,
    said,
    worker,
)

__all__ = ["workloads"]

_TIMED = (
    "import time; began = time.perf_counter(); {code}; "
    "print(time.perf_counter() - began)"
)
_FIRST = {
    "ssl": "import ssl\n{0}ssl.create_default_context()",
    "tlskit": "import tlskit\n{0}tlskit.ClientContext('secure').prepared()",
}


def _fresh(code: str) -> float:
    """Run *code*, which prints one figure, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{code!r} failed: {done.stderr}")
    return float(done.stdout)


def _imported(module: str) -> float:
    return _fresh(_TIMED.format(code=f"import {module}"))


def _context(stack: str, *, warm: bool) -> float:
    """Time a context with the system's roots, the first or a later one."""
    call = _FIRST[stack].format("")
    module, made = call.split("\n")
    repeat = f"{made}\n" if warm else ""
    return _fresh(
        f"import time\n{module}\n{repeat}began = time.perf_counter()\n{made}\n"
        "print(time.perf_counter() - began)"
    )


def _idle(stack: str, count: int) -> float:
    """Give the bytes that an idle connection costs each of its ends."""
    options: dict[str, Any] = {"files": files(), "count": count}
    with worker(*python_worker("host", stack, **options)) as one:
        port = said(one)["port"]
        command = python_worker("guests", stack, port=port, **options)
        with worker(*command) as other:
            figures = [said(each)["figure"] for each in (one, other)]
            ended((one, other))
    return sum(figures) / 2


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    return [
        Workload(
            "import",
            "s",
            {
                "pyOpenSSL": partial(_imported, "OpenSSL.SSL"),
                "ssl": partial(_imported, "ssl"),
                "tlskit": partial(_imported, "tlskit"),
            },
            (Goal("tlskit", "pyOpenSSL", 1.2, at_least=False),),
            higher=False,
        ),
        Workload(
            "first context",
            "s",
            {name: partial(_context, name, warm=False) for name in _FIRST},
            higher=False,
        ),
        Workload(
            "second context",
            "s",
            {name: partial(_context, name, warm=True) for name in _FIRST},
            (Goal("tlskit", "ssl", 0.01, at_least=False),),
            higher=False,
        ),
        Workload(
            "idle connection",
            "bytes",
            {
                name: partial(_idle, name, 50 if quick else 500)
                for name in ("pyOpenSSL", "ssl", "tlskit")
            },
            (
                Goal("tlskit", "pyOpenSSL", 0.6, at_least=False),
                Goal("tlskit", "ssl", 1.6, at_least=False),
            ),
            higher=False,
        ),
    ]
