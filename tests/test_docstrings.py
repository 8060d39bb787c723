"""What is public says what it takes, gives and raises."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from types import ModuleType
from typing import Any

import pytest

import tlskit
from tlskit import acme, aio, hashing, starttls, testing, trio

# ``tlskit.stdlib`` has the interface of ``ssl``, which is documented there.
MODULES = (tlskit, acme, aio, hashing, starttls, testing, trio)
#: Methods that the reference leaves out: they are for the engine.
INSIDE = {"SessionCache.forget", "SessionCache.keep", "SessionCache.take"}
#: Arguments that are a time.
TIMES = re.compile(r"timeout|interval|max_age|seconds")
#: How a docstring begins that tells there what is given.
GIVING = re.compile(
    r"(Ask|Connect|Derive|Give|Issue|Join|Listen|Make|Name|Parse|Read|Say|Select|"
    r"Send|Speak|Take|Tell|Upgrade|Wait)\b|.*; (give|say|tell) |Whether "
)


def classes(module: ModuleType) -> Iterator[type]:
    """Give the public classes that have methods of ours."""
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.isclass(found) and not issubclass(found, Enum):
            yield found


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Give the public methods and properties, inherited ones of ours too."""
    for name in dir(cls):
        owner = next(each for each in cls.__mro__ if name in vars(each))
        if name[0] == "_" or not owner.__module__.startswith("tlskit"):
            continue
        found = getattr(vars(owner)[name], "__func__", vars(owner)[name])
        # The rest are attributes, with a comment for sphinx each.
        if inspect.isfunction(found) or isinstance(found, property):
            yield f"{owner.__name__}.{name}", found


def public() -> dict[str, Any]:
    """Give all public functions, methods and properties by their names."""
    found: dict[str, Any] = {}
    for module in MODULES:
        for name in module.__all__:
            if inspect.isfunction(getattr(module, name)):
                found[f"{module.__name__}.{name}"] = getattr(module, name)
        for cls in classes(module):
            found.update(members(cls))
    return {name: found[name] for name in sorted(found.keys() - INSIDE)}


PUBLIC = public()
FUNCTIONS = [name for name in PUBLIC if inspect.isfunction(PUBLIC[name])]


def section(function: Callable[..., object], name: str) -> dict[str, str]:
    """Give the entries of one section of a docstring, text by name."""
    text = f"{inspect.getdoc(function)}\n"
    found = re.search(rf"^{name}:\n((?:    .*\n)+)", text, re.MULTILINE)
    if found is None:
        return {}
    body = textwrap.dedent(found[1])
    entry = re.compile(r"^\**([\w.]+): (.*\n(?:    .*\n)*)", re.MULTILINE)
    return dict(entry.findall(body))


def raised(function: Callable[..., object]) -> set[str]:
    """Give the names of the errors that a function raises in its own body."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func))
    return {name for name in found if name[0].isupper()}


def test_all_is_looked_at():
    """What is checked below is what is public, and a lot."""
    assert {
        "tlskit.connect",
        "VerificationRules.set_verify",
        "Plaintext.recv",
        "SessionView.peer_verified",
        "tlskit.aio.start_server",
        "CA.issue",
    } <= PUBLIC.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_is_described(name: str):
    """Each function, method and property has a docstring."""
    assert inspect.getdoc(PUBLIC[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments(name: str):
    """Each argument has an entry, and each time a unit."""
    function = PUBLIC[name]
    entries = section(function, "Args")
    arguments = set(inspect.signature(function).parameters) - {"self", "cls"}

    assert arguments == entries.keys()
    for argument in filter(TIMES.search, arguments - {"seconds"}):
        assert re.search(r"second|[Aa]s |See ", entries[argument]), argument


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_given(name: str):
    """What is returned is told, in the first line or in a section."""
    function = PUBLIC[name]
    text = inspect.getdoc(function)
    gives = inspect.signature(function).return_annotation

    assert (
        gives in {None, "None", "NoReturn"}
        or "\nReturns:\n" in text
        or GIVING.match(text)
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors(name: str):
    """What a function raises itself has an entry."""
    function = PUBLIC[name]

    # Who passes something of a wrong type sees that for themselves.
    assert set() == (
        raised(function) - {"TypeError"} - section(function, "Raises").keys()
    )
