"""The walls of the house: which folder may import which, and by which doors.

A concept is a folder.  ``RUNGS`` orders the folders; a folder imports only
from those above it in the list.  Inside a folder the order is not listed:
it follows from the imports, which may form no circle.  ``DOORS`` names what
other folders may import.  ``docs/architecture.rst`` shows the same to people;
here it is executed against the source, with ``ast``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

SPEC = find_spec("tlskit")  # Found, not imported: the source is what counts.
assert SPEC is not None
assert SPEC.origin is not None
PACKAGE = Path(SPEC.origin).parent

# A folder, or a module at the top level, imports what stands above it.
# Some are not written yet; their places are taken.
RUNGS = (
    "tools",
    "errors",
    "x509",
    "openssl",
    "trust",
    "verify",
    "policy",
    "engine",
    "ports",
    "context",
    "client",
    "server",
    "stdlib aio trio acme",
    "hashing library starttls",
    "__init__",
    "testing",
    "cli",
    "__main__",
)
HEIGHTS = {
    name: height for height, rung in enumerate(RUNGS) for name in rung.split()
}

# What of a folder others may import; all of it where it is not listed.
# "" is the folder itself: what its __init__ offers.
DOORS: dict[str, set[str]] = {
    "aio": set(),
    "cli": {"main"},
    "client": {
        "connect",
        "conversation",
        "opening",
        "proxies",
        "starttls.connect",
        "wrapping",
    },
    "context": {"context", "following", "reloading", "sides"},
    "engine": {
        "bindings",
        "build",
        "callbacks",
        "engine",
        "facts",
        "refusal.missing",
        "sniff",
    },
    "errors": {
        "",
        "codes",
        "copies",
        "stack",
        "verify_reasons",
        "whereabouts",
    },
    "openssl": {
        "dh",
        "gate",
        "hashing",
        "library",
        "memory",
        "native",
        "protocols",
        "system",
        "records",
    },
    "server": {
        "acme.challenge",
        "acme.credentials",
        "acme.demand",
        "listener",
        "listening",
        "tally",
    },
    "stdlib": {""},
    "testing": {""},
    "trust": {""},
    "verify": {
        "chain",
        "evidence",
        "hostname",
        "identity",
        "ocsp",
        "offline",
        "revocation",
        "scene",
        "stapling",
        "strength",
        "strict.profile",
        "transparency.logs",
        "transparency.timestamps",
    },
}

# The one import upwards: so "import tlskit" does not load "ssl".
UPWARDS = {("context.context.Context.as_ssl_context", "stdlib")}

# What "import tlskit" must not load, although it stands lower.
NOT_FOR_INIT = {"acme", "aio", "hashing", "stdlib", "trio"}

# Who may import these from outside: folders, or modules of one.  What is not
# here is free for all.
FENCES = {
    "OpenSSL": {"openssl"},
    "acme": {"server.acme"},
    "asyncio": {"aio"},
    "certifi": {"trust"},
    "click": {"cli"},
    "idna": {"verify"},
    "prometheus_client": {"server"},
    "pytest": {"testing"},
    "rich": {"cli"},
    "service_identity": {"verify"},
    "socket": {"cli", "client", "ports", "server", "stdlib", "testing"},
    "ssl": {"stdlib", "trust.windows"},
    "trio": {"trio"},
}

# Of pyOpenSSL's own: attributes, and modules, that are not public.
PRIVATE = {
    "_context",
    "_from_raw_x509_ptr",
    "_from_ssl",
    "_into_ssl",
    "_lib",
    "_pkey",
    "_ssl",
    "_store",
    "_util",
    "_x509",
}

# Lines of the longest module, docstrings included, modules of a folder, and
# entries at the top level, of which so many are modules.
LONGEST, MOST, ENTRIES, TOP_MODULES = 500, 15, 24, 8

# The only folder whose modules may touch those.
NATIVE = "openssl.native"


class Import(NamedTuple):
    """One import statement's one target."""

    line: int
    place: str
    target: str
    inside: bool


