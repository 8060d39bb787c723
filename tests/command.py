"""The command line as a process, for tests."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = [
    "PATIENCE",
    "PYTHON",
    "Server",
    "on_terminal",
    "python",
    "serving",
    "start",
    "tlskit",
]

#: No wait is longer, in seconds.
PATIENCE = 30.0
#: A run of the installed package (python -I) starts isolated children.
PYTHON = (sys.executable, *(["-I"] if sys.flags.isolated else []))


def _environment(variables: dict[str, str]) -> dict[str, str]:
    # Where tests run, colours may be forced; nobody asked for them here.
    forcing = {"FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    kept = {k: v for k, v in os.environ.items() if k not in forcing}
    return {**kept, **variables}


def _hear_ctrl_c() -> None:
    # A shell's background job, as CI may be, ignores it, and so would we.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def python(
    *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments and variables of the environment."""
    return subprocess.run(
        [*PYTHON, *arguments],
        capture_output=True,
        text=True,
        preexec_fn=_hear_ctrl_c,
        timeout=PATIENCE,
        env=_environment(variables),
        check=False,
    )


def tlskit(
    *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m tlskit``."""
    return python("-m", "tlskit", *arguments, **variables)


def new_terminal() -> tuple[int, int]:
    """Make a terminal, or skip the test where the system makes none.

    Returns:
        The descriptors of our end, and of the program's.
    """
    try:
        return os.openpty()
    except OSError:
        pytest.skip("needs terminals")


def on_terminal(
    *arguments: str, columns: int = 80
) -> tuple[int, list[str], bytes]:
    """Run ``python -m tlskit`` on a terminal of its own.

    Args:
        arguments: Of tlskit.
        columns: How wide the terminal is.

    Returns:
        The exit status, the lines without what paints them, and all bytes.
    """
    import fcntl
    import struct
    import termios

    ours, theirs = new_terminal()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        kept = _environment({"TERM": "xterm"})
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            kept.pop(name, None)
        try:
            process = subprocess.Popen(
                [*PYTHON, "-m", "tlskit", *arguments],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env=kept,
            )
        finally:
            os.close(theirs)
        seen = bytearray()
        # A terminal whose other end is gone gives EIO.
        with contextlib.suppress(OSError):
            while data := terminal.read(65536):
                seen += data
        status = process.wait(PATIENCE)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\r", b"", seen).decode()
    return status, [line for line in text.split("\n") if line], bytes(seen)


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start ``python -m tlskit``; the caller talks to it, and ends it."""
    return subprocess.Popen(
        [*PYTHON, "-m", "tlskit", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment({}),
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - as in Server
    )


class Server:
    """``tlskit serve`` as a process, heard line by line.

    Args:
        arguments: Its options; it takes a free port.
    """

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PYTHON, "-m", "tlskit", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment({}),
            # It only sets a signal; no lock can be held by another thread.
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def line(self) -> str:
        """Give the next line; an empty one at the end."""
        return self._lines.get(timeout=PATIENCE)

    def head(self) -> dict[str, str]:
        """Give what it says before the first client, text by label."""
        lines = [self.line()]
        while lines[-1] and not lines[-1].startswith("to end it"):
            lines.append(self.line())
        pairs = (line.split("  ", 1) for line in lines if "  " in line)
        return {label: text.strip() for label, text in pairs}

    def event(self) -> Any:
        """Give the next line of JSON."""
        return json.loads(self.line())

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; give exit status and stderr."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        """Wait for the end; give exit status and stderr."""
        status = self.process.wait(PATIENCE)
        assert self.process.stderr is not None
        return status, self.process.stderr.read()


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """Run a server, and end it whatever happens."""
    server = Server(*arguments)
    try:
        yield server
        # Not killed at once: a process that is has no coverage to tell.
        server.interrupt()
    finally:
        server.process.kill()
        server.process.wait(PATIENCE)
        server._reader.join(PATIENCE)
        for stream in (server.process.stdout, server.process.stderr):
            assert stream is not None
            stream.close()
