"""``collector()``: what the registry of prometheus_client is told."""

from __future__ import annotations

import builtins
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import anyio
import pytest

import tlskit
from tlskit.server.collecting import Collector
from tlskit.server.metrics import BOUNDS, METRICS, ListenerStatistics
from tlskit.server.tally import Tally
from tlskit.testing import CA

from ..drivers.ends import DRIVERS, Driver, End
from ..engines import server_context

prometheus = pytest.importorskip("prometheus_client")
CA_ = CA()
NOW = datetime.now(timezone.utc)
EXPIRY = "tlskit_certificate_not_after_timestamp_seconds"


class Fixed:
    """A server whose counts stand still."""

    def __init__(self, context: tlskit.ServerContext, **counts: Any) -> None:
        self.context = context
        self.statistics = ListenerStatistics(
            counts.pop("address", "a:1"), **counts
        )


def presenting(
    *names: str, days: int = 90, **keywords: Any
) -> tlskit.ServerContext:
    """A context with a certificate for so many days."""
    context = tlskit.ServerContext()
    leaf = CA_.issue(
        *names, valid=(NOW - timedelta(1), NOW + timedelta(days)), **keywords
    )
    leaf.apply(context)
    return context


def registry(*collectors: Any) -> Any:
    """A registry that asks what it is given."""
    made = prometheus.CollectorRegistry(auto_describe=True)
    for each in collectors:
        made.register(each)
    return made


def expiries(found: Any) -> dict[str, float]:
    """Unix time by the certificate's name."""
    return {
        sample.labels["name"]: sample.value
        for family in found.collect()
        for sample in family.samples
        if family.name == EXPIRY
    }


def test_counts() -> None:
    """Every count of ``statistics`` has its sample."""
    found = registry(
        Collector(
            Fixed(
                server_context(),
                accepted=9,
                handshaken=8,
                refused={"expired": 2},
                handshakes=4,
                active=5,
                received=6,
                sent=7,
                failed_handlers=1,
                failed_renewals=3,
            )
        )
    )

    def value(name: str, **labels: str) -> float | None:
        labels = {"listener": "a:1", **labels}
        got: float | None = found.get_sample_value(name, labels)
        return got

    assert 9 == value("tlskit_connections_accepted_total")
    assert 8 == value("tlskit_handshakes_completed_total")
    assert 2 == value("tlskit_connections_refused_total", reason="expired")
    assert 4 == value("tlskit_handshakes_active")
    assert 5 == value("tlskit_connections_active")
    assert 6 == value("tlskit_received_bytes_total")
    assert 7 == value("tlskit_sent_bytes_total")
    assert 1 == value("tlskit_handlers_failed_total")
    assert 3 == value("tlskit_renewals_failed_total")


def test_a_histogram() -> None:
    """Buckets add up, as Prometheus has it; a bound belongs to its bucket."""
    tally = Tally(lambda: None)
    for seconds in (0.001, BOUNDS[0], 0.2, 60.0):
        tally.shaken(seconds)
    counted = tally.statistics("a:1", 0)
    found = registry(
        Collector(
            Fixed(
                server_context(),
                handshake_seconds=counted.handshake_seconds,
                handshake_counts=counted.handshake_counts,
            )
        )
    )

    def bucket(bound: str) -> float | None:
        got: float | None = found.get_sample_value(
            "tlskit_handshake_seconds_bucket", {"listener": "a:1", "le": bound}
        )
        return got

    assert 4 == counted.handshaken
    assert 2 == bucket("0.005")
    assert 2 == bucket("0.1")
    assert 3 == bucket("0.25")
    assert 3 == bucket("10.0")
    assert 4 == bucket("+Inf")
    assert 4 == found.get_sample_value(
        "tlskit_handshake_seconds_count", {"listener": "a:1"}
    )
    assert 60.206 == pytest.approx(
        found.get_sample_value(
            "tlskit_handshake_seconds_sum", {"listener": "a:1"}
        )
    )


def test_two_in_one_registry() -> None:
    """Two collectors don't quarrel; one for two shows each metric once."""
    one = Fixed(server_context(), accepted=1)
    other = Fixed(server_context(), address="b:2", accepted=2)
    both = registry(Collector(one), Collector(other))
    shared = registry(Collector(one, other))
    name = "tlskit_connections_accepted_total"

    for found in (both, shared):
        assert 1 == found.get_sample_value(name, {"listener": "a:1"})
        assert 2 == found.get_sample_value(name, {"listener": "b:2"})
    text = prometheus.generate_latest(shared).decode()
    assert 1 == text.count(f"# TYPE {name} counter")


