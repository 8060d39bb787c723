"""``python -m fuzz NAME --seconds N``."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from . import plain

_HOME = Path(".fuzz")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("name", help="the target; 'list' names them")
    parser.add_argument(
        "inputs",
        nargs="*",
        type=Path,
        help="try these files, and nothing else",
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--plain", action="store_true", help="mutate blindly, without atheris"
    )
    return parser.parse_args()


def _atheris(*, wanted: bool) -> ModuleType | None:
    if not wanted:
        return None
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def _targets(atheris: ModuleType | None) -> ModuleType:
    """Load the targets, instrumented if that can be."""
    if atheris is None:
        return importlib.import_module("fuzz.targets")
    with atheris.instrument_imports(include=["tlskit", "idna"]):
        return importlib.import_module("fuzz.targets")


def _corpus(name: str, targets: ModuleType) -> Path:
    """Give the directory of inputs, with seeds if it is new."""
    place = _HOME / name
    if not place.is_dir():
        place.mkdir(parents=True)
        for data in targets.SEEDS[name]():
            digest = hashlib.sha256(data).hexdigest()[:16]
            (place / digest).write_bytes(data)
    return place


def _plainly(
    name: str,
    target: Callable[[bytes], None],
    corpus: Path,
    arguments: argparse.Namespace,
) -> int:
    inputs = [path.read_bytes() for path in sorted(corpus.iterdir())]
    try:
        tried = plain.run(
            target, inputs, seconds=arguments.seconds, seed=arguments.seed
        )
    except plain.BrokenPromiseError as broken:
        traceback.print_exception(broken.__cause__)
        digest = hashlib.sha256(broken.data).hexdigest()[:16]
        path = _HOME / f"crash-{name}-{digest}"
        path.write_bytes(broken.data)
        print(f"broken by {path}")
        return 1
    print(f"{name}: {tried} inputs, nothing found")
    return 0


def main() -> int:
    """Run one target."""
    arguments = _arguments()
    # Both tell of bad input, of which there is nothing else here.
    logging.disable()
    warnings.simplefilter("ignore")
    atheris = _atheris(wanted=not arguments.plain and not arguments.inputs)
    targets = _targets(atheris)
    name: str = arguments.name
    if name not in targets.TARGETS:
        print("targets:", *targets.TARGETS)
        return int(name != "list")
    target = targets.TARGETS[name]
    for path in arguments.inputs:
        target(path.read_bytes())
    if arguments.inputs:
        return 0
    corpus = _corpus(name, targets)
    if atheris is None:
        return _plainly(name, target, corpus, arguments)
    options = [
        f"-max_total_time={arguments.seconds}",
        f"-artifact_prefix={_HOME}/{name}-",
        f"-seed={arguments.seed}",
        "-timeout=60",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
