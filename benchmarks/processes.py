"""Workers: each end of a measurement in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from .credentials import directory
from .harness import BenchmarkError, Measurement

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LIMIT", "Worker", "environment", "pair"]

#: Seconds that a worker may live; then it is killed, and the run fails.
LIMIT = 120.0


def environment() -> dict[str, str]:
    """Give what a process needs to find our own tlskit, and to start well.

    The modules are compiled only once, as if they were installed.
    """
    import tlskit

    places = (Path(tlskit.__file__).parents[1], Path(__file__).parents[1])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(directory() / "bytecode"),
    }


class Worker:
    """A process that says lines of JSON, and is told some.

    Args:
        module: The module of this package that is run.
        arguments: Its first arguments.
        options: Its last one, as JSON.
    """

    def __init__(self, module: str, *arguments: str, **options: Any) -> None:
        self._name = " ".join((module, *arguments))
        self._process = subprocess.Popen(
            (
                *(sys.executable, "-m", f"{__package__}.{module}"),
                *arguments,
                json.dumps(options),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=directory(),
            env=environment(),
        )
        self._limit = Timer(LIMIT, self._process.kill)
        self._limit.start()

    def __enter__(self) -> Self:
        """Give the worker."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever has happened."""
        self._limit.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def tell(self, value: Any) -> None:
        """Tell it something; if it is gone, that shows when it is heard."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()

    def said(self) -> Any:
        """Give the next thing that it says.

        Raises:
            BenchmarkError: It ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(
                f"a worker died, or took {LIMIT:g} seconds: {self._name}"
            )
        return json.loads(line)

    def ended(self) -> None:
        """Wait for it to end well.

        Raises:
            BenchmarkError: It did not.
        """
        if self._process.wait() != 0:
            raise BenchmarkError(f"a worker failed at its end: {self._name}")


def pair(
    module: str,
    roles: tuple[str, str],
    stack: str,
    work: float,
    *,
    clock: str = "client",
    **options: Any,
) -> Measurement:
    """Run a server and a client, and give the rate.

    Args:
        module: The module of this package that both run.
        roles: What the server does, and what the client does.
        stack: What they do it with.
        work: How much it is.
        clock: Whose seconds count.
        options: What both are told.

    Raises:
        BenchmarkError: One of the two failed.
    """
    first, second = roles
    with (
        Worker(module, first, stack, **options) as server,
        Worker(module, second, stack, **options) as client,
    ):
        client.tell(server.said())
        sides = {"client": client.said(), "server": server.said()}
        for each in (server, client):
            each.ended()
    return Measurement.rate(work, sides, clock)
