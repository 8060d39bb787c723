"""Recipes with OpenTelemetry and gunicorn: good, and refused."""

from __future__ import annotations

import ssl
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

import tlskit
from tlskit.testing import CA
from tlskit.tools.deadline import Deadline

from ..peers import HOST, PATIENCE, Program, Task, Vault, stdlib_client

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    """Credentials for this file."""
    return Vault(tmp_path_factory.mktemp("vault"))


def asking(vault, ca=None):
    """Make a client that trusts one CA."""
    context = tlskit.ClientContext("auto")
    (vault.ca if ca is None else ca).trust(context)
    context.set_verify()
    context.set_verify_hostname()
    return context


# -- OpenTelemetry ----------------------------------------------------------


@contextmanager
def listening(vault):
    """Serve clients one after the other, and give the listener."""
    context = tlskit.ServerContext()
    vault.leaf().leaf.apply(context)
    with tlskit.listen(hostname="127.0.0.1", context=context) as listener:
        task = Task(listener.serve, lambda conn: conn.sendall(b"hi"))
        yield listener
        listener.shutdown(PATIENCE)
        task.result()


def points(reader):
    """Read all that was measured: attributes and value, by name."""
    data = reader.get_metrics_data()
    return {
        metric.name: [
            (dict(point.attributes), point.value)
            for point in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_opentelemetry(vault):
    """Counts of a server, and a span for each call, with its error's code."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
        InMemorySpanExporter,
    )

    from ..examples import opentelemetry_both as recipe

    reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
    meters, tracers = MeterProvider([reader]), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    tracer = tracers.get_tracer("tests")
    with listening(vault) as listener:
        recipe.observe(meters.get_meter("tests"), listener)
        place = HOST, listener.port
        conn = recipe.connect(tracer, *place, asking(vault), timeout=PATIENCE)
        with conn:
            assert b"hi" == conn.recv(10)
        with pytest.raises(tlskit.VerificationError):
            recipe.connect(
                tracer, *place, asking(vault, CA()), timeout=PATIENCE
            )
        # It is counted when the server has read the alert.
        deadline, nothing = Deadline.after(PATIENCE), threading.Event()
        while not listener.statistics.refused:
            assert deadline.left()
            nothing.wait(0.005)
        address = listener.statistics.address
        measured = points(reader)
    meters.shutdown()
    tracers.shutdown()
    good, bad = spans.get_finished_spans()

    assert [({"server.address": address}, 1)] == measured["tlskit.handshakes"]
    assert [
        (
            {"server.address": address, "error.type": "alert-unknown-ca"},
            1,
        )
    ] == measured["tlskit.refused"]
    assert "tlskit.connections" in measured
    assert "1.3" == good.attributes["tls.protocol.version"]
    assert good.attributes["tls.established"] is True
    assert listener.port == good.attributes["server.port"]
    assert "error.type" not in good.attributes
    assert "unknown-issuer" == bad.attributes["error.type"]
    assert "tls.established" not in bad.attributes


# -- gunicorn ---------------------------------------------------------------


def said(number, context):
    """Ask gunicorn; give the answer's last line."""
    with stdlib_client(number, context, HOST) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer.splitlines()[-1]


def test_gunicorn(vault):
    """Its applications see the client; a bad certificate is refused."""
    pytest.importorskip("gunicorn")
    files = vault.leaf()
    mine = vault.files(vault.ca.issue("client.example"))
    other = vault.files(vault.stranger.issue("client.example"))
    environment = {
        "CHAIN": files.chain,
        "KEY": files.key,
        "ROOTS": vault.roots,
    }
    with Program(
        *(sys.executable, "-m", "gunicorn", "--chdir", str(EXAMPLES)),
        *("--config", str(EXAMPLES / "gunicorn_server.py")),
        "gunicorn_server:application",
        env=environment,
    ) as program:
        number = int(
            program.until(r"Listening at: https://127.0.0.1:(\d+)")[1]
        )
        for own, name in ((None, b"stranger"), (mine, b"CN=client.example")):
            context = ssl.create_default_context(cafile=vault.roots)
            if own is not None:
                context.load_cert_chain(own.chain, own.key)

            assert b"hello, " + name == said(number, context)
        context.load_cert_chain(other.chain, other.key)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            said(number, context)
        program.interrupt()
        program.finish()
