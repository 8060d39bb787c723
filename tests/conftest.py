"""What all tests share: the header of the report, and a run without powers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import tlskit
from tlskit import _native

# No test asserts a time, neither should Hypothesis: the machine may be busy.
settings.register_profile(
    "tlskit",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tlskit")

# A job in the background, as CI may be, has them ignored, and so would all
# that is started here.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

OPTION = "--without-native"
SHORT = "--short"
#: Which files take long, and what they test is not of one Python: they start
#: programs, or talk to the libraries of others.
LONG = (
    "test_benchmarks.py",
    "test_cli_*.py",
    "test_crowd.py",
    "test_haproxy.py",
    "test_reload_under_load.py",
    "test_soak.py",
    "test_stdlib_*_clients.py",
    "test_stdlib_servers.py",
    "test_tutorial.py",
)
SCAN = "--scan"
NIGHTLY = "--nightly"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer a run with every capability of ``_native`` switched off."""
    parser.addoption(
        OPTION,
        action="store_true",
        help="switch off all that pyOpenSSL's public interface can't do",
    )
    parser.addoption(
        SHORT,
        action="store_true",
        help="leave out the files that take long",
    )
    parser.addoption(
        SCAN,
        action="store_true",
        help="have testssl.sh scan a server, which takes half a minute",
    )
    parser.addoption(
        NIGHTLY,
        action="store_true",
        help="run all cases of the tests that otherwise run a sample",
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Tell what is tested, and on which libraries."""
    packages = ("pyOpenSSL", "cryptography", "service-identity")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    powers = "off" if config.getoption(OPTION) else "on"
    return [
        f"tlskit: {tlskit.__version__} from {Path(tlskit.__file__).parent}",
        f"on: {versions}, {tlskit.library.version()}",
        f"capabilities of _native: {powers}",
    ]


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Skip what needs a capability that is off, or was not asked for."""
    skips = {}
    if config.getoption(OPTION):
        skips["native"] = f"needs what {OPTION} switches off"
    if not config.getoption(SCAN):
        skips["scan"] = f"runs only with {SCAN}"
    for item in items:
        for marker, reason in skips.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_ignore_collect(
    collection_path: Path, config: pytest.Config
) -> bool | None:
    """Leave out what takes long, if that was asked for."""
    if config.getoption(SHORT) and any(map(collection_path.match, LONG)):
        return True
    return None


@pytest.fixture(scope="session")
def nightly(request: pytest.FixtureRequest) -> bool:
    """Whether there is time for all cases, and not only for a sample."""
    asked = request.config.getoption(NIGHTLY)
    return bool(asked or os.environ.get("TLSKIT_NIGHTLY"))


@pytest.fixture(scope="session", autouse=True)
def _powers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Switch the capabilities of ``_native`` off, if that was asked for."""
    off = request.config.getoption(OPTION)
    with _native.without() if off else nullcontext():
        yield
