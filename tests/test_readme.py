"""The README: its commands are those that CI runs, its example works."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import tlskit

ROOT = Path(__file__).parent.parent
README = ROOT.joinpath("README.rst").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of *text* in *language*, without their margin."""
    found = []
    for part in text.split(f".. code-block:: {language}\n")[1:]:
        lines = []
        for line in part.splitlines():
            if line and not line.startswith(" "):
                break
            lines.append(line)
        found.append(textwrap.dedent("\n".join(lines)).strip() + "\n")
    return found


def test_the_blocks_of_a_text_are_found():
    """A block ends where the margin does, and keeps its inner blank lines."""
    text = """\
.. code-block:: shell

    one && two

Words.

.. code-block:: python

    def three():

        four()

.. code-block:: python

    five()
"""

    assert ["one && two\n"] == blocks(text, "shell")
    assert ["def three():\n\n    four()\n", "five()\n"] == blocks(
        text, "python"
    )


def test_ci_runs_the_commands_to_the_letter():
    """What the README tells strangers to type is what CI runs."""
    run, bare = (
        ROOT.joinpath(".ci", name).read_text(encoding="utf-8")
        for name in ("run", "bare")
    )
    demo, quick, whole = map(str.strip, blocks(README, "shell"))

    assert {f"({demo})", f"({whole})"} <= {*run.splitlines()}
    assert f"    '{demo}'" in bare.splitlines()
    assert f"    '{quick}'" in bare.splitlines()


def test_the_example_works_when_pasted(tmp_path: Path):
    """The example greets over TLS 1.3 and leaves nothing open."""
    (example,) = blocks(README, "python")
    path = tmp_path / "example.py"
    path.write_text(example, encoding="utf-8")

    # The tlskit that is under test, be it the wheel or the checkout.
    where = str(Path(tlskit.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", path],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": where},
        text=True,
        timeout=50,
    )

    assert "" == done.stderr
    assert "b'hello' TLS_1_3 TLS_AES_256_GCM_SHA384\n" == done.stdout
