"""How ``check`` prints its findings: for people, and for three machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from rich.text import Text

from ..console import open_console, printable, show_hanging, show_json
from ..data import (
    SCHEMA,
    CertificateData,
    SessionData,
    certificate_data,
    session_data,
    subject_of,
)
from ..exit import SEVERITY, ExitCode
from ..hints import message_of
from ..inspect.logged import words_of_logs
from .finding import Finding, FindingData
from .policies import words_of_certificate
from .round import Round

if TYPE_CHECKING:
    from cryptography import x509
    from rich.console import Console

__all__ = ["PRINTERS", "UNKNOWN", "CheckData", "Layout", "Printer", "unknown"]

#: Prints findings as they come, and gives the exit status.
Printer = Callable[["Console", Round, "Layout"], ExitCode]

_STYLES = {
    ExitCode.GOOD: "bold green",
    ExitCode.EXPIRES_SOON: "bold yellow",
}
_VERDICT = max(len(each.word) for each in ExitCode)
#: So many of the worst hosts are named in one line.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Layout:
    """How to print."""

    #: Whether to leave out the hosts that are good.
    failing: bool = False
    #: Whether to leave out the summary.
    quiet: bool = False

    def shown(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Leave out what is not wanted."""
        for each in findings:
            if not (self.failing and each.status is ExitCode.GOOD):
                yield each


class CheckData(TypedDict):
    """What ``tlskit check --json`` prints; version 1."""

    schema: int
    #: The worst of all, as the exit status says it.
    status: int
    verdict: str
    hosts: list[FindingData]


# -- for people -------------------------------------------------------------


def _as_text(console: Console, hosts: Round, layout: Layout) -> ExitCode:
    width = max(len(str(each)) for each in hosts.targets)
    for each in layout.shown(hosts):
        show_hanging(
            console,
            Text(
                each.verdict.ljust(_VERDICT) + "  ",
                _STYLES.get(each.status, "bold red"),
            ),
            Text.assemble(
                (str(each.target).ljust(width), "cyan"),
                "  ",
                printable("  ".join(_words(each))),
            ),
        )
    # Who asked for failures only hears nothing if there are none.
    silent = layout.failing and hosts.status is ExitCode.GOOD
    if len(hosts.targets) > 1 and not (layout.quiet or silent):
        # Not among the lines: in a pipe, each of those is a host's.
        open_console(stderr=True).print(Text(_summary(hosts)), soft_wrap=True)
    return hosts.status


def _summary(hosts: Round) -> str:
    """Count the verdicts, the worst ones first."""
    found = _from_worst(hosts.findings)
    counts = Counter(each.verdict for each in found)
    good = counts.pop(ExitCode.GOOD.word, 0)
    words = f"{good} of {len(hosts.targets)} hosts good"
    if counts:
        words += ": " + ", ".join(f"{n} {word}" for word, n in counts.items())
    if hosts.interrupted:
        left = len(hosts.targets) - len(found)
        words += f"; interrupted, {left} not checked"
    return words


def _from_worst(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda each: -SEVERITY.index(each.status))


def _words(finding: Finding) -> Iterator[str]:
    """Say the same on one line: what there is, or why there is nothing."""
    if finding.misfits:
        assert finding.rule is not None
        yield f"fails {finding.rule.name}: {'; '.join(finding.misfits)}"
        if finding.port is None:
            return
    if finding.port is None:
        assert finding.error is not None
        yield message_of(finding.error)
        return
    session = session_data(finding.port)
    yield session["version"]
    yield _exchange(session)
    yield session["alpn"] or "no ALPN"
    yield _days(finding.days_left)
    if finding.chain:
        yield from _renewal(certificate_data(finding.chain[0]))
    if finding.asks_for_certificate:
        yield "asks for a client certificate"
    if finding.chain:
        yield words_of_certificate(finding.chain)
    if finding.timestamps or finding.logs is not None:
        yield words_of_logs(finding.timestamps)
    yield " <- ".join(map(_short, finding.chain))


def _exchange(session: SessionData) -> str:
    if session["group"] is None:
        return "unknown group"
    quantum = "" if session["post_quantum"] else "not "
    return f"{session['group']} ({quantum}post-quantum)"


def _days(days: int | None) -> str:
    if days is None:
        return "no end known"
    return "1 day left" if days == 1 else f"{days} days left"


def _renewal(data: CertificateData) -> Iterator[str]:
    """Tell when the server's own certificate is to be renewed."""
    yield f"renew from {data['renew_from'].partition('T')[0]}"
    if data["over_max_days"]:
        yield f"lives longer than {data['max_days']} days"


def _short(certificate: x509.Certificate) -> str:
    return subject_of(certificate).removeprefix("CN=").partition(",")[0]


# -- JSON -------------------------------------------------------------------


def _as_json(console: Console, hosts: Round, layout: Layout) -> ExitCode:
    found = [each.data for each in layout.shown(hosts)]
    show_json(
        console,
        CheckData(
            schema=SCHEMA,
            status=hosts.status.value,
            verdict=hosts.verdict,
            hosts=found,
        ),
    )
    return hosts.status


# -- Prometheus -------------------------------------------------------------


def _as_prometheus(
    console: Console, hosts: Round, _layout: Layout
) -> ExitCode:
    """Print the text format of its exposition, such as for a file collector.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    found = list(hosts)
    if hosts.interrupted:
        return hosts.status  # Half of the series would look like changes.
    write = console.out
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
    return hosts.status


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
_OK, _WARNING, _CRITICAL, UNKNOWN = range(4)
_LEVELS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def _as_nagios(console: Console, hosts: Round, layout: Layout) -> ExitCode:
    """Print as a plug-in: a summary with performance data, then each host.

    https://nagios-plugins.org/doc/guidelines.html
    """
    found = list(hosts)
    if hosts.interrupted:
        return unknown(console, _summary(hosts))
    status = hosts.status
    summary = _worst_named(found)
    if len(found) == 1:
        summary = _line(found[0])
    measured = " ".join(
        f"'{each.target}'={each.days_left};{each.min_days:g}:;0:"
        for each in found
        if each.days_left is not None
    )
    write = console.out
    level = _LEVELS[_level(status)]
    performance = f" | {measured}" if measured else ""
    write(f"TLS {level} - {summary}{performance}", highlight=False)
    for each in layout.shown(found if len(found) > 1 else ()):
        write(_line(each), highlight=False)
    return ExitCode(_level(status))


def unknown(console: Console, words: str) -> ExitCode:
    """Say, as a plug-in has to, that nothing was found out, and why."""
    console.out(f"TLS {_LEVELS[UNKNOWN]} - {_plain(words)}", highlight=False)
    return ExitCode(UNKNOWN)


def _worst_named(found: list[Finding]) -> str:
    """Count who is good, and name the worst: pagers show one line."""
    bad = [e for e in _from_worst(found) if e.status is not ExitCode.GOOD]
    words = f"{len(found) - len(bad)} of {len(found)} good"
    if bad:
        words += "; " + ", ".join(
            f"{each.target} {each.verdict}" for each in bad[:_MOST_NAMED]
        )
    if len(bad) > _MOST_NAMED:
        words += f" and {len(bad) - _MOST_NAMED} more"
    return _plain(words)


def _line(finding: Finding) -> str:
    return _plain(
        f"{finding.target} {finding.verdict}: " + ", ".join(_words(finding))
    )


def _plain(words: str) -> str:
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
