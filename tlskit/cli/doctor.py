"""``tlskit doctor``: what is installed here, and whom it would trust."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, TypedDict

import click
from rich.text import Text

from .. import __version__
from ..errors import ConfigurationError
from ..openssl import library
from ..openssl.gate import is_available, why_unavailable
from ..openssl.native import capabilities
from ..openssl.protocols import (
    supported_client_protocols,
    supported_server_protocols,
)
from ..trust import VerifySource, default_verify_sources
from .console import open_console, reporting, show_json, show_rows
from .data import SCHEMA
from .exit import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["DoctorData", "SourceData", "command"]

_PACKAGES = (
    "pyOpenSSL",
    "cryptography",
    "service-identity",
    "idna",
    "certifi",
    "click",
    "rich",
)
#: What changes tlskit's or OpenSSL's behaviour.
_VARIABLES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
    "CRYPTOGRAPHY_OPENSSL_NO_LEGACY",
    "LD_LIBRARY_PATH",
    "NO_COLOR",
)


class SourceData(TypedDict):
    """One of the sources of roots that are trusted by default."""

    source: str
    #: How many roots it holds; null if it can't be loaded.
    roots: int | None
    #: Directories that are searched when a root is needed.
    directories: list[str]
    #: Why it can't be loaded, or null.
    problem: str | None


class DoctorData(TypedDict):
    """What ``tlskit doctor --json`` prints; version 1."""

    schema: int
    #: What is wrong, a sentence each; empty if nothing is.
    problems: list[str]
    #: Of tlskit, Python, the platform, OpenSSL, and Python packages; null
    #: for one that is not installed.
    versions: dict[str, str | None]
    #: Protocol names of clients and of servers.
    protocols: dict[str, list[str]]
    #: What this pair of pyOpenSSL and OpenSSL can do.
    capabilities: dict[str, bool]
    #: Environment variables in effect.
    environment: dict[str, str]
    trust: list[SourceData]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print data, not text.")
@reporting
def command(*, as_json: bool) -> ExitCode:
    """Tell versions, capabilities and trusted sources.

    What it prints is meant to be pasted into a report: it holds no secrets,
    only versions, paths and counts.  The exit status is 1 if TLS can't work
    at all, and 6 if nobody would be trusted.
    """
    data = _examine()
    console = open_console()
    if as_json:
        show_json(console, data)
    else:
        _show(console, data)
    if not is_available():
        return ExitCode.USAGE
    return ExitCode.UNTRUSTED if data["problems"] else ExitCode.GOOD


def _examine() -> DoctorData:
    trust = [_source(each) for each in default_verify_sources()]
    return DoctorData(
        schema=SCHEMA,
        problems=list(_problems(trust)),
        versions=_versions(),
        protocols={
            "client": list(supported_client_protocols()),
            "server": list(supported_server_protocols()),
        },
        capabilities=dict(capabilities()),
        environment={
            name: os.environ[name] for name in _VARIABLES if name in os.environ
        },
        trust=trust,
    )


def _source(source: VerifySource) -> SourceData:
    data = SourceData(
        source=str(source), roots=None, directories=[], problem=None
    )
    try:
        found = source.load()
    except ConfigurationError as error:
        data["problem"] = str(error)
        return data
    data["roots"] = len(found.ders)
    data["directories"] = list(found.directories)
    return data


def _problems(trust: list[SourceData]) -> Iterator[str]:
    if not is_available():
        yield f"TLS is not available: {why_unavailable()}"
    if not any(each["roots"] or each["directories"] for each in trust):
        yield (
            "nobody is trusted by default: no source of roots can be loaded; "
            "name one in SSL_CERT_FILE"
        )


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {
        "tlskit": __version__,
        "Python": platform.python_version(),
        "platform": platform.platform(),
        "OpenSSL": library.version() if is_available() else None,
    }
    for name in _PACKAGES:
        try:
            versions[name] = version_of(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def _show(console: Console, data: DoctorData) -> None:
    if not data["problems"]:
        console.print(Text("good: nothing is wrong here", "bold green"))
    for problem in data["problems"]:
        console.print(Text(problem, "bold red"), soft_wrap=True)
    for title, pairs in _sections(data):
        console.print()
        console.print(Text(title, "bold"))
        show_rows(console, pairs)


def _sections(
    data: DoctorData,
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    yield (
        "versions",
        [
            (name, found or "not installed")
            for name, found in data["versions"].items()
        ],
    )
    yield (
        "protocols",
        [
            (side, " ".join(names) or "none")
            for side, names in data["protocols"].items()
        ],
    )
    yield (
        "capabilities",
        [
            (name, "yes" if there else "no")
            for name, there in data["capabilities"].items()
        ],
    )
    yield (
        "environment",
        list(data["environment"].items())
        or [("none", "no variable changes anything here")],
    )
    yield (
        "trusted by default",
        [(each["source"], _verdict(each)) for each in data["trust"]],
    )


def _verdict(source: SourceData) -> str:
    if source["problem"] is not None:
        return source["problem"]
    if source["directories"]:
        return "searched when a root is needed"
    return f"{source['roots']} roots"
