"""All hosts of one ``check``: in threads, with a bar, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..console import open_console
from ..exit import ExitCode, worst
from ..target import Target
from .finding import Finding
from .threads import in_threads

__all__ = ["Round"]


class Round:
    """Examines hosts; iterating gives what was found, in their order.

    Ctrl-C ends it early: what was found by then is given, and that is it.

    Args:
        targets: The hosts; each is examined once.
        examine: Finds out about one, in a thread.
        workers: How many at a time.
        quiet: Whether to show no bar.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        examine: Callable[[Target], Finding],
        *,
        workers: int,
        quiet: bool = False,
    ) -> None:
        self.targets = tuple(dict.fromkeys(targets))
        self._found: dict[Target, Finding] = {}
        #: Whether Ctrl-C has ended it early.
        self.interrupted = False
        self._examine = examine
        self._workers = workers
        self._quiet = quiet

    @property
    def findings(self) -> list[Finding]:
        """What was found out until now, in the order of the hosts."""
        known = dict(self._found)
        return [known[each] for each in self.targets if each in known]

    @property
    def status(self) -> ExitCode:
        """The exit status: that of the worst host."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return worst(each.status for each in self.findings)

    @property
    def verdict(self) -> str:
        """The same in a word or two."""
        status = self.status
        for each in self.findings:
            if each.status is status:
                return each.verdict
        return status.word

    def __iter__(self) -> Iterator[Finding]:
        """Examine all, and give the findings as they come.

        With a bar, they come when it is gone: bar and lines would disturb
        each other.
        """
        given = set()
        try:
            for each in self._watched():
                given.add(each.target)
                yield each
        except KeyboardInterrupt:
            # Threads that are still at work find nobody who listens.
            self._found = dict(self._found)
            self.interrupted = True
        if self.interrupted:
            yield from (e for e in self.findings if e.target not in given)

    def _watched(self) -> Iterator[Finding]:
        found = self._found

        def note(target: Target) -> Finding:
            found[target] = finding = self._examine(target)
            return finding

        findings = in_threads(note, self.targets, workers=self._workers)
        console = open_console(stderr=True)
        # Colours may be forced where nobody sees how a bar grows.
        seen = console.file.isatty() and not self._quiet
        if not seen or len(self.targets) == 1:
            yield from findings
            return
        with Progress(
            TextColumn("checking"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as progress:
            kept = list(progress.track(findings, total=len(self.targets)))
        yield from kept
