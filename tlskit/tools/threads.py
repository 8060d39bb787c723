"""Work in a thread of its own: to wait for it a bounded time, or in peace.

Python runs signal handlers in the main thread, between two instructions.
What a handler raises there, as Ctrl-C does, is lost where Python is called
by code in another language that takes it for a failure of its own; and
``Thread.start()`` and ``Queue.get()`` may turn it into a ``RuntimeError``,
if it comes while they give a lock back.  Here the thread that waits calls
nothing but C code.
"""

from __future__ import annotations

import _thread
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn, TypeVar

__all__ = ["elsewhere", "undisturbed"]

T = TypeVar("T")


def elsewhere(work: Callable[[], T], seconds: float | None = None) -> T:
    """Do *work* in a thread of its own, and wait for it.

    An interrupt ends the wait, not the work.

    Args:
        work: What to do; what is local to a thread is not there.
        seconds: How long to wait; None for ever.

    Returns:
        Its result; what it raises is raised.

    Raises:
        TimeoutError: It takes longer.
        RuntimeError: There are too many threads, or Python is about to end.
    """
    answers: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()
    _thread.start_new_thread(_tell, (work, answers.put))
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    return answer()


def undisturbed(work: Callable[[], T]) -> T:
    """Do *work* where no signal's handler comes up, if there is such a place.

    That is here, if this is not the main thread.

    Args:
        work: See ``elsewhere``.

    Returns:
        See there.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    answers: list[Callable[[], T]] = []
    tell = partial(_tell, work, answers.append)
    try:
        elsewhere(tell)
    except RuntimeError:  # No thread; work's own error is among the answers.
        tell()
    return answers[0]()


def _tell(
    work: Callable[[], T], tell: Callable[[Callable[[], T]], object]
) -> None:
    """Do *work*, and give what returns its result, or raises its error."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - raised by who waits
        tell(partial(_raise, error))
    else:
        tell(lambda: result)


def _raise(error: BaseException) -> NoReturn:
    raise error