def test_every_certificate_of_ours() -> None:
    """Both pairs, and those that a table of names leads to, once each."""
    context = presenting("a.example", days=10)
    context.add_credentials(
        *_pair(CA_.issue("b.example", key_type="rsa", valid=_days(20)))
    )
    special = presenting("c.example", days=30)
    special.set_server_names({"again.example": context})
    context.set_server_names(
        {"c.example": special, "*.c.example": special},
        default=presenting("d.example", days=40),
    )

    assert {
        f"{name}.example": pytest.approx(_days(days)[1].timestamp(), abs=1)
        for name, days in zip("abcd", (10, 20, 30, 40), strict=True)
    } == expiries(registry(Collector(Fixed(context))))


def _days(days: int) -> tuple[datetime, datetime]:
    return NOW - timedelta(1), NOW + timedelta(days)


def _pair(leaf: Any) -> tuple[bytes, bytes]:
    return leaf.chain_pem, leaf.key_pem


def test_a_certificate_without_names() -> None:
    """It is called by its subject."""
    context = tlskit.ServerContext()
    CA_.issue(common_name="nameless").apply(context)

    assert ["nameless"] == list(expiries(registry(Collector(Fixed(context)))))


def test_contexts_that_can_not_be_built() -> None:
    """A broken one has no certificate, and hides no other."""
    broken = presenting("x.example")
    broken.load_certificate_chain(CA_.issue("y.example").chain_pem)
    context = presenting("a.example")
    context.set_server_names({"x.example": broken})

    assert ["a.example"] == list(expiries(registry(Collector(Fixed(context)))))


def test_a_renewed_certificate(tmp_path: Any) -> None:
    """What is presented now is told, also after a reload."""
    leaf = CA_.issue("a.example", valid=_days(10))
    chain, key = leaf.write(tmp_path)
    context = tlskit.ServerContext()
    context.load_credentials(tlskit.ReloadableCredentials(chain, key))
    found = registry(Collector(Fixed(context)))
    before = expiries(found)["a.example"]
    CA_.issue("a.example", valid=_days(50)).write(tmp_path)
    context.reload()

    assert 40 * 86400 == pytest.approx(
        expiries(found)["a.example"] - before, abs=2
    )


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said, and how to get it."""
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with (
        tlskit.listen(context=server_context()) as listener,
        pytest.raises(tlskit.UnsupportedError) as caught,
    ):
        listener.collector()

    assert "tlskit[prometheus]" in caught.value.hint


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_kind_of_server(driver: Driver) -> None:
    """Clients that come, are refused and exchange bytes are counted."""

    async def handler(end: End) -> None:
        await end.send(await end.receive_all(3))

    async def main() -> None:
        async with driver.serving(handler) as server:
            found = registry(server.collector())
            where = {"listener": server.statistics.address}

            def value(name: str, **labels: str) -> float:
                got = found.get_sample_value(
                    f"tlskit_{name}", {**where, **labels}
                )
                return float(got or 0)

            end = await driver.connect(server.port)
            await end.send(b"abc")
            assert b"abc" == await end.receive_all(3)
            await end.close()
            with pytest.raises(tlskit.IdentityError):
                await driver.connect(server.port, hostname="other.example")
            while not server.statistics.refused:  # noqa: ASYNC110
                await anyio.sleep(0.001)
            (reason,) = server.statistics.refused
            assert 1 == value("connections_refused_total", reason=reason)
            assert 1 == value("handshakes_completed_total")
            assert 2 == value("connections_accepted_total")
            assert value("received_bytes_total") > 100
            assert value("sent_bytes_total") > 100
            assert value("handshake_seconds_sum") > 0
            assert 1 == value("handshake_seconds_count")

    driver.run(main)


EXAMPLES = Path(__file__).parents[2] / "examples" / "prometheus"
METRIC = re.compile(r"tlskit_\w+")


def test_alerts_and_dashboard_know_the_metrics() -> None:
    """What the examples ask for is there; the dashboard shows everything."""
    given = {
        name
        for family in Collector(Fixed(server_context())).collect()
        for name in (
            family.name,
            f"{family.name}_total",
            f"{family.name}_bucket",
        )
    }
    counted = {name for name, *_ in METRICS if name.startswith("tlskit_")} | {
        EXPIRY,
        "tlskit_handshake_seconds_bucket",
    }
    alerts = (EXAMPLES / "alerts.yml").read_text(encoding="utf-8")
    board = json.loads((EXAMPLES / "dashboard.json").read_text("utf-8"))
    shown = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in METRIC.findall(target["expr"])
    }

    assert given >= set(METRIC.findall(alerts))
    assert counted == shown