def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name below it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if len(parts) > 1 and parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


MODULES = modules()


def owner(module: str) -> str:
    """The folder, or the module at the top level, that *module* is in."""
    return module.partition(".")[0]


def is_native(module: str) -> bool:
    """Whether *module* may touch what is private to pyOpenSSL."""
    return module == NATIVE or module.startswith(f"{NATIVE}.")


def is_type_checking(node: ast.AST) -> bool:
    """Whether *node* is executed by type checkers only."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def executed(node: ast.AST, place: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Walk what is executed some day, each node with its qualified place."""
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            continue
        yield child, place
        named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        inner = f"{place}.{child.name}" if isinstance(child, named) else place
        yield from executed(child, inner)


def inside_names(base: str, names: list[ast.alias]) -> Iterator[str]:
    """What ``from <base> import <names>`` loads of the package."""
    for alias in names:
        whole = f"{base}.{alias.name}" if base else alias.name
        known = whole in MODULES or (not base and alias.name in HEIGHTS)
        yield whole if known else base or "__init__"


def from_targets(
    module: str, node: ast.ImportFrom
) -> Iterator[tuple[str, bool]]:
    """What a ``from`` statement loads, and whether it is the package's."""
    name = node.module or ""
    if not node.level:
        root, _, rest = name.partition(".")
        if root != "tlskit":
            yield name, False
            return
        base = rest
    else:
        path = MODULES.get(module)
        is_package = path is not None and path.name == "__init__.py"
        here = [] if module == "__init__" else module.split(".")
        up = node.level - is_package if here else 0
        base = ".".join([*here[: len(here) - up], *filter(None, [name])])
    for found in inside_names(base, node.names):
        yield found, True


def imports(module: str, tree: ast.AST) -> Iterator[Import]:
    """Every import of *module*, those in functions included."""
    for node, scope in executed(tree):
        place = module + scope
        if isinstance(node, ast.Import):
            for alias in node.names:
                root, _, rest = alias.name.partition(".")
                mine = root == "tlskit"
                target = (rest or "__init__") if mine else alias.name
                yield Import(node.lineno, place, target, mine)
        elif isinstance(node, ast.ImportFrom):
            for target, mine in from_targets(module, node):
                yield Import(node.lineno, place, target, mine)


def fault_inside(module: str, found: Import) -> str | None:
    """Why *module* may not import *found* of the package, or None."""
    mine, other = owner(module), owner(found.target)
    if other not in HEIGHTS:
        return f"{other} has no rung"
    if mine == other:
        return None  # Circles are looked for in the folder as a whole.
    if mine == "__init__" and other in NOT_FOR_INIT:
        return f"import tlskit must not load {other}"
    if (found.place, other) in UPWARDS:
        return None
    if HEIGHTS[other] >= HEIGHTS[mine]:
        return (
            f"{other} stands on rung {HEIGHTS[other]},"
            f" {mine} on {HEIGHTS[mine]}"
        )
    inner = found.target.partition(".")[2]
    if inner not in DOORS.get(other, {inner}):
        return f"{found.target} is no door of {other}"
    return None


def fault_outside(module: str, found: Import) -> str | None:
    """Why *module* may not import *found* from outside, or None."""
    root = found.target.partition(".")[0]
    allowed = FENCES.get(root)
    if allowed is not None and not {owner(module), module} & allowed:
        return f"{root} is fenced off: {sorted(allowed)} may import it"
    if found.target == "OpenSSL._util" and not is_native(module):
        return f"OpenSSL._util is private: only {NATIVE} may know it"
    return None


