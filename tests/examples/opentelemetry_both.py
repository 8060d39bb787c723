"""Tell OpenTelemetry what servers count, and how a client's calls went."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.metrics import Observation

import tlskit


def observe(meter, *servers) -> None:
    """Report the counts of servers: listeners, and those for coroutines."""

    def of_each(value):
        def callback(_options):
            for server in servers:
                counts = server.statistics
                for number, more in value(counts):
                    yield Observation(
                        number, {"server.address": counts.address, **more}
                    )

        return [callback]

    meter.create_observable_counter(
        "tlskit.handshakes",
        of_each(lambda counts: [(counts.handshaken, {})]),
        description="Handshakes that were completed.",
    )
    meter.create_observable_counter(
        "tlskit.refused",
        of_each(
            lambda counts: [
                (number, {"error.type": code})
                for code, number in counts.refused.items()
            ]
        ),
        description="Clients that were refused.",
    )
    meter.create_observable_up_down_counter(
        "tlskit.connections",
        of_each(lambda counts: [(counts.active, {})]),
        description="Connections that are open.",
    )


def connect(tracer, host: str, port: int, context, **keywords):
    """Connect within a span, with the attributes of the conventions."""
    with tracer.start_as_current_span(
        "tls.connect",
        kind=trace.SpanKind.CLIENT,
        attributes={"server.address": host, "server.port": port},
    ) as span:
        try:
            conn = tlskit.connect(host, port, context, **keywords)
        except tlskit.TLSError as error:
            span.set_attribute("error.type", error.code)
            raise
        facts = conn.facts
        span.set_attributes(
            {
                "tls.established": True,
                "tls.protocol.version": f"1.{(facts.version & 15) - 1}",
                "tls.cipher": facts.cipher or "",
                "tls.curve": facts.group or "",
                "tls.resumed": facts.session_reused,
            }
        )
        return conn
