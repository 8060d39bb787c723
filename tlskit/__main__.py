"""``python -m tlskit``, and the entry point of the script ``tlskit``."""

from __future__ import annotations

import sys

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> int:
    """Run the command line.

    Returns:
        The exit status; see ``tlskit --help``.  It is 1 if the extra ``cli``
        is not installed.
    """
    try:
        from .cli.main import run

        return run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        print(
            f"tlskit: the command line needs {missing}, which is in the "
            f'extra "cli"; python -m pip install "tlskit[cli]" brings it',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:  # While modules were being imported.
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
