"""What lies beside the package, and is not installed with it."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def load(name: str, path: Path, *, package: bool = False) -> ModuleType:
    """Load a module of the checkout, whichever tlskit is being tested."""
    if not path.exists():  # pragma: no cover - an incomplete checkout
        pytest.skip(f"{path} is not here")
    places = [str(path.parent)] if package else None
    spec = spec_from_file_location(
        name, path, submodule_search_locations=places
    )
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
