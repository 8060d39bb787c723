"""What the package says of itself is true."""

from __future__ import annotations

import ast
import configparser
import re
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import tlskit

ROOT = Path(__file__).parent.parent


def setup_cfg() -> configparser.ConfigParser:
    """The file ``setup.cfg``, parsed."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def promised() -> dict[str, str]:
    """The lowest version of each package that tlskit runs on, by its name."""
    parser = setup_cfg()
    lines = (
        parser["options"]["install_requires"]
        + parser["options.extras_require"]["cli"]
    )
    pairs = (line.split(">=") for line in lines.split())
    return {name.lower(): version for name, version in pairs}


def test_the_oldest_versions_are_those_that_are_promised():
    """The ``-oldest`` environments prove the bounds of setup.cfg itself."""
    path = ROOT / "tests" / "constraints" / "oldest.txt"
    pins = re.findall(
        r"^([\w-]+)==(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    tested = {name.lower(): version for name, version in pins}

    assert promised() == {
        name: version for name, version in tested.items() if name in promised()
    }


def test_tox_runs_every_python_that_is_promised():
    """Each Python of the classifiers has an environment, and no other has."""
    listed = re.findall(
        r"Python :: 3\.(\d+)", setup_cfg()["metadata"]["classifiers"]
    )
    tox = ROOT.joinpath("tox.ini").read_text(encoding="utf-8")
    found = re.findall(r"^    py3\{([\d,]+)\}$", tox, re.MULTILINE)

    assert sorted(listed) == sorted(",".join(found).split(","))


def test_the_version_can_be_read_without_importing():
    """A build, which has no pyOpenSSL, finds the version as a literal."""
    spec = find_spec("tlskit")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    literals = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "__version__"
    ]

    assert [tlskit.__version__] == literals


def test_types_ship():
    """The marker of PEP 561 lies beside the modules."""
    assert Path(tlskit.__file__).with_name("py.typed").is_file()


def test_the_script_is_the_module():
    """``tlskit`` and ``python -m tlskit`` start at the same function."""
    line = setup_cfg()["options.entry_points"]["console_scripts"].strip()

    assert "tlskit = tlskit.__main__:main" == line
    assert all(
        script.value == "tlskit.__main__:main"
        for script in entry_points(group="console_scripts", name="tlskit")
    )


def test_everything_exported_is_there():
    """Each name of ``__all__`` exists, and the list is in order."""
    assert set() == {
        name for name in tlskit.__all__ if not hasattr(tlskit, name)
    }
    assert sorted(set(tlskit.__all__)) == sorted(tlskit.__all__)
