"""Chromium without a window, asked by its debugging protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .command import PATIENCE

__all__ = ["Chromium", "browsing", "needs_chromium"]

#: It reads its orders from 3, and writes the answers to 4.
_START = """
import os, sys
# Out of the way of 3 and 4 themselves.
ours = [os.dup(int(each)) for each in sys.argv[1:3] for _ in range(3)]
os.dup2(ours[2], 3)
os.dup2(ours[5], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, _NAMES)), None)

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="chromium is not installed"
)


class Chromium:
    """A browser with one page.

    Args:
        home: A directory for all that it keeps; its trust is in there, too.
        arguments: More options.
    """

    def __init__(self, home: Path, *arguments: str) -> None:
        assert PROGRAM is not None
        pipes = [os.pipe(), os.pipe()]
        (theirs_in, self._out), (self._in, theirs_out) = pipes
        self._count = 0
        self._heard = bytearray()
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _START),
                    *(str(theirs_in), str(theirs_out)),
                    *(PROGRAM, "--headless=new", "--no-sandbox"),
                    *("--remote-debugging-pipe", "--disable-gpu"),
                    *("--disable-dev-shm-usage", "--no-first-run"),
                    *("--disable-background-networking", *arguments),
                    f"--user-data-dir={home / 'profile'}",
                    "about:blank",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs_in, theirs_out),
                env={**os.environ, "HOME": str(home)},
                start_new_session=True,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._session: str | None = None

    def begin(self) -> None:
        """Open its page."""
        target = self._ask("Target.createTarget", url="about:blank")
        self._session = self._ask(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]
        self._ask("Page.enable")

    def end(self) -> None:
        """End it; the end of its orders ends its children, too."""
        os.close(self._out)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait(PATIENCE)
        os.close(self._in)

    def look(
        self, url: str, *, width: int = 1280, dark: bool = False
    ) -> str | None:
        """Load a page in a window of this width, in CSS pixels.

        Returns:
            Why it could not be loaded; None if it was.
        """
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = "dark" if dark else "light"
        self._ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        answer = self._ask("Page.navigate", url=url)
        failure: str | None = answer.get("errorText")
        if failure is None:
            self._hear(
                lambda said: said.get("method") == "Page.loadEventFired"
            )
        return failure

    def value(self, expression: str) -> Any:
        """Give what JavaScript makes of *expression* in the page."""
        answer = self._ask(
            "Runtime.evaluate", expression=expression, returnByValue=True
        )
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write what is to be seen, as PNG."""
        answer = self._ask("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(answer["data"]))

    # -- the pipe -----------------------------------------------------------

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        number = self._count
        said = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            said["sessionId"] = self._session
        os.write(self._out, json.dumps(said).encode() + b"\0")
        answer = self._hear(lambda said: said.get("id") == number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _hear(self, wanted: Any) -> dict[str, Any]:
        """Wait for one message, and forget those before it."""
        until = time.monotonic() + PATIENCE
        while True:
            end = self._heard.find(b"\0")
            if end >= 0:
                said: dict[str, Any] = json.loads(self._heard[:end])
                del self._heard[: end + 1]
                if wanted(said):
                    return said
                continue
            left = until - time.monotonic()
            assert left > 0, "chromium says nothing"
            if select.select([self._in], [], [], left)[0]:
                data = os.read(self._in, 1 << 20)
                assert data, "chromium has ended"
                self._heard += data


@contextmanager
def browsing(home: Path, *arguments: str) -> Iterator[Chromium]:
    """Run a browser, and end it whatever happens; as for ``Chromium``."""
    chromium = Chromium(home, *arguments)
    try:
        chromium.begin()
        yield chromium
    finally:
        chromium.end()
