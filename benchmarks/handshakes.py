"""Handshakes: in memory and over loopback, full and resumed."""

from __future__ import annotations

import ssl
from functools import cache, partial
from typing import Any

from .credentials import files
from .harness import Goal, Measurement, Workload
from .processes import Worker, pair

__all__ = ["workloads"]

_MODULE = "shaking_worker"
_KEYS = {"P-256": "ecdsa", "RSA-2048": "rsa"}
_GROUPS = {"default groups": "", "X25519": "X25519"}


def _in_memory(stack: str, times: int, **options: Any) -> Measurement:
    with Worker(_MODULE, "memory", stack, times=times, **options) as one:
        sides = {"both": one.said()}
        one.ended()
    return Measurement.rate(times, sides, "both")


def _over_loopback(stack: str, times: int, **options: Any) -> Measurement:
    roles = ("serve", "connect")
    return pair(_MODULE, roles, stack, times, times=times, **options)


def _workload(place: str, key: str, group: str, times: int) -> Workload:
    def run(stack: str, *, resume: bool) -> Measurement:
        call = _in_memory if place == "in memory" else _over_loopback
        return call(
            stack,
            times,
            files=files(_KEYS[key]),
            group=_GROUPS[group],
            resume=resume,
        )

    missing = _missing(_GROUPS[group])
    kinds = [(name, False) for name in ("pyOpenSSL", "ssl", "tlskit")]
    kinds += [("ssl", True), ("tlskit", True)]
    calls = {
        f"{name}, resumed" if resume else name: partial(
            run, name, resume=resume
        )
        for name, resume in kinds
        if name not in missing
    }
    goals: tuple[Goal, ...] = ()
    if not _GROUPS[group]:
        goals += (Goal("tlskit, resumed", "tlskit", 1.3),)
    if not _GROUPS[group] and place == "in memory":
        goals += (Goal("tlskit", "ssl", 1.0), Goal("tlskit", "pyOpenSSL", 0.9))
    return Workload(
        f"handshake {place}, {key}, {group}",
        "handshakes/s",
        calls,
        goals,
        missing=missing,
    )


@cache
def _missing(group: str) -> dict[str, str]:
    """Say who can't choose *group*, and why."""
    if not group:
        return {}
    missing = {"pyOpenSSL": "it can't choose groups"}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ecdh_curve(group)
    except (ssl.SSLError, ValueError):
        missing["ssl"] = f"this Python's can't choose {group}"
    return missing


def workloads(*, quick: bool) -> list[Workload]:
    """Give them all; small ones if it shall be *quick*."""
    times = 20 if quick else 100
    return [
        *(
            _workload(place, key, group, times)
            for place in ("in memory", "over loopback")
            for key in _KEYS
            for group in _GROUPS
        ),
        Workload(
            "handshake in memory, another host each time",
            "handshakes/s",
            {
                name: partial(
                    _in_memory,
                    name,
                    times,
                    files=files("ecdsa"),
                    group="",
                    resume=False,
                    strange=True,
                )
                for name in ("pyOpenSSL", "ssl", "tlskit")
            },
            (Goal("tlskit", "pyOpenSSL", 0.85),),
        ),
    ]
