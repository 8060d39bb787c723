"""More real servers, for the client libraries and the dialects of STARTTLS.

They run as whoever runs the tests, root included; no service is touched.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .peers import Files, Program, reserved_port

__all__ = ["mariadb"]


@contextmanager
def mariadb(files: Files) -> Iterator[int]:
    """Run MariaDB, where any password will do; give its port."""
    # Its socket's path must be short, which pytest's are not.
    with tempfile.TemporaryDirectory() as where, reserved_port() as port:
        data = Path(where) / "data"
        data.mkdir()
        with Program(
            *("mariadbd", "--no-defaults", f"--datadir={data}"),
            *(f"--user={pwd.getpwuid(os.getuid()).pw_name}",),
            *("--bind-address=127.0.0.1", f"--port={port}"),
            *(f"--socket={where}/socket", f"--pid-file={where}/pid"),
            *(f"--ssl-cert={files.chain}", f"--ssl-key={files.key}"),
            # Without tables of its own it begins at once.
            *("--skip-grant-tables", "--skip-networking=0"),
            *("--skip-innodb", "--default-storage-engine=Aria"),
            "--require-secure-transport=on",
        ) as program:
            program.until("ready for connections")
            yield port
