"""Something that works in the background while listeners want it to."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from ...tools.forks import ForkLock

__all__ = ["Background", "Stopped"]


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """The last listener has ended while an order was under way."""


class Background(ABC):
    """Has one thread, while anybody wants it."""

    def __init__(self) -> None:
        self._state = ForkLock()
        self._stop: threading.Event | None = None
        self._users = 0

    def start(self) -> None:
        """Order and renew in the background, until ``stop()``.

        A listener calls it when it begins to serve; calls are counted.
        """
        with self._state:
            self._users += 1
            if self._users > 1:
                return
            stop = self._stop = threading.Event()
            threading.Thread(
                target=self._work,
                args=(stop,),
                name="tlskit ACME",
                daemon=True,
            ).start()

    def stop(self) -> None:
        """End the work in the background, when the last listener has ended."""
        with self._state:
            self._users -= 1
            if self._users == 0 and self._stop is not None:
                self._stop.set()

    @abstractmethod
    def _work(self, stop: threading.Event) -> None:
        """Do it, until *stop* is set."""
