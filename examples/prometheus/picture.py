"""Draw the dashboard as it looks with real data.

A server of tlskit's serves good and bad clients for some minutes, a real
Prometheus watches it, and each panel's own queries are asked and drawn.  The
picture in the documentation is made so; Grafana shows the same lines.

``python picture.py dashboard.svg`` needs the program ``prometheus`` and the
package matplotlib.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import math
import random
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import prometheus_client

import tlskit
from tlskit.testing import CA

BOARD = Path(__file__).with_name("dashboard.json")
#: What Grafana puts in place of its variables.
RATE_INTERVAL = "20s"
STEP = 2
_chance = random.SystemRandom()


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def valid(days: int) -> tuple[datetime, datetime]:
    """Give the dates of a certificate that is a day old."""
    now = datetime.now(timezone.utc)
    return now - timedelta(days=1), now + timedelta(days=days - 1)


# -- the server, and who comes to it ----------------------------------------


@contextlib.contextmanager
def serving(folder: Path, ca: CA) -> Iterator[tlskit.Listener]:
    """Serve clients with a certificate that is exchanged on the way."""
    leaf = ca.issue("localhost", valid=valid(47))
    paths = leaf.write(folder)
    context = tlskit.ServerContext()
    context.load_credentials(tlskit.ReloadableCredentials(*paths))
    with tlskit.listen(hostname="localhost", context=context) as listener:
        thread = threading.Thread(target=listener.serve, args=[answer])
        thread.start()
        yield listener
        listener.shutdown(10)
        thread.join()


def answer(conn: tlskit.SSLPort) -> None:
    """Send back what comes; now and then, fail."""
    data = conn.recv(65536)
    if data.startswith(b"fail"):
        raise RuntimeError("asked to fail")
    conn.sendall(data)
    time.sleep(_chance.uniform(0, 0.5))


def visit(port: int, contexts: dict[str, tlskit.ClientContext]) -> None:
    """Be one client, mostly a good one."""
    kind = _chance.choices(
        ["good", "stranger", "plain", "fail"], [82, 7, 6, 3]
    )[0]
    with contextlib.suppress(OSError):
        if kind == "plain":
            with socket.create_connection(("localhost", port), 10) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                sock.recv(100)
            return
        context = contexts.get(kind, contexts["good"])
        with tlskit.connect("localhost", port, context, timeout=10) as conn:
            words = b"fail" if kind == "fail" else b"x"
            conn.sendall(words * _chance.randint(1, 4000))
            conn.recv(65536)


def crowd(port: int, ca: CA, until: float) -> None:
    """Come and go until that moment, more and less busily."""
    contexts = {
        "good": tlskit.ClientContext.secure(),
        "stranger": tlskit.ClientContext.secure(),
    }
    for kind, context in contexts.items():
        made = context.copy()
        (ca if kind == "good" else CA()).trust(made)
        contexts[kind] = made
    while (now := time.monotonic()) < until:
        threading.Thread(target=visit, args=(port, contexts)).start()
        time.sleep(_chance.expovariate(14 + 10 * math.sin(now / 20)))


# -- what Prometheus saw ----------------------------------------------------


@contextlib.contextmanager
def prometheus(folder: Path, target: int) -> Iterator[str]:
    """Watch the server; give the address of the API."""
    config = folder / "prometheus.yml"
    scrape = {
        "job_name": "tlskit",
        "scrape_interval": f"{STEP}s",
        "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
    }
    config.write_text(json.dumps({"scrape_configs": [scrape]}))
    address = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
    ) as process:
        try:
            yield f"http://{address}/api/v1"
        finally:
            process.terminate()


def ask(
    api: str, expression: str, begin: float, end: float
) -> list[dict[str, Any]]:
    """Ask for the lines of one query."""
    for name, value in {
        "$listener": ".*",
        "$__rate_interval": RATE_INTERVAL,
    }.items():
        expression = expression.replace(name, value)
    words = {"query": expression, "start": begin, "end": end, "step": STEP}
    url = f"{api}/query_range?{urllib.parse.urlencode(words)}"
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310
        found: list[dict[str, Any]] = json.load(response)["data"]["result"]
    return found


def legend(pattern: str, labels: dict[str, str]) -> str:
    """Fill in a legend as Grafana does."""
    for name, value in labels.items():
        pattern = pattern.replace(f"{{{{{name}}}}}", value)
    return pattern


# -- the picture ------------------------------------------------------------


def draw(api: str, begin: float, end: float, target: Path) -> None:
    """Draw all panels, two in a row."""
    # Only this picture needs it, so nobody who reads the types has it.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    pyplot.switch_backend("svg")
    panels = json.loads(BOARD.read_text("utf-8"))["panels"]
    pyplot.style.use("ggplot")
    pyplot.rcParams.update({"font.size": 8, "svg.fonttype": "none"})
    rows = math.ceil(len(panels) / 2)
    figure, places = pyplot.subplots(rows, 2, figsize=(11, 2.2 * rows))
    for panel, place in zip(panels, places.flat, strict=False):
        place.set_title(panel["title"], fontsize=9, loc="left")
        for query in panel["targets"]:
            for line in ask(api, query["expr"], begin, end):
                values = [
                    (float(t) - begin, float(v)) for t, v in line["values"]
                ]
                label = legend(query.get("legendFormat", ""), line["metric"])
                if panel["type"] == "bargauge":
                    days = values[-1][1] / 86400
                    place.barh([label], [days], height=0.3)
                    place.set_ylim(-1, 1)
                    place.set_xlabel("days")
                else:
                    place.plot(
                        *zip(*values, strict=True), label=label, linewidth=1
                    )
        if panel["type"] != "bargauge":
            place.set_ylim(bottom=0)
            place.set_xlim(0, end - begin)
            if place.get_lines():
                place.legend(fontsize=6, loc="upper left")
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def main() -> None:
    """Serve, watch and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="the picture to write")
    parser.add_argument("--seconds", type=int, default=180)
    chosen = parser.parse_args()
    # Of clients that are refused, the counts tell.
    logging.getLogger("tlskit").setLevel(logging.CRITICAL)
    ca = CA()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder, ca) as listener:
            registry = prometheus_client.CollectorRegistry()
            registry.register(listener.collector())
            metrics = free_port()
            server, _ = prometheus_client.start_http_server(
                metrics, "127.0.0.1", registry
            )
            with prometheus(folder, metrics) as api:
                begin = time.time()
                half = time.monotonic() + chosen.seconds / 2
                crowd(listener.port, ca, half)
                ca.issue("localhost", valid=valid(90)).write(folder)
                listener.context.reload()
                crowd(listener.port, ca, half + chosen.seconds / 2)
                draw(api, begin + 10, time.time(), chosen.target)
            server.shutdown()


if __name__ == "__main__":
    main()
