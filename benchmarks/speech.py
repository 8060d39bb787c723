"""How a worker talks to the process that started it: lines of JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

__all__ = ["Clock", "hear", "say"]


def say(value: Any) -> None:
    """Tell the parent."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def hear() -> Any:
    """Wait for what the parent tells.

    Raises:
        EOFError: It is gone.
    """
    line = sys.stdin.readline()
    if not line:
        raise EOFError("nobody waits for this worker any more")
    return json.loads(line)


class Clock:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._cpu = _cpu()
        self._began = time.perf_counter()

    def read(self, suite: str) -> dict[str, Any]:
        """Give the seconds that passed, and those that this process worked.

        Args:
            suite: The cipher that was in use; empty if there was none.
        """
        seconds = time.perf_counter() - self._began
        return {"seconds": seconds, "cpu": _cpu() - self._cpu, "suite": suite}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
