"""How a server is described, started and ended."""

from __future__ import annotations

import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import tlskit

from .callers import there
from .facts import HTTP
from .programs import Place

__all__ = ["Command", "Host", "fields", "filed", "words"]

#: Gives the command; the last argument says whether clients need
#: certificates, or the command is None if it can't demand them.
Command = Callable[[Place, int, bool], "list[str] | None"]


@dataclass(frozen=True)
class Host:
    """A server.

    Args:
        name: What it is called in the table.
        stack: Which TLS library it has.
        command: What to run.
        needs: A program that has to be there.
        version: The command that tells its version.
        words: What it is asked; it answers, and closes.
        starttls: The protocol, if TLS does not come first.
        env: More environment.
    """

    name: str
    stack: str
    command: Command
    needs: str
    version: tuple[str, ...]
    words: bytes = HTTP
    starttls: str | None = None
    env: tuple[tuple[str, str], ...] = ()

    def found(self) -> bool:
        """Say whether it is installed."""
        return there(self.needs, self.version)

    @contextmanager
    def serve(
        self, place: Place, number: int, mutual: bool = False
    ) -> Iterator[bool]:
        """Run it meanwhile; gives False if it can't do that."""
        command = self.command(place, number, mutual)
        if command is None:
            yield False
            return
        loud = os.environ.get("LOUD")
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=None if loud else subprocess.DEVNULL,
            stderr=None if loud else subprocess.DEVNULL,
            cwd=place.folder,
            env={**os.environ, "HOME": str(place.folder), **dict(self.env)},
            start_new_session=True,
        ) as process:
            try:
                yield True
            finally:
                # It, and what it has started; nobody else's.
                os.killpg(process.pid, 15)
                try:
                    process.wait(2)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, 9)

    def open(
        self, number: int, context: tlskit.ClientContext
    ) -> tlskit.SSLPort:
        """Connect by STARTTLS."""
        from tlskit import starttls

        assert self.starttls is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return starttls.connect(
                "localhost", self.starttls, number, context, timeout=5.0
            )


def words(*base: str, mutual: tuple[str, ...] | None = ()) -> Command:
    """Make a command of words, in which fields of the place stand."""

    def command(place: Place, number: int, wanted: bool) -> list[str] | None:
        if wanted and mutual is None:
            return None
        more = mutual if wanted and mutual else ()
        return [each.format(**fields(place, number)) for each in base + more]

    return command


def fields(place: Place, number: int) -> dict[str, str]:
    """Give what stands in commands and files."""
    return {
        "number": str(number),
        "roots": place.roots,
        "chain": place.chain,
        "key": place.key,
        "both": place.both,
        "folder": str(place.folder),
    }


def filed(
    name: str, text: str, *runner: str, mutual: str | None = None
) -> Command:
    """Make a command that reads a file of ours.

    ``<<name>>`` stands for a field, ``<<mutual>>`` for *mutual* where
    certificates are demanded, and ``{file}`` in *runner* for the path.
    """

    def command(place: Place, number: int, wanted: bool) -> list[str] | None:
        if wanted and mutual is None:
            return None
        out = text.replace("<<mutual>>", (mutual or "") if wanted else "")
        known = fields(place, number)
        for key, value in known.items():
            out = out.replace(f"<<{key}>>", value)
        path = place.folder / name
        path.write_text(out)
        # Some change to users of their own.
        for each in (place.folder, *place.folder.iterdir()):
            each.chmod(each.stat().st_mode | 0o055)
        return [each.format(file=path, **known) for each in runner]

    return command
