"""What all tests share: the header of the report, and a run without powers."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import tlskit
from tlskit.openssl import native
from tlskit.ports.blocking.lane import closed_lane

from .pythons import Share, found_here, share_of
from .summary import Totals, words

# No test asserts a time, neither should Hypothesis: the machine may be busy.
for _name, _examples in (("tlskit", 100), ("tlskit short", 25)):
    settings.register_profile(
        _name,
        deadline=None,
        max_examples=_examples,
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
LANE = "--without-lane"
SHORT = "--short"
#: Which files take long, and what they test is not of one Python: they start
#: programs.  The longest come first, and begin first: what runs beside them
#: then ends with them.
LONG = (
    "test_scan.py",
    "test_benchmarks.py",
    "test_cli_check.py",
    "test_tutorial.py",
    "test_cli_*.py",
    "test_cli.py",
    "test_acme_orders.py",
    "test_aio_waiting.py",
    "test_crowd.py",
    "test_fingerprints.py",
    "test_examples.py",
    "test_client_libraries.py",
    "test_ftps.py",
    "test_starttls_servers.py",
    "test_haproxy.py",
    "test_reload_under_load.py",
    "test_soak.py",
)
NO_LIBRARIES = "--no-libraries"
#: Which files talk to the libraries of others.
LIBRARIES = ("test_stdlib_*_clients.py", "test_stdlib_servers.py")
SHARE = "--share"
SCAN = "--scan"
#: What this Python runs, where several share the work.
SHARED = pytest.StashKey[Share]()
NIGHTLY = "--nightly"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer a run with every capability of ``_native`` switched off."""
    parser.addoption(
        OPTION,
        action="store_true",
        help="switch off all that pyOpenSSL's public interface can't do",
    )
    parser.addoption(
        LANE,
        action="store_true",
        help="have ports read and write by the long way, always",
    )
    parser.addoption(
        SHORT,
        action="store_true",
        help="leave out the files that take long, and repeat less",
    )
    parser.addoption(
        NO_LIBRARIES,
        action="store_true",
        help="leave out what other people's libraries are needed for",
    )
    parser.addoption(
        SHARE,
        action="store_true",
        help="leave out what another Python of this machine runs",
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


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples in a short run."""
    if config.getoption(SHORT):
        settings.load_profile("tlskit short")
    if config.getoption(SHARE):
        share = share_of(sys.version_info[1], found_here())
        config.stash[SHARED] = share
        config.option.short |= not share.programs
        config.option.no_libraries |= not share.libraries


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
    """Leave out and skip what was not asked for, or what can't be.

    Raises:
        pytest.UsageError: A test is called by an address in memory.  In
            another process it has another name, so that workers don't agree.
    """
    if named := [each.nodeid for each in items if " at 0x" in each.nodeid]:
        raise pytest.UsageError(f"give the case a name of its own: {named[0]}")
    if share := config.stash.get(SHARED, None):
        items[:] = items[share.part - 1 :: share.parts]
    items.sort(key=lambda item: _rank(item.path))
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
    for option, patterns in ((SHORT, LONG), (NO_LIBRARIES, LIBRARIES)):
        if config.getoption(option) and any(
            map(collection_path.match, patterns)
        ):
            return True
    return None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> None:
    """Say at the end what of this machine was missing."""
    stats = terminalreporter.stats
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in stats.get("skipped", ())
        if isinstance(report.longrepr, (tuple, list))
    )
    _, *lacking = words(Totals(0, 0, reasons, reasons)).splitlines()
    for line in lacking:
        terminalreporter.write_line(line)


def _rank(path: Path) -> int:
    """Give a file's place among those that take long, or behind them."""
    matches = map(path.match, LONG)
    return next((at for at, one in enumerate(matches) if one), len(LONG))


@pytest.fixture(scope="session")
def nightly(request: pytest.FixtureRequest) -> bool:
    """Whether there is time for all cases, and not only for a sample."""
    asked = request.config.getoption(NIGHTLY)
    return bool(asked or os.environ.get("TLSKIT_NIGHTLY"))


@pytest.fixture(scope="session")
def short(request: pytest.FixtureRequest) -> bool:
    """Whether it is enough to do a thing a few times."""
    return bool(request.config.getoption(SHORT))


@pytest.fixture(scope="session", autouse=True)
def _powers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Switch the capabilities of ``_native`` off, if that was asked for."""
    off = request.config.getoption(OPTION)
    slow = request.config.getoption(LANE)
    with native.without() if off else nullcontext():
        with closed_lane() if slow else nullcontext():
            yield
