"""What a listener counts, as one value and as text for Prometheus.

Serving that text over HTTP is not our business: give ``prometheus_text()``
to whatever answers your monitoring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..tools.public import public

__all__ = ["BOUNDS", "METRICS", "ListenerStatistics", "prometheus_text"]

#: The bounds, in seconds, between which handshakes are counted.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@public
@dataclass(frozen=True)
class ListenerStatistics:
    """A listener's counts at one moment, since it was made.

    Each client that was accepted is either among the handshakes, or it was
    handshaken or refused; clients of ``accept(handshake=False)`` are neither.
    """

    #: Where the listener listens, as ``host:port``.
    address: str
    #: TCP connections that were accepted.
    accepted: int = 0
    #: Handshakes that were completed.
    handshaken: int = 0
    #: Clients that were refused, by the error's ``code``; ``"timed-out"``,
    #: ``"connection-lost"`` and ``"system-error"`` where it has none,
    #: ``"hook-failed"`` after an exception of yours, ``"closed"`` when the
    #: listener closed first.
    refused: Mapping[str, int] = field(default_factory=dict)
    #: Handshakes going on now, with those whose refused client is heard out.
    handshakes: int = 0
    #: Connections that are open now, handshakes not counted.
    active: int = 0
    #: Bytes from clients, as they were on the network.
    received: int = 0
    #: Bytes to clients, as they were on the network.
    sent: int = 0
    #: Handlers of ``serve()`` that raised an exception.
    failed_handlers: int = 0
    #: How long all completed handshakes took together, in seconds, each from
    #: the TCP connection on.
    handshake_seconds: float = 0.0
    #: How many of them took at most 5, 10, 25, 50, 100, 250 and 500
    #: milliseconds, 1, 2.5, 5 and 10 seconds, and how many longer; each is
    #: counted once.
    handshake_counts: Sequence[int] = (0,) * (len(BOUNDS) + 1)
    #: How many states of what the context follows (``load_credentials()``,
    #: ``ReloadableRoots``) were in use so far; 0 if it follows nothing.  Of
    #: several processes, the lowest: it grows when all have followed.
    generation: int = 0
    #: How often something new could not be used, or had: a bad pair of files
    #: (``ReloadableCredentials``), an order that failed (``AcmeCredentials``).
    #: Each of several processes counts its own.
    failed_renewals: int = 0


def prometheus_text(*statistics: ListenerStatistics) -> str:
    """Show counts in the text format of Prometheus.

    Args:
        *statistics: One for each listener; their address is the label
            ``listener``.

    Returns:
        What an HTTP server has to send as ``text/plain; version=0.0.4``.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    return "".join(
        line for metric in METRICS for line in _show(*metric, statistics)
    )


_Samples = Callable[
    [ListenerStatistics], Iterable[tuple[Mapping[str, str], int]]
]


def _plain(name: str) -> _Samples:
    return lambda statistics: [({}, getattr(statistics, name))]


def _by_reason(
    statistics: ListenerStatistics,
) -> Iterator[tuple[Mapping[str, str], int]]:
    for reason, count in sorted(statistics.refused.items()):
        yield {"reason": reason}, count


def _of_files(
    statistics: ListenerStatistics,
) -> Iterator[tuple[Mapping[str, str], int]]:
    if statistics.generation:  # Else there is nothing that could change.
        yield {}, statistics.generation


#: Name, kind, words and samples of each, the listener's label not included.
METRICS: tuple[tuple[str, str, str, _Samples], ...] = (
    (
        "tlskit_connections_accepted_total",
        "counter",
        "TCP connections that were accepted.",
        _plain("accepted"),
    ),
    (
        "tlskit_handshakes_completed_total",
        "counter",
        "TLS handshakes that were completed.",
        _plain("handshaken"),
    ),
    (
        "tlskit_connections_refused_total",
        "counter",
        "Clients that were refused, by reason.",
        _by_reason,
    ),
    (
        "tlskit_handshakes_active",
        "gauge",
        "TLS handshakes going on.",
        _plain("handshakes"),
    ),
    (
        "tlskit_connections_active",
        "gauge",
        "Connections that are open, handshakes not counted.",
        _plain("active"),
    ),
    (
        "tlskit_received_bytes_total",
        "counter",
        "Bytes received, as they were on the network.",
        _plain("received"),
    ),
    (
        "tlskit_sent_bytes_total",
        "counter",
        "Bytes sent, as they were on the network.",
        _plain("sent"),
    ),
    (
        "tlskit_handlers_failed_total",
        "counter",
        "Handlers that raised an exception.",
        _plain("failed_handlers"),
    ),
    (
        "tlskit_renewals_failed_total",
        "counter",
        "Renewals of certificates or roots that failed.",
        _plain("failed_renewals"),
    ),
    (
        "tlskit_generation",
        "gauge",
        "States of certificates and roots that were in use so far.",
        _of_files,
    ),
)


def _show(
    name: str,
    kind: str,
    words: str,
    samples: _Samples,
    statistics: Iterable[ListenerStatistics],
) -> Iterator[str]:
    yield f"# HELP {name} {words}\n"
    yield f"# TYPE {name} {kind}\n"
    for each in statistics:
        for labels, value in samples(each):
            shown = ",".join(
                f'{label}="{_escaped(text)}"'
                for label, text in {
                    "listener": each.address,
                    **labels,
                }.items()
            )
            yield f"{name}{{{shown}}} {value}\n"


def _escaped(text: str) -> str:
    """Escape a label's value."""
    for old, new in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(old, new)
    return text