def private_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where private names of pyOpenSSL are used on something foreign."""
    for node, _ in executed(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in PRIVATE
            and not (
                isinstance(node.value, ast.Name)
                and node.value.id in {"self", "cls"}
            )
        ):
            yield node.lineno, node.attr


def eager_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where ``SSL`` and ``crypto`` are looked into while a module loads.

    With ``from __future__ import annotations`` annotations are not evaluated.
    """
    lazy = (ast.Lambda, ast.AnnAssign)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            continue
        if isinstance(node, functions):
            eager = [
                *node.decorator_list,
                *node.args.defaults,
                *filter(None, node.args.kw_defaults),
            ]
            yield from eager_uses(ast.Module([ast.Expr(e) for e in eager], []))
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from eager_uses(ast.Module([ast.Expr(node.value)], []))
        elif not isinstance(node, lazy):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in {"SSL", "crypto"}
            ):
                yield node.lineno, f"{node.value.id}.{node.attr}"
            yield from eager_uses(node)


def complaints(module: str, source: str) -> list[str]:
    """All that is wrong with what *module* imports and touches."""
    if owner(module) not in HEIGHTS:
        return [f"{module} has no rung; give its folder one in RUNGS"]
    tree = ast.parse(source)
    said = []
    for found in imports(module, tree):
        fault = (fault_inside if found.inside else fault_outside)(
            module, found
        )
        if fault:
            said.append(f"{module}:{found.line}: {fault}")
    if not is_native(module):
        said += [
            f"{module}:{line}: {name} is private to pyOpenSSL"
            for line, name in private_uses(tree)
        ]
    said += [
        f"{module}:{line}: {name} is evaluated at import"
        for line, name in eager_uses(tree)
    ]
    return said


