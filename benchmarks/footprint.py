"""What it costs to be there: imports, contexts, idle connections."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache, partial
from typing import Any

from .credentials import directory, files
from .harness import BenchmarkError, Goal, Measurement, Workload
from .processes import LIMIT, Worker, environment

__all__ = ["workloads"]

#: What loads a library, and what makes a context with the system's roots,
#: which refuses whoever is not trusted.
_IMPORTS = {
    "pyOpenSSL": "import OpenSSL.SSL",
    "ssl": "import ssl",
    "tlskit": "import tlskit",
}
_PLAIN_CONTEXTS = {
    "pyOpenSSL": "OpenSSL.SSL.Context(OpenSSL.SSL.TLS_METHOD)",
    "ssl": "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)",
    "tlskit": "tlskit.ClientContext('auto').prepared()",
}
_SECURE_CONTEXTS = {
    "ssl": "ssl.create_default_context()",
    "tlskit": "tlskit.ClientContext('secure').prepared()",
    "tlskit, .secure()": "tlskit.ClientContext.secure().prepared()",
}
#: What is built is shared: without the context nothing would be weighed.
_WEIGHED_CONTEXTS = {
    "ssl": "ssl.create_default_context()",
    "tlskit": "[made := tlskit.ClientContext('secure'), made.prepared()]",
}
#: How many contexts are weighed together: those that share what is built
#: take less than a page, and the system may take a hundred pages back.
_CONTEXTS = {"ssl": 50, "tlskit": 20_000}

# Nothing is imported that the code to be timed could miss.
_TIMED = """
import time
{before}
worked, began = time.process_time(), time.perf_counter()
{code}
print([time.perf_counter() - began, time.process_time() - worked])
"""
_WEIGHED = """
import gc, os
{before}
def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
kept, before = [], resident()
for _ in range({count}):
    kept.append({code})
print([(resident() - before) / {count}, 0])
"""


def _fresh(template: str, **parts: Any) -> Measurement:
    """Run a program, which prints two figures, in a fresh interpreter.

    Raises:
        BenchmarkError: It failed.
    """
    program = template.format(**parts)
    _compile(program)
    figure, worked = _figures(program)
    if not worked:
        return Measurement(figure)
    return Measurement(figure, worked, {"process": worked})


@cache
def _compile(program: str) -> None:
    """Run it once for all that it imports: what counts is all later runs."""
    _figures(program)


def _figures(program: str) -> tuple[float, float]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT,
            cwd=directory(),
            env=environment(),
        )
    except subprocess.CalledProcessError as error:
        raise BenchmarkError(f"{program} failed: {error.stderr}") from error
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{program} took {LIMIT:g} seconds") from error
    figure, worked = json.loads(done.stdout)
    return figure, worked


def _import(stack: str, then: str = "") -> Measurement:
    return _fresh(_TIMED, before="", code=f"{_IMPORTS[stack]}\n{then}")


def _import_of(stack: str) -> str:
    """Give what loads it; behind a comma stands how it is used."""
    return _IMPORTS[stack.partition(",")[0]]


def _context(stack: str, *, second: bool) -> Measurement:
    """Time a context with the system's roots."""
    code = _SECURE_CONTEXTS[stack]
    before = _import_of(stack) + (f"\nfirst = {code}" if second else "")
    return _fresh(_TIMED, before=before, code=f"made = {code}")


def _context_memory(stack: str) -> Measurement:
    """Weigh the contexts that follow the first."""
    code = _WEIGHED_CONTEXTS[stack]
    before = f"{_import_of(stack)}\nfirst = {code}"
    return _fresh(_WEIGHED, before=before, code=code, count=_CONTEXTS[stack])


def _idle(stack: str, count: int) -> Measurement:
    """Give the bytes that an idle connection costs each of its ends."""
    options: dict[str, Any] = {"files": files("ecdsa"), "count": count}
    with (
        Worker("worker", "host", stack, **options) as server,
        Worker("worker", "guests", stack, **options) as client,
    ):
        client.tell(server.said())
        figures = [each.said()["figure"] for each in (client, server)]
        for each in (client, server):
            each.ended()
    return Measurement(sum(figures) / 2)


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    return [
        Workload(
            "import",
            "s",
            {name: partial(_import, name) for name in _IMPORTS},
            (Goal("tlskit", "pyOpenSSL", 1.2, at_least=False),),
            higher=False,
        ),
        Workload(
            "import and a plain context",
            "s",
            {
                name: partial(_import, name, then)
                for name, then in _PLAIN_CONTEXTS.items()
            },
            higher=False,
        ),
        *_contexts(),
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


def _contexts() -> list[Workload]:
    return [
        Workload(
            "first secure context",
            "s",
            {
                name: partial(_context, name, second=False)
                for name in _SECURE_CONTEXTS
            },
            higher=False,
        ),
        Workload(
            "second secure context",
            "s",
            {
                name: partial(_context, name, second=True)
                for name in _SECURE_CONTEXTS
            },
            (
                Goal("tlskit", "ssl", 500.0),
                Goal("tlskit, .secure()", "ssl", 500.0),
            ),
            higher=False,
        ),
        Workload(
            "memory of a secure context",
            "bytes",
            {
                name: partial(_context_memory, name)
                for name in ("ssl", "tlskit")
            },
            higher=False,
        ),
    ]
