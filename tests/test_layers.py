"""The ladder of modules: who may import whom, and who touches what outside.

The ladder is data.  ``docs/architecture.rst`` shows the same rungs to people;
here they are executed against the source, with ``ast``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

SPEC = find_spec("tlskit")  # Found, not imported: the source is what counts.
assert SPEC is not None
assert SPEC.origin is not None
PACKAGE = Path(SPEC.origin).parent

# A module imports from lower rungs only, never from its own.  A name stands
# for a module, or for a package with all that is in it.  Some are not written
# yet; their places are taken.
LADDER = (
    (
        "_der _forks _inspection _lazy _pem _version codes deadline dh files"
        " metrics"
    ),
    "_cryptography _ending",
    (
        "_alerts _children _glimpse _oneline _stories _versioned errors pipes"
        " transport"
    ),
    (
        "_cases _dialogues _hostname _scene _stdlib_certificate"
        " _stdlib_errors _streams _tally _trust_files _trust_macos"
        " _trust_windows facts keylog proxy_protocol sniff"
    ),
    "_claims _closing _mismatch _reasons _sources channel_binding revocation",
    "_diagnosis _openssl ocsp",
    "_native hashing stapling",
    "_trust_sources credentials identity library protocols verification",
    "_plain_http certificates trust",
    "_evidence _offline _preface sessions settings",
    "_callbacks _store _verdict _verifying",
    "_build _resumption",
    "engine reloading",
    "driver view",
    "_stdlib_session ports",
    "_events _handshakes _stdlib_socket context",
    "_prefork _reception _service _stdlib_alpn sides",
    "_stdlib_material client wrapping",
    "_stdlib_policy listener starttls",
    "aio stdlib",
    "__init__ testing",
    "cli",
    "__main__",
)
RUNGS = {
    name: height for height, rung in enumerate(LADDER) for name in rung.split()
}

# The one import upwards: so "import tlskit" does not load "ssl".
UPWARDS = {("context.Context.as_ssl_context", "stdlib")}

# Packages: the modules in them share what begins with an underscore.
PACKAGES = {"aio", "cli", "testing"}

# What "import tlskit" must not load, although it stands lower.
NOT_FOR_INIT = {"aio", "hashing", "stdlib"}

# Who may import these from outside.  What is not here is free for all.
FENCES = {
    "OpenSSL": {"_native", "_openssl"},
    "asyncio": {"aio"},
    "certifi": {"_trust_sources"},
    "click": {"cli"},
    "idna": {"_hostname"},
    "pytest": {"testing"},
    "rich": {"cli"},
    "service_identity": {"identity"},
    "socket": {
        "_handshakes",
        "_reception",
        "_stdlib_socket",
        "_streams",
        "_tally",
        "cli",
        "client",
        "listener",
        "ports",
        "starttls",
        "stdlib",
        "testing",
        "transport",
        "wrapping",
    },
    "ssl": {
        "_stdlib_certificate",
        "_stdlib_errors",
        "_stdlib_material",
        "_stdlib_policy",
        "_stdlib_session",
        "_stdlib_socket",
        "_trust_windows",
        "stdlib",
    },
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
    """The name under which the ladder knows *module*."""
    return module.partition(".")[0]


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
    if base:
        yield base
        return
    for alias in names:
        known = alias.name in RUNGS or alias.name in MODULES
        yield alias.name if known else "__init__"


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
    if other not in RUNGS:
        return f"{other} has no rung"
    if mine == other and mine in PACKAGES:
        name = found.target.partition(".")[2]
        if module in {mine, found.target} or name.startswith("_"):
            return None
        return f"a module of {mine} imports another, {name}"
    if mine == "__init__" and other in NOT_FOR_INIT:
        return f"import tlskit must not load {other}"
    if RUNGS[other] < RUNGS[mine] or (found.place, other) in UPWARDS:
        return None
    return f"{other} stands on rung {RUNGS[other]}, {mine} on {RUNGS[mine]}"


def fault_outside(module: str, found: Import) -> str | None:
    """Why *module* may not import *found* from outside, or None."""
    root = found.target.partition(".")[0]
    if owner(module) not in FENCES.get(root, {owner(module)}):
        return f"{root} is fenced off: {sorted(FENCES[root])} may import it"
    if found.target == "OpenSSL._util" and module != "_native":
        return "OpenSSL._util is private: only _native may know it"
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
    """All that is wrong with *module*'s place on the ladder."""
    if owner(module) not in RUNGS:
        return [f"{module} has no rung; give it one in LADDER"]
    tree = ast.parse(source)
    said = []
    for found in imports(module, tree):
        fault = (fault_inside if found.inside else fault_outside)(
            module, found
        )
        if fault:
            said.append(f"{module}:{found.line}: {fault}")
    if module != "_native":
        said += [
            f"{module}:{line}: {name} is private to pyOpenSSL"
            for line, name in private_uses(tree)
        ]
    said += [
        f"{module}:{line}: {name} is evaluated at import"
        for line, name in eager_uses(tree)
    ]
    return said


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_to_the_ladder(module: str) -> None:
    """A module imports downwards, and from outside only what it may."""
    source = MODULES[module].read_text(encoding="utf-8")

    assert [] == complaints(module, source)


