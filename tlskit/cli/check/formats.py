"""How ``check`` prints its findings: for people, and for three machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypedDict

from rich.text import Text

from ..console import open_console, printable, show_json
from ..data import SCHEMA, SessionData, session_data, subject_of
from ..exit import ExitCode, worst
from .finding import Finding, FindingData

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["PRINTERS", "CheckData", "Printer"]

#: Prints findings as they come, and gives the exit status.
Printer = Callable[[Iterable[Finding], "Layout"], ExitCode]

_STYLES = {
    ExitCode.GOOD: "bold green",
    ExitCode.EXPIRES_SOON: "bold yellow",
}
_VERDICT = max(len(each.word) for each in ExitCode)


class Layout(TypedDict):
    """What a printer knows before the first finding."""

    #: How wide the widest target is, in characters.
    width: int
    #: Below how many days a certificate expires soon.
    min_days: float


class CheckData(TypedDict):
    """What ``tlskit check --json`` prints; version 1."""

    schema: int
    #: The worst of all, as the exit status says it.
    status: int
    verdict: str
    hosts: list[FindingData]


# -- for people -------------------------------------------------------------


def _as_text(findings: Iterable[Finding], layout: Layout) -> ExitCode:
    console = open_console()
    codes = []
    for each in findings:
        codes.append(each.status)
        words = "  ".join(_words(each))
        console.print(
            Text.assemble(
                (
                    each.status.word.ljust(_VERDICT),
                    _STYLES.get(each.status, "bold red"),
                ),
                "  ",
                (str(each.target).ljust(layout["width"]), "cyan"),
                "  ",
                printable(words),
            ),
            soft_wrap=True,
        )
    return worst(codes)


def _words(finding: Finding) -> Iterator[str]:
    """Say the same on one line: what there is, or why there is nothing."""
    if finding.port is None:
        yield str(finding.error) or type(finding.error).__name__
        return
    session = session_data(finding.port)
    yield session["version"]
    group = session["group"] or "unknown group"
    yield f"{group} (post-quantum)" if session["post_quantum"] else group
    yield session["alpn"] or "no ALPN"
    yield _days(finding.days_left)
    yield " <- ".join(map(_short, finding.chain))


def _days(days: int | None) -> str:
    if days is None:
        return "no end known"
    return "1 day left" if days == 1 else f"{days} days left"


def _short(certificate: x509.Certificate) -> str:
    return subject_of(certificate).removeprefix("CN=").partition(",")[0]


# -- JSON -------------------------------------------------------------------


def _as_json(findings: Iterable[Finding], _layout: Layout) -> ExitCode:
    found = list(findings)
    status = worst(each.status for each in found)
    show_json(
        open_console(),
        CheckData(
            schema=SCHEMA,
            status=status.value,
            verdict=status.word,
            hosts=[each.data for each in found],
        ),
    )
    return status


# -- Prometheus -------------------------------------------------------------


def _as_prometheus(findings: Iterable[Finding], _layout: Layout) -> ExitCode:
    """Print the text format of its exposition, such as for a file collector.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    found = list(findings)
    write = open_console().out
    for name, words, value in _METRICS:
        write(f"# HELP {name} {words}", highlight=False)
        write(f"# TYPE {name} gauge", highlight=False)
        for each in found:
            measured = value(each)
            if measured is None:
                continue
            labels = {"host": str(each.target)}
            if name == _INFO and each.port is not None:
                labels |= _session_labels(session_data(each.port))
            written = ",".join(
                f'{key}="{_escaped(text)}"' for key, text in labels.items()
            )
            write(f"{name}{{{written}}} {measured}", highlight=False)
    return worst(each.status for each in found)


def _expiry(finding: Finding) -> float | None:
    end = finding.expires
    return None if end is None else end.timestamp()


_INFO = "tlskit_check_session_info"
_METRICS: tuple[tuple[str, str, Callable[[Finding], float | None]], ...] = (
    (
        "tlskit_check_status",
        "The exit status that tlskit check has for this host; 0 is good.",
        lambda finding: finding.status.value,
    ),
    (
        "tlskit_check_duration_seconds",
        "How long look-up, TCP and handshake took.",
        lambda finding: round(finding.seconds, 6),
    ),
    (
        "tlskit_check_expiry_timestamp_seconds",
        "When the first certificate of the chain expires.",
        _expiry,
    ),
    (
        _INFO,
        "What the handshake agreed on.",
        lambda finding: None if finding.port is None else 1,
    ),
)


def _session_labels(session: SessionData) -> dict[str, str]:
    return {
        "version": session["version"],
        "cipher": session["cipher"] or "",
        "group": session["group"] or "",
        "post_quantum": json.dumps(session["post_quantum"]),
        "alpn": session["alpn"] or "",
    }


def _escaped(text: str) -> str:
    return printable(text).replace("\\", r"\\").replace('"', r"\"")


# -- Nagios -----------------------------------------------------------------

#: The statuses of Nagios's plug-ins, and their words.
_OK, _WARNING, _CRITICAL = range(3)
_LEVELS = ("OK", "WARNING", "CRITICAL")


def _as_nagios(findings: Iterable[Finding], layout: Layout) -> ExitCode:
    """Print as a plug-in: a summary with performance data, then each host.

    https://nagios-plugins.org/doc/guidelines.html
    """
    found = list(findings)
    status = worst(each.status for each in found)
    good = sum(each.status is ExitCode.GOOD for each in found)
    summary = f"{good} of {len(found)} good"
    if len(found) == 1:
        summary = _line(found[0])
    measured = " ".join(
        f"'{each.target}'={each.days_left};{layout['min_days']:g}:;0:"
        for each in found
        if each.days_left is not None
    )
    write = open_console().out
    level = _LEVELS[_level(status)]
    performance = f" | {measured}" if measured else ""
    write(f"TLS {level} - {summary}{performance}", highlight=False)
    for each in found if len(found) > 1 else ():
        write(_line(each), highlight=False)
    return ExitCode(_level(status))


def _line(finding: Finding) -> str:
    words = f"{finding.target} {finding.status.word}: " + ", ".join(
        _words(finding)
    )
    # What follows a bar would be read as performance data.
    return printable(words).replace("|", "/")


def _level(status: ExitCode) -> int:
    return {ExitCode.GOOD: _OK, ExitCode.EXPIRES_SOON: _WARNING}.get(
        status, _CRITICAL
    )


PRINTERS: dict[str, Printer] = {
    "text": _as_text,
    "json": _as_json,
    "prometheus": _as_prometheus,
    "nagios": _as_nagios,
}
