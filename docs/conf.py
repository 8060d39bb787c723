"""How sphinx builds the documentation of tlskit."""

from __future__ import annotations

import builtins
import doctest
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sphinx.errors import SphinxError

import tlskit

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Where links.py is, and backstage.py, which the examples use unseen.
sys.path.insert(0, str(Path(__file__).parent))

project = "tlskit"
author = "the tlskit developers"
copyright = "2026, the tlskit developers"
release = version = tlskit.__version__


def _message(kind: type[BaseException], error: BaseException) -> list[str]:
    """Tell an error as the examples do, without its hint.

    A hint is a note of the error, which Python shows from 3.11 on; examples
    have to be true of 3.10, too.
    """
    told: Any = traceback.TracebackException(kind, error, None)
    told.__notes__ = None
    return list(told.format_exception_only())


_tracebacks = {**vars(traceback), "format_exception_only": _message}
vars(doctest)["traceback"] = SimpleNamespace(**_tracebacks)

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinxcontrib.svgbob",
]
exclude_patterns = ["_build", "cli-*.rst"]  # Parts of cli.rst.
default_role = "any"
nitpicky = True

autoclass_content = "both"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# Others' names.  Their documentation is on the network, the build is not; so
# a link to them is text.  References to tlskit itself must all resolve.
_ELSEWHERE = (
    *sys.stdlib_module_names,
    "OpenSSL",
    "cryptography",
    "trio",
    "typing_extensions",
    # As the sources abbreviate them.
    "ec",
    "ed25519",
    "rsa",
    "x509",
)
_NAMES = (
    *dir(builtins),
    "Any",
    "Buffer",
    "Callable",
    "ClassVar",
    "Iterable",
    "Iterator",
    "Mapping",
    "Self",
    "Sequence",
    "TracebackType",
    "datetime",
)
# Names of unions; docs/api/types.rst says what they hold.
_UNIONS = (
    "AnyPath",
    "Bytes",
    "CrlSource",
    "KeyOf",
    "KeyOffer",
    "KeySource",
    "KeylogTarget",
    "Password",
    "LogSource",
    "PrivateKeyTypes",
    "Source",
    "StapleSource",
    "Verifier",
)
# What is said in the signatures of members that are not for users.
_INSIDE = (
    "Hooks",
    "CredentialSource",
    r"tlskit\.(\w+\.)+_\w+",
    r"tlskit\.(aio|trio|client|server|stdlib|cli|context|engine|openssl|policy|verify|x509)\.(\w+\.)+\w+",
    r"tlskit\.cli\.\w+\.\w+\.\w+",
    r"tlskit\.ports\.(blocking\.driver\.Driver|coroutines\.Coroutines|halves\.Halves)",
)
nitpick_ignore_regex = [
    (r"py:.*", rf"({'|'.join(_ELSEWHERE)})(\..*)?"),
    (r"py:.*", rf"({'|'.join((*_NAMES, *_UNIONS, *_INSIDE))})"),
]

doctest_test_doctest_blocks = "default"

html_theme = "furo"
html_title = f"tlskit {version}"
html_copy_source = False


def keep_first_line(
    _app: Sphinx,
    what: str,
    _name: str,
    _object: object,
    _options: Any,
    lines: list[str],
) -> None:
    """Keep napoleon from reading "Words: more" of a property as a type."""
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # An empty comment, which has no colon.


def check_links(app: Sphinx, exception: Exception | None) -> None:
    """Fail if a page has a link to what is not there."""
    if exception is None and app.builder.format == "html":
        from links import broken

        found = "\n".join(broken(Path(app.outdir)))
        if found:
            raise SphinxError(found)


def setup(app: Sphinx) -> None:
    """Come before napoleon, which listens with the usual priority, 500."""
    app.connect("autodoc-process-docstring", keep_first_line, priority=400)
    app.connect("build-finished", check_links)
