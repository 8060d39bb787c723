"""What ``import tlskit`` does, and above all what it doesn't."""

from __future__ import annotations

import ast
import importlib.machinery
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tlskit

# Python tells an audit hook of every file that it opens, every socket that it
# makes and so on.  Reading modules is what an import is for, and that goes by
# "open" and "os.listdir".
WATCH = """
import json, sys
events = []
def note(event, arguments):
    if on:
        events.append([event, *map(str, arguments)])
on = True
sys.addaudithook(note)
{statement}
on = False
print(json.dumps(dict(events=events, path=sys.path, modules={{
    name: list(getattr(module, "__path__", ()))
    for name, module in sys.modules.items()
}})))
"""
#: Families of events that are input or output.
OUTSIDE = (
    "_winapi.",
    "ctypes.dlopen",
    "fcntl.",
    "mmap.",
    "os.",
    "shutil.",
    "socket.",
    "subprocess.",
    "syslog.",
    "tempfile.",
    "urllib.",
    "winreg.",
)
#: A trust source is read when it is loaded; this one is no certificate.
LOAD = (
    "tlskit.ClientContext('auto').load_verify_source("
    "sys.executable, try_=True)"
)
SUFFIXES = tuple(importlib.machinery.all_suffixes())


class Watched(NamedTuple):
    """What a process did while it ran a statement."""

    deeds: list[list[str]]
    modules: dict[str, list[str]]


def watched(statement: str) -> Watched:
    """Run *statement* in a new process; give what is no reading of modules."""
    done = subprocess.run(
        # Nothing written: compiled modules are another matter.
        [sys.executable, "-B", "-c", WATCH.format(statement=statement)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    folders = {*said["path"], ".", str(Path.cwd())}
    folders.update(*said["modules"].values())
    deeds = []
    for event, *arguments in said["events"]:
        if event == "open":
            name, mode = arguments[:2]
            if name.endswith(SUFFIXES) and not set(mode) & set("wax+"):
                continue
        elif event == "os.listdir":
            # Of a package, or of a place where packages are.
            if arguments[0] in folders:
                continue
        elif not event.startswith(OUTSIDE):
            continue
        deeds.append([event, *arguments])
    return Watched(deeds, said["modules"])


@pytest.fixture(scope="module")
def imported() -> Watched:
    """What loading every module behind the usual names did."""
    return watched("from tlskit import connect, listen, ports_to_ssl_ports")


def test_no_io(imported: Watched) -> None:
    """Loading reads modules: no other file, no socket, no program."""
    assert [] == imported.deeds
    assert "tlskit.engine.engine" in imported.modules


def test_next_to_nothing() -> None:
    """Importing the package alone loads nothing but its version."""
    alone = watched("import tlskit")

    assert [] == alone.deeds
    assert {"tlskit"} == {
        name for name in alone.modules if name.startswith("tlskit")
    }
    assert "OpenSSL" not in alone.modules


def told() -> dict[str, str]:
    """Give the home of each public name, as type checkers are told it."""
    tree = ast.parse(Path(tlskit.__file__).read_text())
    [branch] = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        name.name: node.module
        for node in branch.body
        if isinstance(node, ast.ImportFrom) and node.module
        for name in node.names
    }


def test_type_checkers_are_told_the_same() -> None:
    """Each public name comes from where type checkers believe it does."""
    assert told() == vars(tlskit)["_HOMES"]
    assert {*told(), "library", "__version__"} == set(tlskit.__all__)


@pytest.mark.parametrize("name", sorted(tlskit.__all__))
def test_public_names(name: str) -> None:
    """Each of them is there, and stays what it is."""
    assert name in dir(tlskit)
    assert getattr(tlskit, name) is getattr(tlskit, name)


def test_modules() -> None:
    """The public modules are there without an import of their own."""
    seen = watched(
        "import tlskit; tlskit.errors.TLSError, tlskit.starttls.PORTS"
    )

    assert {"tlskit.errors", "tlskit.starttls"} <= set(seen.modules)
    for name in ("nonsense", "_nonsense", "__nonsense__"):
        with pytest.raises(AttributeError, match=name):
            getattr(tlskit, name)


@pytest.mark.parametrize(
    ("statement", "event"),
    [
        ("open('/etc/hosts')", "open"),
        ("open(__import__('os').devnull, 'r+')", "open"),
        ("import os; os.listdir('/etc')", "os.listdir"),
        ("import socket; socket.socket()", "socket.__new__"),
        ("import socket; socket.getaddrinfo('::1', 1)", "socket.getaddrinfo"),
        ("import os; os.scandir('/')", "os.scandir"),
        (f"import tlskit; {LOAD}", "open"),
    ],
)
def test_io_is_seen(statement: str, event: str) -> None:
    """The watch that sees nothing above sees what there is to see."""
    assert event in [deed[0] for deed in watched(statement).deeds]


@pytest.mark.parametrize(
    "name",
    [
        "asyncio",
        "certifi",
        "click",
        "http",
        "idna",
        "rich",
        "service_identity",
        "ssl",
        "tlskit.aio",
        "tlskit.cli.main",
        "tlskit.hashing",
        "tlskit.stdlib",
        "tlskit.testing",
    ],
)
def test_not_loaded(imported: Watched, name: str) -> None:
    """What only some programs need is loaded when they need it."""
    assert name not in imported.modules
