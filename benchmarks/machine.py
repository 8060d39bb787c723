"""What the figures were measured on, without which they say nothing."""

from __future__ import annotations

import json
import os
import platform
import ssl
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["Conditions", "Sample", "description"]

_PEERS = ("pyOpenSSL", "cryptography", "uvloop", "trio", "Twisted")
#: Seconds for which all cores are kept busy, to see how many there are.
_BUSY = 0.5
_SPIN = f"""
import time
end = time.perf_counter() + {_BUSY}
began = time.process_time()
while time.perf_counter() < end:
    pass
print((time.process_time() - began) / {_BUSY})
"""


def description() -> dict[str, str]:
    """Name processor, cores, system and versions."""
    import tlskit

    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "tlskit": tlskit.__version__,
        "OpenSSL of tlskit, pyOpenSSL, Twisted and the C loop": (
            tlskit.library.version()
        ),
        "OpenSSL of ssl, asyncio, uvloop and trio": ssl.OPENSSL_VERSION,
        **{name: _version(name) for name in _PEERS},
    }


def _version(package: str) -> str:
    try:
        return str(version(package))
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


@dataclass(frozen=True)
class Sample:
    """The machine at one moment."""

    #: Of the last minute: how many processes wanted to run.
    load: float
    #: How many cores we really got when we wanted all.
    cores: float
    #: Ticks of all cores since it was started, and those of them that the
    #: hypervisor gave to others.
    ticks: int
    stolen: int

    @classmethod
    def take(cls) -> Sample:
        """Look, and keep all cores busy for a moment."""
        load = os.getloadavg()[0]
        spinners = [
            subprocess.Popen(
                [sys.executable, "-c", _SPIN], stdout=subprocess.PIPE
            )
            for _ in os.sched_getaffinity(0)
        ]
        cores = sum(json.loads(each.communicate()[0]) for each in spinners)
        return cls(load, cores, *_ticks())


def _ticks() -> tuple[int, int]:
    path = Path("/proc/stat")
    if not path.exists():
        return 0, 0
    fields = path.read_text().splitlines()[0].split()[1:9]
    numbers = [int(each) for each in fields]
    return sum(numbers), numbers[-1]


@dataclass(frozen=True)
class Conditions:
    """When a run was, and how much of the machine it had."""

    when: str
    rounds: int
    load: tuple[float, float]
    cores: tuple[float, float]
    stolen: float

    @classmethod
    def between(cls, begin: Sample, end: Sample, rounds: int) -> Conditions:
        """Describe a run of so many rounds."""
        ticks = end.ticks - begin.ticks
        return cls(
            f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
            rounds,
            (begin.load, end.load),
            (begin.cores, end.cores),
            (end.stolen - begin.stolen) / ticks if ticks else 0.0,
        )

    def __str__(self) -> str:
        """Tell it in a line."""
        return (
            f"{self.when}: {self.rounds} rounds; load {self.load[0]:.2f} "
            f"before, {self.load[1]:.2f} after; cores really had "
            f"{self.cores[0]:.2f} before, {self.cores[1]:.2f} after; "
            f"{self.stolen:.1%} of the time stolen by other machines"
        )
