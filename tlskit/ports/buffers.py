"""Each thread's buffers, which all its connections share."""

from __future__ import annotations

import threading

__all__ = ["CHUNK", "buffer", "scratch", "spare"]

#: One system call takes up to this many bytes of ciphertext.
CHUNK = 262144

_local = threading.local()


def buffer(name: str) -> memoryview:
    """Give this thread's buffer of that name."""
    view: memoryview | None = getattr(_local, name, None)
    if view is None:
        view = memoryview(bytearray(CHUNK))
        setattr(_local, name, view)
    return view


def scratch() -> memoryview:
    """Give this thread's buffer for plaintext; good until the next await."""
    try:
        view: memoryview = _local.plain
    except AttributeError:
        view = buffer("plain")
    return view


class _Spare(threading.local):
    """This thread's buffer for ciphertext, while nobody has it.

    A signal's handler, or the end of a port that was forgotten, may use
    another port in between; that finds none, and makes one.
    """

    def __init__(self) -> None:
        self._chunks: list[bytearray] = []

    def take(self) -> memoryview:
        """Take it; whoever fails need not give it back."""
        try:
            return memoryview(self._chunks.pop())
        except IndexError:
            return memoryview(bytearray(CHUNK))

    def give_back(self, view: memoryview) -> None:
        """Give back what was taken, or a part: it has been fed."""
        chunk = view.obj
        assert isinstance(chunk, bytearray)
        if not self._chunks:
            self._chunks.append(chunk)


#: One for each thread.
spare = _Spare()