def test_nobody_stands_on_two_rungs() -> None:
    """The ladder names each module once."""
    names = " ".join(LADDER).split()

    assert sorted(set(names)) == sorted(names)


def test_the_fences_have_doors_that_exist() -> None:
    """Whoever may pass a fence has a rung."""
    allowed = {name for names in FENCES.values() for name in names}

    assert set() == (allowed | NOT_FOR_INIT) - RUNGS.keys()


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("stranger", "", "no rung"),
        ("errors", "from .ports import SSLPort", "rung"),
        ("errors", "from . import _cases", "rung"),
        ("errors", "from .transport import tune", "rung"),
        ("errors", "from . import connect", "__init__ stands on rung"),
        ("errors", "import tlskit.ports", "rung"),
        ("errors", "from tlskit import engine", "rung"),
        ("errors", "def late():\n    from .engine import Engine", "rung"),
        ("errors", "from .nobody import thing", "nobody has no rung"),
        ("context", "from .stdlib import SSLContext", "rung"),
        ("__init__", "from .hashing import sha1", "must not load hashing"),
        ("testing", "from ..cli.demo import demo", "rung"),
        ("cli.demo", "from .serve import serve", "imports another, serve"),
        ("aio._port", "from .stream import stream", "imports another"),
        ("aio._port", "from ..stdlib import SSLContext", "rung"),
        ("ports", "import asyncio", "asyncio is fenced off"),
        ("cli.demo", "from ..__main__ import main", "rung"),
        ("testing._a", "from .pairs import pair", "imports another, pairs"),
        ("engine", "import socket", "socket is fenced off"),
        ("engine", "def late():\n    import ssl", "ssl is fenced off"),
        ("verification", "import service_identity.hazmat", "fenced off"),
        ("engine", "from OpenSSL import SSL", "OpenSSL is fenced off"),
        ("_openssl", "from OpenSSL._util import lib", "only _native"),
        ("engine", "connection._ssl", "_ssl is private"),
        ("engine", "MODE = SSL.VERIFY_PEER", "evaluated at import"),
        ("engine", "class A:\n    b = crypto.FILETYPE_PEM", "at import"),
        ("engine", "def a(b=SSL.VERIFY_PEER): ...", "evaluated at import"),
        ("engine", "MODE: int = SSL.VERIFY_PEER", "evaluated at import"),
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
        ("ports", "from .engine import Engine"),
        ("ports", "from . import errors, deadline"),
        ("ports", "import socket, json"),
        ("errors", "if TYPE_CHECKING:\n    from .ports import SSLPort"),
        (
            "context",
            """
class Context:
    def as_ssl_context(self):
        from .stdlib import SSLContext
""",
        ),
        ("cli", "from .demo import demo"),
        ("aio", "from ._port import AsyncSSLPort"),
        ("aio._client", "from ._port import AsyncSSLPort\nimport asyncio"),
        ("cli.demo", "from ._exit import ExitCode"),
        ("cli.demo", "from .. import library, connect"),
        ("cli.demo", "from ..errors import TLSError"),
        ("_native", "from OpenSSL import _util\nconnection._ssl"),
        ("engine", "self._context\ndef a(b: SSL.Context): SSL.VERIFY_PEER"),
        ("engine", "late = lambda: SSL.VERIFY_PEER"),
        ("engine", "context: SSL.Context"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    """The rules leave alone what the architecture allows."""
    assert [] == complaints(module, source)
