"""What the figures were measured on, without which they say nothing."""

from __future__ import annotations

import os
import platform
import ssl
from importlib.metadata import version
from pathlib import Path

__all__ = ["description"]


def description() -> dict[str, str]:
    """Name processor, cores, system and versions."""
    import tlskit

    return {
        "processor": _processor(),
        "cores": str(_cores()),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "ssl": ssl.OPENSSL_VERSION,
        "tlskit": f"{tlskit.__version__} on {tlskit.library.version()}",
        "pyOpenSSL": version("pyOpenSSL"),
        "cryptography": version("cryptography"),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def _cores() -> int:
    """Count the cores that this process may really use."""
    return len(os.sched_getaffinity(0))


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
