"""Ask pyright whether a public name lacks a type, or has an ambiguous one.

To pyright each module without an underscore is public.  Here a name is public
if a public module lists it; its members are public with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

__all__ = ["main"]

DOORS = (
    "tlskit",
    "tlskit.acme",
    "tlskit.aio",
    "tlskit.errors",
    "tlskit.hashing",
    "tlskit.library",
    "tlskit.starttls",
    "tlskit.stdlib",
    "tlskit.testing",
)
_COMMAND = ("--verifytypes", "tlskit", "--ignoreexternal", "--outputjson")


def main() -> int:
    """Print what lacks a type; give 1 if something does."""
    done = subprocess.run(
        [sys.executable, "-m", "pyright", *_COMMAND],
        capture_output=True,
        text=True,
        check=False,
    )
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    public = {name for door in DOORS for name in import_module(door).__all__}
    found = [each for each in symbols if public & {*each["name"].split(".")}]
    bad = [
        each["name"]
        for each in found
        if not each["isTypeKnown"] or each["isTypeAmbiguous"]
    ]
    print(f"{len(found)} public symbols, {len(bad)} without a sure type")
    print(*bad, sep="\n")
    return int(bool(bad) or len(found) < len(public))


if __name__ == "__main__":
    sys.exit(main())
