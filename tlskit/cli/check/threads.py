"""Do the same with many things, some at a time."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeVar

__all__ = ["in_threads"]

#: How often the caller wakes in vain, in seconds.  A signal that comes when
#: Python has looked for signals, but does not wait yet, ends no wait.
_PULSE = 0.5

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    function: Callable[[T], R], things: Sequence[T], *, workers: int
) -> Iterator[R]:
    """Call *function* with each of *things*.

    The threads don't keep the process alive, so Ctrl-C need not wait for
    whatever they wait for; ``concurrent.futures`` would.

    Args:
        function: Called in several threads.
        things: Its arguments.
        workers: How many threads there are at most.

    Yields:
        The results, in the order of *things*.

    Raises:
        BaseException: Whatever *function* raised.
        KeyboardInterrupt: Ctrl-C was pressed.  It is raised here, and never
            while the caller is busy with a result; a second one is raised
            where it finds the program.
    """
    todo = deque(enumerate(things))
    done: SimpleQueue[tuple[int, R | None, BaseException | None]]
    done = SimpleQueue()

    def work() -> None:
        while True:
            try:
                index, thing = todo.popleft()
            except IndexError:
                return
            try:
                done.put((index, function(thing), None))
            except BaseException as error:  # Raised by the caller instead.
                done.put((index, None, error))

    results: dict[int, R] = {}
    try:
        with _at_ctrl_c(lambda: done.put((0, None, KeyboardInterrupt()))):
            for _ in range(min(workers, len(things))):
                threading.Thread(target=work, daemon=True).start()
            for wanted in range(len(things)):
                while wanted not in results:
                    try:
                        index, result, error = done.get(timeout=_PULSE)
                    except Empty:
                        continue
                    if error is not None:
                        raise error
                    results[index] = result  # type: ignore[assignment]
                yield results.pop(wanted)
    finally:
        todo.clear()


@contextmanager
def _at_ctrl_c(tell: Callable[[], None]) -> Iterator[None]:
    """Have the first Ctrl-C told instead of raised anywhere."""
    before = signal.getsignal(signal.SIGINT)
    if (
        threading.current_thread() is not threading.main_thread()
        # Somebody else's, or ignored in the background.
        or before is not signal.default_int_handler
    ):
        yield
        return

    def heard(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        tell()

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
