"""Do the same with many things, some at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["in_threads"]

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

    for _ in range(min(workers, len(things))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, R] = {}
    try:
        for wanted in range(len(things)):
            while wanted not in results:
                index, result, error = done.get()
                if error is not None:
                    raise error
                results[index] = result  # type: ignore[assignment]
            yield results.pop(wanted)
    finally:
        todo.clear()
