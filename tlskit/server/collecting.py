"""What a server counts, for the registry of prometheus_client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ..context.following import certificates_of
from ..context.sides import ServerContext
from ..errors import UnsupportedError
from ..x509.alternatives import presented_names
from ..x509.glimpse import Glimpse
from ..x509.reading import serial_number
from .metrics import BOUNDS, METRICS, ListenerStatistics

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Collector", "Counting"]

_EXPIRY = "tlskit_certificate_not_after_timestamp_seconds"
_SECONDS = "tlskit_handshake_seconds"


class Counting(Protocol):
    """A listener, or a server for coroutines."""

    @property
    def statistics(self) -> ListenerStatistics:
        """What was counted so far."""
        ...

    @property
    def context(self) -> ServerContext:
        """What decides about clients."""
        ...


class Collector:
    """Gives the counts of servers to a registry of prometheus_client's.

    Args:
        servers: Whose counts; they share each metric.

    Raises:
        UnsupportedError: prometheus_client is not installed.
    """

    def __init__(self, *servers: Counting) -> None:
        try:
            from prometheus_client import core
        except ImportError as error:
            raise UnsupportedError(
                "prometheus_client is not installed",
                hint='python -m pip install "tlskit[prometheus]"',
            ) from error
        self._core: Any = core
        self._servers = servers

    def describe(self) -> list[Any]:
        """Name no metric: so several collectors fit into one registry."""
        return []

    def collect(self) -> Iterator[Any]:
        """Give the metrics as they are now; from any thread."""
        found = [(server, server.statistics) for server in self._servers]
        for name, kind, words, samples in METRICS:
            family = self._family(kind)(
                name, words, labels=["listener", *_labels(name)]
            )
            for _, statistics in found:
                for labels, value in samples(statistics):
                    family.add_metric(
                        [statistics.address, *labels.values()], value
                    )
            yield family
        yield self._durations(each for _, each in found)
        yield self._expiries(found)

    def _family(self, kind: str) -> Any:
        if kind == "counter":
            return self._core.CounterMetricFamily
        return self._core.GaugeMetricFamily

    def _durations(self, found: Iterable[ListenerStatistics]) -> Any:
        family = self._core.HistogramMetricFamily(
            _SECONDS,
            "How long completed handshakes took, from TCP on.",
            labels=["listener"],
        )
        for each in found:
            total, buckets = 0, []
            for bound, count in zip(
                (*map(str, BOUNDS), "+Inf"), each.handshake_counts, strict=True
            ):
                total += count
                buckets.append((bound, total))
            family.add_metric(
                [each.address], buckets, sum_value=each.handshake_seconds
            )
        return family

    def _expiries(
        self, found: Iterable[tuple[Counting, ListenerStatistics]]
    ) -> Any:
        family = self._core.GaugeMetricFamily(
            _EXPIRY,
            "When a certificate of this server ends, in Unix time.",
            labels=["listener", "name", "serial"],
        )
        for server, statistics in found:
            for each in certificates_of(server.context):
                end = each.not_valid_after_utc.timestamp()
                family.add_metric(
                    [
                        statistics.address,
                        _name(each),
                        f"{serial_number(each):x}",
                    ],
                    end,
                )
        return family


def _labels(name: str) -> list[str]:
    return ["reason"] if name == "tlskit_connections_refused_total" else []


def _name(certificate: x509.Certificate) -> str:
    names = presented_names(certificate)
    return names[0] if names else Glimpse.of(certificate).name
