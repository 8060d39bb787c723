"""What tox.ini can't say: which Python "oldest" and "public" run on.

tox.ini could name several, in the order of preference; but tox-uv looks for
the first one only, where tox takes the first that is here.
"""

from __future__ import annotations

import shutil
import subprocess

from tox.config.loader.memory import MemoryLoader
from tox.config.sets import EnvConfigSet
from tox.plugin import impl
from tox.session.state import State

_PATIENCE = 30.0  # Seconds, for an interpreter to start.
_SUPPORTED = [f"python3.{minor}" for minor in range(10, 14)]
_PREFERRED = {"oldest": _SUPPORTED, "public": _SUPPORTED[::-1]}


def _starts(python: str) -> bool:
    # pyenv has a script for each Python that it knows, chosen or not.
    program = shutil.which(python)
    if program is None:
        return False
    done = subprocess.run(  # noqa: S603 - found by name, as tox does
        [program, "-Ic", ""],
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
    )
    return done.returncode == 0


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Name the first Python that starts, or the first one if none does."""
    del state
    preferred = _PREFERRED.get(env_conf.env_name or "", [])
    if preferred:
        found = next(filter(_starts, preferred), preferred[0])
        env_conf.loaders.insert(0, MemoryLoader(base_python=[found]))