def circle(sources: Mapping[str, str]) -> list[str]:
    """Modules of one folder that import each other in a circle, or none."""
    graph = {
        module: {
            found.target
            for found in imports(module, ast.parse(source))
            if found.inside and found.target in sources
        }
        - {module}
        for module, source in sources.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        members: list[str] = error.args[1]
        return members
    return []


FOLDERS = sorted(
    {owner(module) for module in MODULES if (PACKAGE / owner(module)).is_dir()}
)


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_to_the_rungs(module: str) -> None:
    """A module imports downwards, through doors, and what it may outside."""
    source = MODULES[module].read_text(encoding="utf-8")

    assert [] == complaints(module, source)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_circles_in_a_folder(folder: str) -> None:
    """The modules of a folder can be put into an order."""
    sources = {
        module: path.read_text(encoding="utf-8")
        for module, path in MODULES.items()
        if owner(module) == folder
    }

    assert [] == circle(sources)


def test_a_circle_is_seen() -> None:
    """Two modules that import each other are told, and one way is not."""
    there, back = "from .view import View", "from . import port"

    assert [] == circle({"ports.port": there, "ports.view": ""})
    assert {"ports.port", "ports.view"} == set(
        circle({"ports.port": there, "ports.view": back})
    )


def test_nobody_stands_on_two_rungs() -> None:
    """The rungs name each folder once."""
    names = " ".join(RUNGS).split()

    assert sorted(set(names)) == sorted(names)


def test_the_doors_exist_and_are_used() -> None:
    """Each door is a module that another folder imports."""
    used: dict[str, set[str]] = {folder: set() for folder in DOORS}
    for module, path in MODULES.items():
        for found in imports(module, ast.parse(path.read_text("utf-8"))):
            other, _, inner = found.target.partition(".")
            if found.inside and other in used and owner(module) != other:
                used[other].add(inner)

    assert used == DOORS


def test_the_fences_have_doors_that_exist() -> None:
    """Whoever may pass a fence has a rung."""
    allowed = {owner(name) for names in FENCES.values() for name in names}

    assert set() == (allowed | NOT_FOR_INIT | DOORS.keys()) - HEIGHTS.keys()


def test_the_house_has_rooms() -> None:
    """No folder is so full, and no module so long, that one gets lost."""
    entries = [
        path
        for path in PACKAGE.iterdir()
        if path.name != "__pycache__" and path.suffix != ".pyc"
    ]
    long = {
        module: lines
        for module, path in MODULES.items()
        if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST
    }
    full = {
        str(folder.relative_to(PACKAGE)): count
        for folder in {path.parent for path in MODULES.values()} - {PACKAGE}
        if (count := sum(1 for _ in folder.glob("*.py")) - 1) > MOST
    }

    assert {} == full
    assert {} == long
    assert len(entries) <= ENTRIES
    assert TOP_MODULES >= sum(path.suffix == ".py" for path in entries)


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("stranger", "", "no rung"),
        ("errors.alerts", "from ..ports.port import SSLPort", "rung"),
        ("errors.alerts", "from ..ports import port", "rung"),
        ("errors.alerts", "from .. import connect", "__init__ stands on rung"),
        ("errors.alerts", "import tlskit.ports.port", "rung"),
        ("errors.alerts", "from tlskit.engine import engine", "rung"),
        (
            "errors.alerts",
            "def a():\n    from ..engine.facts import F",
            "rung",
        ),
        ("errors.alerts", "from ..nobody import thing", "nobody has no rung"),
        ("context.sides", "from ..stdlib import SSLContext", "rung"),
        ("__init__", "from .hashing import sha1", "must not load hashing"),
        ("testing.pairs", "from ..cli.main import run", "rung"),
        ("cli.main", "from ..verify.diagnosis import find", "is no door"),
        ("aio.port", "from ..stdlib import SSLContext", "rung"),
        ("ports.port", "import asyncio", "asyncio is fenced off"),
        ("cli.main", "from ..__main__ import main", "rung"),
        ("engine.engine", "import socket", "socket is fenced off"),
        ("engine.engine", "def late():\n    import ssl", "ssl is fenced off"),
        ("trust.macos", "import ssl", "ssl is fenced off"),
        ("trust", "import service_identity.hazmat", "fenced off"),
        ("engine.engine", "from OpenSSL import SSL", "OpenSSL is fenced off"),
        ("openssl.gate", "from OpenSSL._util import lib", "is private"),
        ("openssl.natively", "from OpenSSL._util import lib", "is private"),
        ("engine.engine", "connection._ssl", "_ssl is private"),
        ("engine.engine", "MODE = SSL.VERIFY_PEER", "evaluated at import"),
        (
            "engine.engine",
            "class A:\n    b = crypto.FILETYPE_PEM",
            "at import",
        ),
        ("engine.engine", "def a(b=SSL.VERIFY_PEER): ...", "at import"),
        ("engine.engine", "MODE: int = SSL.VERIFY_PEER", "at import"),
    ],
)
def test_a_breach_is_seen(module: str, source: str, fault: str) -> None:
    """Each rule refuses what it is there to refuse."""
    said = complaints(module, source)

    assert 1 == len(said)
    assert fault in said[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ports.port", "from ..engine.engine import Engine"),
        ("ports.port", "from ..tools import deadline"),
        ("ports.port", "import socket, json"),
        ("trust.windows", "import ssl"),
        ("errors", "if TYPE_CHECKING:\n    from ..ports.port import SSLPort"),
        (
            "context.context",
            """
class Context:
    def as_ssl_context(self):
        from ..stdlib import SSLContext
""",
        ),
        ("cli.main", "from .doctor import command"),
        ("aio.client", "from .port import AsyncSSLPort\nimport asyncio"),
        ("cli.doctor", "from .. import library, connect"),
        ("cli.doctor", "from ..errors import TLSError"),
        (NATIVE, "from OpenSSL import _util\nconnection._ssl"),
        (f"{NATIVE}.direct", "from OpenSSL import _util\nconnection._ssl"),
        ("engine.engine", "self._context\ndef a(b: SSL.Context): SSL.A"),
        ("engine.engine", "late = lambda: SSL.VERIFY_PEER"),
        ("engine.engine", "context: SSL.Context"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    """The rules leave alone what the architecture allows."""
    assert [] == complaints(module, source)
